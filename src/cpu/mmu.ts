import type { CacheDrop, LinearHalves } from './caching';

/** How memory is reached: who asks, and for what. SDM Vol. 3A, 4.6.1 Determination of Access Rights */
export interface LinearAccess {
  /** An implicit supervisor-mode access (descriptor tables, TSS, event delivery), whatever the CPL. */
  readonly implicit?: boolean;
  /** The instruction reads what it writes. */
  readonly update?: boolean;
}

/**
 * Linear memory as system instructions and event delivery see it: checked, slow, exact. Every method may leave with #PF or a VM exit; a page-crossing access
 * is checked whole before any byte is written. Values are unsigned bigints of `bytes` bytes; `bytes` is 1, 2, 4 or 8.
 */
export interface Mmu {
  /** A20M mode: bit 20 of the processor's physical addresses is 0. SDM Vol. 3A, 9.7.13.4 External Signal Compatibility */
  readonly a20m: boolean;
  read(linear: bigint, bytes: number, access?: LinearAccess): bigint;
  write(linear: bigint, bytes: number, value: bigint, access?: LinearAccess): void;
  /** Checks that a write of `bytes` would succeed (and sets A and D bits as the write would). */
  probeWrite(linear: bigint, bytes: number, access?: LinearAccess): void;
  /** Physical address of a byte that can be read, whose line is to be monitored: stores to it will be seen. Undefined where there is no memory. */
  monitor(linear: bigint): number | undefined;
  /** Code bytes from a linear address, at most to the end of the page. */
  fetch(linear: bigint): { readonly bytes: Uint8Array; readonly offset: number };
  /** 8 bytes of physical memory as the processor reads them for its own structures (VMCS link, MSR areas); no translation. */
  readPhysical(address: number, bytes: number): bigint;
  writePhysical(address: number, bytes: number, value: bigint): void;
  /** Sets flags (accessed, dirty) in the low half of a paging-structure entry in physical memory; what was derived through the entry stays. */
  setEntryFlags(address: number, flags: number): void;
  /** 8 bytes of a page-directory-pointer table; the address is guest-physical in non-root operation. May leave with a VM exit. */
  readPdpte(address: number): bigint;
  /**
   * Writes `value` to up to `count` elements from a linear address on, as far as they are plain memory on its page; how many were written, 0 when the
   * element must be written by `write`. Leaves as the write of the first element would.
   */
  fill(linear: bigint, bytes: number, count: number, value: bigint): number;
  /** Copies likewise, in ascending order; both addresses must be on one page each. */
  copy(from: bigint, to: bigint, bytes: number, count: number): number;
  /** Everything derived from translations is dropped; what is remembered stays. */
  flush(): void;
  /** An operation invalidates: `drop` gives what is left of what is remembered. Everything derived is dropped (always legal, the manual allows more dropping than demanded). `again`: an address that may be remembered anew at once, as the policy says. */
  invalidate(drop: CacheDrop, again?: LinearHalves): void;
  /** A fault invalidates: where something is remembered, `drop` gives what is left. */
  forget(drop: CacheDrop): void;
  /** CR0, CR4, EFER, CPL, RFLAGS.AC, CR3 or the EPT root changed: the right set of translations is selected anew. */
  contextChanged(): void;
}
