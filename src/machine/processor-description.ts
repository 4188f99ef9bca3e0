import { msrsOf, readMsr } from '../cpu/msrs';
import { FEATURES, type FeatureName, featureBit, type Processor, partOf } from '../cpu/presets';
import { WITH_SUBLEAVES } from '../cpu/presets/cpuid-table';
import {
  allowed0,
  allowed1,
  CAPABILITY_MSRS,
  type CapabilityMsr,
  CONTROLS,
  type Control,
  type ControlField,
  capabilityMsr,
  capabilityMsrName,
  partHasControl,
  vmxCapabilities,
} from '../vmx';
import { createMachine } from './create-machine';
import { giveBack, takeIdleMachine } from './machine-pool';

/** A feature flag of the part or of the processor. */
export interface DescribedFeature {
  readonly name: FeatureName;
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: 'eax' | 'ebx' | 'ecx' | 'edx';
  readonly bit: number;
  readonly announced: boolean;
  /** Why the part has it and the processor not, or what of it is not built; undefined when there is nothing to say. */
  readonly remark: string | undefined;
}

/** One result of CPUID, registers as unsigned numbers. */
export interface DescribedLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** An MSR after power-up. */
export interface DescribedMsr {
  readonly index: number;
  readonly name: string;
  /** Undefined when it can only be written. */
  readonly reset: bigint | undefined;
  readonly writable: boolean;
}

/** A VMX control. `may` is what its bit can be; `part` whether the real part has it. */
export interface DescribedControl {
  readonly control: Control;
  readonly field: ControlField;
  readonly bit: number;
  readonly name: string;
  readonly may: '0' | '1' | '0 or 1';
  readonly part: boolean;
}

/** All that a program can find out about a processor, and what the real part has beside it. */
export interface ProcessorDescription {
  readonly name: string;
  readonly part: string;
  readonly physicalAddressWidth: number;
  readonly linearAddressWidth: number;
  readonly features: readonly DescribedFeature[];
  readonly cpuid: readonly DescribedLeaf[];
  readonly msrs: readonly DescribedMsr[];
  /** Empty without VMX. */
  readonly vmxMsrs: readonly DescribedMsr[];
  readonly vmxControls: readonly DescribedControl[];
}

const remarkOf = (name: FeatureName, announced: boolean): string | undefined => {
  const { built, lacks, onRequest } = featureBit(name);
  if (!built) return 'not built';
  if (announced) return lacks === undefined ? undefined : `without ${lacks}`;
  if (onRequest === true) return `on request (+${name})${lacks === undefined ? '' : `; without ${lacks}`}`;
  return 'taken away, or needs what is not there';
};

const features = ({ name, features: announced }: Processor): readonly DescribedFeature[] => {
  const part = new Set(partOf(name).features);
  return (Object.keys(FEATURES) as FeatureName[])
    .filter((one) => part.has(one) || announced.has(one))
    .map((one) => {
      const { leaf, subleaf, register, bit } = featureBit(one);
      const has = announced.has(one);
      return { name: one, leaf, subleaf, register, bit, announced: has, remark: remarkOf(one, has) };
    });
};

/** Subleaves asked for of the leaves that have some. */
const MOST_SUBLEAVES = 64;
const EXTENDED = 0x8000_0000;

const leaves = ({ cpuid }: Processor): readonly DescribedLeaf[] => {
  const highest = cpuid.lookup(0, 0).eax >>> 0;
  const highestExtended = cpuid.lookup(EXTENDED, 0).eax >>> 0;
  const numbers = (from: number, to: number): readonly number[] =>
    to < from ? [] : Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return [...numbers(0, highest), ...numbers(EXTENDED, highestExtended)].flatMap((leaf) =>
    numbers(0, WITH_SUBLEAVES.has(leaf) ? MOST_SUBLEAVES - 1 : 0)
      .map((subleaf) => {
        const { eax, ebx, ecx, edx } = cpuid.lookup(leaf, subleaf);
        return { leaf, subleaf, eax: eax >>> 0, ebx: ebx >>> 0, ecx: ecx >>> 0, edx: edx >>> 0 };
      })
      .filter(({ subleaf, eax, ebx, ecx, edx }) => subleaf === 0 || (eax | ebx | ecx | edx) !== 0),
  );
};

const SMALLEST_MEMORY = 1 << 20;

const msrs = (processor: Processor): readonly DescribedMsr[] => {
  const state = createMachine({ processor, memoryBytes: SMALLEST_MEMORY });
  const machine = takeIdleMachine(state.config, undefined, state);
  machine.load(state);
  const { cpu } = machine.processors[0];
  const described = msrsOf(cpu).map(([index, row]) => ({
    index,
    name: row.name,
    reset: readMsr(cpu, index),
    writable: row.write !== undefined,
  }));
  giveBack(machine);
  return described.sort((a, b) => a.index - b.index);
};

const MSR_OUTSIDE_VMX: CapabilityMsr = 'ia32FeatureControl';

const vmx = (processor: Processor): Pick<ProcessorDescription, 'vmxMsrs' | 'vmxControls'> => {
  if (!processor.features.has('vmx')) return { vmxMsrs: [], vmxControls: [] };
  const capabilities = vmxCapabilities(processor);
  const vmxMsrs = (Object.keys(CAPABILITY_MSRS) as CapabilityMsr[])
    .filter((name) => name !== MSR_OUTSIDE_VMX)
    .map((name) => ({
      index: CAPABILITY_MSRS[name],
      name: capabilityMsrName(name),
      reset: capabilityMsr(capabilities, CAPABILITY_MSRS[name]),
      writable: false,
    }))
    .filter(({ reset }) => reset !== undefined);
  const isSet = (word: bigint, bit: number): boolean => ((word >> BigInt(bit)) & 1n) === 1n;
  const vmxControls = (Object.keys(CONTROLS) as Control[])
    .map((control): DescribedControl => {
      const { field, bit, name } = CONTROLS[control];
      const must = isSet(allowed0(capabilities, field), bit);
      const may = isSet(allowed1(capabilities, field), bit);
      const part = partHasControl(processor.name, control);
      return { control, field, bit, name, may: must ? '1' : may ? '0 or 1' : '0', part };
    })
    .filter(({ name, may, part }) => !name.startsWith('Reserved') && (part || may !== '0'));
  return { vmxMsrs, vmxControls };
};

/** Everything about a processor model: what it announces, and of the real part what it does not announce and why. */
export const describeProcessor = (processor: Processor): ProcessorDescription => {
  const { name, physicalAddressWidth, linearAddressWidth } = processor;
  return {
    name,
    part: partOf(name).part,
    physicalAddressWidth,
    linearAddressWidth,
    features: features(processor),
    cpuid: leaves(processor),
    msrs: msrs(processor),
    ...vmx(processor),
  };
};
