import { maskOf, shiftRight, signExtend } from '../../core';
import { allowed0, allowed1, type ControlField } from '../capabilities';
import { CONTROLS, type FieldRow, fieldIndex, VMCS_FIELDS, VmcsData, type VmcsField } from '../vmcs';
import type { VmEntryContext } from './context';
import { isViolated } from './outcome';
import { asFarAsKnown, WatchedReader } from './partial-memory';
import { type Check, type RuleIndex, ruleIndex } from './rule-index';
import type { VmEntryRow } from './rule-tables';

/** A VMCS field and an unsigned value. */
export interface FieldValue {
  readonly field: VmcsField;
  readonly value: bigint;
}

type Test = () => boolean;
type Tested = (context: VmEntryContext) => boolean;

/** Where rules find what they read of memory: other contents at another address are no value that passes. */
const POINTERS: ReadonlySet<VmcsField> = new Set<VmcsField>([
  'virtualApicAddress',
  'vmcsLinkPointer',
  'guestCr3',
  'vmEntryMsrLoadAddress',
  'executiveVmcsPointer',
]);

const CONTROL_FIELDS: ReadonlySet<string> = new Set(Object.values(CONTROLS).map(({ field }) => field));

/** Bits that a field has; 64 for one of natural width. */
export const fieldWidth = (field: VmcsField): number => {
  const row: FieldRow = VMCS_FIELDS[field];
  return row.width === 'natural' ? 64 : row.width;
};

const bitsSet = (value: bigint): number => {
  let count = 0;
  for (let rest = value; rest !== 0n; rest &= rest - 1n) count++;
  return count;
};

const singleBits: readonly bigint[] = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));

/** Values that fixed bits, limits, alignments and relations between two fields ask for, however many bits away. */
function* farValues(
  field: VmcsField,
  value: bigint,
  context: VmEntryContext,
  others: readonly bigint[],
): Generator<bigint> {
  const { capabilities: c, processor } = context;
  const all = maskOf(fieldWidth(field));
  for (const bit of singleBits) {
    const below = bit - 1n;
    yield value & below;
    yield value | (all & ~below);
    yield value & ~below;
    yield value | below;
  }
  for (const bits of [48, processor.linearAddressWidth]) yield signExtend(value, bits);
  if (CONTROL_FIELDS.has(field))
    yield (value | allowed0(c, field as ControlField)) & allowed1(c, field as ControlField);
  yield (value | c.ia32VmxCr0Fixed0) & c.ia32VmxCr0Fixed1;
  yield (value | c.ia32VmxCr4Fixed0) & c.ia32VmxCr4Fixed1;
  for (const other of others) {
    yield other;
    yield other << 4n;
    yield shiftRight(other, 4n);
  }
  for (const nibble of singleBits.slice(0, 8)) yield 0x11n * nibble;
  yield 0xffffn;
}

/** The best change seen so far of one search. */
class Best {
  changes: readonly FieldValue[] | undefined;
  private bits = Number.POSITIVE_INFINITY;
  private sum = 0n;

  offer(bits: number, changes: readonly FieldValue[]): void {
    const sum = changes.reduce((total, { value }) => total + value, 0n);
    if (bits > this.bits || (bits === this.bits && sum >= this.sum)) return;
    this.bits = bits;
    this.sum = sum;
    this.changes = changes;
  }
}

/** Undoes the bits of a passing value that it can do without, the highest first. */
const reduced = (original: bigint, passing: bigint, passes: (value: bigint) => boolean): bigint => {
  let value = passing;
  for (const bit of singleBits.toReversed())
    if (((value ^ original) & bit) !== 0n && passes(value ^ bit)) value ^= bit;
  return value;
};

/** Changes of one field: all of one and of two bits, then far ones without what they do not need. */
const oneField = (
  vmcs: VmcsData,
  fields: readonly VmcsField[],
  context: VmEntryContext,
  passes: Test,
): readonly FieldValue[] | undefined => {
  const best = new Best();
  const eachField = (
    search: (field: VmcsField, original: bigint, attempt: (v: bigint) => boolean) => void,
  ) => {
    for (const field of fields) {
      const original = vmcs.get(field);
      search(field, original, (value) => {
        vmcs.set(field, value);
        return passes();
      });
      vmcs.set(field, original);
    }
    return best.changes;
  };
  const near = (bits: number) =>
    eachField((field, original, attempt) => {
      const singles = singleBits.slice(0, fieldWidth(field));
      singles.forEach((first, place) => {
        const flips = bits === 1 ? [first] : singles.slice(place + 1).map((second) => first | second);
        for (const flip of flips)
          if (attempt(original ^ flip)) best.offer(bits, [{ field, value: original ^ flip }]);
      });
    });
  return (
    near(1) ??
    near(2) ??
    eachField((field, original, attempt) => {
      const others = fields.filter((other) => other !== field).map((other) => vmcs.get(other));
      const all = maskOf(fieldWidth(field));
      for (const far of new Set(farValues(field, original, context, others))) {
        if (!attempt(far & all)) continue;
        const value = reduced(original, far & all, attempt);
        best.offer(bitsSet(value ^ original), [{ field, value }]);
      }
    })
  );
};

/** Changes of two fields, a bit in each. */
const twoFields = (
  vmcs: VmcsData,
  fields: readonly VmcsField[],
  passes: Test,
): readonly FieldValue[] | undefined => {
  const best = new Best();
  fields.forEach((one, place) => {
    for (const other of fields.slice(place + 1)) {
      const [first, second] = [vmcs.get(one), vmcs.get(other)];
      for (const bit of singleBits.slice(0, fieldWidth(one)))
        for (const otherBit of singleBits.slice(0, fieldWidth(other))) {
          vmcs.set(one, first ^ bit);
          vmcs.set(other, second ^ otherBit);
          if (passes())
            best.offer(2, [
              { field: one, value: first ^ bit },
              { field: other, value: second ^ otherBit },
            ]);
        }
      vmcs.set(one, first);
      vmcs.set(other, second);
    }
  });
  return best.changes;
};

/** Whether no rule that reads one of these fields is broken and was not before. */
const breaksNothing = (index: RuleIndex, fields: readonly VmcsField[], before: VmEntryContext): Tested => {
  const checks = new Set(fields.flatMap((field) => index.byField[fieldIndex(field)]));
  const isBroken = ({ row }: Check, context: VmEntryContext): boolean =>
    asFarAsKnown(() => isViolated(row, context)) === true;
  const whole = [...checks].filter((check) => !isBroken(check, before));
  return (context) => !whole.some((check) => isBroken(check, context));
};

/**
 * The smallest change that satisfies a violated rule: of one field while the rule goes on to apply, else one after which it does not apply, else of
 * two fields; of these rather one that breaks no other rule. Undefined when no such change of the VMCS was found.
 */
export const nearestPassing = (
  rule: VmEntryRow,
  context: VmEntryContext,
): readonly FieldValue[] | undefined => {
  const vmcs = new VmcsData(context.vmcs);
  const memory = context.memory && new WatchedReader(context.memory);
  const trial: VmEntryContext = { ...context, vmcs, memory };
  const fields = rule.reads.filter((name): name is VmcsField => name in VMCS_FIELDS);
  const values = rule.needsMemory === undefined ? fields : fields.filter((field) => !POINTERS.has(field));
  const isClean = breaksNothing(ruleIndex(rule.unconfirmed === true), fields, {
    ...trial,
    vmcs: context.vmcs,
  });
  const applies: Test = () => asFarAsKnown(() => rule.when(trial) && rule.holds(trial)) === true;
  const appliesNot: Test = () => !rule.when(trial);
  return (
    oneField(vmcs, values, context, () => applies() && isClean(trial)) ??
    oneField(vmcs, fields, context, () => appliesNot() && isClean(trial)) ??
    oneField(vmcs, values, context, applies) ??
    oneField(vmcs, fields, context, appliesNot) ??
    twoFields(vmcs, values, applies)
  );
};
