// Instructions with a memory operand in the register page of the local APIC: the monitor emulates what the bare machine executes
import { describe, expect, it } from 'vitest';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { check, code, guestOf, STACK } from './guests';

const TASK_PRIORITY = 0xfee0_0080;
const STC = 0xf9;

/** RBX and RDI point to the register, RSI to memory; ECX is 5 and EAX what the register holds, unless the form begins with other moves. */
const guest = (form: readonly number[]) =>
  guestOf(
    [
      0xbb,
      ...code.bytes(TASK_PRIORITY, 4),
      0xbf,
      ...code.bytes(TASK_PRIORITY, 4),
      0xbe,
      ...code.bytes(STACK, 4),
    ],
    code.movEax(0x35),
    [0x89, 0x03, STC],
    code.movEcx(5),
    form,
    code.show,
    code.exit(0),
  );

const FORMS: Readonly<Record<string, readonly number[]>> = {
  'mov [rbx], ecx': [0x89, 0x0b],
  'mov ecx, [rbx]': [0x8b, 0x0b],
  'mov rcx, [rbx]': [0x48, 0x8b, 0x0b],
  'mov [rbx], rcx': [0x48, 0x89, 0x0b],
  'mov [rbx], cx': [0x66, 0x89, 0x0b],
  'mov ch, [rbx]': [0x8a, 0x2b],
  'mov dword [rbx], 0x12': [0xc7, 0x03, 0x12, 0, 0, 0],
  'movnti [rbx], ecx': [0x0f, 0xc3, 0x0b],
  'movzx ecx, byte [rbx]': [0x0f, 0xb6, 0x0b],
  'movsx rcx, word [rbx]': [0x48, 0x0f, 0xbf, 0x0b],
  'movsxd rcx, [rbx]': [0x48, 0x63, 0x0b],
  'movbe ecx, [rbx]': [0x0f, 0x38, 0xf0, 0x0b],
  'movbe [rbx], ecx': [0x0f, 0x38, 0xf1, 0x0b],
  'xchg [rbx], ecx': [0x87, 0x0b],
  'add [rbx], ecx': [0x01, 0x0b],
  'adc ecx, [rbx]': [0x13, 0x0b],
  'sub [rbx], ecx': [0x29, 0x0b],
  'sbb [rbx], ecx': [0x19, 0x0b],
  'and dword [rbx], 0x30': [0x83, 0x23, 0x30],
  'or [rbx], ecx': [0x09, 0x0b],
  'xor [rbx], ecx': [0x31, 0x0b],
  'cmp ecx, [rbx]': [0x3b, 0x0b],
  'test [rbx], ecx': [0x85, 0x0b],
  'inc dword [rbx]': [0xff, 0x03],
  'dec dword [rbx]': [0xff, 0x0b],
  'neg dword [rbx]': [0xf7, 0x1b],
  'not dword [rbx]': [0xf7, 0x13],
  'xadd [rbx], ecx': [0xf0, 0x0f, 0xc1, 0x0b],
  'cmpxchg [rbx], ecx, equal': [0xf0, 0x0f, 0xb1, 0x0b],
  'cmpxchg [rbx], ecx, other': [...code.movEax(0x36), 0xf0, 0x0f, 0xb1, 0x0b],
  'setc [rbx]': [0x0f, 0x92, 0x03],
  'setnz [rbx]': [0x0f, 0x95, 0x03],
  'cmovc ecx, [rbx]': [0x0f, 0x42, 0x0b],
  'cmovnc ecx, [rbx]': [0x0f, 0x43, 0x0b],
  'bt dword [rbx], 4': [0x0f, 0xba, 0x23, 4],
  'bts dword [rbx], 7': [0xf0, 0x0f, 0xba, 0x2b, 7],
  'btr [rbx], ecx': [0xf0, 0x0f, 0xb3, 0x0b],
  'btc [rbx], ecx, the register before': [0xb9, ...code.bytes(0xffff_ff84, 4), 0x0f, 0xbb, 0x0b],
  'bts [rbx], ecx, two registers on': [0xb9, ...code.bytes(0x104, 4), 0x0f, 0xab, 0x0b],
  'shl dword [rbx], 1': [0xd1, 0x23],
  'shr dword [rbx], 3': [0xc1, 0x2b, 3],
  'sar dword [rbx], cl': [0xd3, 0x3b],
  'shl dword [rbx], 0': [0xc1, 0x23, 0],
  'rol dword [rbx], cl': [0xd3, 0x03],
  'rcr dword [rbx], 2': [0xc1, 0x1b, 2],
  'shld [rbx], ecx, 4': [0x0f, 0xa4, 0x0b, 4],
  'shrd [rbx], ecx, cl': [0x0f, 0xad, 0x0b],
  'popcnt ecx, [rbx]': [0xf3, 0x0f, 0xb8, 0x0b],
  'lzcnt ecx, [rbx]': [0xf3, 0x0f, 0xbd, 0x0b],
  'tzcnt ecx, [rbx]': [0xf3, 0x0f, 0xbc, 0x0b],
  'bsf ecx, [rbx]': [0x0f, 0xbc, 0x0b],
  'bsr rcx, [rbx+0x10]': [0x48, 0x0f, 0xbd, 0x4b, 0x10],
  'bsf rcx, [rbx+0x20], zero': [0x48, 0x0f, 0xbc, 0x4b, 0x20],
  stosd: [0xab],
  'rep stosd': [...code.movEcx(2), 0xf3, 0xab],
  movsd: [0xa5],
  'rep movsd': [...code.movEcx(3), 0xf3, 0xa5],
  lodsd: [0x89, 0xde, 0xad],
  scasd: [0xaf],
  'repne scasd': [0xf2, 0xaf],
  'repe scasd': [0xf3, 0xaf],
  cmpsd: [0xa7],
  'repe cmpsd': [0xf3, 0xa7],
};

describe('instructions on device memory', () => {
  it.each(Object.entries(FORMS))('%s', async (_, form) => {
    const report = await check(guest(form), hardwareAssistedMonitor());
    expect(report.equivalence.divergence?.differences ?? []).toEqual([]);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit', code: 0 } });
    expect(report.efficiency.exits.eptViolation).toBeGreaterThan(1);
  });
});
