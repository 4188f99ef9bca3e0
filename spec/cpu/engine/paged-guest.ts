import type { Choice } from '../../../src/core';
import { type FeatureEdits, processor } from '../../../src/cpu/presets';
import {
  createMachine,
  loadImage,
  type MachineState,
  type RunOptions,
  type RunResult,
  run,
} from '../../../src/machine';

/** Where things stand in the 2 MiB that `pagedGuest` maps page by page. */
export const AT = {
  pml4: 0x1000,
  directoryPointers: 0x2000,
  directory: 0x3000,
  table: 0x4000,
  idt: 0x5000,
  gdt: 0x6000,
  handlers: 0x7000,
  taskState: 0x8000,
  /** Top of the stack of CPL 0 that the task state names; the guest starts on it. */
  stack: 0xa000,
  code: 0x1_0000,
} as const;

const TABLE_ENTRY = 7n;
const PAGE_ENTRY = 7n;
const CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffn;
const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn;
const CODE_SELECTOR = 8n;
const INTERRUPT_GATE = 0x8en << 40n;
const BUSY_TSS = { selector: 0x18, limit: 0x67, accessRights: 0x8b } as const;
const EFER_NX = 0x800n;
const HLT = 0xf4;
const VECTORS = 32;
/** Bytes of memory between the handlers of two vectors. */
const HANDLER_SPACING = 16;

/** Little-endian bytes of a value. */
export const little = (value: number | bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) =>
    Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i)) & 255n),
  );

/** The eight bytes of a code- or data-segment descriptor; the limit as the descriptor holds it, rights in the format of the VMCS. */
export const segmentDescriptor = (base: number, limit: number, rights: number): number[] => [
  ...little(limit & 0xffff, 2),
  ...little(base & 0xff_ffff, 3),
  rights & 255,
  ((rights >> 8) & 0xf0) | ((limit >> 16) & 15),
  base >>> 24,
];

const words = (values: readonly bigint[]): Uint8Array =>
  Uint8Array.from(values.flatMap((value) => little(value, 8)));

/** Physical address of the page-table entry of a linear address below 2 MiB. */
export const entryOf = (linear: number): number => AT.table + (linear >> 12) * 8;

const gate = (vector: number): bigint[] => {
  const offset = BigInt(AT.handlers + vector * HANDLER_SPACING);
  return [(offset & 0xffffn) | (CODE_SELECTOR << 16n) | INTERRUPT_GATE | ((offset >> 16n) << 48n), 0n];
};

/**
 * A machine in 64-bit mode at CPL 0 with interrupts off, about to run `code` at `AT.code`. The first 2 MiB are identity-mapped by 4-KiB pages
 * (writable, for user and supervisor); every exception halts in a handler of its own. `parts` are bytes at physical addresses.
 */
export const pagedGuest = (
  code: readonly number[],
  parts: Readonly<Record<number, readonly number[]>> = {},
  edits: Exclude<FeatureEdits, readonly string[]> = {},
): MachineState => {
  const machine = createMachine({
    processor: processor('skylake', { ...edits, vmx: false }),
    memoryBytes: 2 ** 23,
  });
  const loaded = loadImage(machine, Uint8Array.from(code), { format: 'raw', mode: 'long', load: AT.code });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  let { memory } = loaded.value;
  const put = (address: number, bytes: Uint8Array): void => {
    memory = memory.write(address, bytes);
  };
  put(AT.pml4, words([BigInt(AT.directoryPointers) | TABLE_ENTRY]));
  put(AT.directoryPointers, words([BigInt(AT.directory) | TABLE_ENTRY]));
  put(AT.directory, words([BigInt(AT.table) | TABLE_ENTRY]));
  put(AT.table, words(Array.from({ length: 512 }, (_, page) => (BigInt(page) << 12n) | PAGE_ENTRY)));
  put(AT.gdt, words([0n, CODE_DESCRIPTOR, DATA_DESCRIPTOR]));
  put(AT.idt, words(Array.from({ length: VECTORS }, (_, vector) => gate(vector)).flat()));
  put(AT.taskState + 4, words([BigInt(AT.stack)]));
  for (let vector = 0; vector < VECTORS; vector++)
    put(AT.handlers + vector * HANDLER_SPACING, Uint8Array.of(HLT));
  for (const [address, bytes] of Object.entries(parts)) put(Number(address), Uint8Array.from(bytes));
  const [cpu] = loaded.value.processors;
  return {
    ...loaded.value,
    memory,
    processors: [
      {
        ...cpu,
        registers: cpu.registers.map((value, number) => (number === 4 ? BigInt(AT.stack) : value)),
        segments: { ...cpu.segments, tr: { ...BUSY_TSS, base: BigInt(AT.taskState) } },
        tables: {
          gdtr: { base: BigInt(AT.gdt), limit: 0x17 },
          idtr: { base: BigInt(AT.idt), limit: VECTORS * 16 - 1 },
        },
        control: { ...cpu.control, cr3: BigInt(AT.pml4), efer: cpu.control.efer | EFER_NX },
      },
    ],
  };
};

type Tier = NonNullable<RunOptions['tier']>;

export const TIERS: readonly Tier[] = ['oracle', 'closures', 'generated'];
const HEAT = 5;
const MOST_INSTRUCTIONS = 100_000;

/** Runs until the guest halts; generated code takes over early. */
export const runToHalt = (state: MachineState, tier: Tier, choice?: Choice): RunResult => {
  const result = run(state, {
    tier,
    heat: HEAT,
    maxInstructions: MOST_INSTRUCTIONS,
    ...(choice === undefined ? {} : { choice }),
  });
  if (result.stop.kind !== 'stuck') throw new Error(`the guest ended with ${result.stop.kind}`);
  return result;
};

/** The exception in whose handler the guest halted, its error code and saved RIP; undefined when it halted elsewhere. */
export const exceptionOf = (
  { memory, processors: [cpu] }: MachineState,
  withErrorCode: boolean,
): { readonly vector: number; readonly errorCode: number; readonly rip: number } | undefined => {
  const into = Number(cpu.rip) - AT.handlers;
  if (into < 0 || into >= VECTORS * HANDLER_SPACING) return undefined;
  const stack = new DataView(memory.read(Number(cpu.registers[4]), 16).buffer);
  return {
    vector: Math.floor(into / HANDLER_SPACING),
    errorCode: withErrorCode ? Number(stack.getBigUint64(0, true)) : 0,
    rip: Number(stack.getBigUint64(withErrorCode ? 8 : 0, true)),
  };
};

/** The same for a guest in 32-bit mode, of an exception with error code. */
export const exceptionOf32 = ({
  memory,
  processors: [cpu],
}: MachineState): ReturnType<typeof exceptionOf> => {
  const into = Number(cpu.rip) - AT.handlers;
  if (into < 0 || into >= VECTORS * HANDLER_SPACING) return undefined;
  const stack = new DataView(memory.read(Number(cpu.registers[4]), 8).buffer);
  return {
    vector: Math.floor(into / HANDLER_SPACING),
    errorCode: stack.getUint32(0, true),
    rip: stack.getUint32(4, true),
  };
};
