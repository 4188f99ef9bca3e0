// VM functions, #VE and mode-based execute control in guest programs, in every tier. SDM Vol. 3C, 26.5.6.3 EPTP Switching, 26.5.7 Virtualization Exceptions
import { describe, expect, it } from 'vitest';
import { type MachineState, run } from '../../../src/api';
import type { Control } from '../../../src/api/vmx';
import { choiceAt } from '../../../src/core';
import { beforeLaunch, EPT_TABLES, field, type Setting, TABLES, words } from '../dynamics/whole-machine';

const LIST = 0x1_2000;
const AREA = 0x1_3000;
/** A second hierarchy: PML4, PDPT and page directory. */
const OTHER = 0x2_c000;
/** What the guest reads and calls, in its second 2 MiB; in the other hierarchy the first 2 MiB of memory are there. */
const DATA = 0x21_5000;
const ROUTINE = 0x21_6000;
const IN_OTHER = 0x20_0000;
const HANDLER = 0xe800;
const TURNS = 40;
const LARGE = 0xb7n;
const VMCALL = 18n;
const EPT_VIOLATION = 48n;

const imm32 = (value: number): readonly number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);
const code = {
  /** VMFUNC with EAX = 0 and ECX = index. */
  switchTo: (index: number) => [0x31, 0xc0, 0xb9, ...imm32(index), 0x0f, 0x01, 0xd4],
  addEbx: (address: number) => [0x03, 0x1c, 0x25, ...imm32(address)],
  addEdx: (address: number) => [0x03, 0x14, 0x25, ...imm32(address)],
  call: (address: number) => [0x41, 0xb8, ...imm32(address), 0x41, 0xff, 0xd0],
  /** MOV dword [address], 0. */
  clear: (address: number) => [0xc7, 0x04, 0x25, ...imm32(address), ...imm32(0)],
  times: (count: number, body: readonly number[]) => [
    ...[0x41, 0xb9, ...imm32(count)],
    ...body,
    ...[0x41, 0xff, 0xc9, 0x0f, 0x85, ...imm32(-(body.length + 9))],
  ],
  incEsi: [0xff, 0xc6],
  incEdi: [0xff, 0xc7],
  ret: [0xc3],
  iretq: [0x48, 0xcf],
  vmcall: [0x0f, 0x01, 0xc1],
};

const hierarchy = (second: bigint): Setting['memory'] & object => ({
  [OTHER]: words(BigInt(OTHER + 0x1000) | 0x407n),
  [OTHER + 0x1000]: words(BigInt(OTHER + 0x2000) | 0x407n),
  [OTHER + 0x2000]: words(LARGE | 0x400n, second),
  [LIST]: words(BigInt(EPT_TABLES) | 0x1en, BigInt(OTHER) | 0x1en),
});

const CONTROLS: readonly Control[] = [
  'activateSecondaryControls',
  'enableEpt',
  'enableVmFunctions',
  'eptpSwitching',
];
const settingOf = (
  guest: readonly number[],
  memory: Setting['memory'] & object,
  more: readonly Control[] = [],
  fields: Setting['fields'] = {},
): Setting => ({
  guest,
  controls: [...CONTROLS, ...more],
  fields: { eptpListAddress: LIST, virtualizationExceptionInfoAddress: AREA, vpid: 1, ...fields },
  memory,
  registers: { 2: 0n, 3: 0n, 6: 0n, 7: 0n },
});

const TIERS = ['oracle', 'closures', 'generated'] as const;
const ended = (setting: Setting, tier: (typeof TIERS)[number]): MachineState =>
  run(beforeLaunch(setting), { maxInstructions: 10_000, tier, heat: 3 }).state;
const registers = ({ processors: [cpu] }: MachineState, ...numbers: readonly number[]): readonly bigint[] =>
  numbers.map((number) => cpu.registers[number]);

// SDM Vol. 3C, 26.5.7.1 Convertible EPT Violations
describe('a violation by rights that the processor remembers', () => {
  const SUPPRESS = 1n << 63n;
  const THIRD = 0x40_0000;
  /** What becomes of a write to a page that was read before; the walk just before it ended at an entry of the other kind. */
  const writeAfterRead = (suppressed: boolean): MachineState => {
    const [entry, other] = [0x20_00b5n, LARGE].map(
      (value, n) => value | (suppressed === (n === 0) ? SUPPRESS : 0n),
    );
    const setting: Setting = {
      ...settingOf(
        [...code.addEbx(DATA), ...code.addEbx(THIRD), ...code.clear(DATA)],
        {
          [TABLES + 0x2008]: words(0x20_0083n, BigInt(THIRD) | 0x87n),
          [EPT_TABLES + 0x2000]: words(LARGE, entry, other),
          [HANDLER]: code.vmcall,
        },
        ['eptViolationVe'],
      ),
      handlers: { 20: HANDLER },
    };
    const before = beforeLaunch(setting);
    const caches = { kind: 'adversarial', seed: 0 } as const;
    const state = { ...before, config: { ...before.config, caches } };
    const choice = choiceAt(['spurious-fault'], () => 1n);
    return run(state, { maxInstructions: 100, choice }).state;
  };

  it.each([
    ['raises #VE where the entry that it came from lets it', false, VMCALL],
    ['exits where that suppresses #VE', true, EPT_VIOLATION],
  ])('%s', (_, suppressed, reason) => {
    const state = writeAfterRead(suppressed);
    expect(field(state, 'exitReason')).toBe(reason);
    const qualification = new BigUint64Array(state.memory.read(AREA + 8, 8).slice().buffer)[0];
    // A read-only page of EPT at a supervisor-mode address, which the page of the walk before it is not.
    expect(suppressed ? field(state, 'exitQualification') : qualification).toBe(0x5aan);
  });
});

describe.each(TIERS)('in the tier %s', (tier) => {
  it.each<[string, readonly Control[]]>([
    ['without VPID', []],
    ['with VPID', ['enableVpid']],
  ])('EPTP switching in a loop changes data and code at once, %s', (_, more) => {
    const body = [
      ...code.switchTo(1),
      ...code.addEbx(DATA),
      ...code.call(ROUTINE),
      ...code.switchTo(0),
      ...code.addEdx(DATA),
      ...code.call(ROUTINE),
    ];
    const setting = settingOf(
      [...code.times(TURNS, body), ...code.vmcall],
      {
        ...hierarchy(LARGE),
        [DATA]: [16],
        [DATA - IN_OTHER]: [1],
        [ROUTINE]: [...code.incEsi, ...code.ret],
        [ROUTINE - IN_OTHER]: [...code.incEdi, ...code.ret],
      },
      more,
    );
    const state = ended(setting, tier);
    expect(field(state, 'exitReason')).toBe(VMCALL);
    expect(registers(state, 3, 2, 6, 7)).toEqual([1n, 16n, 1n, 1n].map((one) => one * BigInt(TURNS)));
  });

  it('a routine that one EPTP may execute and the other may not', () => {
    const setting = settingOf(
      [...code.times(TURNS, code.call(ROUTINE)), ...code.switchTo(1), ...code.call(ROUTINE)],
      {
        ...hierarchy(0x20_00b3n),
        [ROUTINE]: [...code.incEsi, ...code.ret],
      },
      ['enableVpid'],
    );
    const state = ended(setting, tier);
    expect([field(state, 'exitReason'), field(state, 'guestRip')]).toEqual([EPT_VIOLATION, BigInt(ROUTINE)]);
    expect(field(state, 'exitQualification')).toBe(0x79cn);
    expect(registers(state, 6)).toEqual([BigInt(TURNS)]);
  });

  it('mode-based execute control: code at user-mode addresses in a page for supervisor mode', () => {
    const setting = settingOf(
      code.call(ROUTINE),
      { ...hierarchy(0x20_00b7n), [ROUTINE]: code.ret },
      ['modeBasedExecuteControl'],
      { eptPointer: OTHER | 0x1e },
    );
    const state = ended(setting, tier);
    expect([field(state, 'exitReason'), field(state, 'guestRip')]).toEqual([EPT_VIOLATION, BigInt(ROUTINE)]);
    expect(field(state, 'exitQualification')).toBe(0x7bcn);
  });

  it.each([
    ['ADD to memory', [0x01, 0x04, 0x25, ...imm32(DATA)], 0x7abn],
    ['XCHG with memory', [0x87, 0x04, 0x25, ...imm32(DATA)], 0x7abn],
    ['ADD to memory in two pages', [0x01, 0x04, 0x25, ...imm32(DATA - 2)], 0x7abn],
    ['MOV to memory', [0x89, 0x04, 0x25, ...imm32(DATA)], 0x7aan],
    ['ADD from memory', [0x03, 0x04, 0x25, ...imm32(DATA)], undefined],
  ] as const)('qualification.rmw: %s tells a read where the Choice says so', (_, instruction, told) => {
    const setting = settingOf([...instruction, ...code.vmcall], {
      [EPT_TABLES + 0x2000]: words(LARGE, 0x20_00b5n),
    });
    const endedWith = (answer: bigint) =>
      run(beforeLaunch(setting), {
        maxInstructions: 100,
        tier,
        choice: choiceAt(['update-violation'], () => answer),
      }).state;
    const qualifications = [0n, 1n].map((answer) => field(endedWith(answer), 'exitQualification'));
    expect(qualifications).toEqual(told === undefined ? [0n, 0n] : [0x7aan, told]);
  });

  it('qualification.rmw: in a loop whose last turn meets another EPTP', () => {
    const addToMemory = [0x01, 0x04, 0x25, ...imm32(DATA)];
    // CMP R9D, 3; SETB CL; MOVZX ECX, CL; XOR EAX, EAX; VMFUNC
    const switchNearTheEnd = [
      ...[0x41, 0x83, 0xf9, 0x03, 0x0f, 0x92, 0xc1, 0x0f, 0xb6, 0xc9],
      ...[0x31, 0xc0, 0x0f, 0x01, 0xd4],
    ];
    const setting = settingOf(
      code.times(TURNS, [...addToMemory, ...switchNearTheEnd]),
      hierarchy(0x20_00b5n),
    );
    const choice = choiceAt(['update-violation'], () => 1n);
    const { state } = run(beforeLaunch(setting), { maxInstructions: 10_000, tier, heat: 3, choice });
    expect([field(state, 'exitReason'), field(state, 'exitQualification')]).toEqual([EPT_VIOLATION, 0x7abn]);
    expect(registers(state, 9)).toEqual([1n]);
  });

  it('a handler of #VE switches the EPTP, frees the area, and the access is made again', () => {
    const setting: Setting = {
      ...settingOf(
        [...code.times(TURNS, [...code.addEbx(DATA), ...code.switchTo(1)]), ...code.vmcall],
        {
          ...hierarchy(0n),
          [DATA]: [3],
          [HANDLER]: [...code.switchTo(0), ...code.incEdi, ...code.clear(AREA + 4), ...code.iretq],
        },
        ['eptViolationVe'],
      ),
      handlers: { 20: HANDLER },
    };
    const state = ended(setting, tier);
    expect(field(state, 'exitReason')).toBe(VMCALL);
    // The first access is made through the first EPTP; each later one raises #VE.
    expect(registers(state, 3, 7)).toEqual([3n * BigInt(TURNS), BigInt(TURNS - 1)]);
    const area = [...new BigUint64Array(state.memory.read(AREA, 40).slice().buffer)];
    expect(area).toEqual([48n, 0x781n, BigInt(DATA), BigInt(DATA), 1n]);
  });
});
