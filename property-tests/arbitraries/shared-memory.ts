import fc from 'fast-check';
import { processor } from '../../src/cpu/presets';
import { createMachine, loadImage, type MachineState } from '../../src/machine';

/** Small programs of several processors on shared memory: they race, modify each other's code and translations, and interrupt each other. */

const MEMORY_BYTES = 8 << 20;
const PROGRAMS = 0x1_0000;
const PROGRAM_BYTES = 0x2000;
const SHARED = 0x4_0000;
const CELLS = 4;
const IDT = 0x5_0000;
const HANDLERS = 0x5_2000;
const STACKS = 0x6_0000;
/** A page of 2 MiB that programs map here or there. */
const WINDOW = 0x20_0000;
const OTHER = 0x40_0000;
const APIC = 0xfee0_0000;
const NMI = 2;
const VECTOR = 0x31;
const PRESENT_LARGE = 0x83;
const CODE_SELECTOR = 8;
const INTERRUPT_GATE = 0x8e00;
const BOOTSTRAP = 0x100n;

const bytesOf = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, at) => Math.floor(value / 2 ** (8 * at)) & 255);
const word = (value: number): number[] => bytesOf(value >>> 0, 4);

/** What one statement of a program does. */
export type SharedStatement =
  /** MOV [cell], value. */
  | { readonly does: 'store'; readonly cell: number; readonly value: number }
  /** MOV EAX, [cell]; MOV [other], EAX. */
  | { readonly does: 'copy'; readonly cell: number; readonly other: number }
  /** LOCK ADD [cell], value. */
  | { readonly does: 'add'; readonly cell: number; readonly value: number }
  /** MOV EAX, [cell]; INC EAX; MOV [cell], EAX. */
  | { readonly does: 'race'; readonly cell: number }
  /** REP STOSD from a cell on. */
  | { readonly does: 'fill'; readonly cell: number; readonly count: number }
  /** MOV [value of the first instruction of a program's loop], value. */
  | { readonly does: 'modify'; readonly target: number; readonly value: number }
  /** The window shows this memory or that; INC of its first word. */
  | { readonly does: 'map'; readonly other: boolean }
  | { readonly does: 'touch' }
  /** ICR: fixed to a processor, to all others, or an NMI. */
  | { readonly does: 'interrupt'; readonly target: number; readonly how: 'fixed' | 'others' | 'nmi' };

/** A program: its statements in a loop. */
export interface SharedProgram {
  readonly statements: readonly SharedStatement[];
  readonly times: number;
}

export interface SharedMemory {
  readonly programs: readonly SharedProgram[];
  readonly seed: number;
}

const programAt = (number: number): number => PROGRAMS + PROGRAM_BYTES * number;
const cellAt = (cell: number): number => SHARED + 4 * cell;

/** MOV EDI, address; MOV DWORD [RDI], value */
const put = (address: number, value: number): number[] => [
  0xbf,
  ...word(address),
  0xc7,
  0x07,
  ...word(value),
];
/** MOV EAX, [address] */
const get = (address: number): number[] => [0x8b, 0x04, 0x25, ...word(address)];
/** MOV [address], EAX */
const set = (address: number): number[] => [0x89, 0x04, 0x25, ...word(address)];

const PREAMBLE = [...put(APIC + 0xf0, 0x1ff), 0xfb];
/** MOV EDX, times */
const COUNTER_BYTES = 5;
/** Where the immediate operand of a program's first loop instruction stands. */
const modifiable = (number: number): number => programAt(number) + PREAMBLE.length + COUNTER_BYTES + 1;

const code = (statement: SharedStatement, tables: number): number[] => {
  switch (statement.does) {
    case 'store':
      return put(cellAt(statement.cell), statement.value);
    case 'copy':
      return [...get(cellAt(statement.cell)), ...set(cellAt(statement.other))];
    case 'add':
      return [0xf0, 0x81, 0x04, 0x25, ...word(cellAt(statement.cell)), ...word(statement.value)];
    case 'race':
      return [...get(cellAt(statement.cell)), 0xff, 0xc0, ...set(cellAt(statement.cell))];
    case 'fill':
      return [0xbf, ...word(cellAt(statement.cell)), 0xb9, ...word(statement.count), 0xf3, 0xab];
    case 'modify':
      return put(modifiable(statement.target), statement.value);
    case 'map':
      return put(tables + 0x2008, (statement.other ? OTHER : WINDOW) | PRESENT_LARGE);
    case 'touch':
      return [0xff, 0x04, 0x25, ...word(WINDOW)];
    case 'interrupt': {
      const { target, how } = statement;
      const command = how === 'nmi' ? 0x400 : how === 'others' ? 0xc_0000 | VECTOR : VECTOR;
      return [...put(APIC + 0x310, target << 24), ...put(APIC + 0x300, command)];
    }
  }
};

/** MOV ESI, 1 (others modify the 1); ADD [last cell], ESI; the statements; DEC EDX; JNZ; HLT for ever. */
const assembled = ({ statements, times }: SharedProgram, tables: number): Uint8Array => {
  const body = [
    ...[0xbe, ...word(1), 0x01, 0x34, 0x25, ...word(cellAt(CELLS - 1))],
    ...statements.flatMap((one) => code(one, tables)),
    ...[0xff, 0xca],
  ];
  return Uint8Array.from([
    ...[...PREAMBLE, 0xba, ...word(times), ...body, 0x0f, 0x85, ...word(-(body.length + 6))],
    ...[0xf4, 0xeb, 0xfd],
  ]);
};

const gate = (offset: number): number[] => [
  ...[...bytesOf(offset, 2), ...bytesOf(CODE_SELECTOR, 2), ...bytesOf(INTERRUPT_GATE, 2)],
  ...[...bytesOf(Math.floor(offset / 65536), 2), 0, 0, 0, 0, 0, 0, 0, 0],
];

/** PUSH RAX; PUSH RDI; LOCK INC [cell 0]; EOI; POP RDI; POP RAX; IRETQ */
const interruptHandler = (ends: boolean): number[] => [
  ...[0x50, 0x57, 0xf0, 0xff, 0x04, 0x25, ...word(cellAt(0))],
  ...(ends ? put(APIC + 0xb0, 0) : []),
  ...[0x5f, 0x58, 0x48, 0xcf],
];

const MODEL = processor('skylake', ['-vmx']);

/** The machine that is about to run the programs, one on each processor. */
export const sharedMemoryMachine = ({ programs, seed }: SharedMemory): MachineState => {
  const machine = createMachine({
    processor: MODEL,
    memoryBytes: MEMORY_BYTES,
    board: { processors: programs.length },
    seed,
  });
  const loaded = loadImage(machine, Uint8Array.of(0xf4), { format: 'raw', mode: 'long', load: PROGRAMS });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  const [first] = loaded.value.processors;
  const tables = Number(first.control.cr3);
  let { memory } = loaded.value;
  programs.forEach((program, number) => {
    memory = memory.write(programAt(number), assembled(program, tables));
  });
  for (const vector of [NMI, VECTOR])
    memory = memory.write(IDT + 16 * vector, Uint8Array.from(gate(HANDLERS + 64 * vector)));
  for (const vector of [NMI, VECTOR])
    memory = memory.write(HANDLERS + 64 * vector, Uint8Array.from(interruptHandler(vector === VECTOR)));
  return {
    ...loaded.value,
    memory,
    processors: programs.map((_, number) => ({
      ...first,
      rip: BigInt(programAt(number)),
      registers: first.registers.with(4, BigInt(STACKS + 0x1000 * (number + 1))),
      tables: { ...first.tables, idtr: { base: BigInt(IDT), limit: 0xfff } },
      modelSpecific: {
        ...first.modelSpecific,
        apicBase: (first.modelSpecific.apicBase & ~BOOTSTRAP) | (number === 0 ? BOOTSTRAP : 0n),
      },
    })),
  };
};

const cell = fc.nat(CELLS - 1);
const value = fc.nat(0x7fff_ffff);
const added: fc.Arbitrary<SharedStatement> = fc.record({
  does: fc.constant('add' as const),
  cell: fc.nat(CELLS - 2),
  value: fc.integer({ min: 1, max: 9 }),
});

const statement = (processors: number): fc.Arbitrary<SharedStatement> => {
  const target = fc.nat(processors - 1);
  return fc.oneof(
    added,
    fc.record({ does: fc.constant('store' as const), cell, value }),
    fc.record({ does: fc.constant('copy' as const), cell, other: cell }),
    fc.record({ does: fc.constant('race' as const), cell }),
    fc.record({ does: fc.constant('fill' as const), cell, count: fc.nat(40) }),
    fc.record({ does: fc.constant('modify' as const), target, value }),
    fc.record({ does: fc.constant('map' as const), other: fc.boolean() }),
    fc.record({ does: fc.constant('touch' as const) }),
    fc.record({
      does: fc.constant('interrupt' as const),
      target,
      how: fc.constantFrom('fixed' as const, 'others' as const, 'nmi' as const),
    }),
  );
};

const programsOf = (processors: number, one: fc.Arbitrary<SharedStatement>): fc.Arbitrary<SharedMemory> =>
  fc.record({
    programs: fc.array(
      fc.record({
        statements: fc.array(one, { maxLength: 6 }),
        times: fc.integer({ min: 1, max: 60 }),
      }),
      { minLength: processors, maxLength: processors },
    ),
    seed: fc.nat(0xffff_ffff),
  });

const count = fc.integer({ min: 2, max: 4 });

/** 2 to 4 processors that do all sorts of things to each other. */
export const sharedMemory = (): fc.Arbitrary<SharedMemory> =>
  count.chain((processors) => programsOf(processors, statement(processors)));

/** The same, of locked additions alone: the sums do not depend on who is first. */
export const sharedSums = (): fc.Arbitrary<SharedMemory> =>
  count.chain((processors) => programsOf(processors, added));

/** The values of the cells that `sharedSums` adds to. */
export const sumsOf = ({ memory }: MachineState): readonly number[] => [
  ...new Uint32Array(memory.read(SHARED, 4 * (CELLS - 1)).buffer),
];
