// Machines in which random bytes run, one for each mode; the handler of every exception skips a byte.

import { createMachine, type MachineState, processor } from '../../src/api';
import { dataSegments, flatSegment, words } from './flat-machine';

/** Physical addresses of tables, handlers and what the streams use. */
export const AT = {
  gdt: 0x1000,
  idt64: 0x2000,
  idt32: 0x3000,
  tss: 0x4000,
  plain: 0x5000,
  withErrorCode: 0x5080,
  plain32: 0x5100,
  withErrorCode32: 0x5180,
  plain16: 0x5200,
  withErrorCode16: 0x5280,
  idt16: 0x5800,
  tss8086: 0x7000,
  tables: 0x9000,
  data: 0x1_0000,
  stackTop: 0x1_8000,
  handlerStackTop: 0x1_a000,
  code: 0x2_0000,
} as const;
const MEMORY = 2 << 20;
const PAGE = 4096;

const SELECTOR = {
  code64: 0x08,
  data: 0x10,
  code32: 0x18,
  data3: 0x23,
  code3: 0x2b,
  task: 0x30,
  code16: 0x40,
  data16: 0x48,
  handlers16: 0x50,
  expandDown16: 0x58,
  code16User: 0x63,
} as const;
/** What instructions that take a selector may find. */
export const SELECTORS: readonly number[] = [0, ...Object.values(SELECTOR), 0x1000, 0x2000];
const DESCRIPTORS = [
  0n,
  0x00af_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00cf_9b00_0000_ffffn,
  0x00cf_f300_0000_ffffn,
  0x00af_fb00_0000_ffffn,
  0x0000_8b00_4000_0067n,
  0n,
  0x0000_9b02_0000_ffffn,
  0x0000_9301_0000_ffffn,
  0x0000_9b00_0000_ffffn,
  0x0000_9701_0000_3fffn,
  0x0000_fb02_0000_ffffn,
  0n,
] as const;

type Segment = ReturnType<typeof flatSegment>;

const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

/** 64-bit gates use the first interrupt stack, so that RSP may be anything. SDM Vol. 3A, 6.14.1 64-Bit Mode IDT, 6.14.5 Interrupt Stack Table */
const gate64 = (vector: number): readonly bigint[] => {
  const at = BigInt(WITH_ERROR_CODE.has(vector) ? AT.withErrorCode : AT.plain);
  return [at | (BigInt(SELECTOR.code64) << 16n) | (1n << 32n) | (0xeen << 40n), 0n];
};
const gate32 = (vector: number): bigint =>
  BigInt(WITH_ERROR_CODE.has(vector) ? AT.withErrorCode32 : AT.plain32) |
  (BigInt(SELECTOR.code32) << 16n) |
  (0xeen << 40n);

const gate16 = (vector: number): bigint =>
  BigInt(WITH_ERROR_CODE.has(vector) ? AT.withErrorCode16 : AT.plain16) |
  (BigInt(SELECTOR.handlers16) << 16n) |
  (0xe6n << 40n);

const vectors = Array.from({ length: 256 }, (_, vector) => vector);

// INC QWORD [RSP]; IRETQ, after ADD RSP, 8 where there is an error code; the same for 32 bits.
const HANDLER = [0x48, 0xff, 0x04, 0x24, 0x48, 0xcf];
const HANDLER_32 = [0xff, 0x04, 0x24, 0xcf];

// PUSH BP; MOV BP, SP; INC WORD [BP + 2]; POP BP; IRET.
const HANDLER_16 = [0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf];

/** A segment of 64 KiB; `accessRights` in the format of the VMCS. */
const segment16 = (selector: number, base: number, accessRights: number) => ({
  selector,
  base: BigInt(base),
  limit: 0xffff,
  accessRights,
});
const paragraph = (base: number, accessRights: number) => segment16(base >> 4, base, accessRights);

const IO_MAP = 0x88;
const IO_MAP_LIMIT = IO_MAP + 0x40;
/** Bits of the interrupt redirection map in some of its bytes. */
const REDIRECTED = 0x0ff0_00ff_0f00_0001n;

export const machines = (): Readonly<Record<Mode, MachineState>> => {
  const fresh = createMachine({ processor: processor('skylake'), memoryBytes: MEMORY });
  let { memory } = fresh;
  const put = (address: number, bytes: Uint8Array | readonly number[]): void => {
    memory = memory.write(address, Uint8Array.from(bytes));
  };
  put(AT.gdt, words(...DESCRIPTORS));
  put(AT.idt64, words(...vectors.flatMap(gate64)));
  put(AT.idt32, words(...vectors.map(gate32)));
  put(AT.tss + 0x24, words(BigInt(AT.handlerStackTop)));
  put(AT.plain, HANDLER);
  put(AT.withErrorCode, [0x48, 0x83, 0xc4, 0x08, ...HANDLER]);
  put(AT.plain32, HANDLER_32);
  put(AT.withErrorCode32, [0x83, 0xc4, 0x04, ...HANDLER_32]);
  put(AT.idt16, words(...vectors.map(gate16)));
  put(AT.plain16, HANDLER_16);
  put(AT.withErrorCode16, [0x83, 0xc4, 0x02, ...HANDLER_16]);
  // The interrupt vector table; a stack for CPL 0 and the maps of the virtual-8086 task.
  put(0, words(...vectors.slice(0, 128).map(() => BigInt(AT.plain16) * 0x1_0000_0001n)));
  put(AT.tss8086 + 4, words(BigInt(AT.handlerStackTop) | (BigInt(SELECTOR.data) << 32n)));
  put(AT.tss8086 + 0x66, words(BigInt(IO_MAP) | (REDIRECTED << 16n)));
  // One 2-MiB page for everybody at 0, one at 4 MiB for the kernel alone, one read-only at 6 MiB.
  put(AT.tables, words(BigInt(AT.tables + PAGE) | 7n));
  put(AT.tables + PAGE, words(BigInt(AT.tables + 2 * PAGE) | 7n));
  put(AT.tables + 2 * PAGE, words(0x87n, 0n, 0x83n, 0x85n));

  const [cpu] = fresh.processors;
  const in64 = (user: boolean): MachineState => {
    const data = user ? flatSegment(SELECTOR.data3, 0xc0f3) : flatSegment(SELECTOR.data, 0xc093);
    return {
      ...fresh,
      memory,
      processors: [
        {
          ...cpu,
          rip: BigInt(AT.code),
          rflags: 2n,
          control: {
            ...cpu.control,
            cr0: 0x8001_0031n,
            cr3: BigInt(AT.tables),
            cr4: 0x20n,
            efer: 0x501n,
          },
          tables: {
            gdtr: { base: BigInt(AT.gdt), limit: 8 * DESCRIPTORS.length - 1 },
            idtr: { base: BigInt(AT.idt64), limit: 0xfff },
          },
          segments: {
            ...cpu.segments,
            ...dataSegments(data),
            cs: user ? flatSegment(SELECTOR.code3, 0xa0fb) : flatSegment(SELECTOR.code64, 0xa09b),
            ldtr: { selector: 0, base: 0n, limit: 0, accessRights: 0x1_0000 },
            tr: { selector: SELECTOR.task, base: BigInt(AT.tss), limit: 0x67, accessRights: 0x8b },
          },
        },
      ],
    };
  };
  const kernel64 = in64(false);
  const [at64] = kernel64.processors;
  const protected32: MachineState = {
    ...kernel64,
    processors: [
      {
        ...at64,
        control: { ...at64.control, cr0: 0x11n, cr3: 0n, cr4: 0n, efer: 0n },
        tables: { ...at64.tables, idtr: { base: BigInt(AT.idt32), limit: 0x7ff } },
        segments: { ...at64.segments, cs: flatSegment(SELECTOR.code32, 0xc09b) },
      },
    ],
  };
  const [at32] = protected32.processors;
  const narrow = (changes: Partial<typeof at32>): MachineState => ({
    ...protected32,
    processors: [{ ...at32, rip: 0n, ...changes }],
  });
  const allOf = (data: Segment, code: Segment) => ({
    ...{ es: data, ss: data, ds: data, fs: data, gs: data, cs: code },
  });
  const protected16 = narrow({
    tables: { ...at32.tables, idtr: { base: BigInt(AT.idt16), limit: 0x7ff } },
    segments: {
      ...at32.segments,
      ...allOf(segment16(SELECTOR.data16, AT.data, 0x93), segment16(SELECTOR.code16, AT.code, 0x9b)),
    },
  });
  const real = narrow({
    control: { ...at32.control, cr0: 0x10n },
    tables: { ...at32.tables, idtr: { base: 0n, limit: 0x3ff } },
    segments: { ...at32.segments, ...allOf(paragraph(AT.data, 0x93), paragraph(AT.code, 0x93)) },
  });
  const virtual8086 = narrow({
    segments: {
      ...at32.segments,
      ...allOf(paragraph(AT.data, 0xf3), paragraph(AT.code, 0xf3)),
      tr: { selector: SELECTOR.task, base: BigInt(AT.tss8086), limit: IO_MAP_LIMIT, accessRights: 0x8b },
    },
  });
  return { kernel64, user64: in64(true), protected32, protected16, real, virtual8086 };
};

export const MODES = ['kernel64', 'user64', 'protected32', 'protected16', 'real', 'virtual8086'] as const;
export type Mode = (typeof MODES)[number];
/** Modes of 16-bit code. */
export const isNarrow = (mode: Mode): boolean => MODES.indexOf(mode) > 2;
