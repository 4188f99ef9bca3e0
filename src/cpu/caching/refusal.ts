import { numberAt } from '../../core';
import { accessAllowed, keyDenies, pageFaultErrorCode, supervisorKeys, userKeys } from '../page-fault';
import type { Mapping } from './mapping';
import { NOTHING } from './walk-path';
import type { EntryUpdate, StageWay, WalkPath, Way, WayFault, WaySetup } from './way';

export const FAULT_FREE = {
  frame: undefined,
  fault: undefined,
  spurious: false,
  page: undefined,
  updates: NOTHING,
  fills: NOTHING,
};
/** What is set before the tables of the guest have been walked to their end: flags of EPT. */
export const ofEpt = (updates: readonly EntryUpdate[]): readonly EntryUpdate[] =>
  updates.filter(({ table }) => table === 'ept');

/** Why the rights of paging refuse the access. SDM Vol. 3A, 4.6.1 Determination of Access Rights */
export const pagingDenial = (
  { mode, by, W, access }: WaySetup,
  rights: number,
  key: number,
): WayFault | undefined => {
  if (mode === undefined) return undefined;
  const { write, fetch } = access;
  const denied = mode.keys && !fetch && keyDenies(rights, key, write, by, userKeys(W), supervisorKeys(W));
  if (!denied && accessAllowed(rights, write, fetch, by)) return undefined;
  return { kind: 'page-fault', errorCode: pageFaultErrorCode(true, false, write, fetch, by, denied) };
};

/** Why a page refuses the access to an address in it. */
export const denial = (
  setup: WaySetup,
  low: number,
  high: number,
  { rights, eptRights, protectionKey: key, guestFrame, shift }: Mapping,
): WayFault | undefined => {
  const refused = pagingDenial(setup, rights, key);
  const { stage, access } = setup;
  if (refused !== undefined || stage === undefined || stage.allows(eptRights, access, rights)) return refused;
  const offset = (numberAt(low, high, 12) % 2 ** (shift - 12)) * 4096 + (low & 4095);
  return {
    kind: 'ept-violation',
    gpa: guestFrame * 4096 + offset,
    rights: eptRights,
    pagingStructure: false,
    linearRights: rights,
  };
};

/** A walk that ends at an entry which is not present or has reserved bits. */
export const pageFault = (
  { access, by }: WaySetup,
  present: boolean,
  reserved: boolean,
  { updates, from, used, fills }: WalkPath,
): Way => {
  const errorCode = pageFaultErrorCode(present, reserved, access.write, access.fetch, by);
  return {
    ...FAULT_FREE,
    fault: { kind: 'page-fault', errorCode },
    updates: ofEpt(updates),
    from,
    used,
    fills,
  };
};

/** A walk that EPT ends. */
export const stageFault = (
  way: StageWay,
  gpa: number,
  path: WalkPath,
  updates: readonly EntryUpdate[],
  pagingStructure: boolean,
): Way => {
  const { from, used, fills } = path;
  const fault: WayFault =
    way.end === 'misconfiguration'
      ? { kind: 'ept-misconfiguration', gpa }
      : {
          kind: 'ept-violation',
          gpa,
          rights: way.end === 'absent' ? 0 : way.rights,
          pagingStructure,
          linearRights: path.rights,
        };
  const spurious = way.end === 'mapped' && used.length > 0;
  return { ...FAULT_FREE, fault, spurious, updates, from, used, fills };
};
