import {
  EMPTY_MEMORY,
  MemoryDraft,
  type MemoryRange,
  type MemoryRoot,
  ModelError,
  shiftRight,
  writtenFrames,
} from '../core';
import { editsFor, type FeatureName, type Processor, processor } from '../cpu/presets';
import { type ProcessorState, SEGMENT_REGISTERS } from '../cpu/processor-state';
import { createMachine } from './create-machine';
import type { GuestStart, HostLayout, Monitor } from './host-port';
import { hostStubPage, VECTOR_ENTRIES, VECTOR_ENTRY_BYTES } from './host-stub';
import type { MachineState } from './machine-state';
import { FOUR_GIB, memoryRange } from './memory-map';

/** The host's own memory: tables and stack for the port, then what the monitor may use. */
const PORT = 0x1000;
const GDT = 0x2000;
const IDT = 0x3000;
const TSS = 0x4000;
const STACK_TOP = 0x8000;
const PML4 = 0x1_0000;
const PDPT = 0x1_1000;
const MONITOR_BASE = 0x10_0000;
const HOST_BYTES = 0x100_0000;
/** The guest's RAM begins here in the host. */
const GUEST_BASE = FOUR_GIB;

const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;
const TASK_SELECTOR = 0x18;
const TSS_LIMIT = 0x67;
const CODE_RIGHTS = 0xa09b;
const DATA_RIGHTS = 0xc093;
const TASK_RIGHTS = 0x8b;
const UNUSABLE = 0x1_0000;

const bytesOf = (words: readonly bigint[]): Uint8Array => {
  const bytes = new Uint8Array(words.length * 8);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setBigUint64(8 * i, word, true);
  });
  return bytes;
};

/** A 64-bit interrupt gate, two quadwords. SDM Vol. 3A, 6.14.1 64-Bit Mode IDT */
const gate = (offset: number): readonly bigint[] => {
  const at = BigInt(offset);
  return [
    (at & 0xffffn) | (BigInt(CODE_SELECTOR) << 16n) | (0x8en << 40n) | (shiftRight(at, 16n) << 48n),
    shiftRight(at, 32n),
  ];
};

// SDM Vol. 3A, 8.2.3 TSS Descriptor in 64-bit mode
const descriptors: readonly bigint[] = [
  0n,
  0x00af_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  BigInt(TSS_LIMIT) | (BigInt(TSS) << 16n) | (BigInt(TASK_RIGHTS) << 40n),
  0n,
];

/** Host memory for the guest's RAM: the ranges of the guest one after the other. */
const guestMemory = (ram: readonly MemoryRange[]): HostLayout['guestMemory'] => {
  let host = GUEST_BASE;
  const ranges = ram.map(({ base, bytes }) => {
    const range = Object.freeze({ guest: base, host, bytes });
    host += bytes;
    return range;
  });
  return Object.freeze(ranges);
};

const guestStart = (state: ProcessorState): GuestStart =>
  Object.freeze({
    rip: state.rip,
    rflags: state.rflags,
    registers: state.registers,
    cr0: state.control.cr0,
    cr3: state.control.cr3,
    cr4: state.control.cr4,
    efer: state.control.efer,
    gdtr: state.tables.gdtr,
    idtr: state.tables.idtr,
    segments: Object.freeze(SEGMENT_REGISTERS.map((name) => state.segments[name])),
  });

const hostMemory = (guest: MemoryRoot, ranges: HostLayout['guestMemory']): MemoryRoot => {
  const draft = new MemoryDraft(EMPTY_MEMORY);
  draft.write(PORT, hostStubPage());
  draft.write(GDT, bytesOf(descriptors));
  const gates = Array.from({ length: 256 }, (_, vector) =>
    gate(PORT + VECTOR_ENTRIES + vector * VECTOR_ENTRY_BYTES),
  );
  draft.write(IDT, bytesOf(gates.flat()));
  draft.write(PML4, bytesOf([BigInt(PDPT) | 3n]));
  // The first 512 GiB by 1-GiB pages.
  draft.write(PDPT, bytesOf(Array.from({ length: 512 }, (_, i) => (BigInt(i) << 30n) | 0x83n)));
  for (const frame of writtenFrames(guest)) {
    const address = frame * 4096;
    const range = ranges.find((one) => address >= one.guest && address < one.guest + one.bytes);
    if (range === undefined) throw new ModelError(`guest memory at ${address} lies outside its RAM`);
    draft.write(range.host + address - range.guest, guest.page(frame).bytes);
  }
  return draft.publish();
};

const flat = (selector: number, accessRights: number): ProcessorState['segments']['cs'] =>
  Object.freeze({ selector, base: 0n, limit: 0xffff_ffff, accessRights });

const hostProcessor = (reset: ProcessorState): ProcessorState => {
  const data = flat(DATA_SELECTOR, DATA_RIGHTS);
  const registers = new Array<bigint>(16).fill(0n);
  registers[4] = BigInt(STACK_TOP);
  return Object.freeze({
    ...reset,
    registers: Object.freeze(registers),
    rip: BigInt(PORT),
    rflags: 2n,
    segments: Object.freeze({
      es: data,
      cs: flat(CODE_SELECTOR, CODE_RIGHTS),
      ss: data,
      ds: data,
      fs: data,
      gs: data,
      ldtr: Object.freeze({ selector: 0, base: 0n, limit: 0, accessRights: UNUSABLE }),
      tr: Object.freeze({
        selector: TASK_SELECTOR,
        base: BigInt(TSS),
        limit: TSS_LIMIT,
        accessRights: TASK_RIGHTS,
      }),
    }),
    tables: Object.freeze({
      gdtr: Object.freeze({ base: BigInt(GDT), limit: 8 * descriptors.length - 1 }),
      idtr: Object.freeze({ base: BigInt(IDT), limit: 0xfff }),
    }),
    // PE, ET, NE, WP, PG; PAE; LME and LMA.
    control: Object.freeze({
      ...reset.control,
      cr0: 0x8001_0031n,
      cr3: BigInt(PML4),
      cr4: 0x20n,
      efer: 0x500n,
    }),
  });
};

/** What the host's own code needs beside VMX: IA-32e mode with 1-GiB pages, MSRs. */
export const HOST_FEATURES = ['lm', 'msr', 'page-1gib', 'pae'] as const satisfies readonly FeatureName[];

/** The guest's processor, with what the host needs. */
const hostModel = ({ name, features }: Processor): Processor =>
  processor(name, editsFor(name, [...features, ...HOST_FEATURES, 'vmx']));

/**
 * The machine on which `monitor` runs the loaded machine `guest` as its guest: the same board, a host processor with VMX, the guest's RAM at
 * `HostLayout.guestMemory`, and the monitor about to start. Throws `ModelError` for a guest with several processors.
 */
export const createMonitoredMachine = <S>(guest: MachineState, monitor: Monitor<S>): MachineState => {
  if (guest.processors.length > 1)
    throw new ModelError(`a monitor runs guests of one processor, not of ${guest.processors.length}`);
  if (guest.board.config.firmware !== undefined)
    throw new ModelError('a guest with firmware: its ROM is no memory of the guest that a monitor could map');
  const host = createMachine({
    ...guest.config,
    processor: hostModel(guest.config.processor),
    memoryBytes: HOST_BYTES,
  });
  const ranges = guestMemory(guest.ram);
  const layout: HostLayout = Object.freeze({
    portEntry: BigInt(PORT),
    stackTop: BigInt(STACK_TOP),
    cr3: BigInt(PML4),
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
    taskSelector: TASK_SELECTOR,
    taskBase: BigInt(TSS),
    gdtBase: BigInt(GDT),
    idtBase: BigInt(IDT),
    monitorMemory: Object.freeze({ base: BigInt(MONITOR_BASE), bytes: BigInt(HOST_BYTES - MONITOR_BASE) }),
    guestMemory: ranges,
    deviceMemory: Object.freeze(
      guest.board.devices.memory.map(({ first, last }) => memoryRange(first, last - first + 1)),
    ),
    guest: guestStart(guest.processors[0]),
  });
  return Object.freeze({
    ...host,
    ram: Object.freeze([memoryRange(0, HOST_BYTES), memoryRange(GUEST_BASE, guest.config.memoryBytes)]),
    board: guest.board,
    memory: hostMemory(guest.memory, ranges),
    processors: Object.freeze([hostProcessor(host.processors[0])]),
    monitor: Object.freeze({ monitor: monitor as Monitor<unknown>, layout, progress: undefined }),
  });
};
