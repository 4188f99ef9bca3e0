import { ModelError, Unbuilt } from '../../core';
import type { CpuidResult, CpuidTable } from '../cpuid';
import {
  FEATURES,
  type FeatureName,
  isFeatureName,
  linearAddressWidth,
  physicalAddressWidth,
} from './features';
import { type CpuidRow, SKYLAKE_CPUID, SKYLAKE_FEATURES } from './skylake';

interface Preset {
  readonly cpuid: readonly CpuidRow[];
  readonly features: readonly FeatureName[];
}
const PRESETS = {
  skylake: { cpuid: SKYLAKE_CPUID, features: SKYLAKE_FEATURES },
} as const satisfies Record<string, Preset>;

/** A processor that the model has. */
export type PresetName = keyof typeof PRESETS;

/** Features to add or to take away: `{ vmx: false }`, or `['-vmx', '+umip']`. */
export type FeatureEdits = readonly string[] | Readonly<Partial<Record<FeatureName, boolean>>>;

/** A processor model as a value: what CPUID announces; MSRs and control registers follow it. */
export interface Processor {
  readonly name: PresetName;
  readonly features: ReadonlySet<FeatureName>;
  readonly cpuid: CpuidTable;
  /** MAXPHYADDR. */
  readonly physicalAddressWidth: number;
  readonly linearAddressWidth: number;
}

const wanted = (edits: FeatureEdits): readonly (readonly [string, boolean])[] => {
  if (!Array.isArray(edits)) return Object.entries(edits) as [string, boolean][];
  return edits.map((edit: string) => {
    const sign = edit[0];
    if (sign !== '+' && sign !== '-')
      throw new ModelError(`feature edit '${edit}' starts with neither + nor -`);
    return [edit.slice(1), sign === '+'] as const;
  });
};

const edited = (features: readonly FeatureName[], edits: FeatureEdits): ReadonlySet<FeatureName> => {
  const all = new Set(features);
  for (const [name, present] of wanted(edits)) {
    if (!isFeatureName(name))
      throw new ModelError(`unknown feature '${name}'; known: ${Object.keys(FEATURES).join(' ')}`);
    if (present && !FEATURES[name].built) throw new Unbuilt(`feature ${name}`);
    if (present) all.add(name);
    else all.delete(name);
  }
  return all;
};

const EXTENDED = 0x80000000;
const NOTHING: CpuidResult = Object.freeze({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
/** Leaves whose result depends on the subleaf in ECX; the others ignore it. */
const WITH_SUBLEAVES: ReadonlySet<number> = new Set([0x04, 0x07, 0x0b, 0x0d, 0x0f, 0x10, 0x12, 0x14]);

const key = (leaf: number, subleaf: number): string => `${leaf >>> 0}.${subleaf >>> 0}`;

/** Leaves that a feature brings along. */
const LEAF_FEATURES: ReadonlyMap<number, FeatureName> = new Map([[0x0d, 'xsave']]);

/** The table of rows with feature flags merged in. SDM Vol. 2, CPUID: a leaf above the maximum gives the highest basic leaf */
const cpuidTable = (rows: readonly CpuidRow[], features: ReadonlySet<FeatureName>): CpuidTable => {
  const results = new Map<string, CpuidResult>();
  for (const [leaf, subleaf, eax, ebx, ecx, edx] of rows) {
    const owner = LEAF_FEATURES.get(leaf);
    if (owner !== undefined && !features.has(owner)) continue;
    const result = { eax: eax | 0, ebx: ebx | 0, ecx: ecx | 0, edx: edx | 0 };
    for (const name of features) {
      const feature = FEATURES[name];
      if (feature.leaf === leaf && subleaf === 0) result[feature.register] |= 1 << feature.bit;
    }
    results.set(key(leaf, subleaf), Object.freeze(result));
  }
  const find = (leaf: number, subleaf: number): CpuidResult =>
    results.get(key(leaf, WITH_SUBLEAVES.has(leaf) ? subleaf : 0)) ?? NOTHING;
  const highest = find(0, 0).eax;
  const highestExtended = find(EXTENDED, 0).eax >>> 0;
  const lookup = (leaf: number, subleaf: number): CpuidResult => {
    const number = leaf >>> 0;
    const known = number <= highest || (number >= EXTENDED && number <= highestExtended);
    return find(known ? number : highest, subleaf);
  };
  return Object.freeze({ lookup });
};

/** The edits that make a preset announce these features and no others. */
export const editsFor = (name: PresetName, features: Iterable<string>): readonly string[] => {
  const wantedNames = new Set(features);
  const own: ReadonlySet<string> = processor(name).features;
  return [
    ...[...own].filter((one) => !wantedNames.has(one)).map((one) => `-${one}`),
    ...[...wantedNames].filter((one) => !own.has(one)).map((one) => `+${one}`),
  ];
};

/**
 * A processor from a preset. Throws `ModelError` for a feature name that does not exist, `Unbuilt` for one that the model lacks.
 */
export const processor = (name: PresetName, edits: FeatureEdits = []): Processor => {
  if (!Object.hasOwn(PRESETS, name))
    throw new ModelError(`unknown processor '${name}'; known: ${Object.keys(PRESETS).join(' ')}`);
  const preset: Preset = PRESETS[name];
  const features = edited(preset.features, edits);
  const cpuid = cpuidTable(preset.cpuid, features);
  return Object.freeze({
    name,
    features,
    cpuid,
    physicalAddressWidth: physicalAddressWidth(cpuid),
    linearAddressWidth: linearAddressWidth(cpuid),
  });
};
