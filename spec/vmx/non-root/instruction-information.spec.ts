// SDM Vol. 3C, 28.2.5 Information for VM Exits Due to Instruction Execution
import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import { FULL_CAPABILITIES, type VmcsField } from '../../../src/vmx';
import { AT, inGuest, VmxMachine } from '../dynamics/machine';

const fields = (machine: VmxMachine, ...names: VmcsField[]): bigint[] =>
  names.map((name) => machine.field(name));

describe('28.2.5 VM-exit instruction information', () => {
  it.each([
    ['vmptrld [rax+rcx*4+10h]', [0x0f, 0xc7, 0x74, 0x88, 0x10], 0x10n, 2 | (2 << 7) | (3 << 15) | (1 << 18)],
    [
      'vmclear fs:[r9]',
      [0x64, 0x66, 0x41, 0x0f, 0xc7, 0x31],
      0n,
      (2 << 7) | (4 << 15) | (1 << 22) | (9 << 23),
    ],
    [
      'vmptrst [esp-1]',
      [0x67, 0x0f, 0xc7, 0x7c, 0x24, 0xff],
      0xffff_ffff_ffff_ffffn,
      (1 << 7) | (2 << 15) | (1 << 22) | (4 << 23),
    ],
    [
      'vmxon [rip+100h]',
      [0xf3, 0x0f, 0xc7, 0x35, 0, 1, 0, 0],
      BigInt(AT.guestCode + 8 + 0x100),
      (2 << 7) | (3 << 15) | (1 << 22) | (1 << 27),
    ],
    ['vmread r10, rdx', [0x41, 0x0f, 0x78, 0xd2], 0n, (1 << 10) | (10 << 3) | (2 << 28)],
    ['vmwrite rdx, [rbx]', [0x0f, 0x79, 0x13], 0n, (2 << 7) | (3 << 15) | (1 << 22) | (3 << 23) | (2 << 28)],
    [
      'invept r12, [rbx]',
      [0x66, 0x44, 0x0f, 0x38, 0x80, 0x23],
      0n,
      ((2 << 7) | (3 << 15) | (1 << 22) | (3 << 23) | (12 << 28)) >>> 0,
    ],
  ])('%s', (_, bytes, displacement, information) => {
    const machine = inGuest();
    machine.execute(...bytes);
    const mask = (information & (1 << 27)) === 0 ? 0xffff_ffffn : 0xffff_ffffn & ~(0xfn << 23n);
    expect(machine.field('exitQualification')).toBe(displacement);
    expect(machine.field('vmExitInstructionInfo') & mask).toBe(BigInt(information >>> 0));
  });
});

describe('descriptor-table exiting', () => {
  const MEMORY = (2 << 7) | (3 << 15) | (1 << 22);
  it.each([
    ['sgdt [rax]', [0x0f, 0x01, 0x00], 46n, MEMORY | (1 << 11)],
    ['lidt [rax]', [0x0f, 0x01, 0x18], 46n, MEMORY | (1 << 11) | (3 << 28)],
    ['sldt ecx', [0x0f, 0x00, 0xc1], 47n, (1 << 10) | (1 << 3)],
    ['ltr cx', [0x0f, 0x00, 0xd9], 47n, (1 << 10) | (1 << 3) | (3 << 28)],
  ])('%s', (_, bytes, reason, information) => {
    const machine = inGuest(
      ['activateSecondaryControls', 'descriptorTableExiting'],
      {},
      new VmxMachine(FULL_CAPABILITIES),
    );
    machine.execute(...bytes);
    expect(machine.field('exitReason')).toBe(reason);
    expect(machine.field('vmExitInstructionInfo')).toBe(BigInt(information));
  });
  it('WBINVD exiting', () => {
    const machine = inGuest(
      ['activateSecondaryControls', 'wbinvdExiting'],
      {},
      new VmxMachine(FULL_CAPABILITIES),
    );
    machine.execute(0x0f, 0x09);
    expect(machine.field('exitReason')).toBe(54n);
  });
});

describe('28.2.5 INS and OUTS', () => {
  it.each([
    ['rep outsb', [0xf3, 0x6e], SLOT.rsi, 0x3f8_0030n, (2 << 7) | (3 << 15)],
    ['fs outsd, 32-bit addresses', [0x64, 0x67, 0x6f], SLOT.rsi, 0x3f8_0013n, (1 << 7) | (4 << 15)],
    ['insw', [0x66, 0x6d], SLOT.rdi, 0x3f8_0019n, 2 << 7],
  ])('%s', (_, bytes, register, qualification, information) => {
    const machine = inGuest(['unconditionalIoExiting']);
    machine.cpu.R[SLOT.rdx] = 0x3f8n;
    machine.cpu.R[SLOT.rcx] = 5n;
    machine.cpu.R[register] = BigInt(AT.operand);
    machine.execute(...bytes);
    expect(fields(machine, 'exitReason', 'exitQualification', 'guestLinearAddress')).toEqual([
      30n,
      qualification,
      BigInt(AT.operand),
    ]);
    expect(machine.field('vmExitInstructionInfo')).toBe(BigInt(information));
  });
});
