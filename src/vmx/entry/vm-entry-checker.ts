import { ModelError } from '../../core';
import type { VmxCapabilities } from '../capabilities';
import { FIELD_COUNT, fieldIndex, VMCS_FIELDS, type VmcsData, type VmcsField } from '../vmcs';
import type { VmEntryContext } from './context';
import type { GuestEntryProcessor } from './guest-context';
import { isViolated, missingInput, permittedFailures } from './outcome';
import { tablesOf, type VmEntryRow, type VmEntryTable } from './rule-tables';
import type { VmEntryFailure } from './vm-entry-rule';

type Processor = GuestEntryProcessor;
type Property = keyof Processor;

/** The state with which every rule was seen to hold. */
interface Verified {
  readonly halves: Int32Array;
  readonly capabilities: VmxCapabilities;
  processor: Processor;
  /** The flags of `VmcsData.written` four at a time; the last ones are apart. */
  readonly writtenWords: Int32Array;
  /** Rules about memory that apply. */
  inputs: readonly Check[];
}

/** A row in one shape, so that the hot loops stay monomorphic. */
class Check {
  readonly when: VmEntryRow['when'];
  readonly holds: VmEntryRow['holds'];
  readonly needsInput: boolean;

  constructor(readonly row: VmEntryRow) {
    this.when = row.when;
    this.holds = row.holds;
    this.needsInput = row.needsMemory === true || row.needsExecutiveVmcs === true;
  }

  passes(context: VmEntryContext): boolean {
    return (
      !this.when(context) ||
      (this.needsInput && missingInput(this.row, context) !== undefined) ||
      this.holds(context)
    );
  }
}

const allPass = (checks: readonly Check[], context: VmEntryContext): boolean => {
  for (let i = 0; i < checks.length; i++) if (!checks[i].passes(context)) return false;
  return true;
};

/** Which of the permitted failures is reported, as an index; they come in the manual's order. */
export type ChooseFailure = (permitted: readonly VmEntryFailure[]) => number;

const first: ChooseFailure = () => 0;

/** Written out, since it runs at every VM entry; the specification changes every property in turn. */
const sameProcessor = (a: Processor, b: Processor): boolean =>
  a.longMode === b.longMode &&
  a.ia32eMode === b.ia32eMode &&
  a.cpl === b.cpl &&
  a.instruction === b.instruction &&
  a.currentVmcs === b.currentVmcs &&
  a.movSsBlocking === b.movSsBlocking &&
  a.inSmm === b.inSmm &&
  a.physicalAddressWidth === b.physicalAddressWidth &&
  a.linearAddressWidth === b.linearAddressWidth &&
  a.traceEnabled === b.traceEnabled &&
  a.features === b.features &&
  a.operation === b.operation &&
  a.protectedMode === b.protectedMode &&
  a.virtual8086Mode === b.virtual8086Mode &&
  a.vmxoffSinceLaunch === b.vmxoffSinceLaunch &&
  a.vmxonPointer === b.vmxonPointer &&
  a.executiveVmcs === b.executiveVmcs &&
  a.machineCheck === b.machineCheck &&
  a.perfGlobalCtrlBits === b.perfGlobalCtrlBits &&
  a.specCtrlBits === b.specCtrlBits &&
  a.wrmsrFaults === b.wrmsrFaults;

const FLAGS_PER_WORD = 4;

/** CF, PF, AF, ZF, SF, DF and OF of guest RFLAGS: no rule looks at them, and nearly every entry changes them. */
export const UNWATCHED_RFLAGS = 0xcd5;

/** Bits 31:0 of each field that some rule may look at. */
const WATCHED: Int32Array = new Int32Array(FIELD_COUNT).fill(-1);
WATCHED[fieldIndex('guestRflags')] = ~UNWATCHED_RFLAGS;

/**
 * Checks VM entries of an engine. After an entry that passed, only rules that read something that changed since run again, and those
 * that read memory. Fields must be changed so that `VmcsData.written` tells; the checker clears it.
 */
export class VmEntryChecker {
  private readonly tables: readonly VmEntryTable[];
  /** Checks by the index of a field that they read. */
  private readonly byField: readonly (readonly Check[])[];
  private readonly byProperty: readonly (readonly [Property, readonly Check[]])[];
  /** Rules about the launch state. */
  private readonly everyTime: readonly Check[];
  /** Rules about memory; whether one applies follows from what it reads otherwise. */
  private readonly needingInput: readonly Check[];
  private readonly verified = new WeakMap<VmcsData, Verified>();
  /** Indexes of the fields that the scan under way found changed. */
  private readonly changed = new Int32Array(FIELD_COUNT);

  /** `unconfirmed` turns on the rules that no source settles. */
  constructor(options: { readonly unconfirmed?: boolean } = {}) {
    this.tables = tablesOf(options.unconfirmed === true);
    const byField: Check[][] = Array.from({ length: FIELD_COUNT }, () => []);
    const byProperty = new Map<Property, Check[]>();
    const everyTime = new Set<Check>();
    const checks = this.tables.flatMap(({ rules }) => rules.map((rule) => new Check(rule)));
    for (const check of checks) {
      for (const name of check.row.reads) {
        if (name in VMCS_FIELDS) byField[fieldIndex(name as VmcsField)].push(check);
        else if (name.startsWith('processor.')) {
          const property = name.slice('processor.'.length) as Property;
          byProperty.set(property, [...(byProperty.get(property) ?? []), check]);
        } else if (name.startsWith('vmcs.')) everyTime.add(check);
        else throw new ModelError(`rule ${check.row.id} reads ${name}, which nobody watches`);
      }
    }
    this.byField = byField;
    this.byProperty = [...byProperty];
    this.everyTime = [...everyTime];
    this.needingInput = checks.filter(({ needsInput }) => needsInput);
  }

  /** The failure that the processor reports, or `undefined` when the checks pass. SDM Vol. 3C, 27 VM Entries */
  firstFailure(context: VmEntryContext, choose: ChooseFailure = first): VmEntryFailure | undefined {
    const known = this.verified.get(context.vmcs);
    if (known !== undefined && known.capabilities === context.capabilities && this.stillHolds(context, known))
      return undefined;
    return this.checkAll(context, choose);
  }

  private stillHolds(context: VmEntryContext, known: Verified): boolean {
    const { vmcs } = context;
    const { halves, written } = vmcs;
    const processor: Processor = context.processor;
    if (!allPass(this.everyTime, context) || !allPass(known.inputs, context)) return false;
    const isSameProcessor = sameProcessor(known.processor, processor);
    if (!isSameProcessor)
      for (const [property, checks] of this.byProperty)
        if (known.processor[property] !== processor[property] && !allPass(checks, context)) return false;

    const count = this.findChanged(known, vmcs);
    let inputsChange = !isSameProcessor;
    for (let i = 0; i < count; i++) {
      const checks = this.byField[this.changed[i]];
      if (!allPass(checks, context)) return false;
      inputsChange ||= checks.some(({ needsInput }) => needsInput);
    }

    if (!isSameProcessor) known.processor = { ...processor };
    if (inputsChange) known.inputs = this.inputs(context);
    for (let i = 0; i < count; i++) {
      const index = this.changed[i];
      known.halves[2 * index] = halves[2 * index];
      known.halves[2 * index + 1] = halves[2 * index + 1];
      written[index] = 0;
    }
    return true;
  }

  private inputs(context: VmEntryContext): readonly Check[] {
    return this.needingInput.filter(({ when }) => when(context));
  }

  /** Fills `changed` with the fields that were written another value; clears the flag of those that no rule could tell apart. */
  private findChanged(known: Verified, { halves, written }: VmcsData): number {
    const { writtenWords } = known;
    let count = 0;
    for (let word = 0; word <= writtenWords.length; word++) {
      // The round past the end looks at the flags that fill no word.
      if (word < writtenWords.length && writtenWords[word] === 0) continue;
      const end = Math.min(FLAGS_PER_WORD * (word + 1), written.length);
      for (let index = FLAGS_PER_WORD * word; index < end; index++) {
        if (written[index] === 0) continue;
        const low = 2 * index;
        const lowChange = (halves[low] ^ known.halves[low]) & WATCHED[index];
        if ((lowChange | (halves[low + 1] ^ known.halves[low + 1])) === 0) written[index] = 0;
        else this.changed[count++] = index;
      }
    }
    return count;
  }

  private checkAll(context: VmEntryContext, choose: ChooseFailure): VmEntryFailure | undefined {
    const { vmcs, capabilities, processor } = context;
    const violated = new Set<VmEntryRow>();
    for (const { rules } of this.tables)
      for (const rule of rules) if (isViolated(rule, context)) violated.add(rule);
    if (violated.size > 0) {
      const permitted = permittedFailures(this.tables, violated, context).map(({ failure }) => failure);
      return permitted[choose(permitted)];
    }
    vmcs.written.fill(0);
    this.verified.set(vmcs, {
      halves: vmcs.halves.slice(),
      capabilities,
      processor: { ...processor },
      writtenWords: new Int32Array(vmcs.written.buffer, 0, Math.floor(vmcs.written.length / FLAGS_PER_WORD)),
      inputs: this.inputs(context),
    });
    return undefined;
  }
}
