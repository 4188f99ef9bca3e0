import type { MappingShift } from '../../core';
import type { PagingRights } from '../page-fault';
import type { PagingMode } from '../paging-mode';
import { CR4, SLOT } from '../slots';
import type { CachedEntry, Fill, Mapping, TranslationCaches } from './mapping';

/** Reads table entries from host-physical memory into `low` and `high`. */
export interface TableMemory {
  readonly low: number;
  readonly high: number;
  read(address: number, bytes: 4 | 8): void;
}

/** What an access wants; a read when it is neither. */
export interface CachedAccess {
  readonly write: boolean;
  readonly fetch: boolean;
}

/** Accessed and dirty flags that a walk sets in an entry. SDM Vol. 3A, 4.8 Accessed and Dirty Flags */
export interface EntryUpdate {
  readonly table: 'guest' | 'ept';
  /** Host-physical address of the entry. */
  readonly address: number;
  readonly bits: number;
  /** Of an entry of EPT: the guest-physical address that it translates. */
  readonly gpa: number | undefined;
}

/** What a walk has gathered. */
export interface WalkPath {
  readonly rights: number;
  /** Accessed flags are 1 so far: what comes of the walk may be remembered. */
  readonly accessed: boolean;
  /** Tells walks apart that would set flags in entries; empty where there are none. */
  readonly unset: string;
  /** The flags that it sets where rights allow the access, from the top table down. */
  readonly updates: readonly EntryUpdate[];
  readonly from: readonly CachedEntry[];
  readonly used: readonly Mapping[];
  readonly fills: readonly Fill[];
}

/** One way in which a guest-physical address is translated, with `EPT_RIGHTS`; those are not looked at. */
export interface StageWay extends WalkPath {
  /** `absent`: an EPT violation, whatever the access. */
  readonly end: 'mapped' | 'absent' | 'misconfiguration';
  /** After `mapped`: the 4-KiB frame of the address. */
  readonly frame: number;
  /** Address bits below the page of EPT. */
  readonly shift: MappingShift;
  readonly dirty: boolean;
  readonly memoryType: number;
}

/** The second dimension of a walk, as the core sees it. SDM Vol. 3C, 29.3.1 EPT Overview */
export interface SecondStage {
  readonly ep4ta: number;
  /** Accessed and dirty flags are in use. */
  readonly accessedDirty: boolean;
  /** All ways, what is remembered first; `pagingStructure`: for a paging-structure entry of the guest. */
  ways(
    caches: TranslationCaches,
    memory: TableMemory,
    address: number,
    access: CachedAccess,
    pagingStructure: boolean,
  ): Iterable<StageWay>;
  /** Whether rights allow an access; `linearRights`: those of paging, undefined for a paging-structure entry of the guest. */
  allows(rights: number, access: CachedAccess, linearRights: number | undefined): boolean;
}

/** Why there is no frame. */
export type WayFault =
  | { readonly kind: 'page-fault'; readonly errorCode: number }
  | {
      readonly kind: 'ept-violation';
      readonly gpa: number;
      /** Cumulative `EPT_RIGHTS`; 0 when an entry is not present. */
      readonly rights: number;
      /** The access was to a paging-structure entry of the guest. */
      readonly pagingStructure: boolean;
      /** `RIGHTS` of the linear address, as far as they are known. */
      readonly linearRights: number;
    }
  | { readonly kind: 'ept-misconfiguration'; readonly gpa: number };

/** One way in which a processor may answer an access. */
export interface Way {
  /** The 4-KiB frame; undefined where `fault` comes instead. */
  readonly frame: number | undefined;
  readonly fault: WayFault | undefined;
  /** Rights that were remembered refuse the access: memory may have raised them since. */
  readonly spurious: boolean;
  /** What is known of the page; undefined after a fault on the way, and without paging and EPT. */
  readonly page: Mapping | undefined;
  /** The flags that it sets in entries that it read from memory, in the order of the walk; before a fault those of what came to an end. */
  readonly updates: readonly EntryUpdate[];
  readonly from: readonly CachedEntry[];
  /** Mappings that were used instead of memory. */
  readonly used: readonly Mapping[];
  /** What the processor may remember of it. */
  readonly fills: readonly Fill[];
}

/** An access and all that governs its translation. */
export interface WaySetup {
  readonly caches: TranslationCaches;
  readonly memory: TableMemory;
  /** Undefined while CR0.PG is 0. */
  readonly mode: PagingMode | undefined;
  /** Slots of the processor: CR3, CR4, the PDPTE registers, PKRU and IA32_PKRS. */
  readonly W: Int32Array;
  readonly vpid: number;
  readonly pcid: number;
  readonly by: PagingRights;
  readonly access: CachedAccess;
  readonly stage: SecondStage | undefined;
}

/** The PCID in use: 000H while CR4.PCIDE is 0. SDM Vol. 3A, 4.10.1 Process-Context Identifiers (PCIDs) */
export const currentPcid = (W: Int32Array): number =>
  (W[2 * SLOT.cr4] & CR4.pcide) === 0 ? 0 : W[2 * SLOT.cr3] & 0xfff;
