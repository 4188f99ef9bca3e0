import { hex } from '../core';
import { CR0, CR4, EFER } from '../cpu/slots';
import { eptViolationQualification, type WalkRequest } from '../ept';
import { explain } from './explain';
import { mendOf } from './mend';
import { rightsText } from './names';
import type { ShownReference, WalkView } from './view';

const referenceJson = (one: ShownReference) => ({
  number: one.number,
  id: one.id,
  name: one.name,
  table: one.table,
  level: one.level,
  index: one.index,
  guestPhysical: hex(one.gpa),
  address: hex(one.address),
  entry: hex(one.entry),
  kind: one.kind,
  bits: Object.fromEntries(Object.entries(one.bits).map(([name, value]) => [name, hex(value)])),
  rightsSoFar: rightsText(one.table, one.rights),
  failed: one.failed,
});

const outcomeJson = ({ outcome }: WalkView) => {
  if (outcome.ok) return { ok: true, hostPhysical: hex(outcome.value) };
  const { fault } = outcome;
  if (fault.kind === 'page-fault')
    return { ok: false, fault: fault.kind, address: hex(fault.address), errorCode: hex(fault.errorCode) };
  const at = { ok: false, fault: fault.kind, guestPhysical: hex(fault.gpa) };
  return fault.kind === 'ept-misconfiguration'
    ? at
    : { ...at, qualification: hex(eptViolationQualification(fault)) };
};

/** As the schema allows. */
const LONGEST_TITLE = 200;
const LONG_MODE = BigInt(EFER.lma | EFER.lme);

/** The registers of a guest whose request says its levels alone. */
const plainPaging = ({ levels, rights }: WalkRequest) => ({
  cr4: BigInt(
    CR4.pae |
      (levels === 5 ? CR4.la57 : 0) |
      (rights?.smep === true ? CR4.smep : 0) |
      (rights?.smap === true ? CR4.smap : 0),
  ),
  efer: LONG_MODE | (rights?.noExecute === false ? 0n : BigInt(EFER.nxe)),
  pdptes: [0n, 0n, 0n, 0n],
  pkru: 0n,
  pkrs: 0n,
});

const guestInput = (request: WalkRequest) => {
  const { cr4, efer, pdptes, pkru, pkrs } = request.paging ?? plainPaging(request);
  const cr0 = request.rights?.writeProtect === false ? 0 : CR0.wp;
  return {
    cr3: hex(request.cr3 ?? 0n),
    cr0: hex(cr0),
    cr4: hex(cr4),
    efer: hex(efer),
    pdptes: pdptes.map((one) => hex(one)),
    pkru: hex(pkru),
    pkrs: hex(pkrs),
  };
};

/** A file for `vtmodel walk` that makes the same walk: the entries that it reads, and no other. */
const inputJson = ({ walkCase, references }: WalkView) => {
  const { title, machine, request } = walkCase;
  const {
    address,
    access = 'read',
    rights,
    cr3,
    eptp,
    modeBasedExecute,
    physicalAddressWidth = 39,
  } = request;
  const entriesOf = (narrow: boolean): Readonly<Record<string, string>> =>
    Object.fromEntries(
      references
        .filter(({ bytes }) => (bytes === 4) === narrow)
        .map((one) => [hex(one.address), hex(one.entry)]),
    );
  const narrow = entriesOf(true);
  return {
    title: title.slice(0, LONGEST_TITLE),
    machine,
    address: hex(address),
    access,
    user: rights?.user === true,
    ...(machine === 'tiny' ? {} : { physicalAddressWidth }),
    ...(cr3 === undefined ? {} : { guest: machine === 'tiny' ? { cr3: hex(cr3) } : guestInput(request) }),
    ...(eptp === undefined ? {} : { ept: { eptp: hex(eptp), modeBasedExecute: modeBasedExecute === true } }),
    entries: entriesOf(false),
    ...(Object.keys(narrow).length === 0 ? {} : { entries32: narrow }),
  };
};

/** A walk as plain JSON: numbers that may be large are hexadecimal text. */
export const walkJson = (view: WalkView) => ({
  title: view.walkCase.title,
  count: view.references.length,
  references: view.references.map(referenceJson),
  outcome: outcomeJson(view),
  says: explain(view).lines,
  mend: mendOf(view)?.edits ?? null,
  input: inputJson(view),
});
