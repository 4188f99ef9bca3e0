import { ENTRY, frameOfEntry, type Page, type PagingFormat } from '../core';

/** Frames that a guest can reach through EPT, and the tables that say so. */
export interface EptReach {
  /** Frame numbers of the EPT paging structures. */
  readonly tables: ReadonlySet<number>;
  /** Runs of machine frames that a leaf maps, with the (lowest) guest-physical address where: a table that is shared counts once a level. */
  readonly leaves: readonly { readonly gpa: number; readonly frame: number; readonly count: number }[];
}

const ENTRIES = 512;
/** Frames that one entry at a level spans. */
const spanAt = (level: number): number => ENTRIES ** (level - 1);

/** All leaves and tables under an EPT root (byte address). SDM Vol. 3C, 29.3.2 EPT Translation Mechanism */
export const eptReach = (
  memory: { page(frame: number): Page },
  format: PagingFormat,
  root: number,
): EptReach => {
  const tables = new Set<number>();
  const leaves: { gpa: number; frame: number; count: number }[] = [];
  const seen = new Set<number>();
  const visit = (table: number, level: number, base: number): void => {
    const place = table * (format.levels + 1) + level;
    if (seen.has(place)) return;
    seen.add(place);
    tables.add(table);
    const { words } = memory.page(table);
    for (let index = 0; index < ENTRIES; index++) {
      const low = words[2 * index];
      const high = words[2 * index + 1];
      const gpa = base + index * spanAt(level) * 4096;
      const kind = format.classify(low, high, level);
      if (kind === ENTRY.table) visit(frameOfEntry(low, high), level - 1, gpa);
      else if (kind === ENTRY.leaf) {
        const count = spanAt(level);
        const frame = frameOfEntry(low, high);
        leaves.push({ gpa, frame: frame - (frame % count), count });
      }
    }
  };
  visit(root / 4096, format.levels, 0);
  return { tables, leaves };
};
