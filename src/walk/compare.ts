import { EMPTY_MEMORY, gva, hex } from '../core';
import { EPTP } from '../ept';
import { explain } from './explain';
import { eptTables, TINY } from './shapes';
import { Entries, spanOf, Tables } from './tables';
import { type ShownReference, viewOf, type WalkView } from './view';
import {
  changed,
  type EntryBytes,
  entryIn,
  type Machine,
  MEMORY_LIMIT,
  type WalkCase,
  wholeEpt,
} from './walk-case';

/** Ways to give a guest its memory. */
export const TECHNIQUES = ['native', 'shadow', 'ept'] as const;
export type Technique = (typeof TECHNIQUES)[number];

const frameOf = (machine: Machine, at: number): number => at - (at % (machine === 'tiny' ? 16 : 4096));

/** Frames that no table of a walk uses, one after the other. */
const freeFrames = (view: WalkView): (() => number) => {
  const { machine } = view.walkCase;
  const size = machine === 'tiny' ? 16 : 4096;
  const used = new Set(
    view.references.flatMap(({ address, gpa }) => [address, gpa].map((at) => frameOf(machine, at))),
  );
  if (view.outcome.ok) used.add(frameOf(machine, view.outcome.value));
  let next = machine === 'tiny' ? 0x1000 : 0x10_0000;
  return () => {
    while (used.has(next)) next += size;
    next += size;
    return next - size;
  };
};

/** What the guest's memory holds at a guest-physical address; undefined where EPT maps nothing. */
const guestEntry = ({ machine, request }: WalkCase, at: number, bytes: EntryBytes): bigint | undefined => {
  const { cr3: _, ...alone } = request;
  const { outcome } = viewOf({
    title: '',
    machine,
    request: { ...alone, address: gva(BigInt(at)), access: 'read' },
  });
  return outcome.ok ? entryIn(request.memory, machine, outcome.value, bytes) : undefined;
};

/** The guest's own tables on the bare machine: guest-physical addresses are physical ones. */
const nativeCase = (one: WalkCase): WalkCase => {
  const { eptp, ...request } = one.request;
  if (eptp === undefined) return one;
  let native: WalkCase = { ...one, request: { ...request, memory: EMPTY_MEMORY } };
  for (;;) {
    // Each time round the walk reads at least one entry more than before.
    const missing = viewOf(native).references.find(
      ({ address, bytes, entry }) => (guestEntry(one, address, bytes) ?? 0n) !== entry,
    );
    if (missing === undefined || missing.address >= MEMORY_LIMIT) return native;
    native = changed(
      native,
      missing.address,
      guestEntry(one, missing.address, missing.bytes) ?? 0n,
      missing.bytes,
    );
  }
};

/** The same walk behind EPT that maps guest-physical addresses to themselves, where there is none yet. */
const eptCase = (one: WalkCase): WalkCase => {
  const { machine, request } = one;
  if (request.eptp !== undefined) return one;
  const view = viewOf(one);
  const free = freeFrames(view);
  const entries = new Entries(machine);
  const tables = new Tables(machine === 'tiny' ? TINY : eptTables(4), entries, free(), free);
  const frames = new Set(view.references.map(({ address }) => frameOf(machine, address)));
  if (view.outcome.ok) frames.add(frameOf(machine, view.outcome.value));
  for (const frame of frames) tables.map(BigInt(frame), frame);
  const root = BigInt(tables.root);
  const eptp = machine === 'tiny' ? root : EPTP.set(EPTP.set(root, 'memoryType', 6n), 'walkLengthMinus1', 3n);
  return {
    ...one,
    request: {
      ...request,
      eptp,
      ept: wholeEpt(request.physicalAddressWidth ?? 39),
      memory: entries.over(request.memory),
    },
  };
};

const PRESENT = 1n;
const WRITE = 2n;
const USER = 4n;
const PAGE_SIZE = 0x80n;
const NO_EXECUTE = 1n << 63n;

/** Rights that the guest's tables and the monitor's both give. */
const shadowRights = (view: WalkView, tiny: boolean): bigint => {
  const guest = view.references.findLast(({ table }) => table === 'guest');
  const nested = view.references.findLast(({ table }) => table === 'ept');
  const allows = (one: ShownReference | undefined, bit: number): boolean =>
    one === undefined || (one.rights & bit) !== 0;
  const rights =
    PRESENT |
    (allows(guest, 1) && allows(nested, 2) ? WRITE : 0n) |
    (allows(guest, 2) ? USER : 0n) |
    (tiny || (allows(guest, 4) && allows(nested, 4)) ? 0n : NO_EXECUTE);
  return rights;
};

/** Level of the shadow's leaf: pages as large as both the guest's and the monitor's are. */
const shadowLevel = ({ references, walkCase, outcome }: WalkView): number => {
  const leaves = ['guest', 'ept'].flatMap(
    (table) => references.findLast((one) => one.table === table)?.level ?? [],
  );
  const narrow = walkCase.request.cr3 === undefined || walkCase.machine === 'tiny' || !outcome.ok;
  return narrow ? 1 : Math.min(...leaves);
};

/** Tables of the monitor that lead from linear to host-physical addresses in one walk; where the real walk fails, they hold nothing yet. */
const shadowCase = (one: WalkCase): WalkCase => {
  const { machine } = one;
  const tiny = machine === 'tiny';
  const view = viewOf(one);
  const levels = tiny ? 2 : view.guestLevels === 5 ? 5 : 4;
  const free = freeFrames(view);
  const entries = new Entries(machine);
  const shape = tiny ? TINY : { ...eptTables(levels), tableFlags: PRESENT | WRITE | USER };
  const tables = new Tables(shape, entries, free(), free);
  const { address, access, rights, physicalAddressWidth } = one.request;
  const level = shadowLevel(view);
  const leaf = tables.entryAt(address, level);
  if (view.outcome.ok) {
    const page = view.outcome.value - (view.outcome.value % spanOf(shape, level));
    const size = level > 1 ? PAGE_SIZE : 0n;
    entries.put(leaf, BigInt(page) | shadowRights(view, tiny) | size, shape.entryBytes);
  }
  return {
    title: one.title,
    machine,
    request: {
      memory: entries.over(EMPTY_MEMORY),
      address,
      cr3: BigInt(tables.root),
      levels: levels === 5 ? 5 : 4,
      ...(access === undefined ? {} : { access }),
      ...(rights === undefined ? {} : { rights: { ...rights, noExecute: true } }),
      ...(physicalAddressWidth === undefined ? {} : { physicalAddressWidth }),
    },
  };
};

const CASES: Readonly<Record<Technique, (one: WalkCase) => WalkCase>> = {
  native: nativeCase,
  shadow: shadowCase,
  ept: eptCase,
};

/** One column of a comparison. */
export interface Compared {
  readonly technique: Technique;
  readonly view: WalkView;
  /** Why there is no saying what it comes to; undefined where there is. */
  readonly unknown: 'EPT hides an entry' | 'an entry stands beyond 4 TiB' | undefined;
}

/** An entry that the native walk ends at and that cannot be known: EPT hides it, or the model's memory does not reach there. */
const unknownOf = (one: WalkCase, view: WalkView): Compared['unknown'] => {
  const last = view.references.at(-1);
  if (one.request.eptp === undefined || last === undefined) return undefined;
  if (guestEntry(one, last.address, last.bytes) === undefined) return 'EPT hides an entry';
  return last.address >= MEMORY_LIMIT ? 'an entry stands beyond 4 TiB' : undefined;
};

/** A walk as it is with each of some techniques. */
export const compare = (one: WalkCase, techniques: readonly Technique[]): readonly Compared[] =>
  techniques.map((technique) => {
    const view = viewOf(CASES[technique](one));
    return { technique, view, unknown: technique === 'native' ? unknownOf(one, view) : undefined };
  });

const MEANS: Readonly<Record<Technique, string>> = {
  native: 'native: the guest’s tables on the bare machine; its addresses are physical ones.',
  shadow:
    'shadow: the monitor keeps tables of its own from linear to host-physical addresses; each change of the guest’s tables costs it a fault.',
  ept: 'ept: the guest changes its tables as it likes; each of their addresses is translated too.',
};

const nameIn = ({ table, name }: ShownReference, technique: Technique): string =>
  technique === 'shadow' && table === 'guest' ? name.replace('guest', 'shadow') : name;

/** A comparison as rows of cells: a head, a row a reference, and the outcomes. */
export const comparisonRows = (columns: readonly Compared[]): readonly (readonly string[])[] => {
  const longest = Math.max(...columns.map(({ view }) => view.references.length));
  const cell = ({ technique, view }: Compared, step: number): string => {
    const one = view.references[step];
    return one === undefined
      ? ''
      : `${nameIn(one, technique)} at ${hex(one.address)}${one.failed ? ' !' : ''}`;
  };
  return [
    ['', ...columns.map(({ technique }) => technique)],
    ['references', ...columns.map(({ view }) => `${view.references.length}`)],
    ['outcome', ...columns.map(outcomeIn)],
    ...Array.from({ length: longest }, (_, step) => [
      `${step + 1}`,
      ...columns.map((one) => cell(one, step)),
    ]),
  ];
};

/** What a technique comes to, in a few words. */
export const outcomeIn = ({ view, technique, unknown }: Compared): string => {
  if (unknown !== undefined) return `unknown: ${unknown}`;
  if (technique !== 'shadow') return explain(view).short;
  return view.outcome.ok ? `host-${explain(view).short}` : 'fault to the monitor';
};

/** What the techniques of a comparison are. */
export const comparisonNotes = (columns: readonly Compared[]): readonly string[] =>
  columns.map(({ technique }) => MEANS[technique]);
