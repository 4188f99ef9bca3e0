import { freeze } from 'immer';
import { type Board, deviceState } from '../board-value';
import { ISA_ACCESS } from '../clock-rate';
import {
  type AddressRange,
  type BusAccess,
  type Device,
  type DeviceRead,
  type DeviceTransition,
  NO_EFFECTS,
} from '../device';
import {
  type ConfigurationSpaces,
  functionAt,
  initialSpaces,
  PAM_FIRST,
  PM_BASE,
  PM_MISC,
  withByte,
} from './configuration';
import {
  apmCommand,
  clockAlarm,
  initialPowerManagement,
  PM_BYTES,
  type PowerManagementState,
  type PowerTransition,
  readPowerManagement,
  writePowerManagement,
} from './power-management';

/** The chipset of a PC with an 82441FX host bridge and an 82371 ISA bridge. */
export interface ChipsetState {
  /** The configuration address, 32 bits. */
  readonly address: number;
  readonly spaces: ConfigurationSpaces;
  readonly resetControl: number;
  /** The ports 0xB2 and 0xB3. */
  readonly apm: readonly [number, number];
  readonly power: PowerManagementState;
  /** The ports of the power management block, while it is switched on. */
  readonly windows: readonly AddressRange[];
}

const CONFIG_ADDRESS = 0xcf8;
const RESET_CONTROL = 0xcf9;
const CONFIG_DATA = 0xcfc;
const APM = 0xb2;
const RESET_CPU = 4;
const ENABLED = 0x8000_0000;
const RTC_LINE = 8;

const NO_WINDOWS: readonly AddressRange[] = Object.freeze([]);

const pmBase = ({ powerManagement }: ConfigurationSpaces): number =>
  (powerManagement[PM_BASE] & 0xc0) | (powerManagement[PM_BASE + 1] << 8);

const windowsOf = (spaces: ConfigurationSpaces): readonly AddressRange[] => {
  if ((spaces.powerManagement[PM_MISC] & 1) === 0) return NO_WINDOWS;
  const first = pmBase(spaces);
  return Object.freeze([Object.freeze({ space: 'port' as const, first, last: first + PM_BYTES - 1 })]);
};

const part = (word: number, offset: number, bytes: number): number =>
  Math.floor(word / 2 ** (8 * offset)) % 2 ** (8 * bytes);

/** The function and register that the configuration address names. */
const target = ({ address }: ChipsetState) => ({
  name: address >= ENABLED ? functionAt((address >>> 16) & 0xff, (address >>> 8) & 0xff) : undefined,
  register: address & 0xfc,
});

const readConfiguration = (state: ChipsetState, offset: number, bytes: number): number => {
  const { name, register } = target(state);
  let value = 0;
  for (let at = 0; at < bytes; at++)
    value += (name === undefined ? 0xff : state.spaces[name][register + offset + at]) * 2 ** (8 * at);
  return value;
};

const writeConfiguration = (
  state: ChipsetState,
  offset: number,
  bytes: number,
  value: number,
): ChipsetState => {
  const { name, register } = target(state);
  if (name === undefined) return state;
  let space = state.spaces[name];
  for (let at = 0; at < bytes; at++)
    space = withByte(space, name, register + offset + at, part(value, at, 1));
  if (space === state.spaces[name]) return state;
  const spaces = Object.freeze({ ...state.spaces, [name]: space });
  return freeze({ ...state, spaces, windows: windowsOf(spaces) });
};

const quiet = (state: ChipsetState): DeviceTransition<ChipsetState> => ({ state, effects: NO_EFFECTS });

const withPower = (
  state: ChipsetState,
  { state: power, effects }: PowerTransition,
): DeviceTransition<ChipsetState> => ({
  state: power === state.power ? state : freeze({ ...state, power }),
  effects,
});

const isPower = (state: ChipsetState, address: number): boolean =>
  state.windows.length > 0 && address >= state.windows[0].first && address <= state.windows[0].last;

const read = (state: ChipsetState, { address, bytes, now }: BusAccess): DeviceRead<ChipsetState> => {
  if (isPower(state, address)) {
    const offset = address - state.windows[0].first;
    const { value, timed } = readPowerManagement(state.power, offset, now);
    return { state, value: part(value, offset & 3, bytes), timed };
  }
  if (address >= CONFIG_DATA) return { state, value: readConfiguration(state, address & 3, bytes) };
  if (address >= CONFIG_ADDRESS) {
    if (address === CONFIG_ADDRESS && bytes === 4) return { state, value: state.address };
    return { state, value: address === RESET_CONTROL ? state.resetControl : 0xff };
  }
  return { state, value: state.apm[address - APM] };
};

const writeReset = (state: ChipsetState, value: number): DeviceTransition<ChipsetState> => ({
  state: freeze({ ...state, resetControl: value & ~RESET_CPU }),
  effects: (value & RESET_CPU) !== 0 ? [{ kind: 'reset', cause: 'software' }] : NO_EFFECTS,
});

const write = (
  state: ChipsetState,
  { address, bytes }: BusAccess,
  value: number,
): DeviceTransition<ChipsetState> => {
  if (isPower(state, address)) {
    const offset = address - state.windows[0].first;
    const low = writePowerManagement(state.power, offset, part(value, 0, 2));
    if (bytes < 4) return withPower(state, low);
    const high = writePowerManagement(low.state, offset + 2, part(value, 2, 2));
    return withPower(state, { state: high.state, effects: [...low.effects, ...high.effects] });
  }
  if (address >= CONFIG_DATA) return quiet(writeConfiguration(state, address & 3, bytes, value));
  if (address >= CONFIG_ADDRESS) {
    if (address === CONFIG_ADDRESS && bytes === 4)
      return quiet(freeze({ ...state, address: (value & 0x80ff_fffc) >>> 0 }));
    return address === RESET_CONTROL && bytes === 1 ? writeReset(state, value) : quiet(state);
  }
  const [command, status] = state.apm;
  if (address !== APM) return quiet(freeze({ ...state, apm: [command, value & 0xff] }, true));
  return withPower(
    freeze({ ...state, apm: [value & 0xff, status] }, true),
    apmCommand(state.power, value & 0xff),
  );
};

const initial: Device<ChipsetState>['reset'] = (config) => {
  const spaces = initialSpaces(config);
  return freeze(
    {
      address: 0,
      spaces,
      resetControl: 0,
      apm: [0, 0],
      power: initialPowerManagement(config.firmware === undefined),
      windows: windowsOf(spaces),
    },
    true,
  );
};

/**
 * PCI configuration mechanism #1 with host bridge (attribute maps of 0xC0000 to 0xFFFFF), ISA bridge, and the power management function with
 * its event, control and timer registers; the reset control register at 0xCF9, and the APM ports. A reset leaves the power management status, which says who woke
 * the machine.
 */
export const chipset: Device<ChipsetState> = {
  name: 'chipset',
  accessTime: ISA_ACCESS,
  ranges: [
    { space: 'port', first: APM, last: APM + 1 },
    { space: 'port', first: CONFIG_ADDRESS, last: CONFIG_DATA + 3 },
  ],
  windows: (state) => state.windows,
  reset: initial,
  afterReset: ({ power: { status, enable } }, config) => {
    const state = initial(config);
    return freeze({ ...state, power: { ...state.power, status, enable } }, true);
  },
  read,
  write,
  listens: [RTC_LINE],
  setLine: (state, _, level) => (level ? withPower(state, clockAlarm(state.power)) : quiet(state)),
};

/** How 16-KiB segments from 0xC0000 to 0xEFFFF, and 0xF0000 to 0xFFFFF as a whole, are attributed: bit 0 reads go to RAM, bit 1 writes do. */
export const shadowing = ({ spaces: { hostBridge } }: ChipsetState): readonly number[] => [
  ...Array.from({ length: 12 }, (_, at) => (hostBridge[PAM_FIRST + 1 + (at >>> 1)] >>> (4 * (at & 1))) & 3),
  (hostBridge[PAM_FIRST] >>> 4) & 3,
];

/** The registers behind `shadowing`, to be compared: the same array while nothing changed. */
export const shadowRegisters = ({ spaces: { hostBridge } }: ChipsetState): readonly number[] => hostBridge;

/** Whether the machine is in the sleeping state S3. */
export const isAsleep = (board: Board): boolean =>
  (deviceState(board, chipset.name) as ChipsetState | undefined)?.power.asleep === true;
