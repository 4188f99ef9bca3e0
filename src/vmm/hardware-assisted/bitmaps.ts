import type { HostRequest } from '../../machine/host-port';
import { GUEST_MSRS, type MsrKeeping } from '../../vmx/vmcs/guest-msrs';
import { REQUIRED } from './capabilities';
import type { MemoryPlan } from './memory-plan';

/** Apart without a control, or by one that is always on here. */
const isKept = (keeping: MsrKeeping): boolean =>
  keeping === 'always' || keeping === 'lent' || (keeping !== 'never' && REQUIRED.includes(keeping));

/**
 * MSRs that the guest reads, or writes, without an exit: the VMCS as set up here switches them, or the monitor never uses them. The time-stamp
 * counter gives itself plus the TSC offset. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation
 */
const READ_BY_GUEST = GUEST_MSRS.filter(({ read }) => isKept(read));
const WRITTEN_BY_GUEST = GUEST_MSRS.filter(({ write }) => isKept(write));

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
  for (const { index } of READ_BY_GUEST) clear(bitOfMsr(index, 0));
  for (const { index } of WRITTEN_BY_GUEST) clear(bitOfMsr(index, WRITE_AREA));
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
