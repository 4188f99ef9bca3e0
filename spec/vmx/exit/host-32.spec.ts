// SDM Vol. 3C, 28.5 Loading Host State: a host outside IA-32e mode; 28.7 VMX Aborts
import { describe, expect, it } from 'vitest';
import { type MachineState, run, step } from '../../../src/api';
import { REGION } from '../../../src/vmx';
import {
  AT,
  beforeLaunch,
  exitOf,
  fields,
  PAE_TABLES,
  type Setting,
  vmxOf,
  words,
} from '../dynamics/whole-machine';

const CPUID = [0x0f, 0xa2];
const HLT = 0xf4;

describe('28.5 a 32-bit host', () => {
  it.each(['32-bit', 'pae'] as const)('with %s paging: code of 32 bits, no IA-32e mode', (host) => {
    const state = exitOf({ host, guest: CPUID });
    expect(fields(state, 'exitReason', 'vmEntryControls')).toMatchObject({ exitReason: 10n });
    const [cpu] = state.processors;
    expect(cpu.segments.cs).toEqual({ selector: 8, base: 0n, limit: 0xffff_ffff, accessRights: 0xc09b });
    expect(cpu.segments.ss).toEqual({ selector: 16, base: 0n, limit: 0xffff_ffff, accessRights: 0xc093 });
    expect(cpu.control).toMatchObject({ efer: 0n, cr4: host === 'pae' ? 0x2020n : 0x2010n });
    expect(cpu.hidden.pdptes[0]).toBe(host === 'pae' ? BigInt(PAE_TABLES + 4096) | 1n : 0n);
  });

  it('runs on: it reads the exit reason by VMREAD of 32 bits, skips the instruction and resumes', () => {
    const REASON = [0x02, 0x44, 0, 0];
    const RIP = [0x1e, 0x68, 0, 0];
    const AT_RESULT = [0x00, 0x60, 0, 0];
    const host = [
      // mov ecx, 4402h; vmread eax, ecx; add [6000h], eax
      ...[0xb9, ...REASON, 0x0f, 0x78, 0xc8, 0x01, 0x05, ...AT_RESULT],
      // mov ecx, 681eh; vmread eax, ecx; add eax, 2; vmwrite ecx, eax; cmp dword [6000h], 30; jae +3; vmresume
      ...[0xb9, ...RIP, 0x0f, 0x78, 0xc8, 0x83, 0xc0, 2, 0x0f, 0x79, 0xc8],
      ...[0x83, 0x3d, ...AT_RESULT, 30, 0x73, 3, 0x0f, 0x01, 0xc3, HLT],
    ];
    const state = run(
      beforeLaunch({
        host: 'pae',
        guest: [...CPUID, ...CPUID, ...CPUID, HLT],
        memory: { [AT.hostCode + 0x100]: host },
      }),
      { maxInstructions: 100 },
    ).state;
    expect(state.memory.read(0x6000, 4)[0]).toBe(30);
    expect(fields(state, 'guestRip')).toEqual({ guestRip: BigInt(AT.guestCode + 6) });
  });
});

const aborted = (state: MachineState): number => {
  const { stop, state: end } = run(state, { maxInstructions: 100 });
  if (stop.kind !== 'vmx-abort') throw new Error(stop.kind);
  const [written] = end.memory.read(AT.vmcs + REGION.abortIndicator, 4);
  expect([written, vmxOf(end).abortIndicator, end.processors[0].hidden.activity]).toEqual([
    stop.indicator,
    stop.indicator,
    2,
  ]);
  // SDM Vol. 3C, 28.7 VMX Aborts: neither NMI nor INIT ends it.
  const [cpu] = end.processors;
  const hidden = { ...cpu.hidden, nmiPending: true, initPending: true };
  expect(run({ ...end, processors: [{ ...cpu, hidden }] }, { maxInstructions: 5 })).toMatchObject({
    stop,
    retired: 0,
  });
  return stop.indicator;
};

describe('28.7 VMX aborts', () => {
  // An area of one entry: index, reserved bits, value.
  const store: Setting['fields'] = { vmExitMsrStoreCount: 1, vmExitMsrStoreAddress: AT.msrArea };
  const load: Setting['fields'] = { vmExitMsrLoadCount: 1, vmExitMsrLoadAddress: AT.msrArea };
  const area = (index: bigint, value = 0n): NonNullable<Setting['memory']> => ({
    [AT.msrArea]: words(index, value),
  });
  const ILLEGAL_PDPTE = BigInt(PAE_TABLES + 4096) | 7n;

  it.each([
    ['1: an MSR that cannot be stored', 1, { fields: store, memory: area(0x9en) }],
    [
      '2: a host PDPTE with reserved bits',
      2,
      {
        host: 'pae',
        guest: [0xc7, 0x05, 0, 0x90, 2, 0, Number(ILLEGAL_PDPTE & 0xffn), 0xa0, 2, 0, ...CPUID],
      },
    ],
    ['4: an MSR that cannot be loaded', 4, { fields: load, memory: area(0xc000_0100n) }],
    ['4: a value that WRMSR refuses', 4, { fields: load, memory: area(0x277n, 9n) }],
  ] as readonly (readonly [string, number, Setting])[])('%s', (_, indicator, setting) => {
    expect(aborted(beforeLaunch({ guest: CPUID, ...setting }))).toBe(indicator);
  });

  it('6: the guest has entered IA-32e mode, and the host is a 32-bit host', () => {
    const guest = [
      // mov ecx, 0c0000080h; mov eax, 100h; xor edx, edx; wrmsr
      ...[0xb9, 0x80, 0, 0, 0xc0, 0xb8, 0, 1, 0, 0, 0x31, 0xd2, 0x0f, 0x30],
      // mov eax, TABLES; mov cr3, eax; mov eax, cr0; bts eax, 31; mov cr0, eax; cpuid
      ...[0xb8, 0, 0, 2, 0, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xe8, 31, 0x0f, 0x22, 0xc0],
      ...CPUID,
    ];
    const setting: Setting = {
      host: 'pae',
      guest,
      controls: ['activateSecondaryControls', 'enableEpt', 'unrestrictedGuest', 'useMsrBitmaps'],
      without: ['cr3LoadExiting', 'cr3StoreExiting'],
      fields: { msrBitmapAddress: AT.msrBitmap, guestCr0: 0x31n },
    };
    expect(aborted(beforeLaunch(setting))).toBe(6);
  });

  it('in a VM entry that fails: the area of VM exits is loaded then too', () => {
    const fieldsOf: Setting['fields'] = { ...load, guestRflags: 0 };
    expect(aborted(beforeLaunch({ fields: fieldsOf, memory: area(0x9en) }))).toBe(4);
    const failed = step(beforeLaunch({ fields: { guestRflags: 0 } })).state;
    expect(fields(failed, 'exitReason')).toEqual({ exitReason: 0x8000_0021n });
  });
});
