import type { Processor } from '../../cpu/presets';
import { FIELD_NAMES, VmcsData, type VmcsField, type VmcsValues } from '../vmcs';
import type { VmEntryContext, VmEntryProcessor } from './context';
import { contextOf, ORDINARY, PDPT_BASE, type VmEntryInput } from './entry-input';
import { nearestPassing } from './nearest';
import { PartialMemory } from './partial-memory';
import type { VmEntryPlatform } from './platform';
import { type Check, type RuleIndex, ruleIndex } from './rule-index';
import { lackedControls, type VmEntryGuest, vmEntryTemplate } from './templates';
import { INPUT_MISSING, Verdicts, VIOLATED } from './verdicts';

/** A state that enters. */
export interface RoundedVmEntry {
  readonly vmcs: VmcsData;
  /** The processor where it differs from VMLAUNCH at CPL 0 in 64-bit mode and VMX root operation. */
  readonly state: Partial<VmEntryProcessor>;
  /** The table at guest CR3, where it had to change. */
  readonly pdptes?: readonly bigint[];
}

/** A change of the state under repair; gives back what undoes it. */
type Repair = () => () => void;

const IA32E_GUEST = 1n << 9n;
const PE = 1n;

/** The kind of guest that a state looks like. */
const guestOf = (vmcs: VmcsData): VmEntryGuest => {
  if ((vmcs.get('vmEntryControls') & IA32E_GUEST) !== 0n) return '64-bit';
  return (vmcs.get('guestCr0') & PE) === 0n ? 'real-mode' : '32-bit';
};

const templateFor = (context: VmEntryContext): VmcsValues => {
  const guest = guestOf(context.vmcs);
  const isOffered = lackedControls(guest, context.capabilities).length === 0;
  return vmEntryTemplate(isOffered ? guest : '32-bit', context.capabilities);
};

/** Bits of a PDPTE that must be 0: 2:1, 8:5 and those from the physical-address width on. SDM Vol. 3A, 4.4.1 PDPTE Registers */
const legalPdpte = (entry: bigint, width: number): bigint =>
  (entry & 1n) === 0n ? entry : entry & ((1n << BigInt(width)) - 1n) & ~0x1e6n;

/** A state under repair. */
class Repairs {
  readonly vmcs: VmcsData;
  readonly template: VmcsValues;
  processor: VmEntryProcessor;
  pdptes: readonly bigint[] | undefined;
  private readonly verdicts: Verdicts;
  private readonly atStart: Uint8Array;

  constructor(
    private readonly start: VmEntryContext,
    private readonly index: RuleIndex,
  ) {
    this.vmcs = start.vmcs;
    this.processor = start.processor;
    this.template = templateFor(start);
    this.verdicts = new Verdicts(index);
    this.atStart = this.verdicts.of(start).slice();
  }

  context(): VmEntryContext {
    const { vmcs, pdptes, start } = this;
    const memory = pdptes === undefined ? start.memory : new PartialMemory(start.memory);
    const table = Number(vmcs.get('guestCr3') & PDPT_BASE);
    if (memory instanceof PartialMemory)
      pdptes?.forEach((entry, place) => {
        memory.put64(table + 8 * place, entry);
      });
    return { ...start, vmcs, memory, processor: this.processor };
  }

  /** Rules that are broken, or whose inputs were there before. */
  violated(): readonly Check[] {
    const verdicts = this.verdicts.of(this.context());
    return this.index.checks.filter(({ place }) => this.isWrong(verdicts, place));
  }

  count(): number {
    const verdicts = this.verdicts.of(this.context());
    let wrong = 0;
    for (let place = 0; place < verdicts.length; place++) if (this.isWrong(verdicts, place)) wrong++;
    return wrong;
  }

  private isWrong(verdicts: Uint8Array, place: number): boolean {
    const verdict = verdicts[place];
    return verdict === VIOLATED || (verdict === INPUT_MISSING && this.atStart[place] !== INPUT_MISSING);
  }

  setField(field: VmcsField, value: bigint): Repair {
    return () => {
      const before = this.vmcs.get(field);
      this.vmcs.set(field, value);
      return () => this.vmcs.set(field, before);
    };
  }

  /** What may mend a violated rule, the smaller changes first. */
  repairsOf({ row }: Check): readonly Repair[] {
    const repairs: Repair[] = row.needsMemory === 'PDPTEs' ? [this.legalPdptes()] : [];
    const nearest = nearestPassing(row, this.context());
    if (nearest !== undefined)
      repairs.push(together(nearest.map(({ field, value }) => this.setField(field, value))));
    const fields = row.reads.filter((name): name is VmcsField => name in this.template);
    repairs.push(...fields.map((field) => this.setField(field, this.template[field])));
    for (const name of row.reads) {
      if (name.startsWith('processor.')) repairs.push(this.ordinary(name.slice('processor.'.length)));
      if (name === 'vmcs.launched') repairs.push(this.flag('launched'));
      if (name === 'vmcs.shadow') repairs.push(this.flag('shadow'));
    }
    repairs.push(together(fields.map((field) => this.setField(field, this.template[field]))));
    return repairs;
  }

  private ordinary(name: string): Repair {
    const property = name as keyof VmEntryProcessor;
    return () => {
      const before = this.processor;
      this.processor = { ...before, [property]: ORDINARY[property] };
      return () => {
        this.processor = before;
      };
    };
  }

  private flag(name: 'launched' | 'shadow'): Repair {
    return () => {
      this.vmcs[name] = !this.vmcs[name];
      return () => {
        this.vmcs[name] = !this.vmcs[name];
      };
    };
  }

  private legalPdptes(): Repair {
    return () => {
      const before = this.pdptes;
      const { memory, processor } = this.context();
      const table = Number(this.vmcs.get('guestCr3') & PDPT_BASE);
      this.pdptes = [0, 1, 2, 3].map((place) =>
        legalPdpte(memory?.read64(table + 8 * place) ?? 0n, processor.physicalAddressWidth),
      );
      return () => {
        this.pdptes = before;
      };
    };
  }
}

const together =
  (repairs: readonly Repair[]): Repair =>
  () => {
    const undo = repairs.map((repair) => repair());
    return () => {
      for (const one of undo.toReversed()) one();
    };
  };

/** Makes the repair that leaves the fewest violated rules; the first among equals. */
const mendOne = (state: Repairs, violated: readonly Check[]): void => {
  let best: Repair | undefined;
  let fewest = violated.length;
  for (const check of violated) {
    for (const repair of state.repairsOf(check)) {
      const undo = repair();
      const left = state.count();
      undo();
      if (left >= fewest) continue;
      fewest = left;
      best = repair;
    }
    if (best !== undefined) break;
  }
  if (best !== undefined) best();
  else for (const field of FIELD_NAMES) state.vmcs.set(field, state.template[field]);
};

/** Puts back the fields, and then the bits, that need not have changed. */
const putBack = (state: Repairs, original: VmcsData): void => {
  const { vmcs } = state;
  const changed = () => FIELD_NAMES.filter((field) => vmcs.get(field) !== original.get(field));
  const keeps = (field: VmcsField, value: bigint): boolean => {
    const undo = state.setField(field, value)();
    const enters = state.count() === 0;
    if (!enters) undo();
    return enters;
  };
  for (const field of changed()) keeps(field, original.get(field));
  for (const field of changed()) {
    const wanted = original.get(field);
    for (let place = 63; place >= 0; place--) {
      const bit = 1n << BigInt(place);
      if (((vmcs.get(field) ^ wanted) & bit) !== 0n) keeps(field, vmcs.get(field) ^ bit);
    }
  }
};

/** Every field, with those of a template where they were not given. */
const filled = (input: VmEntryInput, processor: VmEntryPlatform | Processor): VmEntryContext => {
  const { context, absent } = contextOf(input, processor);
  const vmcs = new VmcsData(context.vmcs);
  if (absent.size > 0) {
    const template = templateFor(context);
    for (const field of absent) vmcs.set(field, template[field]);
  }
  return { ...context, vmcs };
};

/** The table at guest CR3 that was given apart from memory, or had to change. */
const pdptesOf = ({ pdptes }: Repairs, input: VmEntryInput): Pick<RoundedVmEntry, 'pdptes'> => {
  const table = pdptes ?? input.pdptes;
  return table === undefined ? {} : { pdptes: table };
};

/** More than a repair for each rule: what is not mended then cannot be. */
const MOST_REPAIRS = 1000;

/**
 * A state near this one that enters: repaired rule by rule, then with everything put back that need not have changed. A state that enters is its own round;
 * fields that were not given are those of `vmEntryTemplate`. Undefined when no VMCS enters on such a processor. SDM Vol. 3C, 27 VM Entries
 */
export const roundVmEntry = (
  input: VmEntryInput,
  processor: VmEntryPlatform | Processor = {},
): RoundedVmEntry | undefined => {
  const start = filled(input, processor);
  const original = new VmcsData(start.vmcs);
  const state = new Repairs(start, ruleIndex(input.unconfirmed === true));
  let violated = state.violated();
  for (let repairs = 0; violated.length > 0; repairs++) {
    if (repairs === MOST_REPAIRS) return undefined;
    mendOne(state, violated);
    violated = state.violated();
  }
  putBack(state, original);
  const ordinary = contextOf({ vmcs: state.vmcs }, processor).context.processor;
  const different = Object.entries(state.processor).filter(
    ([name, value]) => value !== ordinary[name as keyof VmEntryProcessor],
  );
  return {
    vmcs: state.vmcs,
    state: Object.fromEntries(different) as Partial<VmEntryProcessor>,
    ...pdptesOf(state, input),
  };
};
