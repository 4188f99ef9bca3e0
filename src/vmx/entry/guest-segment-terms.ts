import type { VmcsField } from '../vmcs';
import { bits, clear, lowHalf, lowIsOneOf, type Term, term } from './guest-terms';

/** Segment registers of the guest-state area. SDM Vol. 3C, 25.4.1 Guest Register State */
export type Segment = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';

type Part = 'Selector' | 'Base' | 'Limit' | 'AccessRights';

/** The VMCS field of one part of a segment register. */
export const segmentField = (segment: Segment, part: Part): VmcsField =>
  `guest${segment[0].toUpperCase()}${segment.slice(1)}${part}` as VmcsField;

const access = (segment: Segment): VmcsField => segmentField(segment, 'AccessRights');
const name = (segment: Segment): string => segment.toUpperCase();

const TYPE = 0xf;
const UNUSABLE = 16;
const DPL_SHIFT = 5;

/** Access-rights bits 63:0 under a mask are 0. */
export const accessClear = (segment: Segment, high: number, low = high): Term =>
  clear(access(segment), bits(high, low));

/** One access-rights bit is 1. */
export const accessSet = (segment: Segment, bit: number, meaning: string): Term =>
  lowIsOneOf(access(segment), 1 << bit, [1 << bit], `bit ${bit} (${meaning}) = 1`);

export const usable = (segment: Segment): Term =>
  clear(access(segment), bits(UNUSABLE), `${name(segment)} is usable`);

/** Data, or code that is not conforming: Type 0 to 11. */
export const dataOrNonconforming = (segment: Segment): Term =>
  lowIsOneOf(access(segment), TYPE, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 'Type is 0 to 11');

/** The Type field, access-rights bits 3:0, is one of the values. */
export const typeIs = (segment: Segment, ...types: readonly number[]): Term =>
  lowIsOneOf(access(segment), TYPE, types, `Type is ${types.join(' or ')}`);

/** The privilege level of the descriptor is one of the values. */
export const dplIs = (segment: Segment, ...levels: readonly number[]): Term =>
  lowIsOneOf(
    access(segment),
    3 << DPL_SHIFT,
    levels.map((level) => level << DPL_SHIFT),
    `DPL is ${levels.join(' or ')}`,
  );

/** Two numbers taken from the low halves of two fields stand in a relation. */
export const related = (
  left: VmcsField,
  right: VmcsField,
  says: string,
  holds: (left: number, right: number) => boolean,
): Term => {
  const a = lowHalf(left);
  const b = lowHalf(right);
  return term(says, [left, right], ({ vmcs }) => holds(vmcs.halves[a], vmcs.halves[b]));
};

export const rplOf = (selector: number): number => selector & 3;

/** The base is the selector times 16. SDM Vol. 3B, 21.2 Virtual-8086 Mode */
export const baseIsSelectorTimes16 = (segment: Segment): Term => {
  const base = lowHalf(segmentField(segment, 'Base'));
  const selector = lowHalf(segmentField(segment, 'Selector'));
  return term(
    `${name(segment)} base = selector times 16`,
    [segmentField(segment, 'Base'), segmentField(segment, 'Selector')],
    ({ vmcs }) => vmcs.halves[base] === vmcs.halves[selector] << 4 && vmcs.halves[base + 1] === 0,
  );
};

/** Bits 31:0 of a field are exactly one value. */
export const lowIs = (field: VmcsField, value: number, says: string): Term =>
  lowIsOneOf(field, -1, [value], says);
