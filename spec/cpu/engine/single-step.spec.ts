import { describe, expect, test } from 'vitest';
import type { MachineState } from '../../../src/machine';
import { AT, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const TF = 0x100;
const SYSTEM_ENTRY = 0x1_1000;
const USER = 0x1_2000;
const DB = 1;

const STAR = 0xc000_0081;
const LSTAR = 0xc000_0082;
const FMASK = 0xc000_0084;
const EFER_SCE = 1n;
/** SYSRET loads CS from 63:48 plus 16 and SS from there plus 8; SYSCALL loads CS from 47:32. */
const SELECTORS = (0x10n << 48n) | (8n << 32n);

const writeMsr = (index: number, value: bigint): number[] => [
  0xb9,
  ...little(index, 4),
  0xb8,
  ...little(value & 0xffff_ffffn, 4),
  0xba,
  ...little(value >> 32n, 4),
  0x0f,
  0x30,
];
const PUSHFQ = 0x9c;
const POPFQ = 0x9d;
/** or dword [rsp], TF */
const SET_TF = [0x81, 0x0c, 0x24, ...little(TF, 4)];
const SYSCALL = [0x0f, 0x05];
const SYSRETQ = [0x48, 0x0f, 0x07];
const HLT = 0xf4;
const NOP = 0x90;

const setUp = (mask: number): number[] => [
  ...writeMsr(STAR, SELECTORS),
  ...writeMsr(LSTAR, BigInt(SYSTEM_ENTRY)),
  ...writeMsr(FMASK, BigInt(mask)),
];

/** The guest with SYSCALL enabled. */
const started = (code: readonly number[], entry: readonly number[]): MachineState => {
  const state = pagedGuest(code, { [SYSTEM_ENTRY]: entry, [USER]: [NOP, NOP, HLT] });
  const [cpu] = state.processors;
  const control = { ...cpu.control, efer: cpu.control.efer | EFER_SCE };
  return { ...state, processors: [{ ...cpu, control }] };
};

const callWithTrap = (mask: number): MachineState =>
  started([...setUp(mask), PUSHFQ, ...SET_TF, POPFQ, ...SYSCALL, HLT], [NOP, HLT]);

// SDM Vol. 3B, 18.3.1.4 Single-Step Exception Condition
describe.each(TIERS)('single-step traps around SYSCALL and SYSRET, %s', (tier) => {
  test('SYSCALL that clears TF gives no trap', () => {
    const { state } = runToHalt(callWithTrap(TF), tier);
    expect(exceptionOf(state, false)).toBeUndefined();
    expect(state.processors[0].rip).toBe(BigInt(SYSTEM_ENTRY + 2));
  });

  test('SYSCALL that keeps TF gives a trap at its target', () => {
    const { state } = runToHalt(callWithTrap(0), tier);
    expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: SYSTEM_ENTRY });
  });

  test('SYSRET that loads TF gives a trap before the instruction that it returns to', () => {
    const toUser = [0xb9, ...little(USER, 4), 0x41, 0xbb, ...little(TF | 2, 4), ...SYSRETQ];
    const { state } = runToHalt(started([...setUp(0), ...toUser], []), tier);
    expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: USER });
  });

  test('SYSRET that clears TF gives no trap', () => {
    const toUser = [
      ...[0xb9, ...little(USER, 4), 0x41, 0xbb, ...little(2, 4)],
      ...[PUSHFQ, ...SET_TF, POPFQ, ...SYSRETQ],
    ];
    const { state } = runToHalt(started([...setUp(0), ...toUser], []), tier);
    // HLT of a user faults.
    expect(exceptionOf(state, true)).toMatchObject({ vector: 13, rip: USER + 2 });
  });

  test('POPF that sets TF traps after the next instruction; POPF that clears it traps itself', () => {
    const set = runToHalt(pagedGuest([PUSHFQ, ...SET_TF, POPFQ, NOP, NOP, HLT]), tier);
    expect(exceptionOf(set.state, false)).toMatchObject({ vector: DB, rip: AT.code + 10 });
    const clears = [PUSHFQ, PUSHFQ, ...SET_TF, POPFQ, POPFQ, NOP, NOP, HLT];
    const cleared = runToHalt(pagedGuest(clears), tier);
    expect(exceptionOf(cleared.state, false)).toMatchObject({ vector: DB, rip: AT.code + 11 });
  });

  test('IRET that sets TF traps after the next instruction', () => {
    const code = [
      ...[0x6a, 0x10, 0x54, PUSHFQ, ...SET_TF, 0x6a, 0x08],
      ...[0x68, ...little(USER, 4), 0x48, 0xcf],
    ];
    const { state } = runToHalt(pagedGuest(code, { [USER]: [NOP, NOP, HLT] }), tier);
    expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: USER + 1 });
  });

  test('MOV SS loses its own trap: the next instruction traps', () => {
    const code = [0x8c, 0xd0, PUSHFQ, ...SET_TF, POPFQ, 0x8e, 0xd0, NOP, NOP, HLT];
    const { state } = runToHalt(pagedGuest(code), tier);
    expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: AT.code + 14 });
  });
});

const DEBUGCTL = 0x1d9;
const BTF = 2;
/** BTF and TF set; the instruction after these is the first that may trap. */
const STEP_BRANCHES = [...writeMsr(DEBUGCTL, BigInt(BTF)), PUSHFQ, ...SET_TF, POPFQ];
const AFTER = AT.code + STEP_BRANCHES.length;

// SDM Vol. 3B, 18.4.3 Single-Stepping on Branches
describe.each(TIERS)('single step with IA32_DEBUGCTL.BTF, %s', (tier) => {
  const trapOf = (code: readonly number[]): number | undefined => {
    const { state } = runToHalt(pagedGuest([...STEP_BRANCHES, ...code, HLT, HLT, HLT, HLT]), tier);
    return exceptionOf(state, false)?.rip;
  };
  const JMP = 0xeb;
  const JE = 0x74;
  const SET_ZF = [0x31, 0xc0];
  const SET_RCX = (value: number): number[] => [0xb9, ...little(value, 4)];

  test('only branches that are taken trap', () => {
    expect(trapOf([NOP, NOP, NOP])).toBeUndefined();
    expect(trapOf([NOP, JMP, 1, HLT, NOP])).toBe(AFTER + 4);
    expect(trapOf([0x0c, 1, JE, 1, NOP])).toBeUndefined();
    expect(trapOf([...SET_ZF, JE, 1, NOP])).toBe(AFTER + 5);
  });

  test('also to the next instruction', () => {
    expect(trapOf([...SET_ZF, JE, 0])).toBe(AFTER + 4);
    expect(trapOf([0x0c, 1, JE, 0])).toBeUndefined();
    expect(trapOf([JMP, 0])).toBe(AFTER + 2);
  });

  test('LOOP, LOOPE, LOOPNE and JRCXZ by what they did', () => {
    const [LOOPNE, LOOPE, LOOP, JRCXZ] = [0xe0, 0xe1, 0xe2, 0xe3];
    expect(trapOf([...SET_RCX(2), LOOP, 0])).toBe(AFTER + 7);
    expect(trapOf([...SET_RCX(1), LOOP, 0])).toBeUndefined();
    expect(trapOf([...SET_ZF, ...SET_RCX(2), LOOPE, 0])).toBe(AFTER + 9);
    expect(trapOf([...SET_ZF, ...SET_RCX(2), LOOPNE, 0])).toBeUndefined();
    expect(trapOf([...SET_RCX(0), JRCXZ, 0])).toBe(AFTER + 7);
    expect(trapOf([...SET_RCX(1), JRCXZ, 0])).toBeUndefined();
  });

  test('CALL and RET do; a repeated string instruction does not', () => {
    expect(trapOf([0xe8, ...little(0, 4)])).toBe(AFTER + 5);
    expect(
      trapOf([0x6a, 0, 0x48, 0x8d, 0x05, ...little(7, 4), 0x48, 0x89, 0x04, 0x24, 0xc3, HLT, HLT, NOP]),
    ).toBe(AFTER + 16);
    expect(trapOf([...SET_RCX(3), 0xbf, ...little(0x2_0000, 4), 0xf3, 0xaa])).toBeUndefined();
  });

  test('the trap clears BTF, and sets DR6.BS', () => {
    const { state } = runToHalt(pagedGuest([...STEP_BRANCHES, JMP, 0, HLT]), tier);
    const [cpu] = state.processors;
    expect([cpu.modelSpecific.debugctl, cpu.debug.dr6]).toEqual([0n, 0xffff4ff0n]);
  });
});
