import { SLOT, type SlotName } from '../../cpu/slots';
import type { VmcsField } from './fields';
import { fieldIndex } from './vmcs';

/** Fields and the slots of the processor that they load and save, as parallel lists of indexes. */
export interface FieldSlots {
  readonly fields: Int32Array;
  readonly slots: Int32Array;
}

export const fieldSlots = (rows: readonly (readonly [VmcsField, SlotName])[]): FieldSlots => ({
  fields: Int32Array.from(rows, ([field]) => fieldIndex(field)),
  slots: Int32Array.from(rows, ([, slot]) => SLOT[slot]),
});

/** Copies fields to their slots: 64 bits from one array to the other, no bigint is made. */
export const loadSlots = (R: BigUint64Array, words: BigUint64Array, { fields, slots }: FieldSlots): void => {
  for (let i = 0; i < fields.length; i++) R[slots[i]] = words[fields[i]];
};

const SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const;
const slotOf = (segment: (typeof SEGMENTS)[number]) =>
  segment.toLowerCase() as 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';

/** 64-bit registers that VM entry loads and VM exit saves whatever the controls. SDM Vol. 3C, 25.4.1 Guest Register State */
export const WHOLE_SLOTS: FieldSlots = fieldSlots([
  ['guestCr3', 'cr3'],
  ['guestCr4', 'cr4'],
  ['guestRsp', 'rsp'],
  ['guestIa32SysenterEsp', 'sysenterEsp'],
  ['guestIa32SysenterEip', 'sysenterEip'],
  ['guestGdtrBase', 'gdtrBase'],
  ['guestIdtrBase', 'idtrBase'],
  ...SEGMENTS.map((segment) => [`guest${segment}Base`, `${slotOf(segment)}Base`] as const),
]);

/** PDPTE registers of a guest in PAE paging, with EPT. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export const PDPTE_SLOTS: FieldSlots = fieldSlots([
  ['guestPdpte0', 'pdpte0'],
  ['guestPdpte1', 'pdpte1'],
  ['guestPdpte2', 'pdpte2'],
  ['guestPdpte3', 'pdpte3'],
]);

/** CET state. SDM Vol. 3C, 25.4.1 Guest Register State */
export const CET_SLOTS: FieldSlots = fieldSlots([
  ['guestIa32SCet', 'sCet'],
  ['guestSsp', 'ssp'],
  ['guestIa32InterruptSspTableAddr', 'interruptSspTable'],
]);

/** 32-bit registers: the low half of their slots. */
export const LOW_SLOTS: FieldSlots = fieldSlots([
  ['guestIa32SysenterCs', 'sysenterCs'],
  ['guestGdtrLimit', 'gdtrLimit'],
  ['guestIdtrLimit', 'idtrLimit'],
  ...SEGMENTS.map((segment) => [`guest${segment}Limit`, `${slotOf(segment)}Limit`] as const),
]);

/** Both: what VM entry copies from the guest-state area. */
export const LOADED_SLOTS: FieldSlots = {
  fields: Int32Array.from([...WHOLE_SLOTS.fields, ...LOW_SLOTS.fields]),
  slots: Int32Array.from([...WHOLE_SLOTS.slots, ...LOW_SLOTS.slots]),
};

/** Selectors: the low half of the segment's slot. */
export const SELECTOR_SLOTS: FieldSlots = fieldSlots(
  SEGMENTS.map((segment) => [`guest${segment}Selector`, slotOf(segment)] as const),
);

/** Access rights: the high half of the segment's slot. */
export const RIGHTS_SLOTS: FieldSlots = fieldSlots(
  SEGMENTS.map((segment) => [`guest${segment}AccessRights`, slotOf(segment)] as const),
);
