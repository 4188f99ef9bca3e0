// Intel 8259A Programmable Interrupt Controller data sheet: initialization and operation command words
import { freeze, produce } from 'immer';
import { type Device, type DeviceTransition, NO_EFFECTS } from './device';

/** One 8259A. `expects` is the initialization command word (2, 3 or 4) that the next data write is; 0 for the mask. */
export interface Pic8259State {
  readonly mask: number;
  readonly vectorBase: number;
  readonly expects: 0 | 2 | 3 | 4;
  readonly single: boolean;
  readonly wantsIcw4: boolean;
  /** Which register a read of the command port gives; both are 0, as no line is wired. */
  readonly readsInService: boolean;
}

export interface PicPairState {
  readonly master: Pic8259State;
  readonly slave: Pic8259State;
}

const RESET: Pic8259State = {
  mask: 0,
  vectorBase: 0,
  expects: 0,
  single: false,
  wantsIcw4: false,
  readsInService: false,
};

const writeCommand = (pic: Pic8259State, value: number): Pic8259State => {
  if ((value & 0x10) !== 0)
    return { ...RESET, expects: 2, single: (value & 2) !== 0, wantsIcw4: (value & 1) !== 0 };
  const selects = (value & 0x18) === 0x08 && (value & 2) !== 0;
  return selects ? { ...pic, readsInService: (value & 1) !== 0 } : pic;
};

const writeData = (pic: Pic8259State, value: number): Pic8259State => {
  const afterIcw3 = pic.wantsIcw4 ? 4 : 0;
  switch (pic.expects) {
    case 0:
      return pic.mask === value ? pic : { ...pic, mask: value };
    case 2:
      return { ...pic, vectorBase: value & 0xf8, expects: pic.single ? afterIcw3 : 3 };
    case 3:
      return { ...pic, expects: afterIcw3 };
    case 4:
      return { ...pic, expects: 0 };
  }
};

/** The two cascaded 8259A at 0x20 and 0xA0: initialization words and masks only, no interrupt is delivered. */
export const picPair: Device<PicPairState> = {
  name: '8259',
  ranges: [
    { space: 'port', first: 0x20, last: 0x21 },
    { space: 'port', first: 0xa0, last: 0xa1 },
  ],
  byteWide: true,
  reset: () => freeze({ master: RESET, slave: RESET }, true),
  read: (state, { address }) => {
    const pic = address < 0xa0 ? state.master : state.slave;
    return { state, value: (address & 1) === 1 ? pic.mask : 0 };
  },
  write: (state, { address }, value): DeviceTransition<PicPairState> => {
    const which = address < 0xa0 ? 'master' : 'slave';
    const next = ((address & 1) === 1 ? writeData : writeCommand)(state[which], value);
    if (next === state[which]) return { state, effects: NO_EFFECTS };
    return {
      state: produce(state, (draft) => {
        draft[which] = next;
      }),
      effects: NO_EFFECTS,
    };
  },
};
