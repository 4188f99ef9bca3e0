import { shiftRight } from '../../core';
import type { CpuidResult, CpuidTable } from '../cpuid';
import { componentsOf, standardBytes, supportedComponents } from '../state-components';
import { type FeatureName, featureBit } from './features';
import type { CpuidRow } from './preset';

const EXTENDED = 0x80000000;
const ADDRESS_WIDTHS = 0x80000008;
const LINEAR_WIDTH = 48 << 8;
const LINEAR_WIDTH_LA57 = 57 << 8;

const NOTHING: CpuidResult = Object.freeze({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
/** Leaves whose result depends on the subleaf in ECX; the others ignore it. */
export const WITH_SUBLEAVES: ReadonlySet<number> = new Set([0x04, 0x07, 0x0b, 0x0d, 0x0f, 0x10, 0x12, 0x14]);

/** Leaves that a feature brings along. */
const LEAF_FEATURES: ReadonlyMap<number, FeatureName> = new Map([
  [0x05, 'monitor'],
  [0x0d, 'xsave'],
]);

/** Leaf 0DH without what follows from XCR0 and IA32_XSS. SDM Vol. 1, 13.2 Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features */
const stateRows = (features: ReadonlySet<FeatureName>): readonly CpuidRow[] => {
  const supported = supportedComponents({ features });
  const [low, high] = [Number(BigInt.asUintN(32, supported)), Number(shiftRight(supported, 32n))];
  return [
    [0x0d, 0, low, standardBytes(1n), standardBytes(supported), high],
    [0x0d, 1, 0, 0, 0, 0],
    ...componentsOf({ features })
      .filter(({ size }) => size > 0)
      .map(({ index, size, offset }): CpuidRow => [0x0d, index, size, offset, 0, 0]),
  ];
};

const merged = (
  [leaf, subleaf, eax, ebx, ecx, edx]: CpuidRow,
  features: ReadonlySet<FeatureName>,
): CpuidResult => {
  const result = { eax: eax | 0, ebx: ebx | 0, ecx: ecx | 0, edx: edx | 0 };
  if (leaf === ADDRESS_WIDTHS) result.eax |= features.has('la57') ? LINEAR_WIDTH_LA57 : LINEAR_WIDTH;
  for (const name of features) {
    const feature = featureBit(name);
    if (feature.leaf === leaf && feature.subleaf === subleaf) result[feature.register] |= 1 << feature.bit;
  }
  return Object.freeze(result);
};

/** The table of rows with feature flags merged in. SDM Vol. 2, CPUID: a leaf above the maximum gives the highest basic leaf */
export const cpuidTable = (rows: readonly CpuidRow[], features: ReadonlySet<FeatureName>): CpuidTable => {
  const leaves = new Map<number, Map<number, CpuidResult>>();
  for (const row of [...rows, ...stateRows(features)]) {
    const [leaf, subleaf] = row;
    const owner = LEAF_FEATURES.get(leaf);
    if (owner !== undefined && !features.has(owner)) continue;
    const subleaves = leaves.get(leaf) ?? new Map<number, CpuidResult>();
    leaves.set(leaf, subleaves.set(subleaf, merged(row, features)));
  }
  const find = (leaf: number, subleaf: number): CpuidResult =>
    leaves.get(leaf)?.get(WITH_SUBLEAVES.has(leaf) ? subleaf >>> 0 : 0) ?? NOTHING;
  const highest = find(0, 0).eax;
  const highestExtended = find(EXTENDED, 0).eax >>> 0;
  const lookup = (leaf: number, subleaf: number): CpuidResult => {
    const number = leaf >>> 0;
    const known = number <= highest || (number >= EXTENDED && number <= highestExtended);
    return find(known ? number : highest, subleaf);
  };
  return Object.freeze({ lookup, features });
};
