// Integer instructions of 16- and 32-bit code as arbitraries: with every prefix, at addresses that meet limits and wrap around.
import fc from 'fast-check';
import { bytesOf } from './assembler';
import { PARAGRAPHS, SELECTORS } from './narrow-layout';

/** The bytes of one instruction, or of a few, in a 16-bit (false) or 32-bit (true) code segment; segments are paragraphs, or have descriptors. */
export type NarrowCode = (big: boolean, paragraphs: boolean) => readonly number[];

type Immediate = 0 | 1 | 'z';

/** An encoding: opcode, then ModR/M when `rm` says so (`digit`: as opcode extension), then an immediate. */
interface Form {
  readonly opcode: readonly number[];
  readonly rm?: 'any' | 'memory';
  readonly digit?: number;
  readonly immediate?: Immediate;
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const any = (...opcodes: number[]): Form[] => opcodes.map((code) => ({ opcode: [code], rm: 'any' }));
const escaped = (...opcodes: number[]): Form[] =>
  opcodes.map((code) => ({ opcode: [0x0f, code], rm: 'any' }));
const group = (opcode: number, digits: readonly number[], immediate: Immediate = 0): Form[] =>
  digits.map((digit) => ({ opcode: [opcode], rm: 'any', digit, immediate }));

const WITH_MODRM: readonly Form[] = [
  ...range(8).flatMap((operation) => any(...range(4).map((form) => (operation << 3) | form))),
  ...any(0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x88, 0x89, 0x8a, 0x8b),
  ...escaped(0xa3, 0xab, 0xb3, 0xbb, 0xa5, 0xad, 0xaf, 0xb0, 0xb1, 0xc0, 0xc1),
  ...escaped(0xb6, 0xb7, 0xbe, 0xbf, 0xbc, 0xbd, 0x42, 0x45, 0x4c, 0x92, 0x95, 0x9f),
  { opcode: [0x8d], rm: 'memory' },
  { opcode: [0x62], rm: 'memory' },
  { opcode: [0x0f, 0xa4], rm: 'any', immediate: 1 },
  { opcode: [0x0f, 0xac], rm: 'any', immediate: 1 },
  { opcode: [0x69], rm: 'any', immediate: 'z' },
  { opcode: [0x6b], rm: 'any', immediate: 1 },
];

const GROUPS: readonly Form[] = [
  ...group(0x80, range(8), 1),
  ...group(0x81, range(8), 'z'),
  ...group(0x83, range(8), 1),
  ...group(0xc0, range(8), 1),
  ...group(0xc1, range(8), 1),
  ...[0xd0, 0xd1, 0xd2, 0xd3].flatMap((code) => group(code, range(8))),
  ...group(0xf6, [0], 1),
  ...group(0xf7, [0], 'z'),
  ...[0xf6, 0xf7].flatMap((code) => group(code, [2, 3, 4, 5, 6, 7])),
  ...[0xfe, 0xff].flatMap((code) => group(code, [0, 1])),
  ...group(0xff, [6]),
  ...group(0x8f, [0]),
  ...group(0xc6, [0], 1),
  ...group(0xc7, [0], 'z'),
  ...[4, 5, 6, 7].map((digit): Form => ({ opcode: [0x0f, 0xba], rm: 'any', digit, immediate: 1 })),
  { opcode: [0x0f, 0xc7], rm: 'memory', digit: 1 },
];

const STACK: readonly Form[] = [
  ...range(16).map((number): Form => ({ opcode: [0x50 | number] })),
  { opcode: [0x60] },
  { opcode: [0x61] },
  { opcode: [0x68], immediate: 'z' },
  { opcode: [0x6a], immediate: 1 },
  { opcode: [0x9c] },
  { opcode: [0xc9] },
  { opcode: [0xc8, 0x10, 0x00, 0x00] },
  { opcode: [0xc8, 0x04, 0x01, 0x03] },
];

const PLAIN: readonly Form[] = [
  ...[0x27, 0x2f, 0x37, 0x3f, 0x98, 0x99, 0x9e, 0x9f, 0xd7, 0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0x90, 0x93, 0xce]
    .concat(range(16).map((number) => 0x40 | number))
    .map((code): Form => ({ opcode: [code] })),
  { opcode: [0xd4], immediate: 1 },
  { opcode: [0xd5], immediate: 1 },
  { opcode: [0x0f, 0xc9] },
];

const STRINGS: readonly Form[] = [0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf].map((code) => ({
  opcode: [code],
}));

const SEGMENT_OVERRIDES = [0x26, 0x2e, 0x36, 0x3e, 0x64] as const;

interface Prefixes {
  readonly operand: boolean;
  readonly address: boolean;
  readonly segment: number | undefined;
  readonly lock: boolean;
}

/** One time in `of`. */
const rarely = (of: number): fc.Arbitrary<boolean> => fc.nat(of - 1).map((value) => value === 0);

const prefixes: fc.Arbitrary<Prefixes> = fc.record({
  operand: rarely(4),
  address: rarely(5),
  segment: fc.option(fc.constantFrom(...SEGMENT_OVERRIDES), { nil: undefined, freq: 1 }),
  lock: rarely(20),
});

const prefixBytes = ({ operand, address, segment, lock }: Prefixes): readonly number[] => [
  ...(lock ? [0xf0] : []),
  ...(segment === undefined ? [] : [segment]),
  ...(operand ? [0x66] : []),
  ...(address ? [0x67] : []),
];

/** Displacements and offsets: small ones, and those near the limits of the segments and the ends of the address sizes. */
export const offset: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.nat(0x120), weight: 4 },
  {
    arbitrary: fc
      .tuple(
        fc.constantFrom(0x80, 0x1000, 0x8000, 0x1_0000, 0x1_0008, 0x1_0000_0000),
        fc.integer({ min: -9, max: 3 }),
      )
      .map(([edge, distance]) => (edge + distance) >>> 0),
    weight: 3,
  },
  { arbitrary: fc.nat(0x1_ffff), weight: 1 },
);

/** ModR/M, SIB and displacement. */
const addressed = (
  field: number,
  modRm: number,
  sib: number,
  displacement: number,
  wide: boolean,
): readonly number[] => {
  const mod = modRm >> 6;
  const rm = modRm & 7;
  const first = (modRm & 0xc7) | (field << 3);
  if (mod === 3) return [first];
  if (!wide) return [first, ...bytesOf(displacement, mod === 1 ? 1 : mod === 2 || rm === 6 ? 2 : 0)];
  const base = rm === 4 ? sib & 7 : rm;
  const size = mod === 1 ? 1 : mod === 2 || (mod === 0 && base === 5) ? 4 : 0;
  return [first, ...(rm === 4 ? [sib] : []), ...bytesOf(displacement, size)];
};

const instruction = (forms: readonly Form[]): fc.Arbitrary<NarrowCode> =>
  fc
    .record({
      form: fc.constantFrom(...forms),
      before: prefixes,
      field: fc.nat(7),
      modRm: fc.nat(255),
      sib: fc.nat(255),
      displacement: offset,
      value: fc.oneof(
        fc.nat(255),
        fc.nat(0xffff_ffff),
        fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
      ),
    })
    .map(({ form, before, field, modRm, sib, displacement, value }) => (big) => {
      const { opcode, rm, digit, immediate = 0 } = form;
      const wideOperand = big !== before.operand;
      const wideAddress = big !== before.address;
      const place = rm === 'memory' && modRm >= 0xc0 ? modRm - 0x40 : modRm;
      return [
        ...prefixBytes(before),
        ...opcode,
        ...(rm === undefined ? [] : addressed(digit ?? field, place, sib, displacement, wideAddress)),
        ...bytesOf(value, immediate === 'z' ? (wideOperand ? 4 : 2) : immediate),
      ];
    });

/** MOV between the accumulator and memory at an offset in the instruction. */
const accumulator: fc.Arbitrary<NarrowCode> = fc
  .record({ form: fc.nat(3), before: prefixes, at: offset })
  .map(({ form, before, at }) => (big) => [
    ...prefixBytes({ ...before, lock: false }),
    0xa0 | form,
    ...bytesOf(at, big !== before.address ? 4 : 2),
  ]);

/** MOV of a constant to a register that addresses use, so that they meet the edges. */
const setRegister: fc.Arbitrary<NarrowCode> = fc
  .record({ number: fc.nat(7), value: offset, narrow: fc.boolean() })
  .map(({ number, value, narrow }) => (big) => [
    ...(big === narrow ? [0x66] : []),
    0xb8 | number,
    ...bytesOf(value, narrow ? 2 : 4),
  ]);

/** MOV to DS, ES, SS or FS. */
const setSegment: fc.Arbitrary<NarrowCode> = fc
  .record({
    segment: fc.constantFrom(0, 2, 3, 4),
    index: fc.nat(SELECTORS.length - 1),
    number: fc.nat(7),
  })
  .map(({ segment, index, number }) => (big, paragraphs) => [
    ...(big ? [0x66] : []),
    0xb8 | number,
    ...bytesOf((paragraphs ? PARAGRAPHS[index % PARAGRAPHS.length] : SELECTORS[index]) & 0xffff, 2),
    0x8e,
    0xc0 | (segment << 3) | number,
  ]);

/** A string instruction, repeated or not, in either direction, from and to anywhere. */
const stringInstruction: fc.Arbitrary<NarrowCode> = fc
  .record({
    form: fc.constantFrom(...STRINGS),
    before: prefixes,
    repeat: fc.constantFrom([], [0xf3], [0xf3], [0xf2]),
    count: fc.oneof(fc.nat(40), fc.nat(40), offset),
    from: offset,
    to: offset,
    down: rarely(3),
  })
  .map(({ form, before, repeat, count, from, to, down }) => (big) => {
    const set = (register: number, value: number) => [
      ...(big ? [] : [0x66]),
      0xb8 | register,
      ...bytesOf(value, 4),
    ];
    return [
      ...set(1, count),
      ...set(6, from),
      ...set(7, to),
      down ? 0xfd : 0xfc,
      ...repeat,
      ...prefixBytes({ ...before, lock: false }),
      ...form.opcode,
    ];
  });

/** Jumps, calls and returns to the beginning of a slot nearby, or anywhere; `REACH` slots back or forward. */
const REACH = 3;
const jump = (slotBytes: number): fc.Arbitrary<NarrowCode> =>
  fc
    .record({
      opcode: fc.constantFrom(
        ...range(16).map((condition) => [0x70 | condition]),
        [0xeb],
        [0xe0],
        [0xe1],
        [0xe2],
        [0xe3],
      ),
      before: prefixes,
      slots: fc.integer({ min: 1, max: REACH }),
    })
    .map(({ opcode, before, slots }) => () => {
      const bytes = [...(before.operand ? [0x66] : []), ...(before.address ? [0x67] : []), ...opcode];
      return [...bytes, slots * slotBytes - bytes.length - 1];
    });

/** Near calls and jumps with their whole displacement; the slot begins with them. */
const nearJump = (slotBytes: number): fc.Arbitrary<NarrowCode> =>
  fc
    .record({
      opcode: fc.constantFrom([0xe8], [0xe8], [0xe9], [0x0f, 0x84], [0x0f, 0x8d]),
      operand: rarely(4),
      slots: fc.integer({ min: 1, max: 2 * REACH }),
      far: rarely(12),
    })
    .map(({ opcode, operand, slots, far }) => (big) => {
      const bytes = [...(operand ? [0x66] : []), ...opcode];
      const size = big !== operand ? 4 : 2;
      const distance = far ? 0x7f00 : slots * slotBytes;
      return [...bytes, ...bytesOf(distance - bytes.length - size, size)];
    });

/** Through a register or from the stack: to an address pushed before. */
const indirectJump = (target: fc.Arbitrary<number>): fc.Arbitrary<NarrowCode> =>
  fc.record({ to: target, how: fc.nat(3), operand: rarely(4) }).map(({ to, how, operand }) => (big) => {
    const prefix = operand ? [0x66] : [];
    const size = big !== operand ? 4 : 2;
    if (how < 2) return [...prefix, 0xb8, ...bytesOf(to, size), ...prefix, 0xff, how === 0 ? 0xe0 : 0xd0];
    return [...prefix, 0x68, ...bytesOf(to, size), ...prefix, ...(how === 2 ? [0xc3] : [0xc2, 0x06, 0x00])];
  });

/** Any statement for a slot of a program; each fits into `slotBytes`. */
export const narrowStatement = (slotBytes: number, slots: number): fc.Arbitrary<NarrowCode> =>
  fc.oneof(
    { arbitrary: instruction(WITH_MODRM), weight: 14 },
    { arbitrary: instruction(GROUPS), weight: 8 },
    { arbitrary: instruction(STACK), weight: 5 },
    { arbitrary: instruction(PLAIN), weight: 4 },
    { arbitrary: accumulator, weight: 3 },
    { arbitrary: setRegister, weight: 8 },
    { arbitrary: setSegment, weight: 3 },
    { arbitrary: stringInstruction, weight: 3 },
    { arbitrary: jump(slotBytes), weight: 3 },
    { arbitrary: nearJump(slotBytes), weight: 1 },
    { arbitrary: indirectJump(fc.nat(slots - 1).map((slot) => slot * slotBytes)), weight: 1 },
  );
