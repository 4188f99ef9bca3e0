// Integer instructions as arbitraries: one row an encoding. SDM Vol. 2, Appendix A Opcode Map
import fc from 'fast-check';
import { type Assembler, bytesOf, REG, type Width } from './assembler';

/** Registers that statements may change; R12 to R15 and RSP belong to the frame of the program. */
export const FREE_REGISTERS: readonly number[] = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11];

/** Holds the base of the memory that statements work on. */
export const BASE: number = REG.r12;

/** Bytes of that memory. */
export const SPAN = 0x8000;

/** Emits an instruction, or a few. */
export type Emit = (asm: Assembler) => void;

type Immediate = 'none' | 'byte' | 'full';

interface Form {
  readonly opcode: readonly number[];
  /** The opcode with bit 0 clear is the form for bytes. */
  readonly bytes: boolean;
  /** ModRM.reg is an opcode extension. */
  readonly digit?: number;
  readonly immediate?: Immediate;
  readonly prefix?: readonly number[];
  readonly lockable?: boolean;
  /** With a memory operand or with a register operand alone. */
  readonly operand?: 'memory' | 'register';
  readonly widths?: readonly Width[];
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

const ARITHMETIC: readonly Form[] = range(8).flatMap((operation): Form[] => [
  { opcode: [(operation << 3) | 1], bytes: true, lockable: operation !== 7 },
  { opcode: [(operation << 3) | 3], bytes: true },
  { opcode: [0x81], bytes: true, digit: operation, immediate: 'full', lockable: operation !== 7 },
  { opcode: [0x83], bytes: false, digit: operation, immediate: 'byte' },
]);

const SHIFTS: readonly Form[] = range(8).flatMap((operation): Form[] => [
  { opcode: [0xc1], bytes: true, digit: operation, immediate: 'byte' },
  { opcode: [0xd1], bytes: true, digit: operation },
  { opcode: [0xd3], bytes: true, digit: operation },
]);

const UNARY: readonly Form[] = [
  { opcode: [0xf7], bytes: true, digit: 0, immediate: 'full' },
  ...[2, 3].map((digit): Form => ({ opcode: [0xf7], bytes: true, digit, lockable: true })),
  ...[4, 5, 6, 7].map((digit): Form => ({ opcode: [0xf7], bytes: true, digit })),
  ...[0, 1].map((digit): Form => ({ opcode: [0xff], bytes: true, digit, lockable: true })),
  { opcode: [0xff], bytes: false, digit: 6, operand: 'memory', widths: [16, 64] },
];

const MOVES: readonly Form[] = [
  { opcode: [0x89], bytes: true },
  { opcode: [0x8b], bytes: true },
  { opcode: [0x85], bytes: true },
  { opcode: [0x87], bytes: true },
  { opcode: [0xc7], bytes: true, digit: 0, immediate: 'full' },
  { opcode: [0x8d], bytes: false, operand: 'memory' },
  { opcode: [0x63], bytes: false, widths: [64] },
  ...[0xb6, 0xb7, 0xbe, 0xbf].map((code): Form => ({ opcode: [0x0f, code], bytes: false })),
  { opcode: [0x8f], bytes: false, digit: 0, operand: 'memory', widths: [16, 64] },
  ...[0xf0, 0xf1].map((code): Form => ({ opcode: [0x0f, 0x38, code], bytes: false, operand: 'memory' })),
  { opcode: [0x0f, 0xc3], bytes: false, operand: 'memory', widths: [32, 64] },
];

const BITS: readonly Form[] = [
  ...[0xa3, 0xab, 0xb3, 0xbb].map(
    (code): Form => ({ opcode: [0x0f, code], bytes: false, operand: 'register' }),
  ),
  ...[4, 5, 6, 7].map(
    (digit): Form => ({ opcode: [0x0f, 0xba], bytes: false, digit, immediate: 'byte', lockable: digit > 4 }),
  ),
  ...[0xa4, 0xac].map((code): Form => ({ opcode: [0x0f, code], bytes: false, immediate: 'byte' })),
  ...[0xa5, 0xad].map((code): Form => ({ opcode: [0x0f, code], bytes: false })),
  ...[0xbc, 0xbd].map((code): Form => ({ opcode: [0x0f, code], bytes: false })),
  ...[0xb8, 0xbc, 0xbd].map((code): Form => ({ opcode: [0x0f, code], bytes: false, prefix: [0xf3] })),
  ...[0x66, 0xf3].map(
    (prefix): Form => ({ opcode: [0x0f, 0x38, 0xf6], bytes: false, prefix: [prefix], widths: [32, 64] }),
  ),
];

const OTHERS: readonly Form[] = [
  { opcode: [0x0f, 0xaf], bytes: false },
  { opcode: [0x69], bytes: false, immediate: 'full' },
  { opcode: [0x6b], bytes: false, immediate: 'byte' },
  { opcode: [0x0f, 0xb1], bytes: true, lockable: true },
  { opcode: [0x0f, 0xc1], bytes: true, lockable: true },
  { opcode: [0x0f, 0xc7], bytes: false, digit: 1, operand: 'memory', lockable: true, widths: [32, 64] },
];

/** CMOVcc and SETcc: they see what the flags are. */
const CONDITIONAL: readonly Form[] = range(16).flatMap((condition): Form[] => [
  { opcode: [0x0f, 0x40 | condition], bytes: false },
  { opcode: [0x0f, 0x90 | condition], bytes: false, digit: 0, widths: [8] },
]);

/** How often a form is taken from which table. */
const FORMS: readonly fc.WeightedArbitrary<Form>[] = [
  { arbitrary: fc.constantFrom(...ARITHMETIC), weight: 6 },
  { arbitrary: fc.constantFrom(...SHIFTS, ...UNARY), weight: 4 },
  { arbitrary: fc.constantFrom(...CONDITIONAL), weight: 5 },
  { arbitrary: fc.constantFrom(...MOVES, ...BITS, ...OTHERS), weight: 5 },
];

/** Instructions without operands that fault nowhere but on the stack: flags, sign extension, stack, strings with small counts. */
const PLAIN: readonly (readonly number[])[] = [
  [0xf5],
  [0xf8],
  [0xf9],
  [0xfc],
  [0x98],
  [0x48, 0x98],
  [0x66, 0x98],
  [0x99],
  [0x48, 0x99],
  [0x9e],
  [0x9f],
  [0x90],
  [0x0f, 0xc8],
  [0x49, 0x0f, 0xc9],
  [0x50, 0x59],
  [0x9c, 0x5a],
  [0x52, 0x66, 0x5b, 0x66, 0x50, 0x58],
  [0xd7],
  [0x0f, 0x1f, 0x00],
  [0xf3, 0x90],
];

/** Values of 64 bits with the edges of every width among them. */
export const word64: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(0n, 1n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n),
  fc.constantFrom(0xffff_ffffn, 0x1_0000_0000n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.bigInt({ min: 0n, max: 0xffn }),
);

export const freeRegister: fc.Arbitrary<number> = fc.constantFrom(...FREE_REGISTERS);

/** Offsets into the memory at `BASE`, with the edges of pages among them. */
export const offset: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 0x1ff }), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: SPAN - 1 }), weight: 1 },
  {
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: SPAN / 4096 - 1 }), fc.integer({ min: -9, max: 8 }))
      .map(([page, distance]) => Math.max(0, 4096 * page + distance)),
    weight: 2,
  },
);

const immediateBytes = (value: bigint, kind: Immediate, width: Width): readonly number[] =>
  kind === 'none' ? [] : bytesOf(value, kind === 'byte' || width === 8 ? 1 : width === 16 ? 2 : 4);

const encode = (
  form: Form,
  width: Width,
  operands: { readonly reg: number; readonly rm: number; readonly memory: number | undefined },
  value: bigint,
  { lock, addresses32 }: { readonly lock: boolean; readonly addresses32: boolean },
): Emit => {
  const { opcode, bytes, digit, immediate = 'none', prefix = [], lockable = false, operand } = form;
  const memory =
    operand === 'memory' ? (operands.memory ?? 0) : operand === 'register' ? undefined : operands.memory;
  const code = bytes && width === 8 ? opcode.with(-1, opcode[opcode.length - 1] & ~1) : opcode;
  const reg = digit ?? operands.reg;
  const prefixes = [
    ...(lock && lockable && memory !== undefined ? [0xf0] : []),
    ...(addresses32 ? [0x67] : []),
    ...prefix,
  ];
  return (asm) => {
    if (memory === undefined) asm.rr(code, reg, operands.rm, width, prefixes);
    else asm.rm(code, reg, { base: BASE, displacement: memory }, width, prefixes);
    asm.emit(...immediateBytes(value, immediate, width));
  };
};

const widthsOf = ({ bytes, widths }: Form): readonly Width[] =>
  widths ?? (bytes ? [8, 16, 32, 64] : [16, 32, 64]);

/** One instruction of the table on registers and the memory at `BASE`. */
export const tableInstruction: fc.Arbitrary<Emit> = fc.oneof(...FORMS).chain((form) =>
  fc
    .record({
      width: fc.constantFrom(...widthsOf(form)),
      reg: freeRegister,
      rm: freeRegister,
      memory: fc.option(offset, { nil: undefined, freq: 1 }),
      value: word64,
      lock: fc.boolean(),
      addresses32: fc.nat(5).map((some) => some === 0),
    })
    .map(({ width, reg, rm, memory, value, ...prefixed }) =>
      encode(form, width, { reg, rm, memory }, value, prefixed),
    ),
);

/** MOV of a constant to a register, so that operands meet the edges. */
export const setRegister: fc.Arbitrary<Emit> = fc.tuple(freeRegister, word64).map(
  ([register, value]) =>
    (asm) =>
      asm.mov(register, value),
);

const plainInstruction: fc.Arbitrary<Emit> = fc
  .constantFrom(...PLAIN)
  .map((bytes) => (asm) => asm.emit(...bytes));

const REPEATS = [undefined, 0xf3, 0xf2] as const;
const STRINGS = [0xa4, 0xa6, 0xaa, 0xac, 0xae] as const;

/** A string instruction, repeated or not, in either direction, over the memory at `BASE`. */
export const stringInstruction: fc.Arbitrary<Emit> = fc
  .record({
    opcode: fc.constantFrom(...STRINGS),
    width: fc.constantFrom<Width>(8, 16, 32, 64),
    repeat: fc.constantFrom(...REPEATS),
    count: fc.integer({ min: 0, max: 20 }),
    from: offset,
    to: offset,
    down: fc.boolean(),
    addresses32: fc.boolean(),
  })
  .map(({ opcode, width, repeat, count, from, to, down, addresses32 }) => (asm) => {
    asm.rm([0x8d], REG.rsi, { base: BASE, displacement: from });
    asm.rm([0x8d], REG.rdi, { base: BASE, displacement: to });
    asm.mov(REG.rcx, count);
    asm.emit(down ? 0xfd : 0xfc);
    if (repeat !== undefined) asm.emit(repeat);
    if (addresses32) asm.emit(0x67);
    if (width === 16) asm.emit(0x66);
    if (width === 64) asm.emit(0x48);
    asm.emit(width === 8 ? opcode : opcode | 1, 0xfc);
  });

/** VEX-encoded integer instructions. SDM Vol. 2, 2.3.5 The VEX Prefix */
const VEX: readonly {
  readonly map: number;
  readonly prefix: number;
  readonly opcode: number;
  readonly digit?: number;
}[] = [
  { map: 2, prefix: 0, opcode: 0xf2 },
  ...[1, 2, 3].map((digit) => ({ map: 2, prefix: 0, opcode: 0xf3, digit })),
  ...[0, 2, 3].map((prefix) => ({ map: 2, prefix, opcode: 0xf5 })),
  ...[3].map((prefix) => ({ map: 2, prefix, opcode: 0xf6 })),
  ...[0, 1, 2, 3].map((prefix) => ({ map: 2, prefix, opcode: 0xf7 })),
];

const vexInstruction: fc.Arbitrary<Emit> = fc
  .record({
    row: fc.constantFrom(...VEX),
    reg: freeRegister,
    second: freeRegister,
    rm: freeRegister,
    memory: fc.option(offset, { nil: undefined }),
    wide: fc.boolean(),
  })
  .map(({ row, reg, second, rm, memory, wide }) => (asm) => {
    const high = memory === undefined ? rm : BASE;
    const first = row.digit ?? reg;
    asm.emit(0xc4, ((~first & 8) << 4) | 0x40 | ((~high & 8) << 2) | row.map);
    asm.emit((wide ? 0x80 : 0) | ((~second & 15) << 3) | row.prefix, row.opcode);
    const field = (first & 7) << 3;
    if (memory === undefined) asm.emit(0xc0 | field | (rm & 7));
    else asm.emit(0x84 | field, 0x24, ...bytesOf(memory, 4));
  });

/** Any integer instruction; most complete, some fault. */
export const integerInstruction: fc.Arbitrary<Emit> = fc.oneof(
  { arbitrary: tableInstruction, weight: 12 },
  { arbitrary: setRegister, weight: 3 },
  { arbitrary: plainInstruction, weight: 2 },
  { arbitrary: vexInstruction, weight: 2 },
  { arbitrary: stringInstruction, weight: 1 },
);
