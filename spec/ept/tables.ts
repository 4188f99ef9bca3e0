import { EMPTY_MEMORY, gpa, hpa, type MemoryRoot } from '../../src/core';
import { EptTables } from '../../src/ept';

/** 16 MiB of guest memory, whose frame 0 is at 16 MiB of the host; EPT tables from 1 MiB of the host on. */
export const GUEST_BASE = 0x100_0000;
export const GUEST_CR3 = 0x1000n;
export const LINEAR = 0x7fff_1234_5678n;

export const put64 = (memory: MemoryRoot, at: number, value: bigint): MemoryRoot =>
  memory.write(at, new Uint8Array(new BigUint64Array([value]).buffer));

export const eptTables = (memory: MemoryRoot = EMPTY_MEMORY): EptTables =>
  new EptTables(memory, hpa(0x10_0000)).mapRange({ gpa: gpa(0), hpa: hpa(GUEST_BASE) }, 0x20_0000);

/** Guest tables of four levels at 1000H to 4000H that map `LINEAR` to guest frame 5. */
export const guestTables = (memory: MemoryRoot, flags = 0x67n): MemoryRoot => {
  const indexes = [39n, 30n, 21n, 12n].map((shift) => Number((LINEAR >> shift) & 511n));
  return indexes.reduce(
    (root, index, step) =>
      put64(root, GUEST_BASE + 0x1000 * (step + 1) + 8 * index, BigInt(0x1000 * (step + 2)) | flags),
    memory,
  );
};
