// Intel 8259A Programmable Interrupt Controller data sheet (231468): Interrupt Sequence, Priority, Cascade Mode
import { freeze } from 'immer';

/** One 8259A. Sets of interrupt inputs are 8 bits, IR0 in bit 0. */
export interface Pic8259State {
  /** The initialization command word (2, 3 or 4) that the next data write is; 0 for the mask. */
  readonly expects: 0 | 2 | 3 | 4;
  /** Initialized since power-up; before that it interrupts nobody. */
  readonly initialized: boolean;
  readonly single: boolean;
  readonly wantsIcw4: boolean;
  readonly vectorBase: number;
  /** ICW3 of the master: inputs at which a slave is. */
  readonly slaves: number;
  readonly autoEoi: boolean;
  readonly specialFullyNested: boolean;
  readonly specialMask: boolean;
  readonly rotatesOnAutoEoi: boolean;
  /** The input of lowest priority, 0 to 7. */
  readonly lowest: number;
  /** Inputs that are level-triggered: ICW1's LTIM for all, or the ELCR for each. */
  readonly allLevel: boolean;
  readonly level: number;
  readonly mask: number;
  readonly lines: number;
  /** Edges that wait; level-triggered inputs request by their lines. */
  readonly edges: number;
  readonly inService: number;
  /** The next read is a poll. */
  readonly polls: boolean;
  /** Which register a read of the command port gives. */
  readonly readsInService: boolean;
}

export const PIC_8259_AT_POWER_UP: Pic8259State = freeze({
  expects: 0,
  initialized: false,
  single: false,
  wantsIcw4: false,
  vectorBase: 0,
  slaves: 0,
  autoEoi: false,
  specialFullyNested: false,
  specialMask: false,
  rotatesOnAutoEoi: false,
  lowest: 7,
  allLevel: false,
  level: 0,
  mask: 0,
  lines: 0,
  edges: 0,
  inService: 0,
  polls: false,
  readsInService: false,
});

const SPURIOUS = 7;

const levels = (pic: Pic8259State): number => (pic.allLevel ? 0xff : pic.level);

/** The interrupt request register. */
const requestsOf = (pic: Pic8259State): number => {
  const level = levels(pic);
  return (pic.lines & level) | (pic.edges & ~level);
};

/** The first of a set by priority, -1 when it is empty. */
const first = (pic: Pic8259State, set: number): number => {
  for (let step = 1; step <= 8; step++) {
    const input = (pic.lowest + step) & 7;
    if ((set & (1 << input)) !== 0) return input;
  }
  return -1;
};

const rank = (pic: Pic8259State, input: number): number => (input - pic.lowest + 7) & 7;

/** The input that the chip would have served now, -1 for none: its INT output is high when there is one. */
export const requestedInput = (pic: Pic8259State): number => {
  if (!pic.initialized || pic.expects !== 0) return -1;
  const wanted = requestsOf(pic) & ~pic.mask;
  const input = first(pic, wanted);
  if (input < 0) return -1;
  if (pic.specialMask) return first(pic, wanted & ~(pic.inService & ~pic.mask));
  const served = first(pic, pic.inService);
  if (served < 0 || rank(pic, input) < rank(pic, served)) return input;
  const nested = pic.specialFullyNested && (pic.slaves & (1 << input)) !== 0;
  return nested && input === served ? input : -1;
};

/** An input changes its level. An edge that goes away before it was served is none: the acknowledge cycle would find nothing. */
export const withInput = (pic: Pic8259State, input: number, high: boolean): Pic8259State => {
  const bit = 1 << input;
  if (((pic.lines & bit) !== 0) === high) return pic;
  return high
    ? { ...pic, lines: pic.lines | bit, edges: pic.edges | bit }
    : { ...pic, lines: pic.lines & ~bit, edges: pic.edges & ~bit };
};

/** The acknowledge cycle of one chip: the input served, IR7 without a bit in service when nothing requests any more (a spurious interrupt). */
export const acknowledgeChip = (
  pic: Pic8259State,
): { readonly pic: Pic8259State; readonly input: number; readonly found: boolean } => {
  const input = requestedInput(pic);
  if (input < 0) return { pic, input: SPURIOUS, found: false };
  const bit = 1 << input;
  const served = { ...pic, edges: pic.edges & ~bit };
  const after: Pic8259State = pic.autoEoi
    ? { ...served, lowest: pic.rotatesOnAutoEoi ? input : pic.lowest }
    : { ...served, inService: pic.inService | bit };
  return { pic: after, input, found: true };
};

const initialize = (pic: Pic8259State, value: number): Pic8259State => ({
  ...PIC_8259_AT_POWER_UP,
  level: pic.level,
  lines: pic.lines,
  initialized: true,
  expects: 2,
  allLevel: (value & 8) !== 0,
  single: (value & 2) !== 0,
  wantsIcw4: (value & 1) !== 0,
});

/** OCW2: ends of interrupts and rotation. */
const operate = (pic: Pic8259State, value: number): Pic8259State => {
  const input = value & 7;
  const rotates = (value & 0x80) !== 0;
  const specific = (value & 0x40) !== 0;
  if ((value & 0x20) === 0) {
    if (specific) return rotates ? { ...pic, lowest: input } : pic;
    return { ...pic, rotatesOnAutoEoi: rotates };
  }
  const inService = pic.specialMask ? pic.inService & ~pic.mask : pic.inService;
  const ended = specific ? input : first(pic, inService);
  if (ended < 0) return pic;
  return {
    ...pic,
    inService: pic.inService & ~(1 << ended),
    lowest: rotates ? ended : pic.lowest,
  };
};

/** OCW3: special mask mode, poll, and the register that is read. */
const select = (pic: Pic8259State, value: number): Pic8259State => ({
  ...pic,
  specialMask: (value & 0x40) !== 0 ? (value & 0x20) !== 0 : pic.specialMask,
  polls: (value & 4) !== 0,
  readsInService: (value & 2) !== 0 ? (value & 1) !== 0 : pic.readsInService,
});

/** A write with A0 low: ICW1, OCW2 or OCW3. */
export const writeCommand = (pic: Pic8259State, value: number): Pic8259State => {
  if ((value & 0x10) !== 0) return initialize(pic, value);
  return (value & 8) !== 0 ? select(pic, value) : operate(pic, value);
};

/** A write with A0 high: ICW2 to ICW4 in their turn, else the mask (OCW1). */
export const writeData = (pic: Pic8259State, value: number): Pic8259State => {
  const afterIcw3 = pic.wantsIcw4 ? 4 : 0;
  switch (pic.expects) {
    case 0:
      return { ...pic, mask: value };
    case 2:
      return { ...pic, vectorBase: value & 0xf8, expects: pic.single ? afterIcw3 : 3 };
    case 3:
      return { ...pic, slaves: value, expects: afterIcw3 };
    case 4:
      return {
        ...pic,
        expects: 0,
        autoEoi: (value & 2) !== 0,
        specialFullyNested: (value & 0x10) !== 0,
      };
  }
};

/** A read: the poll word when a poll was asked for, else the mask or one of the two registers. */
export const readChip = (
  pic: Pic8259State,
  data: boolean,
): { readonly pic: Pic8259State; readonly value: number; readonly timed: boolean } => {
  if (pic.polls) {
    const polled = acknowledgeChip({ ...pic, polls: false });
    return { pic: polled.pic, value: polled.found ? 0x80 | polled.input : 0, timed: true };
  }
  if (data) return { pic, value: pic.mask, timed: false };
  return pic.readsInService
    ? { pic, value: pic.inService, timed: false }
    : { pic, value: requestsOf(pic), timed: true };
};
