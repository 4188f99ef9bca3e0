import { differingFrames, type MemoryRoot, PAGE_BYTES, trieEntries } from '../core';
import { NOTHING_REMEMBERED, type Remembered } from '../cpu/caching';
import { SLOT } from '../cpu/slots';
import type { MachineState } from './machine-state';

/** A value that differs; `undefined` where one state does not have it. */
export interface ValueDifference {
  /** Where it is, such as `processors[0].registers.rax` or `devices.local-apic.lvt.timer`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Consecutive bytes of a page that all differ. */
export interface ByteDifference {
  /** In the page. */
  readonly offset: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** The differing bytes of one page. */
export interface PageDifference {
  /** Number of the 4-KiB frame. */
  readonly frame: number;
  readonly bytes: readonly ByteDifference[];
}

/** All that distinguishes two machines; empty lists when they are equal. */
export interface StateDifference {
  /** Registers and hidden state of the processors. */
  readonly registers: readonly ValueDifference[];
  readonly devices: readonly ValueDifference[];
  /** Clock, configuration, monitor, occurrence counts. */
  readonly other: readonly ValueDifference[];
  /** By ascending frame. */
  readonly pages: readonly PageDifference[];
}

const REGISTER_NAMES = Object.keys(SLOT).slice(0, 16);

const isBranch = (value: unknown): value is object => typeof value === 'object' && value !== null;

const at = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

const shownKey = (key: unknown): string => (typeof key === 'number' ? `0x${key.toString(16)}` : String(key));

/** The children of a value by the last part of their path. */
const children = (value: object, path: string): ReadonlyMap<string, unknown> => {
  if (Array.isArray(value) || value instanceof Uint8Array)
    return new Map(
      Array.from(value as ArrayLike<unknown>, (one, index) => [`${path}[${index}]`, one] as const),
    );
  if (value instanceof Map)
    return new Map([...value].map(([key, one]) => [`${path}[${shownKey(key)}]`, one] as const));
  if (value instanceof Set)
    return new Map([...value].map((one, index) => [`${path}[${index}]`, one] as const));
  return new Map(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([key, one]) => [at(path, key), one] as const),
  );
};

const kindOf = (value: object): string =>
  Array.isArray(value) ? 'array' : value instanceof Map ? 'map' : value instanceof Set ? 'set' : 'object';

const compare = (before: unknown, after: unknown, path: string, found: ValueDifference[]): void => {
  if (Object.is(before, after)) return;
  if (!isBranch(before) || !isBranch(after) || kindOf(before) !== kindOf(after)) {
    found.push({ path, before, after });
    return;
  }
  const left = children(before, path);
  const right = children(after, path);
  for (const [key, value] of left) compare(value, right.get(key), key, found);
  for (const [key, value] of right) if (!left.has(key)) compare(undefined, value, key, found);
};

const values = (before: unknown, after: unknown, path = ''): readonly ValueDifference[] => {
  const found: ValueDifference[] = [];
  compare(before, after, path, found);
  return found;
};

/** Mappings by their tag, size and address part; writes by their number. */
const rememberedByName = (remembered: Remembered): unknown => {
  if (remembered === NOTHING_REMEMBERED) return undefined;
  const caches: Record<string, unknown> = {};
  for (const [{ key }, { kind, shift, number, ...mapping }] of remembered.caches.mappings()) {
    const name = `${key} ${kind} ${shift} ${number.toString(16)}`;
    let copies = 0;
    while (Object.hasOwn(caches, `${name} ${copies}`)) copies++;
    caches[`${name} ${copies}`] = mapping;
  }
  return {
    caches,
    stores: remembered.stores,
    uses: remembered.uses,
    writes: new Map(trieEntries(remembered.writes)),
  };
};

const named = (state: MachineState): unknown =>
  state.processors.map(({ registers, remembered, ...rest }) => ({
    remembered: rememberedByName(remembered),
    registers: Object.fromEntries(REGISTER_NAMES.map((name, index) => [name, registers[index]])),
    ...rest,
  }));

const deviceStates = ({ board }: MachineState): unknown =>
  Object.fromEntries(board.devices.devices.map(({ name }, index) => [name, board.states[index]]));

const boardConfig = (config: MachineState['board']['config'] | MachineState['config']['board']): unknown =>
  config === undefined ? undefined : { ...config, devices: config.devices?.map(({ name }) => name) };

const rest = ({ config, ram, clock, turn, board, occurrences, monitor }: MachineState): unknown => ({
  clock,
  turn,
  config: {
    processor: config.processor.name,
    features: Object.fromEntries([...config.processor.features].map((name) => [name, true])),
    memoryBytes: config.memoryBytes,
    seed: config.seed,
    caches: config.caches,
    board: boardConfig(config.board),
  },
  ram,
  board: boardConfig(board.config),
  lines: board.lines,
  occurrences,
  monitor: monitor === undefined ? undefined : { ...monitor, monitor: monitor.monitor.name },
});

const byteRuns = (before: Uint8Array, after: Uint8Array): readonly ByteDifference[] => {
  const runs: ByteDifference[] = [];
  for (let offset = 0; offset < PAGE_BYTES; offset++) {
    if (before[offset] === after[offset]) continue;
    let end = offset + 1;
    while (end < PAGE_BYTES && before[end] !== after[end]) end++;
    runs.push({ offset, before: before.slice(offset, end), after: after.slice(offset, end) });
    offset = end;
  }
  return runs;
};

/** The bytes that differ between two memories; costs O(pages written since they parted). */
export const memoryDifference = (before: MemoryRoot, after: MemoryRoot): readonly PageDifference[] =>
  differingFrames(before, after).map((frame) => ({
    frame,
    bytes: byteRuns(before.page(frame).bytes, after.page(frame).bytes),
  }));

/** What changed from one machine to another: exactly the values and bytes that are not equal. */
export const difference = (before: MachineState, after: MachineState): StateDifference => ({
  registers: values(named(before), named(after), 'processors'),
  devices: values(deviceStates(before), deviceStates(after), 'devices'),
  other: values(rest(before), rest(after)),
  pages: memoryDifference(before.memory, after.memory),
});

/** Whether a difference is empty. */
export const isEqual = ({ registers, devices, other, pages }: StateDifference): boolean =>
  registers.length + devices.length + other.length + pages.length === 0;
