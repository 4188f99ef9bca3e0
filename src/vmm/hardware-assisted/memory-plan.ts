import type { HostLayout } from '../../machine/host-port';

export const PAGE = 4096;

/** Host addresses of the monitor's structures, a page each; EPT tables follow. */
export interface MemoryPlan {
  readonly vmxonRegion: bigint;
  readonly vmcsRegion: bigint;
  readonly ioBitmapA: bigint;
  readonly ioBitmapB: bigint;
  readonly msrBitmap: bigint;
  /** Operands in memory: pointers to regions, descriptors of INVEPT and INVVPID. */
  readonly operands: bigint;
  readonly tables: bigint;
  /** First byte beyond the monitor's memory. */
  readonly end: bigint;
}

/** Where the monitor puts what. */
export const memoryPlan = ({ monitorMemory }: HostLayout): MemoryPlan => {
  const page = BigInt(PAGE);
  const first = ((monitorMemory.base + page - 1n) / page) * page;
  const at = (index: bigint): bigint => first + index * page;
  return {
    vmxonRegion: at(0n),
    vmcsRegion: at(1n),
    ioBitmapA: at(2n),
    ioBitmapB: at(3n),
    msrBitmap: at(4n),
    operands: at(5n),
    tables: at(6n),
    end: monitorMemory.base + monitorMemory.bytes,
  };
};

/** The operand page, by use. */
export const OPERAND = { vmxon: 0n, vmcs: 8n, invept: 16n, invvpid: 32n } as const;

/** Host address of a guest-physical byte range; `undefined` unless all of it is one piece of the guest's RAM. */
export const hostAddress = (layout: HostLayout, guest: number, bytes: number): number | undefined => {
  const range = layout.guestMemory.find(
    (candidate) => guest >= candidate.guest && guest + bytes <= candidate.guest + candidate.bytes,
  );
  return range === undefined ? undefined : range.host + (guest - range.guest);
};

/** Whether EPT maps the page: only whole pages of RAM are mapped. */
export const isMapped = (layout: HostLayout, guest: number): boolean =>
  hostAddress(layout, guest - (guest % PAGE), PAGE) !== undefined;
