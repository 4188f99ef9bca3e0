import { type ShownReference, viewOf, type WalkView } from './view';
import { changed } from './walk-case';

/** A change of single bits of entries after which the walk succeeds. */
export interface Mend {
  /** As `--set` takes it: `ept.l1@final=+execute`. */
  readonly edits: readonly string[];
  /** The walk succeeds after them; else it comes further. */
  readonly enough: boolean;
}

const WIDTHS = { 2: 16, 4: 32, 8: 64 } as const;
const MOST_EDITS = 12;

/** Bits by name, the way that `--set` takes them. */
const bitText = ({ table }: ShownReference, bit: number): string => {
  const names = table === 'ept' ? ['read', 'write', 'execute'] : ['present', 'write', 'user'];
  if (bit < 3) return names[bit];
  if (table === 'guest' && bit === 63) return 'no-execute';
  return `bit${bit}`;
};

const place = ({ row, table, level }: ShownReference): number =>
  row * 16 + (table === 'guest' ? 8 : 8 - level);

/** Whether a walk comes further than another: it succeeds, or stops at a later entry, or for lack of a right instead of a malformed entry. */
const further = (after: WalkView, before: ShownReference): boolean => {
  if (after.outcome.ok) return true;
  const failed = after.references.find((one) => one.failed);
  return failed !== undefined && place(failed) > place(before);
};

interface Attempt {
  readonly text: string;
  readonly view: WalkView;
}

const attempt = (view: WalkView, failed: ShownReference, bits: readonly number[]): Attempt => {
  const value = bits.reduce((entry, bit) => entry ^ (1n << BigInt(bit)), failed.entry);
  const signs = bits.map((bit) => `${(failed.entry >> BigInt(bit)) & 1n ? '-' : '+'}${bitText(failed, bit)}`);
  return {
    text: `${failed.id}=${signs.join(',')}`,
    view: viewOf(changed(view.walkCase, failed.address, value, failed.bytes)),
  };
};

/** The best change of one or two bits of the entry that fails. */
const bestOf = (view: WalkView, failed: ShownReference): Attempt | undefined => {
  const all = Array.from({ length: WIDTHS[failed.bytes] }, (_, bit) => bit);
  const good = (bits: readonly number[]): Attempt | undefined => {
    const tried = attempt(view, failed, bits);
    return further(tried.view, failed) ? tried : undefined;
  };
  const singles = all.map((bit) => good([bit])).filter((one) => one !== undefined);
  const first = singles.find((one) => one.view.outcome.ok) ?? singles[0];
  if (first !== undefined) return first;
  for (const high of all)
    for (const low of all.slice(0, high)) {
      const found = good([low, high]);
      if (found !== undefined) return found;
    }
  return undefined;
};

/** An entry that is all zeros names nothing: no change of bits tells what it ought to. */
const namesNothing = ({ kind, target }: ShownReference): boolean => kind === 'absent' && target === 0n;

/** What would mend a walk that fails; undefined where no change of bits of the failing entries does. */
export const mendOf = (view: WalkView): Mend | undefined => {
  const edits: string[] = [];
  let now = view;
  while (!now.outcome.ok && edits.length < MOST_EDITS) {
    const failed = now.references.find((one) => one.failed);
    if (failed === undefined || namesNothing(failed)) break;
    const best = bestOf(now, failed);
    if (best === undefined) break;
    edits.push(best.text);
    now = best.view;
  }
  return edits.length === 0 ? undefined : { edits, enough: now.outcome.ok };
};
