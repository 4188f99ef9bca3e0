import { freeze } from 'immer';
import { ISA_ACCESS } from '../clock-rate';
import {
  type AcknowledgedInterrupt,
  type Device,
  type DeviceEffect,
  type DeviceTransition,
  NO_EFFECTS,
} from '../device';
import {
  acknowledgeChip,
  PIC_8259_AT_POWER_UP,
  type Pic8259State,
  readChip,
  requestedInput,
  withInput,
  writeCommand,
  writeData,
} from './chip';

/** The two 8259A of a PC: the slave's INT output is the master's IR2, the master's is the line `intr`. */
export interface PicPairState {
  readonly master: Pic8259State;
  readonly slave: Pic8259State;
}

const CASCADE = 2;
/** Edge/level control registers, and the inputs that can be level-triggered. 82371SB (PIIX3) data sheet, ELCR1 and ELCR2 */
const ELCR = 0x4d0;
const LEVEL_WRITABLE = { master: 0xf8, slave: 0xde } as const;

type Which = keyof PicPairState;

const whichChip = (port: number): Which =>
  port >= ELCR ? (port === ELCR ? 'master' : 'slave') : port < 0xa0 ? 'master' : 'slave';

/** INT of the master: high while one of its inputs is to be served. */
const isInterrupting = ({ master }: PicPairState): boolean => requestedInput(master) >= 0;

/** The pair with the slave's output at the master's input. */
const cascaded = (master: Pic8259State, slave: Pic8259State): PicPairState => ({
  master: withInput(master, CASCADE, requestedInput(slave) >= 0),
  slave,
});

const outputEffects = (before: PicPairState, after: PicPairState): readonly DeviceEffect[] => {
  const level = isInterrupting(after);
  return level === isInterrupting(before) ? NO_EFFECTS : [{ kind: 'line', line: 'intr', level }];
};

const sameChip = (a: Pic8259State, b: Pic8259State): boolean =>
  a === b || (Object.keys(a) as (keyof Pic8259State)[]).every((key) => a[key] === b[key]);

const transition = (before: PicPairState, after: PicPairState): DeviceTransition<PicPairState> =>
  sameChip(before.master, after.master) && sameChip(before.slave, after.slave)
    ? { state: before, effects: NO_EFFECTS }
    : { state: freeze(after, true), effects: outputEffects(before, after) };

const withChip = (state: PicPairState, which: Which, chip: Pic8259State): PicPairState =>
  which === 'master' ? cascaded(chip, state.slave) : cascaded(state.master, chip);

/**
 * The acknowledge cycle (two INTA pulses): the vector, and the pair after it. With nothing to be served any more it is the vector of IR7, of the master
 * or of the slave, and no bit in service: a spurious interrupt.
 */
const acknowledge = (before: PicPairState): AcknowledgedInterrupt<PicPairState> => {
  const { pic: master, input } = acknowledgeChip(before.master);
  if (input !== CASCADE || before.master.single || (before.master.slaves & (1 << CASCADE)) === 0) {
    const after = cascaded(master, before.slave);
    return { vector: before.master.vectorBase | input, ...transition(before, after) };
  }
  const { pic: slave, input: slaveInput } = acknowledgeChip(before.slave);
  // The slave's output falls in between: what else it asks for is a new edge.
  const after = cascaded(withInput(master, CASCADE, false), slave);
  return { vector: before.slave.vectorBase | slaveInput, ...transition(before, after) };
};

/** The 8259A pair at 0x20 and 0xA0, with the edge/level control registers at 0x4D0. */
export const picPair: Device<PicPairState> = {
  name: '8259',
  accessTime: ISA_ACCESS,
  ranges: [
    { space: 'port', first: 0x20, last: 0x21 },
    { space: 'port', first: 0xa0, last: 0xa1 },
    { space: 'port', first: ELCR, last: ELCR + 1 },
  ],
  byteWide: true,
  listens: [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  reset: () => freeze({ master: PIC_8259_AT_POWER_UP, slave: PIC_8259_AT_POWER_UP }, true),
  read: (state, { address }) => {
    const which = whichChip(address);
    if (address >= ELCR) return { state, value: state[which].level };
    const { pic, value, timed } = readChip(state[which], (address & 1) === 1);
    return { ...transition(state, withChip(state, which, pic)), value, timed };
  },
  write: (state, { address }, value) => {
    const which = whichChip(address);
    const before = state[which];
    const chip =
      address >= ELCR
        ? { ...before, level: value & LEVEL_WRITABLE[which] }
        : ((address & 1) === 1 ? writeData : writeCommand)(before, value);
    return transition(state, withChip(state, which, chip));
  },
  requestsInterrupt: isInterrupting,
  acknowledgeInterrupt: acknowledge,
  setLine: (state, line, level) => {
    const input = Number(line);
    const which = input < 8 ? 'master' : 'slave';
    return transition(state, withChip(state, which, withInput(state[which], input & 7, level)));
  },
};
