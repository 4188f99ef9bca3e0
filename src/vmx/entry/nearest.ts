import { maskOf, signExtend } from '../../core';
import { allowed0, allowed1, type ControlField } from '../capabilities';
import { CONTROLS, type FieldRow, VMCS_FIELDS, VmcsData, type VmcsField } from '../vmcs';
import type { VmEntryContext } from './context';
import type { VmEntryRow } from './rule-tables';

const CONTROL_FIELDS: ReadonlySet<string> = new Set(Object.values(CONTROLS).map(({ field }) => field));

const widthOf = (field: VmcsField): number => {
  const row: FieldRow = VMCS_FIELDS[field];
  return row.width === 'natural' ? 64 : row.width;
};

const ALIGNMENTS = [2, 3, 4, 6, 12];
const LIMITS = [4, 8, 16, 32];

/** Values near the given one that rules commonly ask for. */
function* candidates(field: VmcsField, value: bigint, context: VmEntryContext): Generator<bigint> {
  const { capabilities: c, processor } = context;
  const width = widthOf(field);
  for (let bit = 0n; bit < width; bit++) yield value ^ (1n << bit);
  for (const bits of ALIGNMENTS) yield value & ~maskOf(bits);
  for (const bits of [...LIMITS, processor.physicalAddressWidth]) yield value & maskOf(bits);
  for (const bits of [48, processor.linearAddressWidth]) yield signExtend(value, bits);
  if (CONTROL_FIELDS.has(field))
    yield (value | allowed0(c, field as ControlField)) & allowed1(c, field as ControlField);
  yield (value | c.ia32VmxCr0Fixed0) & c.ia32VmxCr0Fixed1;
  yield (value | c.ia32VmxCr4Fixed0) & c.ia32VmxCr4Fixed1;
  yield 0n;
  yield 1n;
}

const bitsSet = (value: bigint): number => value.toString(2).replaceAll('0', '').length;

/** A change of one field, as few bits as found, after which the rule holds. It may break other rules. */
export interface NearestValue {
  readonly field: VmcsField;
  readonly value: bigint;
}

/** `undefined` when no change of a single VMCS field was found that satisfies the rule. */
export const nearestPassing = (rule: VmEntryRow, context: VmEntryContext): NearestValue | undefined => {
  const vmcs = new VmcsData(context.vmcs);
  const trial: VmEntryContext = { ...context, vmcs };
  let best: NearestValue | undefined;
  let distance = Number.POSITIVE_INFINITY;
  for (const field of rule.reads.filter((name): name is VmcsField => name in VMCS_FIELDS)) {
    const original = vmcs.get(field);
    for (const candidate of candidates(field, original, context)) {
      vmcs.set(field, candidate);
      const value = vmcs.get(field);
      const changed = bitsSet(value ^ original);
      if (changed > 0 && changed < distance && rule.when(trial) && rule.holds(trial)) {
        best = { field, value };
        distance = changed;
      }
    }
    vmcs.set(field, original);
  }
  return best;
};
