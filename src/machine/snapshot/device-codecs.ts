import {
  type AddressRange,
  type ChipsetState,
  type Counter,
  chipset,
  debugPort,
  type IoApicState,
  intervalTimer,
  ioApic,
  type KeyboardControllerState,
  keyboardController,
  type Pic8259State,
  type PicPairState,
  type PitState,
  type PowerManagementState,
  pcTestDevice,
  picPair,
  postCode,
  type RtcState,
  realTimeClock,
  shutdownPort,
  systemControlPort,
  type TestDeviceState,
} from '../../platform';
import {
  byte,
  type Codec,
  each,
  flag,
  integer,
  integerMap,
  list,
  mapped,
  nothing,
  oneOf,
  physical,
  record,
  word16,
  word32,
} from './codec';

/** A range of the board's address spaces. */
export const addressRange: Codec<AddressRange> = record<AddressRange>({
  space: oneOf('port', 'memory'),
  first: physical,
  last: physical,
});

const pic: Codec<Pic8259State> = record<Pic8259State>({
  expects: oneOf(0, 2, 3, 4),
  ...each(
    [
      'initialized',
      'single',
      'wantsIcw4',
      'autoEoi',
      'specialFullyNested',
      'specialMask',
      'rotatesOnAutoEoi',
      'allLevel',
      'polls',
      'readsInService',
    ],
    flag,
  ),
  lowest: integer(7),
  ...each(['vectorBase', 'slaves', 'level', 'mask', 'lines', 'edges', 'inService'], byte),
});

const ticks = integer(Number.MAX_SAFE_INTEGER);
/** A value, or -1 for none. */
const orNone = (most: number) => integer(most, -1);

const counter: Codec<Counter> = record<Counter>({
  mode: oneOf(0, 1, 2, 3, 4, 5),
  access: oneOf(1, 2, 3),
  ...each(['bcd', 'gate', 'readsHigh'], flag),
  ...each(['count', 'next'], integer(0x1_0000)),
  ...each(['start', 'stopped'], orNone(Number.MAX_SAFE_INTEGER)),
  low: orNone(0xff),
  latched: orNone(0xffff),
  latchedStatus: orNone(0xff),
});

const timer: Codec<PitState> = record<PitState>({
  counters: list(counter, 3) as unknown as Codec<PitState['counters']>,
  speaker: integer(3),
  level: flag,
  at: ticks,
});

const clock: Codec<RtcState> = record<RtcState>({
  index: integer(0x7f),
  memory: list(byte, 128),
  seconds: integer(2 ** 40, -(2 ** 40)),
  since: ticks,
  flags: byte,
  at: ticks,
});

const ioApicState: Codec<IoApicState> = record<IoApicState>({
  select: byte,
  id: integer(15),
  low: list(word32, 24),
  high: list(word32, 24),
  lines: integer(0xff_ffff),
});

const power: Codec<PowerManagementState> = record<PowerManagementState>({
  ...each(['status', 'enable', 'control'], word16),
  asleep: flag,
});

const space = list(byte, 256);

const chipsetState: Codec<ChipsetState> = record<ChipsetState>({
  address: word32,
  spaces: record<ChipsetState['spaces']>({
    hostBridge: space,
    isaBridge: space,
    powerManagement: space,
  }),
  resetControl: byte,
  apm: list(byte, 2) as unknown as Codec<ChipsetState['apm']>,
  power,
  windows: list(addressRange),
});

const keyboard: Codec<KeyboardControllerState> = record<KeyboardControllerState>({
  ...each(['commandByte', 'outputPort', 'expects', 'keyboardExpects'], byte),
  output: list(integer(0x1ff)),
});

const testDevice: Codec<TestDeviceState> = record<TestDeviceState>({
  echo: word32,
  memory: mapped(
    integerMap(word16, byte),
    (memory: TestDeviceState['memory']) =>
      new Map(Object.entries(memory).map(([at, value]) => [Number(at), value] as const)),
    (memory) => Object.freeze(Object.fromEntries(memory)) as TestDeviceState['memory'],
  ),
});

const untyped = <T>(codec: Codec<T>): Codec<unknown> => codec as unknown as Codec<unknown>;

/** The states of the chips of a PC, by the device's name. */
export const CHIP_STATES: readonly (readonly [string, Codec<unknown>])[] = [
  [picPair.name, untyped(record<PicPairState>({ master: pic, slave: pic }))],
  [intervalTimer.name, untyped(timer)],
  [realTimeClock.name, untyped(clock)],
  [ioApic.name, untyped(ioApicState)],
  [chipset.name, untyped(chipsetState)],
  [keyboardController.name, untyped(keyboard)],
  [systemControlPort.name, untyped(byte)],
  [postCode.name, untyped(byte)],
  [debugPort.name, untyped(nothing)],
  [shutdownPort.name, untyped(integer(7))],
  [pcTestDevice.name, untyped(testDevice)],
];
