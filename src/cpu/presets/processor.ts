import { ModelError, nearest, Unbuilt } from '../../core';
import type { CpuidTable } from '../cpuid';
import { cpuidTable } from './cpuid-table';
import { EVERYTHING } from './everything';
import {
  addFeature,
  FEATURES,
  type FeatureName,
  featureBit,
  isFeatureName,
  linearAddressWidth,
  physicalAddressWidth,
  removeFeature,
} from './features';
import { NEHALEM } from './nehalem';
import { PENTIUM } from './pentium';
import type { Preset } from './preset';
import { SAPPHIRE_RAPIDS } from './sapphire-rapids';
import { SKYLAKE } from './skylake';

const PRESETS = {
  pentium: PENTIUM,
  nehalem: NEHALEM,
  skylake: SKYLAKE,
  'sapphire-rapids': SAPPHIRE_RAPIDS,
  everything: EVERYTHING,
} as const satisfies Record<string, Preset>;

/** A processor that the model has. */
export type PresetName = keyof typeof PRESETS;

/** Every preset, oldest first; `everything` is no real part. */
export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

/** The real part behind a preset, with what the model does not announce of it. */
export const partOf = (name: PresetName): Preset => PRESETS[name];

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
  /** It has the pin A20M#. */
  readonly hasA20m: boolean;
}

const meant = (word: string, words: readonly string[]): string => {
  const near = nearest(word, words);
  return near === undefined ? '' : ` (did you mean '${near}'?)`;
};

const wanted = (edits: FeatureEdits): readonly (readonly [string, boolean])[] => {
  if (!Array.isArray(edits)) return Object.entries(edits) as [string, boolean][];
  return edits.map((edit: string) => {
    const sign = edit[0];
    if (sign !== '+' && sign !== '-')
      throw new ModelError(`feature edit '${edit}' starts with neither + nor -`);
    return [edit.slice(1), sign === '+'] as const;
  });
};

const isAnnounced = ({ requested }: Preset, name: FeatureName): boolean =>
  featureBit(name).built && (featureBit(name).onRequest !== true || requested?.includes(name) === true);

/** What of the part is built, without what needs a part that is not. */
const announcedOf = (preset: Preset): Set<FeatureName> => {
  const announced = new Set(preset.features);
  for (const name of Object.keys(FEATURES) as FeatureName[])
    if (!isAnnounced(preset, name)) removeFeature(announced, name);
  return announced;
};

const edited = (announced: Set<FeatureName>, edits: FeatureEdits): ReadonlySet<FeatureName> => {
  for (const [name, present] of wanted(edits)) {
    if (!isFeatureName(name))
      throw new ModelError(`unknown feature '${name}'${meant(name, Object.keys(FEATURES))}`);
    if (!present) removeFeature(announced, name);
    else {
      addFeature(announced, name);
      const missing = [...announced].find((one) => !featureBit(one).built);
      if (missing !== undefined) throw new Unbuilt(`feature ${missing}`);
    }
  }
  return announced;
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
 * A processor from a preset: it announces what the part has and the model has built, and then the edits in their order. Throws `ModelError` for a name
 * that does not exist, `Unbuilt` for a feature that the model lacks.
 */
export const processor = (name: PresetName, edits: FeatureEdits = []): Processor => {
  if (!Object.hasOwn(PRESETS, name))
    throw new ModelError(
      `unknown processor '${name}'${meant(name, PRESET_NAMES)}; there are ${PRESET_NAMES.join(', ')}`,
    );
  const preset: Preset = PRESETS[name];
  const features = edited(announcedOf(preset), edits);
  const cpuid = cpuidTable(preset.cpuid, features);
  return Object.freeze({
    name,
    features,
    cpuid,
    physicalAddressWidth: physicalAddressWidth(cpuid),
    linearAddressWidth: linearAddressWidth(cpuid),
    hasA20m: preset.hasA20m,
  });
};
