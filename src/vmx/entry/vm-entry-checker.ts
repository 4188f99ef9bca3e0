import type { VmxCapabilities } from '../capabilities';
import { FIELD_COUNT, FLAGS_PER_WORD, fieldIndex, type VmcsData } from '../vmcs';
import type { VmEntryContext } from './context';
import type { GuestEntryProcessor } from './guest-context';
import { isViolated, permittedFailures } from './outcome';
import { type Check, type RuleIndex, ruleIndex } from './rule-index';
import type { VmEntryRow } from './rule-tables';
import type { VmEntryFailure } from './vm-entry-rule';

type Processor = GuestEntryProcessor;

/** The state with which every rule was seen to hold. */
interface Verified {
  readonly halves: Int32Array;
  readonly capabilities: VmxCapabilities;
  processor: Processor;
  /** Rules about memory that apply. */
  inputs: readonly Check[];
}

const allPass = (checks: readonly Check[], context: VmEntryContext): boolean => {
  for (let i = 0; i < checks.length; i++) if (!checks[i].passes(context)) return false;
  return true;
};

/** Which of the permitted failures is reported, as an index; they come in the manual's order. */
export type ChooseFailure = (permitted: readonly VmEntryFailure[]) => number;

const first: ChooseFailure = () => 0;

/** Written out, since it runs at every VM entry; the specification changes every property in turn. */
export const sameProcessor = (a: Processor, b: Processor): boolean =>
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
  private readonly index: RuleIndex;
  private readonly verified = new WeakMap<VmcsData, Verified>();
  /** The VMCS that was looked up last, nearly always the next one too. */
  private last: { readonly vmcs: VmcsData; readonly known: Verified } | undefined;
  /** Indexes of the fields that the scan under way found changed. */
  private readonly changed = new Int32Array(FIELD_COUNT);

  /** `unconfirmed` turns on the rules that no source settles. */
  constructor(options: { readonly unconfirmed?: boolean } = {}) {
    this.index = ruleIndex(options.unconfirmed === true);
  }

  /** The failure that the processor reports, or `undefined` when the checks pass. SDM Vol. 3C, 27 VM Entries */
  firstFailure(context: VmEntryContext, choose: ChooseFailure = first): VmEntryFailure | undefined {
    const known = this.verifiedOf(context.vmcs);
    if (known !== undefined && known.capabilities === context.capabilities && this.stillHolds(context, known))
      return undefined;
    return this.checkAll(context, choose);
  }

  private verifiedOf(vmcs: VmcsData): Verified | undefined {
    if (this.last?.vmcs === vmcs) return this.last.known;
    const known = this.verified.get(vmcs);
    if (known !== undefined) this.last = { vmcs, known };
    return known;
  }

  private stillHolds(context: VmEntryContext, known: Verified): boolean {
    const { vmcs } = context;
    const { halves, written } = vmcs;
    const processor: Processor = context.processor;
    if (!allPass(this.index.everyTime, context) || !allPass(known.inputs, context)) return false;
    const isSameProcessor = sameProcessor(known.processor, processor);
    if (!isSameProcessor)
      for (const [property, checks] of this.index.byProperty)
        if (known.processor[property] !== processor[property] && !allPass(checks, context)) return false;

    const count = this.findChanged(known, vmcs);
    let inputsChange = !isSameProcessor;
    for (let i = 0; i < count; i++) {
      const checks = this.index.byField[this.changed[i]];
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
    return this.index.needingInput.filter(({ when }) => when(context));
  }

  /** Fills `changed` with the fields that were written another value; clears the flag of those that no rule could tell apart. */
  private findChanged(known: Verified, { halves, written, writtenWords }: VmcsData): number {
    let count = 0;
    for (let word = 0; word < writtenWords.length; word++) {
      if (writtenWords[word] === 0) continue;
      const first = FLAGS_PER_WORD * word;
      for (let index = first; index < first + FLAGS_PER_WORD; index++) {
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
    for (const { rules } of this.index.tables)
      for (const rule of rules) if (isViolated(rule, context)) violated.add(rule);
    if (violated.size > 0) {
      const permitted = permittedFailures(this.index.tables, violated, context).map(({ failure }) => failure);
      return permitted[choose(permitted)];
    }
    vmcs.written.fill(0);
    this.last = undefined;
    this.verified.set(vmcs, {
      halves: vmcs.halves.slice(),
      capabilities,
      processor: { ...processor },
      inputs: this.inputs(context),
    });
    return undefined;
  }
}
