// SDM Vol. 3A, 4.5.4 Linear-Address Translation with 4-Level Paging, 4.6 Access Rights, 4.7 Page-Fault Exceptions, 4.8 Accessed and Dirty Flags
// Written from the manual alone, one step after the other on bigints, so that it shares nothing with the walk of the model.

/** What governs an access. */
export interface Access {
  readonly kind: 'read' | 'write' | 'fetch';
  /** CPL is 3. */
  readonly user: boolean;
  readonly cr0Wp: boolean;
  readonly cr4Smep: boolean;
  readonly cr4Smap: boolean;
  readonly rflagsAc: boolean;
  readonly eferNxe: boolean;
  /** MAXPHYADDR. */
  readonly physicalBits: number;
}

/** What an access to a linear address comes to. */
export interface Translation {
  /** Of the page fault; undefined when there is none. */
  readonly errorCode: number | undefined;
  /** Physical address, without a fault. */
  readonly physical: bigint;
  /** Addresses of the entries read, from the PML4 down. */
  readonly entries: readonly bigint[];
}

const bit = (word: bigint, position: number): boolean => ((word >> BigInt(position)) & 1n) === 1n;
const bits = (word: bigint, high: number, low: number): bigint =>
  (word >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

const PML4E = 4;
const PDPTE = 3;
const PDE = 2;
const PTE = 1;

/** Bits of a present entry that must be 0, by its level. SDM Vol. 3A, 4.5.4 Linear-Address Translation with 4-Level Paging */
const reservedBitSet = (entry: bigint, level: number, { physicalBits, eferNxe }: Access): boolean => {
  if (bits(entry, 51, physicalBits) !== 0n) return true;
  if (!eferNxe && bit(entry, 63)) return true;
  if (level === PML4E) return bit(entry, 7);
  if (level === PDPTE && bit(entry, 7)) return bits(entry, 29, 13) !== 0n;
  if (level === PDE && bit(entry, 7)) return bits(entry, 20, 13) !== 0n;
  return false;
};

export const translate = (
  read: (physical: bigint) => bigint,
  cr3: bigint,
  linear: bigint,
  access: Access,
): Translation => {
  const { kind, user, cr0Wp, cr4Smep, cr4Smap, rflagsAc, eferNxe } = access;
  const entries: bigint[] = [];
  const fault = (present: boolean, reserved: boolean): Translation => {
    let errorCode = 0;
    if (present) errorCode |= 1;
    if (kind === 'write') errorCode |= 2;
    if (user) errorCode |= 4;
    if (reserved) errorCode |= 8;
    if (kind === 'fetch' && (cr4Smep || eferNxe)) errorCode |= 16;
    return { errorCode, physical: 0n, entries };
  };

  let table = bits(cr3, 51, 12) << 12n;
  let userMode = true;
  let writable = true;
  let executable = true;
  let physical = 0n;
  for (let level = PML4E; level >= PTE; level--) {
    const shift = 12 + 9 * (level - 1);
    const address = table + (bits(linear, shift + 8, shift) << 3n);
    entries.push(address);
    const entry = read(address);
    if (!bit(entry, 0)) return fault(false, false);
    if (reservedBitSet(entry, level, access)) return fault(true, true);
    writable &&= bit(entry, 1);
    userMode &&= bit(entry, 2);
    executable &&= !(eferNxe && bit(entry, 63));
    if (level === PTE || (level !== PML4E && bit(entry, 7))) {
      physical = (bits(entry, 51, shift) << BigInt(shift)) | bits(linear, shift - 1, 0);
      break;
    }
    table = bits(entry, 51, 12) << 12n;
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
  return allowed ? { errorCode: undefined, physical, entries } : fault(true, false);
};
