// Intel 8042 as the keyboard controller of the PC/AT: IBM PC/AT Technical Reference, Keyboard Controller
import { freeze } from 'immer';
import { ISA_ACCESS } from './clock-rate';
import { type Device, type DeviceTransition, NO_EFFECTS } from './device';

export interface KeyboardControllerState {
  /** The command byte. */
  readonly commandByte: number;
  /** The output port: reset (bit 0, active low), A20 (bit 1). */
  readonly outputPort: number;
  /** The command whose data byte the next write to port 0x60 is; 0 for a byte to the keyboard. */
  readonly expects: number;
  /** The keyboard's own command whose data byte comes next; 0 for none. */
  readonly keyboardExpects: number;
  /** Bytes for software, the first in the output buffer; those of the auxiliary device marked by bit 8. */
  readonly output: readonly number[];
}

const DATA = 0x60;
const COMMAND = 0x64;
const KEYBOARD_INTERRUPT = 1;
const DISABLE_KEYBOARD = 0x10;
const DISABLE_AUXILIARY = 0x20;
const AUXILIARY = 0x100;
const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
const A20 = 2;

const AT_RESET: KeyboardControllerState = freeze(
  { commandByte: 0x61, outputPort: 0xcf, expects: 0, keyboardExpects: 0, output: [] },
  true,
);

const requests = ({ commandByte, output }: KeyboardControllerState): boolean =>
  output.length > 0 && output[0] < AUXILIARY && (commandByte & KEYBOARD_INTERRUPT) !== 0;

const transition = (
  before: KeyboardControllerState,
  after: KeyboardControllerState,
): DeviceTransition<KeyboardControllerState> => {
  const level = requests(after);
  return {
    state: freeze(after, true),
    effects: level === requests(before) ? NO_EFFECTS : [{ kind: 'line', line: 1, level }],
  };
};

const answering = (state: KeyboardControllerState, ...bytes: number[]): KeyboardControllerState => ({
  ...state,
  output: [...state.output, ...bytes],
});

const status = ({ output, commandByte }: KeyboardControllerState): number =>
  0x10 |
  (output.length > 0 ? 1 : 0) |
  ((commandByte & 4) !== 0 ? 4 : 0) |
  (output[0] >= AUXILIARY ? 0x20 : 0);

const RESET_EFFECT = [{ kind: 'reset', cause: 'software' }] as const;

/** A command of the controller. Commands that wait for a data byte: 60H, D1H to D4H. */
const command = (
  state: KeyboardControllerState,
  value: number,
): DeviceTransition<KeyboardControllerState> => {
  const changed = (change: Partial<KeyboardControllerState>) => transition(state, { ...state, ...change });
  if (value >= 0xf0) {
    // A pulse of the output port's low bits: bit 0 is the processors' reset.
    return (value & 1) === 0 ? { state, effects: RESET_EFFECT } : { state, effects: NO_EFFECTS };
  }
  switch (value) {
    case 0x20:
      return transition(state, answering(state, state.commandByte));
    case 0x60:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xd4:
      return changed({ expects: value });
    case 0xa7:
      return changed({ commandByte: state.commandByte | DISABLE_AUXILIARY });
    case 0xa8:
      return changed({ commandByte: state.commandByte & ~DISABLE_AUXILIARY });
    case 0xa9:
    case 0xab:
      return transition(state, answering(state, 0));
    case 0xaa:
      return transition(state, answering(state, 0x55));
    case 0xad:
      return changed({ commandByte: state.commandByte | DISABLE_KEYBOARD });
    case 0xae:
      return changed({ commandByte: state.commandByte & ~DISABLE_KEYBOARD });
    case 0xc0:
      return transition(state, answering(state, 0x80));
    case 0xd0:
      return transition(state, answering(state, state.outputPort));
    default:
      return { state, effects: NO_EFFECTS };
  }
};

/** A byte sent to the keyboard, at which nobody types. */
const keyboard = (state: KeyboardControllerState, value: number): KeyboardControllerState => {
  if (state.keyboardExpects !== 0) {
    const asksScanCodes = state.keyboardExpects === 0xf0 && value === 0;
    return answering({ ...state, keyboardExpects: 0 }, ACKNOWLEDGE, ...(asksScanCodes ? [2] : []));
  }
  switch (value) {
    case 0xed:
    case 0xf0:
    case 0xf3:
      return answering({ ...state, keyboardExpects: value }, ACKNOWLEDGE);
    case 0xee:
      return answering(state, 0xee);
    case 0xf2:
      return answering(state, ACKNOWLEDGE, 0xab, 0x83);
    case 0xf4:
    case 0xf5:
    case 0xf6:
      return answering(state, ACKNOWLEDGE);
    case 0xff:
      return answering(state, ACKNOWLEDGE, 0xaa);
    default:
      return answering(state, RESEND);
  }
};

const data = (state: KeyboardControllerState, value: number): DeviceTransition<KeyboardControllerState> => {
  const after = { ...state, expects: 0 };
  switch (state.expects) {
    case 0x60:
      return transition(state, { ...after, commandByte: value });
    case 0xd1: {
      const { state: set, effects } = transition(state, { ...after, outputPort: value | 1 });
      return { state: set, effects: (value & 1) === 0 ? [...effects, ...RESET_EFFECT] : effects };
    }
    case 0xd2:
      return transition(state, answering(after, value));
    case 0xd3:
      return transition(state, answering(after, value | AUXILIARY));
    // No auxiliary device is there to answer.
    case 0xd4:
      return transition(state, after);
    default:
      return transition(state, keyboard(after, value));
  }
};

/** The 8042 with a keyboard at which nobody types; a byte for software raises IRQ1 when the command byte says so. Its output port has a part of the A20 gate. */
export const keyboardController: Device<KeyboardControllerState> = {
  name: '8042',
  accessTime: ISA_ACCESS,
  ranges: [
    { space: 'port', first: DATA, last: DATA },
    { space: 'port', first: COMMAND, last: COMMAND },
  ],
  byteWide: true,
  reset: () => AT_RESET,
  passesLine20: ({ outputPort }) => (outputPort & A20) !== 0,
  read: (state, { address }) => {
    if (address === COMMAND) return { state, value: status(state) };
    if (state.output.length === 0) return { state, value: 0 };
    const [value, ...output] = state.output;
    // The buffer is empty between two bytes: each has its own edge.
    const emptied = transition(state, { ...state, output: [] });
    const filled = transition(emptied.state, { ...state, output });
    return { state: filled.state, value: value & 0xff, effects: [...emptied.effects, ...filled.effects] };
  },
  write: (state, { address }, value) => (address === COMMAND ? command : data)(state, value),
};
