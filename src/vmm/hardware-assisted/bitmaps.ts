import type { HostRequest } from '../../machine/host-port';
import type { MemoryPlan } from './memory-plan';

/**
 * MSRs that the guest reads and writes without an exit. VM entry and VM exit switch FS and GS base, SYSENTER_*, PAT, EFER and DEBUGCTL; the
 * monitor never uses the SYSCALL registers, KERNEL_GS_BASE and TSC_AUX, so that the guest owns them.
 */
const OWNED_BY_GUEST: readonly number[] = [
  0x174, // SYSENTER_CS
  0x175,
  0x176,
  0x1d9, // DEBUGCTL
  0x277, // PAT
  0xc0000080, // EFER
  0xc0000081, // STAR
  0xc0000082,
  0xc0000083,
  0xc0000084,
  0xc0000100, // FS_BASE
  0xc0000101,
  0xc0000102, // KERNEL_GS_BASE
  0xc0000103, // TSC_AUX
];
/** Reads give the counter plus the TSC offset by themselves. SDM Vol. 3C, 26.3 Changes to Instruction Behavior */
const READ_BY_GUEST: readonly number[] = [0x10];

const QUADWORDS = 512n;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const HIGH_MSRS = 0xc0000000;
const HIGH_AREA = 0x400;
const WRITE_AREA = 0x800;

// SDM Vol. 3C, 25.6.9 MSR-Bitmap Address: read low, read high, write low, write high, 1 KiB each
const bitOfMsr = (index: number, area: number): number =>
  (area + (index >= HIGH_MSRS ? HIGH_AREA : 0)) * 8 + (index % HIGH_MSRS);

/** I/O bitmaps in which every port exits, and the MSR bitmap. SDM Vol. 3C, 25.6.4 I/O-Bitmap Addresses */
export const bitmapStores = (plan: MemoryPlan): readonly HostRequest[] => {
  const words = new Map<number, bigint>();
  const clear = (bit: number): void => {
    const word = Math.floor(bit / 64);
    words.set(word, (words.get(word) ?? ALL_ONES) & ~(1n << BigInt(bit % 64)));
  };
  for (const index of [...OWNED_BY_GUEST, ...READ_BY_GUEST]) clear(bitOfMsr(index, 0));
  for (const index of OWNED_BY_GUEST) clear(bitOfMsr(index, WRITE_AREA));
  const fill = (address: bigint): HostRequest => ({
    op: 'fill',
    address,
    count: QUADWORDS,
    value: ALL_ONES,
  });
  return [
    fill(plan.ioBitmapA),
    fill(plan.ioBitmapB),
    fill(plan.msrBitmap),
    ...[...words].map(
      ([word, value]): HostRequest => ({
        op: 'store',
        address: plan.msrBitmap + BigInt(word * 8),
        bytes: 8,
        value,
      }),
    ),
  ];
};
