// Random bytes as instructions, in 64-bit mode at CPL 0 and 3 and in 32-bit protected mode; faults go into handlers that skip a byte.

import { createMachine, difference, isEqual, type MachineState, processor, run } from '../../src/api';
import { flatSegment, words } from './flat-machine';
import { attempted, hexBytes, type Part, Wrong } from './part';
import { Random } from './random';
import { isListed } from './unbuilt';

const AT = {
  gdt: 0x1000,
  idt64: 0x2000,
  idt32: 0x3000,
  tss: 0x4000,
  plain: 0x5000,
  withErrorCode: 0x5080,
  plain32: 0x5100,
  withErrorCode32: 0x5180,
  tables: 0x6000,
  data: 0x1_0000,
  stackTop: 0x1_8000,
  handlerStackTop: 0x1_a000,
  code: 0x2_0000,
} as const;
const MEMORY = 2 << 20;
const PAGE = 4096;

const SELECTOR = { code64: 0x08, data: 0x10, code32: 0x18, data3: 0x23, code3: 0x2b, task: 0x30 } as const;
const DESCRIPTORS = [
  0n,
  0x00af_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00cf_9b00_0000_ffffn,
  0x00cf_f300_0000_ffffn,
  0x00af_fb00_0000_ffffn,
  0x0000_8b00_4000_0067n,
  0n,
] as const;

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

const vectors = Array.from({ length: 256 }, (_, vector) => vector);

// INC QWORD [RSP]; IRETQ, after ADD RSP, 8 where there is an error code; the same for 32 bits.
const HANDLER = [0x48, 0xff, 0x04, 0x24, 0x48, 0xcf];
const HANDLER_32 = [0xff, 0x04, 0x24, 0xcf];

const machines = (): Readonly<Record<Mode, MachineState>> => {
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
            gdtr: { base: BigInt(AT.gdt), limit: 63 },
            idtr: { base: BigInt(AT.idt64), limit: 0xfff },
          },
          segments: {
            ...cpu.segments,
            es: data,
            ss: data,
            ds: data,
            fs: data,
            gs: data,
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
  return { kernel64, user64: in64(true), protected32 };
};

type Mode = 'kernel64' | 'user64' | 'protected32';
const MODES: readonly Mode[] = ['kernel64', 'user64', 'protected32'];

let made: ReturnType<typeof machines> | undefined;

const STREAM = 48;
const MOST = 64;
const X87 = 0xd8;

/** Bytes that begin many instructions, or change how the next one is read. */
const OPENERS = [0x0f, 0x48, 0x66, 0xf3, 0xf2, 0x67, 0x4c, 0x41, 0xf0, 0x64, 0x8b, 0x89] as const;

const streamOf = (random: Random): Uint8Array => {
  const bytes = new Uint8Array(STREAM);
  const opened = random.below(3);
  for (let i = 0; i < STREAM; i++) {
    let byte = random.once(6) && opened > 0 ? random.of(OPENERS) : random.below(256);
    // x87 is not built: left alone it would end most streams.
    if ((byte & 0xf8) === X87 && !random.once(16)) byte ^= 0x20;
    bytes[i] = byte;
  }
  return bytes;
};

/** Mostly addresses that are there, so that loads and stores go on. */
const registerOf = (random: Random): bigint => {
  switch (random.below(4)) {
    case 0:
      return random.edge64();
    case 1:
      return BigInt(random.of([0, 4, 6]) * 0x10_0000 + AT.data + random.below(0x4000));
    case 2:
      return BigInt(random.below(64));
    default:
      return BigInt(AT.data + random.below(0x4000));
  }
};

const RSP = 4;
const FLAGS = [0n, 0x8d5n, 0x400n, 0x200n, 0x100n, 0x4_0000n, 0x3000n] as const;

/** The machine, the mode and the bytes of a case. */
const streamCase = (seed: number, index: number) => {
  const random = new Random(seed, 1, index);
  const mode = random.of(MODES);
  made ??= machines();
  const start = made[mode];
  const bytes = streamOf(random);
  const [cpu] = start.processors;
  const registers = cpu.registers.map((_, register) =>
    register === RSP ? BigInt(AT.stackTop - 8 * random.below(64)) : registerOf(random),
  );
  const narrow = mode === 'protected32' ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
  const state: MachineState = {
    ...start,
    memory: start.memory.write(AT.code, bytes),
    processors: [
      { ...cpu, rflags: 2n | random.of(FLAGS), registers: registers.map((value) => value & narrow) },
    ],
  };
  return { state, mode, bytes, random };
};

const attempt = (seed: number, index: number): readonly string[] => {
  const { state, mode, bytes, random } = streamCase(seed, index);
  const reproduction = (): string =>
    `${mode} ${hexBytes(bytes)} registers ${state.processors[0].registers.map((one) => one.toString(16)).join(' ')} flags ${state.processors[0].rflags.toString(16)}`;
  const result = attempted(
    () => run(state, { maxInstructions: MOST, tier: 'oracle' }),
    isListed,
    reproduction,
  );
  if ('unbuilt' in result) return [result.unbuilt];
  const { state: end, stop, retired } = result.value;
  if (retired > MOST) throw new Wrong(`${retired} instructions retired`, reproduction());
  const outcome = `${mode}: ${stop.kind}`;
  // Some run in another tier too, which must come to the same end; making code is dear.
  if (!random.once(8)) return [outcome];
  const tier = random.once(8) ? 'generated' : 'closures';
  const again = attempted(() => run(state, { maxInstructions: MOST, tier, heat: 1 }), isListed, reproduction);
  if ('unbuilt' in again) throw new Wrong(`the ${tier} tier lacks ${again.unbuilt}`, reproduction());
  const found = difference(end, again.value.state);
  if (stop.kind !== again.value.stop.kind || !isEqual(found))
    throw new Wrong(`oracle and ${tier} part: ${JSON.stringify(found, shown)}`, reproduction());
  return [outcome, `agrees with ${tier}`];
};

const shown = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString(16) : value instanceof Uint8Array ? hexBytes(value) : value;

export const streams: Part = { name: 'instruction streams', cases: 200_000, attempt };
