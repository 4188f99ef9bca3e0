import { describe, expect, test } from 'vitest';
import { AT, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const [NOP, HLT, INT3, INT1, PUSHFQ, POPFQ] = [0x90, 0xf4, 0xcc, 0xf1, 0x9c, 0x9d];
const DATA = 0x2_0000;
const DB = 1;
const BP = 3;
const B = (n: number): number => 1 << n;
const BD = 1 << 13;
const BS = 1 << 14;
const DR6_ONES = 0xffff0ff0;
const KIND = { execute: 0, write: 1, io: 2, readWrite: 3 } as const;
const LENGTH = { 1: 0, 2: 1, 4: 3, 8: 2 } as const;

const setRax = (value: number | bigint): number[] => [0x48, 0xb8, ...little(value, 8)];
const setDr = (number: number, value: number | bigint): number[] => [
  ...setRax(value),
  0x0f,
  0x23,
  0xc0 | (number << 3),
];
interface Watch {
  readonly kind: keyof typeof KIND;
  readonly at: number;
  readonly length?: keyof typeof LENGTH;
}
/** Breakpoints from DR0 on, globally enabled. */
const watch = (...watches: readonly Watch[]): number[] => {
  const dr7 = watches.reduce(
    (all, { kind, length = 1 }, n) =>
      all | (2 << (2 * n)) | (KIND[kind] << (16 + 4 * n)) | (LENGTH[length] << (18 + 4 * n)),
    0x400,
  );
  return [...watches.flatMap(({ at }, n) => setDr(n, at)), ...setDr(7, BigInt.asUintN(32, BigInt(dr7)))];
};
const WATCH_BYTES = watch({ kind: 'execute', at: 0 }).length;
const SET_TF = [PUSHFQ, 0x81, 0x0c, 0x24, ...little(0x100, 4), POPFQ];
/** mov [DATA], eax; 7 bytes. */
const STORE = [0x89, 0x04, 0x25, ...little(DATA, 4)];
const LOAD = [0x8b, 0x04, 0x25, ...little(DATA, 4)];

/** Where the handler of #DB begins, and what DR6 says there. */
describe.each(TIERS)('debug exceptions, %s', (tier) => {
  const trap = (code: readonly number[], parts: Readonly<Record<number, readonly number[]>> = {}) => {
    const { state } = runToHalt(pagedGuest([...code, HLT], parts), tier);
    const [{ debug }] = state.processors;
    const status = Number(debug.dr6) & 0xe00f;
    expect(Number(debug.dr6)).toBe((DR6_ONES | status) >>> 0);
    const found = exceptionOf(state, false);
    return found === undefined ? undefined : { vector: found.vector, at: found.rip - AT.code, status };
  };
  const after = (setUp: readonly number[], more = 0): number => setUp.length + more;

  // SDM Vol. 3B, 18.3.1.1 Instruction-Breakpoint Exception Condition
  describe('instruction breakpoints', () => {
    const at = (offset: number): number[] => watch({ kind: 'execute', at: AT.code + WATCH_BYTES + offset });
    test('are faults: before the instruction', () => {
      expect(trap([...at(1), NOP, ...STORE])).toEqual({ vector: DB, at: WATCH_BYTES + 1, status: B(0) });
    });
    test('match the first byte, prefixes included', () => {
      expect(trap([...at(0), 0x66, NOP])).toEqual({ vector: DB, at: WATCH_BYTES, status: B(0) });
      expect(trap([...at(1), 0x66, NOP])).toBeUndefined();
    });
    test('come before INT3 at the same place', () => {
      expect(trap([...at(0), INT3])).toEqual({ vector: DB, at: WATCH_BYTES, status: B(0) });
    });
    test('RF that IRET loads passes the instruction once', () => {
      // The handler counts in [DATA], sets RF in the image and returns.
      const handler = [
        ...[0xff, 0x04, 0x25, ...little(DATA, 4)],
        ...[0x80, 0x4c, 0x24, 0x12, 0x01],
        ...[0x48, 0xcf],
      ];
      const { state } = runToHalt(
        pagedGuest([...at(0), NOP, INT3], { [AT.handlers + 16]: handler, [DATA]: [0] }),
        tier,
      );
      expect(exceptionOf(state, false)).toMatchObject({ vector: BP, rip: AT.code + WATCH_BYTES + 2 });
      expect(state.memory.read(DATA, 1)[0]).toBe(1);
    });
    test('are held by MOV SS', () => {
      const movSs = [0x8c, 0xd1, 0x8e, 0xd1];
      expect(trap([...at(4), ...movSs, NOP])).toBeUndefined();
    });
  });

  // SDM Vol. 3B, 18.3.1.2 Data Memory and I/O Breakpoint Exception Conditions
  describe('data breakpoints', () => {
    test('are traps: after the instruction', () => {
      const setUp = watch({ kind: 'write', at: DATA, length: 4 });
      expect(trap([...setUp, ...STORE, NOP])).toEqual({ vector: DB, at: after(setUp, 7), status: B(0) });
    });
    test('R/W 01 does not see reads, 11 does', () => {
      expect(trap([...watch({ kind: 'write', at: DATA, length: 4 }), ...LOAD])).toBeUndefined();
      const setUp = watch({ kind: 'readWrite', at: DATA, length: 4 });
      expect(trap([...setUp, ...LOAD])).toEqual({ vector: DB, at: after(setUp, 7), status: B(0) });
    });
    test.each([1, 2, 4, 8] as const)('of %i bytes see every byte of an aligned range, no other', (length) => {
      for (let offset = -1; offset <= 8; offset++) {
        // mov [DATA + 8 + offset], al
        const store = [0x88, 0x04, 0x25, ...little(DATA + 8 + offset, 4)];
        const setUp = watch({ kind: 'write', at: DATA + 8 + length - 1, length });
        const hit = length === 1 ? offset === 0 : offset >= 0 && offset < length;
        expect(trap([...setUp, ...store]) !== undefined, `offset ${offset}`).toBe(hit);
      }
    });
    test('several of one instruction are one exception', () => {
      const setUp = watch(
        { kind: 'write', at: DATA },
        { kind: 'execute', at: 0 },
        { kind: 'readWrite', at: DATA + 2 },
      );
      expect(trap([...setUp, ...STORE])).toEqual({ vector: DB, at: after(setUp, 7), status: B(0) | B(2) });
    });
    test('join the single step of their instruction', () => {
      const setUp = [...watch({ kind: 'write', at: DATA, length: 4 }), ...SET_TF];
      expect(trap([...setUp, ...STORE])).toEqual({ vector: DB, at: after(setUp, 7), status: B(0) | BS });
    });
    test('trap after the iteration that hit', () => {
      const setUp = [
        ...watch({ kind: 'write', at: DATA + 2 }),
        ...[0xb9, ...little(9, 4)],
        ...[0xbf, ...little(DATA, 4)],
      ];
      const { state } = runToHalt(pagedGuest([...setUp, 0xf3, 0xaa, HLT]), tier);
      expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: AT.code + setUp.length });
      expect(state.processors[0].registers[1]).toBe(6n);
    });
    test('of MOV SS are held until the next instruction has ended', () => {
      // mov ss, [DATA]
      const movSs = [0x8e, 0x14, 0x25, ...little(DATA, 4)];
      const setUp = watch({ kind: 'readWrite', at: DATA, length: 2 });
      expect(trap([...setUp, ...movSs, NOP, NOP], { [DATA]: [0x10, 0] })).toEqual({
        vector: DB,
        at: after(setUp, 8),
        status: B(0),
      });
    });
    test('of pushes and calls count', () => {
      const setUp = watch({ kind: 'write', at: AT.stack - 8, length: 8 });
      expect(trap([...setUp, 0xe8, ...little(0, 4)])).toEqual({
        vector: DB,
        at: after(setUp, 5),
        status: B(0),
      });
    });
  });

  // SDM Vol. 3B, 18.2.4 Debug Control Register (DR7)
  describe('I/O breakpoints', () => {
    const CR4_DE = [0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x08, 0x0f, 0x22, 0xe0];
    const OUT = [0xe6, 0x80];
    test('trap after IN and OUT, with CR4.DE', () => {
      const setUp = [...watch({ kind: 'io', at: 0x80 }), ...CR4_DE];
      expect(trap([...setUp, ...OUT])).toEqual({ vector: DB, at: after(setUp, 2), status: B(0) });
      expect(trap([...setUp, 0xe4, 0x80])).toEqual({ vector: DB, at: after(setUp, 2), status: B(0) });
      expect(trap([...setUp, 0xe6, 0x81])).toBeUndefined();
    });
    test('without CR4.DE they match nothing', () => {
      expect(trap([...watch({ kind: 'io', at: 0x80 }), ...OUT])).toBeUndefined();
      expect(trap([...watch({ kind: 'io', at: DATA, length: 4 }), ...STORE])).toBeUndefined();
    });
    test('REP OUTS traps after its first element', () => {
      const setUp = [
        ...watch({ kind: 'io', at: 0x80 }),
        ...CR4_DE,
        ...[0xb9, ...little(3, 4), 0xbe, ...little(DATA, 4), 0xba, ...little(0x80, 4)],
      ];
      const { state } = runToHalt(pagedGuest([...setUp, 0xf3, 0x6e, HLT]), tier);
      expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: AT.code + setUp.length });
      expect(state.processors[0].registers[1]).toBe(2n);
    });
  });

  // SDM Vol. 3B, 18.2.4 Debug Control Register (DR7): general detect
  test('MOV DR with GD is a fault with BD, and its handler may use the registers', () => {
    const setUp = setDr(7, 0x2400);
    const move = [0x0f, 0x21, 0xf0];
    const { state } = runToHalt(
      pagedGuest([...setUp, ...move, HLT], { [AT.handlers + 16]: [...move, HLT] }),
      tier,
    );
    expect(state.processors[0].registers[0]).toBe(BigInt(DR6_ONES | BD) & 0xffffffffn);
    expect(state.processors[0].debug.dr7).toBe(0x400n);
    expect(exceptionOf(state, false)).toMatchObject({ vector: DB, rip: AT.code + setUp.length });
  });

  test('INT1 is a trap that leaves DR6 alone', () => {
    expect(trap([INT1])).toEqual({ vector: DB, at: 1, status: 0 });
  });

  test('HLT with TF traps and does not halt', () => {
    const setUp = [...SET_TF];
    expect(trap([...setUp, HLT, NOP])).toEqual({ vector: DB, at: after(setUp, 1), status: BS });
  });

  test('a faulting instruction is no single step', () => {
    const { state } = runToHalt(pagedGuest([...SET_TF, 0x0f, 0x0b]), tier);
    expect(exceptionOf(state, false)).toMatchObject({ vector: 6 });
    expect(Number(state.processors[0].debug.dr6)).toBe(DR6_ONES);
  });

  test('INT n with TF is no single step at its handler; the image keeps TF', () => {
    const { state } = runToHalt(pagedGuest([...SET_TF, INT3]), tier);
    expect(exceptionOf(state, false)).toMatchObject({ vector: BP });
    const stack = Number(state.processors[0].registers[4]);
    expect(state.memory.read(stack + 17, 1)[0] & 1).toBe(1);
  });
});
