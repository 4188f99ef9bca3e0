import type { WalkReference } from '../ept';

/** Names of the manual for the entry of each level. SDM Vol. 3A, 4.2 Hierarchical Paging Structures: an Overview */
const ENTRY_NAMES: Readonly<Record<number, string>> = {
  5: 'PML5E',
  4: 'PML4E',
  3: 'PDPTE',
  2: 'PDE',
  1: 'PTE',
};

/** Such as `EPT PDPTE` or `guest PTE`. */
export const entryName = (table: 'ept' | 'guest', level: number): string =>
  `${table === 'ept' ? 'EPT' : 'guest'} ${ENTRY_NAMES[level]}`;

/** How `--set` and answers name the entry that a walk reads: `guest.l2`. */
export const guestEntryId = (level: number): string => `guest.l${level}`;

/** `ept.l1@guest.l2`: the EPT entry at level 1 for the address of the guest's entry; `final` for the address that the guest's tables gave. */
export const eptEntryId = (level: number, row: number | 'final' | 'only'): string =>
  row === 'only' ? `ept.l${level}` : `ept.l${level}@${row === 'final' ? row : guestEntryId(row)}`;

const letters = (rights: number, names: string): string =>
  [...names].map((letter, bit) => ((rights >> bit) & 1 ? letter : '-')).join('');

/** Rights over a path: `rwx` of EPT (read, write, execute), `wux` of the guest (write, user, execute). */
export const rightsText = (table: 'ept' | 'guest', rights: number): string =>
  letters(rights, table === 'ept' ? 'rwx' : 'wux');

const MEMORY_TYPES: Readonly<Record<number, string>> = { 0: 'UC', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'WB' };

/** What an entry grants by itself, in words that fit a column. */
export const grantsText = ({ table, bits, kind }: WalkReference): string => {
  const on = (name: string): boolean => bits[name] === 1n;
  if (table === 'ept') {
    const rights = ['read', 'write', 'execute'].filter(on).join(' ');
    const type =
      kind === 'leaf' && bits.memoryType !== undefined ? `, ${MEMORY_TYPES[Number(bits.memoryType)]}` : '';
    return `${rights || 'no rights'}${type}`;
  }
  return [
    on('write') ? 'write' : 'read-only',
    on('user') ? 'user' : 'supervisor',
    ...(on('noExecute') ? ['no execute'] : []),
  ].join(' ');
};
