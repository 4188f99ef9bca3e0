// Random programs in 16- and 32-bit code at ring 3, over segments of every kind. A fault goes on at the next slot.
import fc from 'fast-check';
import { decode, disassemble } from '../../src/cpu/decode';
import { processor } from '../../src/cpu/presets';
import { createMachine, type MachineState } from '../../src/machine';
import { bytesOf } from './assembler';
import { type NarrowCode, narrowStatement, offset } from './narrow-instructions';
import {
  AT,
  codeSegments,
  END_VECTOR,
  HANDLER_SPACING,
  KERNEL_CODE,
  KERNEL_DATA,
  NARROW_MEMORY,
  PARAGRAPHS,
  SEGMENTS,
  type Segment,
  selectorOf,
  TASK,
  USER_CODE,
  VECTORS,
} from './narrow-layout';

const SLOT_BYTES = 32;
const MOST_SLOTS = 40;
const NOP = 0x90;
const ROUNDS = 30;
const WITH_ERROR_CODE: readonly number[] = [8, 10, 11, 12, 13, 14, 17, 21];
const OPEN: readonly number[] = [3, 4, END_VECTOR];
const BIG_CODE = 0x4000;
const FLAT_CODE_32 = 0xc09b;
const FLAT_CODE_64 = 0xa09b;
const FLAT_DATA = 0xc093;
const BUSY_TSS = 0x8b;

/** In what a program runs; the last two know 16-bit code alone. */
export type NarrowMode = 'protected' | 'compatibility' | 'real' | 'virtual-8086';

const inParagraphs = (mode: NarrowMode): boolean => mode === 'real' || mode === 'virtual-8086';

export interface NarrowDescription {
  readonly mode: NarrowMode;
  /** 32-bit code. */
  readonly big: boolean;
  readonly codeKind: number;
  /** ES, SS, DS and FS as indices into `SEGMENTS`; `PARAGRAPHS` go round. */
  readonly segments: readonly number[];
  readonly registers: readonly number[];
  readonly alignmentChecked: boolean;
  readonly statements: readonly NarrowCode[];
}

const descriptor = ({ base, limit, rights }: Segment): readonly number[] => {
  const scaled = (rights & 0x8000) !== 0 ? limit >>> 12 : limit;
  return [
    ...bytesOf(scaled & 0xffff, 2),
    ...bytesOf(base & 0xff_ffff, 3),
    rights & 255,
    ((rights >> 8) & 0xf0) | (scaled >> 16),
    base >>> 24,
  ];
};

const FLAT = { base: 0, limit: 0xffff_ffff } as const;

const tables = (user: Segment, wide: boolean): readonly number[] => [
  ...bytesOf(0, 8),
  ...descriptor({ ...FLAT, rights: wide ? FLAT_CODE_64 : FLAT_CODE_32 }),
  ...descriptor({ ...FLAT, rights: FLAT_DATA }),
  ...descriptor({ base: AT.task, limit: 0x67, rights: BUSY_TSS }),
  ...bytesOf(0, 8),
  ...descriptor(user),
  ...SEGMENTS.flatMap(descriptor),
];

/** PUSH BP; MOV BP, SP; AND and ADD of the saved IP; POP BP; IRET. */
const REAL_HANDLER = [
  0x55,
  0x89,
  0xe5,
  0x83,
  0x66,
  2,
  0x100 - SLOT_BYTES,
  0x83,
  0x46,
  2,
  SLOT_BYTES,
  0x5d,
  0xcf,
];

/** Masks EIP down to its slot and adds one slot; POP of the error code first. Encoded alike for 32 and 64 bits. */
const handler = (vector: number, mode: NarrowMode): readonly number[] => {
  if (vector === END_VECTOR) return [0xf4];
  if (mode === 'real') return REAL_HANDLER;
  const wide = mode === 'compatibility';
  const rex = wide ? [0x48] : [];
  return [
    ...(WITH_ERROR_CODE.includes(vector) ? [...rex, 0x83, 0xc4, wide ? 8 : 4] : []),
    ...[0x83, 0x24, 0x24, 0x100 - SLOT_BYTES],
    ...[0x83, 0x04, 0x24, SLOT_BYTES],
    ...rex,
    0xcf,
  ];
};

const gate = (vector: number, mode: NarrowMode): readonly number[] => {
  const wide = mode === 'compatibility';
  if (mode === 'real') return bytesOf(AT.handlers + HANDLER_SPACING * vector, 4);
  return [
    ...bytesOf(AT.handlers + HANDLER_SPACING * vector, 2),
    ...[KERNEL_CODE, 0, 0, OPEN.includes(vector) ? 0xee : 0x8e, 0, 0],
    ...(wide ? bytesOf(0, 8) : []),
  ];
};

/** DEC of the round counter through GS, which stays what it was, JNZ to the beginning, INT of the last vector. */
const ending = (big: boolean, paragraphs: boolean, slots: number): readonly number[] => {
  const again = slots * SLOT_BYTES;
  const place = paragraphs ? 0 : AT.counter;
  const count = [...(big ? [] : [0x66, 0x67]), 0x65, 0xff, 0x0d, ...bytesOf(place, 4)];
  const size = big ? 4 : 2;
  const jump = [0x0f, 0x85, ...bytesOf(-(again + count.length + 2 + size), size)];
  return [...count, ...jump, 0xcd, END_VECTOR];
};

/** A program with its machine; printed as assembly. */
export class NarrowProgram {
  readonly code: Uint8Array;

  constructor(readonly description: NarrowDescription) {
    const { statements, big, mode } = description;
    const paragraphs = inParagraphs(mode);
    const bytes = statements.flatMap((statement) => {
      const slot = statement(big, paragraphs).slice(0, SLOT_BYTES);
      return [...slot, ...new Array<number>(SLOT_BYTES - slot.length).fill(NOP)];
    });
    this.code = Uint8Array.from([...bytes, ...ending(big, paragraphs, statements.length)]);
  }

  toString(): string {
    const { mode, big, codeKind, segments, registers, alignmentChecked } = this.description;
    const padded = new Uint8Array(this.code.length + 15);
    padded.set(this.code);
    const lines = [
      `; ${mode}, ${big ? 32 : 16} bits, code ${codeKind}, segments ${segments}, registers ${registers.map((value) => value.toString(16))}${alignmentChecked ? ', AC' : ''}`,
    ];
    for (let at = 0; at < this.code.length; ) {
      const decoded = decode(padded, big ? 32 : 16, at);
      const length = decoded.kind === 'instruction' ? decoded.instruction.length : 1;
      const bytes = [...padded.subarray(at, at + length)].map((byte) => byte.toString(16).padStart(2, '0'));
      const text = decoded.kind === 'instruction' ? disassemble(decoded.instruction, BigInt(at)) : '?';
      if (text !== 'nop') lines.push(`${at.toString(16)}: ${bytes.join('')} ${text}`);
      at += length;
    }
    return `\n${lines.join('\n')}\n`;
  }

  [fc.toStringMethod](): string {
    return this.toString();
  }
}

const reset = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: NARROW_MEMORY });

const CR0_PROTECTED = 0x11n;
const CR0_PAGING = 0x8000_0000n;
const CR0_AM = 0x4_0000n;
const AC = 0x4_0000n;
const PAE = 0x20n;
const LONG = 0x500n;
const VM_IOPL_3 = 0x2_3000n;
/** Access rights of segments in paragraphs. */
const PARAGRAPH = 0xf3;
const REAL_DATA = 0x93;
const REAL_CODE = 0x9b;

/** The machine at the first instruction of a program. */
export const narrowMachine = (program: NarrowProgram): MachineState => {
  const { mode, big, codeKind, segments, registers, alignmentChecked } = program.description;
  const wide = mode === 'compatibility';
  const kinds = codeSegments(program.code.length);
  const chosen = kinds[codeKind % kinds.length];
  const paragraphs = inParagraphs(mode);
  const code = paragraphs
    ? { base: AT.code, limit: 0xffff, rights: mode === 'real' ? REAL_CODE : PARAGRAPH }
    : { ...chosen, rights: chosen.rights | (big ? BIG_CODE : 0) };
  let { memory } = reset;
  const put = (address: number, bytes: readonly number[] | Uint8Array): void => {
    memory = memory.write(address, Uint8Array.from(bytes));
  };
  put(AT.gdt, tables(code, wide));
  const vectors = Array.from({ length: VECTORS }, (_, vector) => vector);
  put(
    AT.idt,
    vectors.flatMap((vector) => gate(vector, mode)),
  );
  for (const vector of vectors) put(AT.handlers + HANDLER_SPACING * vector, handler(vector, mode));
  // The stack of ring 0: RSP0 of a 64-bit TSS, ESP0 and SS0 of a 32-bit one.
  put(AT.task + 4, bytesOf(AT.handlerStackTop, 4));
  put(AT.task + 8, bytesOf(wide ? 0 : KERNEL_DATA, 4));
  put(AT.counter, bytesOf(ROUNDS, 4));
  put(AT.pml4, bytesOf(AT.pdpt | 7, 8));
  put(AT.pdpt, bytesOf(AT.directory | 7, 8));
  put(AT.directory, bytesOf(0xe7, 8));
  put(code.base, program.code);
  const [cpu] = reset.processors;
  const register = (selector: number, { base, limit, rights }: Segment) => ({
    selector,
    base: BigInt(base),
    limit,
    accessRights: rights,
  });
  const paragraph = (selector: number) =>
    register(selector, {
      base: 16 * selector,
      limit: 0xffff,
      rights: mode === 'real' ? REAL_DATA : PARAGRAPH,
    });
  const [es, ss, ds, fs] = segments.map((index) =>
    paragraphs
      ? paragraph(PARAGRAPHS[index % PARAGRAPHS.length])
      : register(selectorOf(index), SEGMENTS[index]),
  );
  return Object.freeze({
    ...reset,
    memory,
    processors: [
      {
        ...cpu,
        registers: cpu.registers.map((_, number) => BigInt((registers[number] ?? 0) >>> 0)),
        rip: 0n,
        rflags: 2n | (alignmentChecked ? AC : 0n) | (mode === 'virtual-8086' ? VM_IOPL_3 : 0n),
        segments: {
          ...cpu.segments,
          cs: register(paragraphs ? AT.code >> 4 : USER_CODE | 3, code),
          es,
          ss,
          ds,
          fs,
          gs: paragraphs ? paragraph(AT.counter >> 4) : register(selectorOf(0), SEGMENTS[0]),
          tr: register(TASK, { base: AT.task, limit: 0x67, rights: BUSY_TSS }),
        },
        tables: {
          gdtr: { base: BigInt(AT.gdt), limit: 0xfff },
          idtr: { base: BigInt(AT.idt), limit: VECTORS * (mode === 'real' ? 4 : wide ? 16 : 8) - 1 },
        },
        control: {
          ...cpu.control,
          cr0: (mode === 'real' ? 0x10n : CR0_PROTECTED) | CR0_AM | (wide ? CR0_PAGING : 0n),
          cr3: BigInt(AT.pml4),
          cr4: wide ? PAE : 0n,
          efer: wide ? LONG : 0n,
        },
      },
    ],
  });
};

/** Writable: a stack can be there. */
const STACKS: readonly number[] = SEGMENTS.flatMap(({ rights }, index) =>
  (rights & 0xa) === 2 ? [index] : [],
);

/** Readable: a data-segment register can hold it; code that is not is refused when it is loaded. */
const READABLE: readonly number[] = SEGMENTS.flatMap(({ rights }, index) =>
  (rights & 0xa) === 8 ? [] : [index],
);

/** Programs of up to `most` slots. */
export const narrowProgram = (
  modes: readonly NarrowMode[] = ['protected', 'protected', 'compatibility', 'real', 'virtual-8086'],
  most = MOST_SLOTS,
): fc.Arbitrary<NarrowProgram> => {
  const segment = fc.constantFrom(...READABLE);
  return fc
    .record({
      mode: fc.constantFrom(...modes),
      big: fc.boolean(),
      codeKind: fc.nat(3),
      segments: fc.tuple(segment, fc.constantFrom(...STACKS), segment, segment),
      registers: fc.array(offset, { minLength: 8, maxLength: 8 }),
      alignmentChecked: fc.nat(5).map((value) => value === 0),
      statements: fc.array(narrowStatement(SLOT_BYTES, MOST_SLOTS), {
        minLength: 1,
        maxLength: most,
        size: 'max',
      }),
    })
    .map(
      (description) =>
        new NarrowProgram({ ...description, big: description.big && !inParagraphs(description.mode) }),
    );
};
