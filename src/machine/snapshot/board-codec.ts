import {
  type Board,
  type BoardConfig,
  createBoard,
  type Device,
  debugExit,
  type FwCfgState,
  fwCfg,
  type Lines,
  type LocalApicState,
  localApicDevice,
  STANDARD_DEVICES,
  type UartState,
  uart16550,
} from '../../platform';
import {
  byte,
  type Codec,
  type Encoded,
  each,
  flag,
  integer,
  integerMap,
  list,
  malformed,
  mapped,
  nothing,
  oneOf,
  optional,
  physical,
  record,
  shown,
  text,
  time,
  word16,
  word32,
  word64,
} from './codec';
import { addressRange, CHIP_STATES } from './device-codecs';
import { plainData } from './plain-data';

const uart: Codec<UartState> = record<UartState>({
  ...each(['interruptEnable', 'lineControl', 'modemControl', 'scratch', 'modemChanges'], byte),
  divisor: word16,
  ...each(['fifoEnabled', 'transmitterEmptyDue', 'overrun'], flag),
  looped: list(byte),
  input: text,
  taken: integer(Number.MAX_SAFE_INTEGER),
});

const firmwareConfiguration: Codec<FwCfgState> = record<FwCfgState>({
  selector: word16,
  offset: integer(Number.MAX_SAFE_INTEGER),
  items: mapped(
    integerMap(word16, text),
    (items: FwCfgState['items']) =>
      new Map(Object.entries(items).map(([key, item]) => [Number(key), item] as const)),
    (items) => Object.freeze(Object.fromEntries(items)) as FwCfgState['items'],
  ),
});

const vectors = list(word32, 8);

const localApic: Codec<LocalApicState> = record<LocalApicState>({
  options: record<LocalApicState['options']>({
    initialId: byte,
    bootstrap: flag,
    tscDeadline: flag,
    x2apic: flag,
  }),
  enabled: flag,
  x2apic: flag,
  address: physical,
  windows: list(addressRange),
  id: byte,
  taskPriority: byte,
  ...each(['logicalDestination', 'destinationFormat', 'spurious'], word32),
  ...each(['inService', 'triggerMode', 'requested'], vectors),
  ...each(['errorStatus', 'pendingErrors', 'commandLow', 'commandHigh'], word32),
  lvt: record(each(['timer', 'thermal', 'performance', 'lint0', 'lint1', 'error'], word32)),
  ...each(['initialCount', 'divideConfiguration', 'count'], word32),
  since: time,
  tscDeadline: word64,
  tscDeadlineClock: time,
});

const untyped = <T>(codec: Codec<T>): Codec<unknown> => codec as unknown as Codec<unknown>;

const STATES: ReadonlyMap<string, Codec<unknown>> = new Map([
  [uart16550.name, untyped(uart)],
  [fwCfg.name, untyped(firmwareConfiguration)],
  [localApicDevice.name, untyped(list(localApic))],
  [debugExit.name, untyped(nothing)],
  ...CHIP_STATES,
]);

/** A user's own devices are written by name, and found again among those given. */
const device = (known: readonly Device<unknown>[]): Codec<Device<unknown>> => ({
  encode: ({ name }): Encoded => name,
  decode: (encoded, field) =>
    known.find(({ name }) => name === encoded) ??
    malformed(
      field,
      `the device ${shown(encoded)} is not among those given (${known.map(({ name }) => name).join(', ') || 'none'})`,
      'give it when the snapshot is read',
    ),
});

/** The largest firmware image, 16 MiB below 4 GiB. */
const MOST_FIRMWARE = 2 ** 24;

type Beyond = Omit<BoardConfig, 'memoryBytes'>;

const beyondMemory = (known: readonly Device<unknown>[]) =>
  ({
    processors: optional(integer(255, 1)),
    commandLine: optional(
      record<NonNullable<Beyond['commandLine']>>({ address: physical, text }) as Codec<
        NonNullable<Beyond['commandLine']>
      >,
    ),
    initrd: optional(record<NonNullable<Beyond['initrd']>>({ address: physical, data: text })),
    serialInput: optional(text),
    timer: optional(oneOf('clock', 'external')),
    localApic: optional(flag),
    tscDeadline: optional(flag),
    x2apic: optional(flag),
    firmware: optional(integer(MOST_FIRMWARE, 4096)),
    date: optional(integer(2 ** 40)),
    omit: optional(list(oneOf(...STANDARD_DEVICES.map(({ name }) => name)))),
    devices: optional(list(device(known))),
  }) as const;

/** The board's part of a machine's configuration. */
export const boardOptions = (known: readonly Device<unknown>[]): Codec<Beyond> =>
  record<Beyond>(beyondMemory(known));

interface DrivenLine {
  readonly line: string;
  readonly by: readonly string[];
}

const lines: Codec<Lines> = mapped(
  list(record<DrivenLine>({ line: text, by: list(text) })),
  (driven: Lines) => Object.entries(driven).map(([line, by]) => ({ line, by })),
  (driven, field) => {
    driven.forEach(({ line, by }, at) => {
      if (!/^(?:\d|1\d|2[0-3]|intr|nmi)$/.test(line)) malformed(`${field}[${at}].line`, `no line ${line}`);
      if (by.length === 0) malformed(`${field}[${at}].by`, 'nobody drives it');
    });
    return Object.freeze(Object.fromEntries(driven.map(({ line, by }) => [line, by])));
  },
);

interface BoardParts {
  readonly config: BoardConfig;
  readonly lines: Lines;
  readonly states: Readonly<Record<string, Encoded>>;
  /** By device, where time is external. */
  readonly times?: readonly number[];
}

/** Kept as it is, to be decoded when it is known what it belongs to. */
const later: Codec<Readonly<Record<string, Encoded>>> = {
  encode: (value) => value,
  decode: (encoded, field) =>
    typeof encoded === 'object' && encoded !== null && !Array.isArray(encoded)
      ? (encoded as Readonly<Record<string, Encoded>>)
      : malformed(field, `${shown(encoded)} is not an object`),
};

/** A board: its configuration, and the state of each device under the device's name. */
export const board = (known: readonly Device<unknown>[]): Codec<Board> => {
  const parts = record<BoardParts>({
    config: record<BoardConfig>({ memoryBytes: physical, ...beyondMemory(known) }),
    lines,
    states: later,
    times: optional(list(time)),
  });
  return mapped(
    parts,
    ({ config, devices: { devices }, lines: driven, states, times }: Board) => ({
      config,
      lines: driven,
      states: Object.fromEntries(
        devices.map(({ name }, index) => [name, (STATES.get(name) ?? plainData).encode(states[index])]),
      ),
      ...(times === undefined ? {} : { times }),
    }),
    ({ config, lines: driven, states, times }, field) => {
      const reset = createBoard(config);
      const names = reset.devices.devices.map(({ name }) => name);
      for (const name of Object.keys(states))
        if (!names.includes(name)) malformed(`${field}.states.${name}`, 'this board has no such device');
      if (times?.length !== reset.times?.length)
        malformed(`${field}.times`, `${times?.length ?? 0} instead of ${reset.times?.length ?? 0}`);
      for (const [line, by] of Object.entries(driven))
        for (const name of by)
          if (!names.includes(name)) malformed(`${field}.lines ${line}`, `this board has no device ${name}`);
      return Object.freeze({
        ...reset,
        ...(times === undefined ? {} : { times }),
        lines: driven,
        states: Object.freeze(
          names.map((name) =>
            (STATES.get(name) ?? plainData).decode(
              Object.hasOwn(states, name) ? states[name] : undefined,
              `${field}.states.${name}`,
            ),
          ),
        ),
      });
    },
  );
};
