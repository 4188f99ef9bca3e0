import type { VmxCapabilities } from '../capabilities';
import { FIELD_COUNT } from '../vmcs';
import type { VmEntryContext } from './context';
import type { GuestEntryProcessor } from './guest-context';
import { missingInput } from './outcome';
import { asFarAsKnown, WatchedReader } from './partial-memory';
import type { Check, RuleIndex } from './rule-index';
import { sameProcessor } from './vm-entry-checker';

export const PASSES = 0;
export const VIOLATED = 1;
/** It applies, and what it looks at is missing. */
export const INPUT_MISSING = 2;

const verdictOf = (check: Check, context: VmEntryContext): number => {
  if (!check.when(context)) return PASSES;
  if (!check.needsInput) return check.holds(context) ? PASSES : VIOLATED;
  if (missingInput(check.row, context) !== undefined) return INPUT_MISSING;
  const { memory } = context;
  if (memory?.isKnown === undefined) return check.holds(context) ? PASSES : VIOLATED;
  const watched = { ...context, memory: new WatchedReader(memory) };
  const holds = asFarAsKnown(() => check.holds(watched));
  return holds === undefined ? INPUT_MISSING : holds ? PASSES : VIOLATED;
};

/**
 * The verdict of every rule about one state after another: only rules that read something that differs from the state before run again, and
 * those that read memory or the launch state.
 */
export class Verdicts {
  /** By the place of the rule. */
  private readonly verdicts: Uint8Array;
  private readonly halves = new Int32Array(2 * FIELD_COUNT);
  private capabilities: VmxCapabilities | undefined;
  private processor: GuestEntryProcessor | undefined;
  /** The round in which a rule ran last. */
  private readonly ran: Int32Array;
  private round = 0;

  constructor(private readonly index: RuleIndex) {
    this.verdicts = new Uint8Array(index.checks.length);
    this.ran = new Int32Array(index.checks.length);
  }

  /** Valid until the next call. */
  of(context: VmEntryContext): Uint8Array {
    const { checks, everyTime, needingInput } = this.index;
    this.round++;
    if (this.isNew(context)) this.run(checks, context);
    else {
      this.run(everyTime, context);
      this.run(needingInput, context);
      this.runReadersOfProcessor(this.processor!, context);
      this.runReadersOfFields(context);
    }
    this.halves.set(context.vmcs.halves);
    this.capabilities = context.capabilities;
    this.processor = context.processor;
    return this.verdicts;
  }

  /** The data of an executive VMCS may have changed under the same name. */
  private isNew({ capabilities, processor }: VmEntryContext): boolean {
    return this.capabilities !== capabilities || processor.executiveVmcs !== undefined;
  }

  private runReadersOfProcessor(before: GuestEntryProcessor, context: VmEntryContext): void {
    const now: GuestEntryProcessor = context.processor;
    if (sameProcessor(before, now)) return;
    for (const [property, checks] of this.index.byProperty)
      if (before[property] !== now[property]) this.run(checks, context);
  }

  private runReadersOfFields(context: VmEntryContext): void {
    const { halves } = this;
    const now = context.vmcs.halves;
    for (let at = 0; at < halves.length; at += 2)
      if (((halves[at] ^ now[at]) | (halves[at + 1] ^ now[at + 1])) !== 0)
        this.run(this.index.byField[at >> 1], context);
  }

  private run(checks: readonly Check[], context: VmEntryContext): void {
    const { ran, round, verdicts } = this;
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i];
      if (ran[check.place] === round) continue;
      ran[check.place] = round;
      verdicts[check.place] = verdictOf(check, context);
    }
  }
}
