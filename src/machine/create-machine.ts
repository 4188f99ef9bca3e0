import { EMPTY_MEMORY, fault, MemoryDraft, ModelError, type Outcome, ok } from '../core';
import { type ProcessorState, SEGMENT_REGISTERS, type SegmentRegister } from '../cpu/processor-state';
import { GENERAL_REGISTERS } from '../cpu/slots';
import {
  type FirmwareOptions,
  type ImageError,
  type ImageOptions,
  type ImagePlan,
  type PhysicalRange,
  readFirmware,
  readImage,
  refuse,
} from '../image';
import { ACPI_TABLES, acpiTables, afterBios, afterFirmware, biosMemory, type PlacedTable } from '../platform';
import { FIRST_TURN, ONLY_TURN } from './interleaving';
import { giveBack, takeIdleMachine } from './machine-pool';
import { boardOf, type MachineConfig, type MachineState, processorCount } from './machine-state';
import { ramRanges } from './memory-map';

/** As many as there are APIC IDs of 8 bits; FFH means everybody. */
export const MOST_PROCESSORS = 255;

/**
 * A machine after power-up: memory zero, the bootstrap processor at its reset vector, the others waiting for a startup IPI. Throws `ModelError` for a memory
 * size that is no multiple of 4 KiB and a number of processors that is not possible.
 */
export const createMachine = (config: MachineConfig): MachineState => {
  const { memoryBytes } = config;
  if (!Number.isInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes % 4096 !== 0)
    throw new ModelError(`memoryBytes ${memoryBytes} is not a positive multiple of 4096`);
  const count = processorCount(config);
  if (!Number.isInteger(count) || count < 1 || count > MOST_PROCESSORS)
    throw new ModelError(`${count} processors: 1 to ${MOST_PROCESSORS} are possible`);
  const machine = takeIdleMachine(config);
  const state: MachineState = Object.freeze({
    config: Object.freeze({ ...config }),
    ram: ramRanges(memoryBytes),
    clock: 0,
    turn: count === 1 ? ONLY_TURN : FIRST_TURN,
    memory: EMPTY_MEMORY,
    board: boardOf(config, memoryBytes),
    processors: machine.reset(),
    occurrences: Object.freeze({}),
    monitor: undefined,
  });
  giveBack(machine);
  return state;
};

const FLAT_LIMIT = 0xffff_ffff;
const FLAT_CODE_32 = 0xc09b;
const FLAT_CODE_64 = 0xa09b;
const FLAT_DATA = 0xc093;
const NO_LDT = 0x1_0082;
const CR0_REAL = 0x10n;
const CR0_PROTECTED = 0x11n;
const CR0_LONG = 0x8000_0011n;
const CR4_PAE = 0x20n;
const EFER_LONG = 0x500n;

const PARAGRAPH = 16;
const REAL_LIMIT = 0xffff;
const REAL_SEGMENT = 0x93;

/** The processor as firmware leaves it at a boot sector: real-address mode, interrupts off, data and stack segments at 0. */
const realProcessor = (reset: ProcessorState, plan: ImagePlan): ProcessorState => {
  const entry = Number(plan.entry);
  const code = entry <= REAL_LIMIT ? 0 : Math.floor(entry / PARAGRAPH);
  const segment = (selector: number): SegmentRegister =>
    Object.freeze({
      selector,
      base: BigInt(selector * PARAGRAPH),
      limit: REAL_LIMIT,
      accessRights: REAL_SEGMENT,
    });
  const data = segment(0);
  return Object.freeze({
    ...reset,
    registers: Object.freeze(GENERAL_REGISTERS.map((name) => plan.registers[name] ?? 0n)),
    rip: BigInt(entry - code * PARAGRAPH),
    rflags: 2n,
    control: Object.freeze({ ...reset.control, cr0: CR0_REAL }),
    segments: Object.freeze({
      ...reset.segments,
      es: data,
      cs: segment(code),
      ss: data,
      ds: data,
      fs: data,
      gs: data,
    }),
  });
};

/** The processor as a loader leaves it at an image's first instruction: flat segments, interrupts off. Multiboot Specification 0.6.96, 3.2 Machine state */
const loadedProcessor = (reset: ProcessorState, plan: ImagePlan): ProcessorState => {
  if (plan.mode === 'real') return realProcessor(reset, plan);
  const long = plan.mode === 'long';
  const table = plan.descriptorTable;
  const code: SegmentRegister = {
    selector: table?.code ?? 8,
    base: 0n,
    limit: FLAT_LIMIT,
    accessRights: long ? FLAT_CODE_64 : FLAT_CODE_32,
  };
  const data: SegmentRegister = {
    selector: table?.data ?? 16,
    base: 0n,
    limit: FLAT_LIMIT,
    accessRights: FLAT_DATA,
  };
  const segments = {
    ...reset.segments,
    es: data,
    cs: code,
    ss: data,
    ds: data,
    fs: data,
    gs: data,
    ldtr: { selector: 0, base: 0n, limit: 0xffff, accessRights: NO_LDT },
  };
  for (const name of SEGMENT_REGISTERS) Object.freeze(segments[name]);
  return Object.freeze({
    ...reset,
    registers: Object.freeze(GENERAL_REGISTERS.map((name) => plan.registers[name] ?? 0n)),
    rip: plan.entry,
    rflags: 2n,
    segments: Object.freeze(segments),
    tables: Object.freeze({
      gdtr: Object.freeze({ base: BigInt(table?.base ?? 0), limit: table?.limit ?? 0 }),
      idtr: Object.freeze({ base: 0n, limit: 0 }),
    }),
    control: Object.freeze({
      ...reset.control,
      cr0: long ? CR0_LONG : CR0_PROTECTED,
      cr3: BigInt(plan.cr3 ?? 0),
      cr4: long ? CR4_PAE : 0n,
      efer: long ? EFER_LONG : 0n,
    }),
  });
};

const MIB = 2 ** 20;

/** The ACPI tables, unless the image or the size of memory leaves no room for them. */
const tablesBeside = (
  taken: readonly PhysicalRange[],
  { config, board }: MachineState,
): readonly PlacedTable[] =>
  config.memoryBytes < MIB ||
  taken.some(({ address, length }) => address < MIB && address + length > ACPI_TABLES)
    ? []
    : acpiTables(board.config);

/**
 * The machine with an image in memory and the processor at its first instruction, and with what firmware would have left: ACPI tables from 0xF0000 on, the 8259 pair at LINT0, for a multiboot image also the
 * interrupt vector table and interrupt controllers of a BIOS. A malformed image, or memory too small for it, gives an `ImageError` whose
 * `says` names file, field and fix.
 */
export const loadImage = (
  machine: MachineState,
  bytes: Uint8Array,
  options: Partial<Omit<ImageOptions, 'memoryBytes'>> = {},
): Outcome<MachineState, ImageError> => {
  const plan = readImage(bytes, { fileName: 'image', ...options, memoryBytes: machine.config.memoryBytes });
  if (!plan.ok) return fault(plan.fault);
  if (plan.value.mode === 'long' && !machine.config.processor.features.has('lm'))
    return refuse(
      options.fileName ?? 'image',
      'mode',
      'the image starts in 64-bit mode, which the processor has not got',
      'give a processor with lm, or an image of another mode',
    );
  const draft = new MemoryDraft(machine.memory);
  const withBios = plan.value.afterBios === true && machine.config.memoryBytes >= MIB;
  if (withBios) for (const { address, bytes: content } of biosMemory()) draft.write(address, content);
  for (const { address, length } of plan.value.zeros) draft.write(address, new Uint8Array(length));
  const taken: readonly PhysicalRange[] = [
    ...plan.value.zeros,
    ...plan.value.writes.map(({ address, bytes: { length } }) => ({ address, length })),
  ];
  for (const { address, bytes: table } of tablesBeside(taken, machine)) draft.write(address, table);
  for (const { address, bytes: content } of plan.value.writes) draft.write(address, content);
  return ok(
    Object.freeze({
      ...machine,
      memory: draft.publish(),
      board: afterFirmware(withBios ? afterBios(machine.board) : machine.board),
      processors: Object.freeze(
        machine.processors.with(0, loadedProcessor(machine.processors[0], plan.value)),
      ),
    }),
  );
};

/**
 * The machine with firmware as ROM below 4 GiB and its last 128 KiB below 1 MiB, at its reset vector in real mode. Give it a machine fresh from
 * `createMachine`: its devices begin anew. A file that is no firmware image gives an `ImageError`.
 * SDM Vol. 3A, 10.1.4 First Instruction Executed
 */
export const loadFirmware = (
  machine: MachineState,
  bytes: Uint8Array,
  options: FirmwareOptions = {},
): Outcome<MachineState, ImageError> => {
  const { config } = machine;
  const plan = readFirmware(bytes, { ...options, memoryBytes: config.memoryBytes });
  if (!plan.ok) return fault(plan.fault);
  const draft = new MemoryDraft(machine.memory);
  for (const { address, bytes: content } of plan.value.writes) draft.write(address, content);
  const board = { ...config.board, firmware: plan.value.bytes };
  return ok(
    Object.freeze({
      ...machine,
      config: Object.freeze({ ...config, board }),
      memory: draft.publish(),
      board: boardOf({ ...config, board }, config.memoryBytes),
    }),
  );
};
