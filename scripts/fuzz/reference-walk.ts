// SDM Vol. 3A, 4.3 32-Bit Paging, 4.4 PAE Paging, 4.5 4-Level Paging and 5-Level Paging, 4.6 Access Rights, 4.7 Page-Fault Exceptions, 4.8 Accessed and Dirty Flags
// Written from the manual alone, one step after the other on bigints, so that it shares nothing with the walk of the model.

export type Mode = '32-bit' | 'PAE' | '4-level' | '5-level';

/** What governs an access. */
export interface Access {
  readonly mode: Mode;
  readonly kind: 'read' | 'write' | 'fetch';
  /** CPL is 3. */
  readonly user: boolean;
  readonly cr0Wp: boolean;
  readonly cr4Pse: boolean;
  readonly cr4Smep: boolean;
  readonly cr4Smap: boolean;
  readonly rflagsAc: boolean;
  readonly eferNxe: boolean;
  /** Protection keys; undefined while CR4.PKE or CR4.PKS is 0. */
  readonly pkru: number | undefined;
  readonly pkrs: number | undefined;
  /** MAXPHYADDR. */
  readonly physicalBits: number;
  readonly hasPat: boolean;
  readonly hasPse36: boolean;
  readonly hasGigabytePages: boolean;
}

/** What an access to a linear address comes to. */
export interface Translation {
  /** Of the page fault; undefined when there is none. */
  readonly errorCode: number | undefined;
  /** Physical address, without a fault. */
  readonly physical: bigint;
  /** Addresses of the entries read, from the first table down. */
  readonly entries: readonly bigint[];
  /** Bytes of the page, as a power of 2. */
  readonly pageBits: number;
}

/** Where a walk begins: CR3, and the PDPTE registers. */
export interface Roots {
  readonly cr3: bigint;
  readonly pdptes: readonly bigint[];
}

const bit = (word: bigint, position: number): boolean => ((word >> BigInt(position)) & 1n) === 1n;
const bits = (word: bigint, high: number, low: number): bigint =>
  high < low ? 0n : (word >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

type Name = 'PML5E' | 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
interface Level {
  readonly name: Name;
  /** Bits of the linear address that select the entry. */
  readonly index: readonly [high: number, low: number];
}

const PTE_64: Level = { name: 'PTE', index: [20, 12] };
const PDE_64: Level = { name: 'PDE', index: [29, 21] };
const LEVELS_4: readonly Level[] = [
  { name: 'PML4E', index: [47, 39] },
  { name: 'PDPTE', index: [38, 30] },
  PDE_64,
  PTE_64,
];
const LEVELS: Readonly<Record<Mode, readonly Level[]>> = {
  '32-bit': [
    { name: 'PDE', index: [31, 22] },
    { name: 'PTE', index: [21, 12] },
  ],
  PAE: [PDE_64, PTE_64],
  '4-level': LEVELS_4,
  '5-level': [{ name: 'PML5E', index: [56, 48] }, ...LEVELS_4],
};

const mapsPage = (entry: bigint, name: Name, { mode, cr4Pse }: Access): boolean => {
  if (name === 'PTE') return true;
  if (name === 'PDE') return bit(entry, 7) && (mode !== '32-bit' || cr4Pse);
  return name === 'PDPTE' && bit(entry, 7);
};

const reservedIn32Bit = (entry: bigint, name: Name, access: Access): boolean => {
  if (!access.cr4Pse) return false;
  if (name === 'PTE') return !access.hasPat && bit(entry, 7);
  if (!bit(entry, 7)) return false;
  if (!access.hasPat && bit(entry, 12)) return true;
  const m = Math.min(40, access.physicalBits);
  return bits(entry, 21, access.hasPse36 ? m - 19 : 13) !== 0n;
};

/** Bits of a present entry that must be 0, by its level. */
const reservedBitSet = (entry: bigint, name: Name, access: Access): boolean => {
  const { mode, physicalBits, eferNxe, hasPat, hasGigabytePages } = access;
  if (mode === '32-bit') return reservedIn32Bit(entry, name, access);
  if (!eferNxe && bit(entry, 63)) return true;
  if (bits(entry, mode === 'PAE' ? 62 : 51, physicalBits) !== 0n) return true;
  if (name === 'PML5E' || name === 'PML4E') return bit(entry, 7);
  if (name === 'PTE') return mode === 'PAE' && !hasPat && bit(entry, 7);
  if (!bit(entry, 7)) return false;
  if (name === 'PDPTE') return !hasGigabytePages || bits(entry, 29, 13) !== 0n;
  return bits(entry, 20, 13) !== 0n || (mode === 'PAE' && !hasPat && bit(entry, 12));
};

/** The physical address that an entry which maps a page gives. */
const pageAddress = (entry: bigint, shift: number, linear: bigint, { mode }: Access): bigint => {
  const offset = bits(linear, shift - 1, 0);
  if (mode !== '32-bit') return (bits(entry, 51, shift) << BigInt(shift)) | offset;
  const low = (bits(entry, 31, shift) << BigInt(shift)) | offset;
  return shift === 12 ? low : low | (bits(entry, 20, 13) << 32n);
};

/** Physical address of the first table; undefined where the PDPTE register is not present. */
const firstTable = ({ cr3, pdptes }: Roots, linear: bigint, mode: Mode): bigint | undefined => {
  if (mode === '32-bit') return bits(cr3, 31, 12) << 12n;
  if (mode !== 'PAE') return bits(cr3, 51, 12) << 12n;
  const pdpte = pdptes[Number(bits(linear, 31, 30))];
  return bit(pdpte, 0) ? bits(pdpte, 51, 12) << 12n : undefined;
};

/** Whether the protection key of a page denies the access. SDM Vol. 3A, 4.6.2 Protection Keys */
const keyDenies = (leaf: bigint, userMode: boolean, access: Access): boolean => {
  const { mode, kind, user, cr0Wp, pkru, pkrs } = access;
  if ((mode !== '4-level' && mode !== '5-level') || kind === 'fetch') return false;
  const register = userMode ? pkru : pkrs;
  if (register === undefined) return false;
  if (!userMode && user) return false;
  const key = Number(bits(leaf, 62, 59));
  const accessDisabled = bit(BigInt(register), 2 * key);
  const writeDisabled = bit(BigInt(register), 2 * key + 1);
  if (accessDisabled) return true;
  if (kind !== 'write' || !writeDisabled) return false;
  return userMode && user ? true : cr0Wp;
};

export const translate = (
  read: (physical: bigint, bytes: 4 | 8) => bigint,
  roots: Roots,
  linear: bigint,
  access: Access,
): Translation => {
  const { mode, kind, user, cr0Wp, cr4Smep, cr4Smap, rflagsAc, eferNxe } = access;
  const noExecute = eferNxe && mode !== '32-bit';
  const entryBytes = mode === '32-bit' ? 4 : 8;
  const entries: bigint[] = [];
  const fault = (present: boolean, reserved: boolean, key = false): Translation => {
    let errorCode = 0;
    if (present) errorCode |= 1;
    if (kind === 'write') errorCode |= 2;
    if (user) errorCode |= 4;
    if (reserved) errorCode |= 8;
    if (kind === 'fetch' && (cr4Smep || noExecute)) errorCode |= 16;
    if (key) errorCode |= 32;
    return { errorCode, physical: 0n, entries, pageBits: 0 };
  };

  const first = firstTable(roots, linear, mode);
  if (first === undefined) return fault(false, false);
  let table: bigint = first;
  let userMode = true;
  let writable = true;
  let executable = true;
  let physical = 0n;
  let leaf = 0n;
  let pageBits = 0;
  for (const { name, index } of LEVELS[mode]) {
    const address = table + bits(linear, ...index) * BigInt(entryBytes);
    entries.push(address);
    const entry = read(address, entryBytes);
    if (!bit(entry, 0)) return fault(false, false);
    if (reservedBitSet(entry, name, access)) return fault(true, true);
    writable &&= bit(entry, 1);
    userMode &&= bit(entry, 2);
    executable &&= !(noExecute && bit(entry, 63));
    if (mapsPage(entry, name, access)) {
      leaf = entry;
      pageBits = index[1];
      physical = pageAddress(entry, pageBits, linear, access);
      break;
    }
    table = bits(entry, mode === '32-bit' ? 31 : 51, 12) << 12n;
  }

  const allowed = ((): boolean => {
    if (user) {
      if (!userMode) return false;
      if (kind === 'write') return writable;
      return kind === 'read' || executable;
    }
    if (kind === 'fetch') return executable && !(userMode && cr4Smep);
    if (userMode && cr4Smap && !rflagsAc) return false;
    return kind === 'read' || !cr0Wp || writable;
  })();
  const denied = keyDenies(leaf, userMode, access);
  return allowed && !denied
    ? { errorCode: undefined, physical, entries, pageBits }
    : fault(true, false, denied);
};
