import { MAPPINGS, type MappingKind, type MissingInvalidation } from './cell';
import { CONTEXT_CELLS } from './contexts';
import { EPT_CELLS } from './ept';
import { MIGRATION_CELLS } from './migration';
import { PAGE_CELLS } from './pages';
import { PROCESSOR_CELLS } from './processors';
import { SHADOW_CELLS } from './shadow';
import { TABLE_CELLS } from './tables';

/** All programs that miss an invalidation. */
export const CELLS: readonly MissingInvalidation[] = [
  ...PAGE_CELLS,
  ...TABLE_CELLS,
  ...CONTEXT_CELLS,
  ...PROCESSOR_CELLS,
  ...EPT_CELLS,
  ...SHADOW_CELLS,
  ...MIGRATION_CELLS,
];

/** Why an event has no program for a kind of mapping. */
export interface Absence {
  readonly events: RegExp;
  readonly mappings: readonly MappingKind[];
  readonly why: string;
}

const LINEAR = ['linear page', 'linear global page', 'linear table'] as const;
const COMBINED = ['combined page', 'combined global page', 'combined table'] as const;
const GUEST_PHYSICAL = ['guest-physical page', 'guest-physical table'] as const;
const OF_EPT = /^EPT (?!page moved while)|by EPT$|of an EPT PDE/;
const OF_SHADOWS = /shadow/;

/** The first that fits counts. */
export const ABSENCES: readonly Absence[] = [
  {
    events: OF_EPT,
    mappings: LINEAR,
    why: 'linear mappings are made while EPT is off: nothing of EPT is in them',
  },
  {
    events: OF_SHADOWS,
    mappings: [...COMBINED, ...GUEST_PHYSICAL],
    why: 'shadow tables are used while EPT is off, and these mappings are made while it is on',
  },
  {
    events: OF_SHADOWS,
    mappings: LINEAR,
    why: 'a shadow table is a paging structure like any other: the rows of the guest’s own tables show the rest',
  },
  {
    events: /^(EPT (page|write|execute|memory|dirty)|page of a page table)/,
    mappings: ['guest-physical table'],
    why: 'paging-structure caches hold no entry of EPT that maps a page',
  },
  {
    events: /^EPT (page|write|execute|memory|dirty)/,
    mappings: ['combined table'],
    why: 'stale where a page of EPT holds a page table of the guest: the rows "page of a page table"',
  },
  {
    events: /^EPT root page/,
    mappings: COMBINED,
    why: 'the other virtual machine has another VPID, and does not use the combined mappings of the first',
  },
  {
    events: /^EPT large page/,
    mappings: ['guest-physical table'],
    why: 'there is no table below a large page yet that could be remembered',
  },
  {
    events: /^EPT table freed/,
    mappings: ['combined page', 'guest-physical page'],
    why: 'what the freed table comes to hold was in no page before',
  },
  {
    events: OF_EPT,
    mappings: COMBINED,
    why: 'a global page and a table of the guest come through EPT as any page of the guest does',
  },
  {
    events: OF_EPT,
    mappings: GUEST_PHYSICAL,
    why: 'shown by the row "EPT PML4E moved to another table"',
  },
  {
    events: /another processor/,
    mappings: [...LINEAR, ...COMBINED, ...GUEST_PHYSICAL],
    why: 'what a processor remembers is its own: the rows of one processor show what becomes stale',
  },
  {
    events: /^CR4\.PGE/,
    mappings: [...LINEAR, ...COMBINED],
    why: 'only global pages outlive the MOV CR3 that follows; with shadow tables the monitor makes that too',
  },
  {
    events: /./,
    mappings: GUEST_PHYSICAL,
    why: 'guest-physical mappings come from EPT alone: no table of the guest, PCID or VPID is in them',
  },
  {
    events: /./,
    mappings: ['linear table', 'combined table'],
    why: 'paging-structure caches hold no entry that maps a page',
  },
];

export const EVENTS: readonly string[] = [...new Set(CELLS.map(({ event }) => event))];

export const cellsAt = (event: string, mapping: MappingKind): readonly MissingInvalidation[] =>
  CELLS.filter((cell) => cell.event === event && cell.mapping === mapping);

/** Why there is no program here; undefined where nothing says why. */
export const absenceAt = (event: string, mapping: MappingKind): Absence | undefined =>
  ABSENCES.find(({ events, mappings }) => events.test(event) && mappings.includes(mapping));

/** The places of the matrix that have a program. */
export const filled = (): number =>
  EVENTS.flatMap((event) => MAPPINGS.filter((mapping) => cellsAt(event, mapping).length > 0)).length;
