import {
  CHOICE_SITES,
  type ChoiceSite,
  EMPTY_MEMORY,
  FRAME_LIMIT,
  MemoryDraft,
  type MemoryRange,
  type MemoryRoot,
  ModelError,
  PAGE_BYTES,
  writtenFrames,
} from '../../core';
import { editsFor, type PresetName, type Processor, processor } from '../../cpu/presets';
import type { Device } from '../../platform';
import type { Monitor } from '../host-port';
import { ONLY_TURN, type Turn } from '../interleaving';
import { type MachineConfig, type MachineState, processorCount } from '../machine-state';
import { board, boardOptions } from './board-codec';
import {
  byte,
  type Codec,
  type Encoded,
  integer,
  list,
  malformed,
  mapped,
  optional,
  partial,
  physical,
  record,
  text,
  time,
  word32,
} from './codec';
import { attachedMonitor } from './monitor-codec';
import { processorState } from './processor-codec';
import { cachePolicy } from './remembered-codec';

/** What a snapshot names instead of holding: it must be given again when the snapshot is read. */
export interface SnapshotParts {
  readonly monitors: readonly Monitor<unknown>[];
  readonly devices: readonly Device<unknown>[];
}

interface ProcessorName {
  readonly name: string;
  readonly features: readonly string[];
}

/** A preset and all features that it announces here. */
const processorByName: Codec<Processor> = mapped(
  record<ProcessorName>({ name: text, features: list(text) }),
  ({ name, features }: Processor) => ({ name, features: [...features].sort() }),
  ({ name, features }, field) => {
    try {
      return processor(name as PresetName, editsFor(name as PresetName, features));
    } catch (error) {
      if (error instanceof ModelError) return malformed(field, error.message);
      throw error;
    }
  },
);

const MEMORY_LIMIT = FRAME_LIMIT * PAGE_BYTES;
const wholePages: Codec<number> = mapped(
  physical,
  (value: number) => value,
  (value, field) =>
    value % PAGE_BYTES === 0 && value <= MEMORY_LIMIT
      ? value
      : malformed(field, `${value} is not a multiple of ${PAGE_BYTES} up to ${MEMORY_LIMIT}`),
);

const memoryRanges: Codec<readonly MemoryRange[]> = mapped(
  list(record<MemoryRange>({ base: wholePages, bytes: wholePages })),
  (ranges: readonly MemoryRange[]) => ranges,
  (ranges, field) => {
    if (ranges.length < 1 || ranges.length > 2) malformed(field, `${ranges.length} ranges instead of 1 or 2`);
    if (ranges[0].base !== 0 || ranges[0].bytes === 0) malformed(`${field}[0]`, 'not from address 0');
    if (ranges.length === 2 && ranges[1].base < ranges[0].bytes)
      malformed(`${field}[1].base`, 'inside the first range');
    for (const [index, { base, bytes }] of ranges.entries())
      if (base + bytes > MEMORY_LIMIT) malformed(`${field}[${index}]`, `beyond ${MEMORY_LIMIT}`);
    return ranges;
  },
);

const frameNumbers: Codec<readonly number[]> = mapped(
  list(integer(FRAME_LIMIT - 1)),
  (frames: readonly number[]) => frames,
  (frames, field) => {
    for (let at = 1; at < frames.length; at++)
      if (frames[at] <= frames[at - 1]) malformed(`${field}[${at}]`, 'not in ascending order');
    return frames;
  },
);

/** Where the firmware's ROM is. */
const romOf = ({ config: { firmware = 0 } }: MachineState['board']): readonly MemoryRange[] => [
  { base: 2 ** 32 - firmware, bytes: firmware },
];

const contents = (
  frames: readonly number[],
  pages: Uint8Array,
  ram: readonly MemoryRange[],
  rom: readonly MemoryRange[],
): MemoryRoot => {
  const draft = new MemoryDraft(EMPTY_MEMORY);
  frames.forEach((frame, at) => {
    const address = frame * PAGE_BYTES;
    if (![...ram, ...rom].some(({ base, bytes }) => address >= base && address < base + bytes))
      malformed(`frames[${at}]`, `frame ${frame} is outside memory`);
    draft.write(address, pages.subarray(at * PAGE_BYTES, (at + 1) * PAGE_BYTES));
  });
  return draft.publish();
};

/** The state with its memory as frame numbers. */
type Head = Omit<MachineState, 'memory'> & { readonly frames: readonly number[] };

const headCodec = ({ monitors, devices }: SnapshotParts, virtualizes: boolean): Codec<Head> =>
  record<Head>({
    config: record<MachineConfig>({
      processor: processorByName,
      memoryBytes: wholePages,
      board: optional(boardOptions(devices)),
      caches: optional(cachePolicy),
      seed: optional(word32),
    }),
    ram: memoryRanges,
    clock: mapped(
      time,
      (clock: number) => clock,
      (clock, field) => (Number.isFinite(clock) ? clock : malformed(field, 'not finite')),
    ),
    turn: record<Turn>({ processor: byte, until: time }),
    board: board(devices),
    processors: list(processorState(virtualizes)),
    occurrences: partial(Object.keys(CHOICE_SITES) as ChoiceSite[], integer(Number.MAX_SAFE_INTEGER)),
    monitor: attachedMonitor(monitors),
    frames: frameNumbers,
  });

const NO_PARTS: SnapshotParts = { monitors: [], devices: [] };
const encoder = headCodec(NO_PARTS, true);

/** A machine as JSON, and the pages (in the order of `frames`) that are not zero. */
export interface EncodedMachine {
  readonly head: Encoded;
  readonly frames: readonly number[];
}

export const encodeMachine = (state: MachineState): EncodedMachine => {
  const frames = writtenFrames(state.memory);
  return { head: encoder.encode({ ...state, frames }), frames };
};

/** Whether the processor that a head names has VMX; asked before the whole head is decoded. */
const hasVmx = (head: unknown): boolean => {
  const features = (head as { config?: { processor?: { features?: unknown } } } | null)?.config?.processor
    ?.features;
  return Array.isArray(features) && features.includes('vmx');
};

const checkProcessors = ({
  config,
  processors,
  turn,
  board: { states, devices },
}: Omit<Head, 'frames'>): void => {
  const count = processorCount(config);
  if (processors.length !== count) malformed('processors', `${processors.length} of ${count}`);
  if (turn.processor >= count) malformed('turn.processor', `${turn.processor} of ${count}`);
  if (count === 1 ? turn.until !== ONLY_TURN.until : turn.until === ONLY_TURN.until)
    malformed('turn.until', `${turn.until} with ${count} processors`);
  const apics = states[devices.localApic] as readonly unknown[] | undefined;
  if (apics !== undefined && apics.length !== count)
    malformed('board.states.local-apic', `${apics.length} of ${count}`);
};

/** Throws `Malformed`, with the field, for whatever is not the encoding of a machine. */
export const decodeMachine = (head: unknown, pages: Uint8Array, parts: SnapshotParts): MachineState => {
  const { frames, ...state } = headCodec(parts, hasVmx(head)).decode(head, '');
  if (pages.length !== frames.length * PAGE_BYTES)
    malformed('pages', `${pages.length} bytes for ${frames.length} frames`);
  if (state.config.memoryBytes === 0) malformed('config.memoryBytes', 'no memory');
  checkProcessors(state);
  return Object.freeze({ ...state, memory: contents(frames, pages, state.ram, romOf(state.board)) });
};
