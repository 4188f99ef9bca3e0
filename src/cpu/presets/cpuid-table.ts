import { shiftRight } from '../../core';
import type { CpuidResult, CpuidTable } from '../cpuid';
import { componentsOf, standardBytes, supervisorComponents, supportedComponents } from '../state-components';
import { type FeatureName, featureBit } from './features';
import type { CpuidRow } from './preset';

const EXTENDED = 0x80000000;
const ADDRESS_WIDTHS = 0x80000008;
/** MAXPHYADDR where leaf 80000008H does not say it and there is PAE. */
const PAE_WIDTH = 36;
const LINEAR_WIDTH = 48 << 8;
const LINEAR_WIDTH_LA57 = 57 << 8;

const NOTHING: CpuidResult = Object.freeze({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
/** Leaves whose result depends on the subleaf in ECX; the others ignore it. */
export const WITH_SUBLEAVES: ReadonlySet<number> = new Set([0x04, 0x07, 0x0b, 0x0d, 0x0f, 0x10, 0x12, 0x14]);

/** Leaves that a feature brings along. */
const LEAF_FEATURES: ReadonlyMap<number, FeatureName> = new Map([
  [0x05, 'monitor'],
  [0x0a, 'perfmon'],
  [0x0d, 'xsave'],
]);

/** Leaf 0DH without what follows from XCR0 and IA32_XSS. SDM Vol. 1, 13.2 Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features */
const stateRows = (features: ReadonlySet<FeatureName>): readonly CpuidRow[] => {
  const supported = supportedComponents({ features });
  const [low, high] = [Number(BigInt.asUintN(32, supported)), Number(shiftRight(supported, 32n))];
  return [
    [0x0d, 0, low, standardBytes(1n), standardBytes(supported), high],
    [0x0d, 1, 0, 0, Number(supervisorComponents({ features })), 0],
    ...componentsOf({ features })
      .filter(({ size }) => size > 0)
      .filter(({ supervisor }) => supervisor !== true || features.has('xsaves'))
      .map(
        ({ index, size, offset, supervisor }): CpuidRow => [0x0d, index, size, offset, supervisor ? 1 : 0, 0],
      ),
  ];
};

/** Leaves of address widths and of features that an edit brought and the part lacks. SDM Vol. 2, CPUID */
const broughtRows = (rows: readonly CpuidRow[], features: ReadonlySet<FeatureName>): readonly CpuidRow[] => {
  const there = new Set(rows.map(([leaf, subleaf]) => `${leaf}.${subleaf}`));
  const wanted = [...features].map(featureBit).map(({ leaf, subleaf }) => ({ leaf, subleaf, eax: 0 }));
  if (features.has('lm')) wanted.push({ leaf: ADDRESS_WIDTHS, subleaf: 0, eax: PAE_WIDTH });
  return wanted.flatMap(({ leaf, subleaf, eax }): CpuidRow[] => {
    const key = `${leaf}.${subleaf}`;
    if (there.has(key)) return [];
    there.add(key);
    return [[leaf, subleaf, eax, 0, 0, 0]];
  });
};

/** Leaves 0 and 80000000H, whose EAX is the highest leaf of their range. SDM Vol. 2, CPUID */
const highestRows = (rows: readonly CpuidRow[]): readonly CpuidRow[] => {
  const leaves = rows.map(([leaf]) => leaf);
  const basic = Math.max(...leaves.filter((leaf) => leaf < EXTENDED));
  const extended = Math.max(...leaves);
  const reached = (row: CpuidRow): CpuidRow => {
    const [leaf, subleaf, eax, ...rest] = row;
    if (leaf === 0) return [leaf, subleaf, Math.max(eax, basic), ...rest];
    return leaf === EXTENDED ? [leaf, subleaf, Math.max(eax >>> 0, extended), ...rest] : row;
  };
  const none = extended >= EXTENDED && !leaves.includes(EXTENDED);
  return [...rows, ...(none ? [[EXTENDED, 0, 0, 0, 0, 0] as const] : [])].map(reached);
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
  const owned = [...rows, ...stateRows(features)].filter(([leaf]) => {
    const owner = LEAF_FEATURES.get(leaf);
    return owner === undefined || features.has(owner);
  });
  for (const row of highestRows([...owned, ...broughtRows(owned, features)])) {
    const [leaf, subleaf] = row;
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
