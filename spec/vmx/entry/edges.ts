import type { VmEntryContext } from '../../../src/vmx/entry/context';
import { nearestPassing } from '../../../src/vmx/entry/nearest';
import type { VmEntryRow } from '../../../src/vmx/entry/rule-tables';
import { VmcsData } from '../../../src/vmx/vmcs';
import { entering } from './entering';
import { CONTROL_EXAMPLES, EDGE_CONTROLS } from './examples-controls';
import { EDGE_GUESTS, GUEST_EXAMPLES } from './examples-guest';
import { contextOf, stateOf } from './guest-states';

/** The state of the rule's example, which breaks it. */
export const breaking = (id: string): VmEntryContext =>
  id in CONTROL_EXAMPLES
    ? entering(CONTROL_EXAMPLES[id as keyof typeof CONTROL_EXAMPLES])
    : contextOf(stateOf(GUEST_EXAMPLES[id as keyof typeof GUEST_EXAMPLES]));

const written = (id: string): VmEntryContext | undefined => {
  const control = EDGE_CONTROLS[id as keyof typeof EDGE_CONTROLS];
  if (control !== undefined) return entering(control);
  const guest = EDGE_GUESTS[id as keyof typeof EDGE_GUESTS];
  return guest === undefined ? undefined : contextOf(stateOf(guest));
};

/** A state at the edge of the rule: one written down, or its example with the smallest change that satisfies it. */
export const edgeOf = (rule: VmEntryRow): VmEntryContext | undefined => {
  const edge = written(rule.id);
  if (edge !== undefined) return edge;
  const context = breaking(rule.id);
  const nearest = nearestPassing(rule, context);
  if (nearest === undefined) return undefined;
  const vmcs = new VmcsData(context.vmcs);
  for (const { field, value } of nearest) vmcs.set(field, value);
  return { ...context, vmcs };
};

/** Whether the rule has a state at its edge: it applies there and holds. */
export const hasEdge = (rule: VmEntryRow): boolean => {
  const edge = edgeOf(rule);
  return edge !== undefined && rule.when(edge) && rule.holds(edge);
};
