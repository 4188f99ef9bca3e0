import type { Width } from '../../../core';
import { conditionOf } from '../../../cpu/engine/computed-flags';
import {
  BIT_TESTS,
  type BitTest,
  bitScanForward,
  bitScanReverse,
  leadingZeros,
  populationCount,
  trailingZeros,
} from '../../../cpu/instructions/data/pure-bits';
import { DOUBLE_SHIFTS, SHIFTS } from '../../../cpu/instructions/data/pure-shift';
import { ALL_STATUS, BINARY, COMPARES, STATUS, UNARY } from './arithmetic';
import { extended } from './operands';

/** What an instruction finds. Values are unsigned and as wide as their operands. */
export interface Found {
  readonly values: readonly bigint[];
  readonly widths: readonly number[];
  readonly rflags: bigint;
  /** RAX. */
  readonly accumulator: bigint;
  readonly condition: number | undefined;
}

/** What it makes of that. */
export interface Effect {
  /** New value of each operand, where it has one. */
  readonly values: readonly (bigint | undefined)[];
  /** The status flags, where it changes them. */
  readonly flags?: bigint;
  /** What it leaves in the accumulator, as wide as the first operand. */
  readonly accumulator?: bigint;
}

type Semantics = (found: Found) => Effect;
type Pure = (typeof BIT_TESTS)[BitTest];

const move =
  (signed: boolean): Semantics =>
  ({ values: [, source], widths: [to, from] }) => ({ values: [extended(source, from, to, signed)] });

const reversed = (value: bigint, width: number): bigint => {
  let bytes = 0n;
  for (let at = 0; at < width; at += 8) bytes = (bytes << 8n) | ((value >> BigInt(at)) & 0xffn);
  return bytes;
};

const holds = ({ rflags, condition }: Found): boolean =>
  conditionOf(Number(rflags & ALL_STATUS), condition ?? 0);

/** One result from the values chosen; flags as Intel processors leave them. */
const pure = (
  operation: Pure,
  { values, widths: [width], rflags }: Found,
): { readonly value: bigint; readonly flags: bigint } => {
  const outcome = operation.compute({ width: width as Width, values, flags: Number(rflags & ALL_STATUS) });
  return 'results' in outcome
    ? { value: outcome.results[0], flags: BigInt(outcome.flags) }
    : { value: 0n, flags: rflags & ALL_STATUS };
};

const ofAll =
  (operation: Pure): Semantics =>
  (found) => {
    const { value, flags } = pure(operation, found);
    return { values: [value], flags };
  };

const ofSource =
  (operation: Pure): Semantics =>
  (found) => {
    const { value, flags } = pure(operation, { ...found, values: found.values.slice(1) });
    return { values: [value], flags };
  };

// SDM Vol. 2, BSF, BSR: a zero source leaves the destination.
const scan =
  (operation: Pure): Semantics =>
  (found) => {
    const { values, flags } = ofSource(operation)(found);
    return { values: found.values[1] === 0n ? [] : values, flags: flags! };
  };

// SDM Vol. 2, CMPXCHG: memory sees a write in any case.
const compareAndExchange: Semantics = ({ values: [old, replacement], widths: [width], accumulator }) => {
  const expected = BigInt.asUintN(width, accumulator);
  const { flags } = BINARY.cmp(expected, old, 0n, width);
  return expected === old ? { values: [replacement], flags } : { values: [old], flags, accumulator: old };
};

const exchangeAndAdd: Semantics = ({ values: [old, addend], widths: [width] }) => {
  const { value, flags } = BINARY.add(old, addend, 0n, width);
  return { values: [value, old], flags };
};

const byName = (operations: Readonly<Record<string, Pure>>): Record<string, Semantics> =>
  Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, ofAll(operation)]));

const binary = Object.entries(BINARY).map(([name, compute]): readonly [string, Semantics] => [
  name,
  ({ values: [a, b], widths: [width, from], rflags }) => {
    const { value, flags } = compute(a, extended(b, from, width, true), rflags & STATUS.cf, width);
    return { values: COMPARES.has(name) ? [] : [value], flags };
  },
]);

const unary = Object.entries(UNARY).map(([name, compute]): readonly [string, Semantics] => [
  name,
  ({ values: [a], widths: [width], rflags }) => {
    const { value, flags } = compute(a, rflags, width);
    return { values: [value], flags };
  },
]);

const SEMANTICS: ReadonlyMap<string, Semantics> = new Map<string, Semantics>([
  ...binary,
  ...unary,
  ...Object.entries(byName({ ...SHIFTS, ...DOUBLE_SHIFTS, ...BIT_TESTS })),
  ['bt', (found) => ({ values: [], flags: pure(BIT_TESTS.bt, found).flags })],
  ['mov', move(false)],
  ['movnti', move(false)],
  ['movdiri', move(false)],
  ['movzx', move(false)],
  ['movsx', move(true)],
  ['movsxd', move(true)],
  ['movbe', ({ values: [, source], widths: [width] }) => ({ values: [reversed(source, width)] })],
  ['xchg', ({ values: [a, b] }) => ({ values: [b, a] })],
  ['xadd', exchangeAndAdd],
  ['cmpxchg', compareAndExchange],
  ['setcc', (found) => ({ values: [holds(found) ? 1n : 0n] })],
  ['cmovcc', (found) => ({ values: [found.values[holds(found) ? 1 : 0]] })],
  ['popcnt', ofSource(populationCount)],
  ['lzcnt', ofSource(leadingZeros)],
  ['tzcnt', ofSource(trailingZeros)],
  ['bsf', scan(bitScanForward)],
  ['bsr', scan(bitScanReverse)],
]);

/**
 * What is known of an instruction with one memory operand; `undefined` when the monitor does not emulate it: PUSH, POP, near CALL and JMP, MUL, IMUL,
 * DIV, IDIV, CMPXCHG8B and CMPXCHG16B, BMI1 and BMI2, CRC32, XLAT, and loads and stores of segment and descriptor-table registers.
 */
export const semanticsOf = (mnemonic: string): Semantics | undefined => SEMANTICS.get(mnemonic);

const PURE_STORES: ReadonlySet<string> = new Set(['mov', 'movnti', 'movdiri', 'movbe', 'setcc']);
const TESTS: ReadonlySet<string> = new Set([...COMPARES, 'bt']);

/** Whether the memory operand, at this place among the operands, is read. */
export const readsMemory = (mnemonic: string, place: number): boolean =>
  place !== 0 || !PURE_STORES.has(mnemonic);

/** Whether it is written. */
export const writesMemory = (mnemonic: string, place: number): boolean =>
  (place === 0 && !TESTS.has(mnemonic)) || mnemonic === 'xchg';
