import { EMPTY_MEMORY, gva, u64 } from '../../core';
import { EPTP, type WalkRequest } from '../../ept';
import type { Draw } from '../draw';
import { eptTables, guestTables, TINY } from '../shapes';
import { Entries, spanOf, type TableShape, Tables } from '../tables';
import { type WalkCase, wholeEpt } from '../walk-case';

const shapesOf = (tiny: boolean, guestLevels: number, eptLevels: number) =>
  tiny ? { guest: TINY, ept: TINY } : { guest: guestTables(guestLevels), ept: eptTables(eptLevels) };

/** What a lesson asks for; numbers are drawn. */
export interface Plan {
  readonly title: string;
  readonly tiny?: true;
  readonly guestLevels: 2 | 4 | 5;
  readonly eptLevels: 2 | 4 | 5;
  /** Levels of the leaves: 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB. */
  readonly guestLeaf?: 1 | 2 | 3;
  readonly eptLeaf?: 1 | 2 | 3;
  readonly access?: WalkRequest['access'];
}

/** Addresses below which frames are drawn. */
const LIMITS = {
  tiny: { guest: 2 ** 12, host: 2 ** 16, least: { guest: 2 ** 8, host: 2 ** 12 }, width: 16 },
  4: { guest: 2 ** 36, host: 2 ** 36, least: { guest: 2 ** 24, host: 2 ** 24 }, width: 39 },
  5: { guest: 2 ** 42, host: 2 ** 40, least: { guest: 2 ** 24, host: 2 ** 24 }, width: 52 },
} as const;

/** Draws frames of a size, none of which overlaps another. */
class Frames {
  private readonly taken: (readonly [number, number])[] = [];

  constructor(
    private readonly draw: Draw,
    private readonly limit: number,
    /** What goes below by mistake finds nothing. */
    private readonly least: number,
  ) {}

  fresh(bytes: number): number {
    for (;;) {
      const at = (1 + this.draw.below(Math.min(this.limit / bytes, 2 ** 32) - 1)) * this.spread(bytes);
      const free = at >= this.least && this.taken.every(([from, to]) => at >= to || at + bytes <= from);
      if (!free) continue;
      this.taken.push([at, at + bytes]);
      return at;
    }
  }

  /** Where there are more frames than a draw can tell apart, only each n-th is one. */
  private spread(bytes: number): number {
    return bytes * Math.max(1, this.limit / bytes / 2 ** 32);
  }
}

const linearAddress = (draw: Draw, levels: number, tiny: boolean): bigint => {
  if (tiny) return BigInt(0x100 + draw.below(0xf00));
  const bits = levels === 5 ? 57 : 48;
  const value = (BigInt(draw.below(2 ** 25)) << 32n) | BigInt(draw.below(2 ** 32));
  // Bits below the page are never 0, so that the offset can be seen on its way.
  return u64(BigInt.asIntN(bits, value)) | 8n;
};

/** Other entries of the tables that the walk uses, so that the right one has to be looked for. */
const addDecoys = (
  draw: Draw,
  entries: Entries,
  { indexBits, stride, entryBytes, tableFlags }: TableShape,
  limit: number,
): void => {
  const count = 2 ** indexBits;
  const bytes = count * stride;
  const tables = new Set([...entries.all.keys()].map((at) => at - (at % bytes)));
  for (const table of tables)
    for (let tries = 0; tries < (stride === 1 ? count / 2 : 1); tries++) {
      const at = table + draw.below(count) * stride;
      const target = draw.below(limit / bytes) * bytes;
      if (!entries.all.has(at)) entries.put(at, BigInt(target) | tableFlags, entryBytes);
    }
};

/** A walk, and pages that it does not use yet. */
export interface BuiltWalk {
  readonly walkCase: WalkCase;
  /** Guest-physical address of a page of the guest's leaf size that EPT maps. */
  readonly spareGuest: number;
  /** Host-physical address of a page of EPT's leaf size. */
  readonly spareHost: number;
}

/** A walk whose numbers are drawn: tables of the guest and of EPT, where each guest frame is somewhere else in the host. */
export const buildWalk = (draw: Draw, plan: Plan): BuiltWalk => {
  const { title, tiny, guestLevels, eptLevels, guestLeaf = 1, eptLeaf = 1, access = 'read' } = plan;
  const limits = LIMITS[tiny === true ? 'tiny' : guestLevels === 5 || eptLevels === 5 ? 5 : 4];
  const shapes = shapesOf(tiny === true, guestLevels, eptLevels);
  const table = 2 ** shapes.guest.offsetBits;
  const guestFrames = new Frames(draw, limits.guest, limits.least.guest);
  const hostFrames = new Frames(draw, limits.host, limits.least.host);
  const entries = new Entries(shapes.ept.machine);
  const ept = new Tables(shapes.ept, entries, hostFrames.fresh(table), () => hostFrames.fresh(table));

  // Host frames of the guest, as large as the pages of EPT.
  const page = spanOf(shapes.ept, eptLeaf);
  const placed = new Map<number, number>();
  const hostOf = (at: number): number => {
    const from = at - (at % page);
    let host = placed.get(from);
    if (host === undefined) {
      host = hostFrames.fresh(page);
      placed.set(from, host);
      ept.map(BigInt(from), host, eptLeaf);
    }
    return host + (at - from);
  };
  const guest = new Tables(
    shapes.guest,
    entries,
    guestFrames.fresh(table),
    () => guestFrames.fresh(table),
    hostOf,
  );
  const address = linearAddress(draw, guestLevels, tiny === true);
  const data = guestFrames.fresh(spanOf(shapes.guest, guestLeaf));
  guest.map(address, data, guestLeaf);
  const inPage = Number(address % BigInt(spanOf(shapes.guest, guestLeaf)));
  hostOf(data + inPage);
  const spareGuest = guestFrames.fresh(spanOf(shapes.guest, guestLeaf));
  hostOf(spareGuest + inPage);

  const spare = hostFrames.fresh(page);
  addDecoys(draw, entries, shapes.ept, Math.min(limits.host, 2 ** 36));

  const eptp = EPTP.set(
    EPTP.set(BigInt(ept.root), 'memoryType', 6n),
    'walkLengthMinus1',
    BigInt(eptLevels - 1),
  );
  const walkCase: WalkCase = {
    title,
    machine: shapes.ept.machine,
    request: {
      memory: entries.over(EMPTY_MEMORY),
      address: gva(address),
      access,
      cr3: BigInt(guest.root),
      eptp: tiny === true ? BigInt(ept.root) : eptp,
      levels: guestLevels === 5 ? 5 : 4,
      physicalAddressWidth: limits.width,
      ept: wholeEpt(limits.width),
    },
  };
  return { walkCase, spareGuest, spareHost: spare };
};
