import { hex } from '../core';
import { eptViolationQualification } from '../ept';
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

/** A walk as plain JSON: numbers that may be large are hexadecimal text. */
export const walkJson = (view: WalkView) => ({
  title: view.walkCase.title,
  count: view.references.length,
  references: view.references.map(referenceJson),
  outcome: outcomeJson(view),
  says: explain(view).lines,
  mend: mendOf(view)?.edits ?? null,
});
