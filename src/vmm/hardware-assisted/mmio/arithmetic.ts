/** Result and status flags of the instructions that guests use on device memory. */
export interface Result {
  readonly value: bigint;
  readonly flags: bigint;
}

/** Status flags in RFLAGS. SDM Vol. 1, 3.4.3.1 Status Flags */
export const STATUS = { cf: 1n, pf: 4n, af: 16n, zf: 64n, sf: 128n, of: 1n << 11n } as const;
export const ALL_STATUS = 0x8d5n;

const when = (condition: boolean, flag: bigint): bigint => (condition ? flag : 0n);

const hasEvenParity = (value: bigint): boolean => {
  let byte = Number(value & 0xffn);
  byte ^= byte >> 4;
  byte ^= byte >> 2;
  byte ^= byte >> 1;
  return (byte & 1) === 0;
};

const common = (value: bigint, width: number): bigint =>
  when(value === 0n, STATUS.zf) |
  when(value >> BigInt(width - 1) === 1n, STATUS.sf) |
  when(hasEvenParity(value), STATUS.pf);

const added = (a: bigint, b: bigint, carry: bigint, width: number): Result => {
  const sum = a + b + carry;
  const value = BigInt.asUintN(width, sum);
  const sign = BigInt(width - 1);
  const flags =
    common(value, width) |
    when(sum >> BigInt(width) !== 0n, STATUS.cf) |
    ((a ^ b ^ value) & STATUS.af) |
    when(((a ^ value) & (b ^ value)) >> sign === 1n, STATUS.of);
  return { value, flags };
};

const subtracted = (a: bigint, b: bigint, borrow: bigint, width: number): Result => {
  const value = BigInt.asUintN(width, a - b - borrow);
  const sign = BigInt(width - 1);
  const flags =
    common(value, width) |
    when(a < b + borrow, STATUS.cf) |
    ((a ^ b ^ value) & STATUS.af) |
    when(((a ^ b) & (a ^ value)) >> sign === 1n, STATUS.of);
  return { value, flags };
};

// AF is undefined; Intel processors clear it. SDM Vol. 1, Appendix A EFLAGS Cross-Reference
const logical = (value: bigint, width: number): Result => ({ value, flags: common(value, width) });

type Binary = (a: bigint, b: bigint, carry: bigint, width: number) => Result;

/** Two operands of a width, unsigned, and CF. */
export const BINARY: Readonly<Record<string, Binary>> = {
  add: (a, b, _, width) => added(a, b, 0n, width),
  adc: added,
  sub: (a, b, _, width) => subtracted(a, b, 0n, width),
  sbb: subtracted,
  cmp: (a, b, _, width) => subtracted(a, b, 0n, width),
  and: (a, b, _, width) => logical(a & b, width),
  test: (a, b, _, width) => logical(a & b, width),
  or: (a, b, _, width) => logical(a | b, width),
  xor: (a, b, _, width) => logical(a ^ b, width),
};

/** Those that write no result. */
export const COMPARES: ReadonlySet<string> = new Set(['cmp', 'test']);

const withoutCarry = (result: Result, carry: bigint): Result => ({
  value: result.value,
  flags: (result.flags & ~STATUS.cf) | (carry & STATUS.cf),
});

/** One operand and the status flags before. */
export const UNARY: Readonly<Record<string, (a: bigint, flags: bigint, width: number) => Result>> = {
  inc: (a, flags, width) => withoutCarry(added(a, 1n, 0n, width), flags),
  dec: (a, flags, width) => withoutCarry(subtracted(a, 1n, 0n, width), flags),
  neg: (a, _, width) => subtracted(0n, a, 0n, width),
  not: (a, flags, width) => ({ value: BigInt.asUintN(width, ~a), flags: flags & ALL_STATUS }),
};
