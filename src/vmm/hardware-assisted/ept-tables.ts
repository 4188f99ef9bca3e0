import { fault, type Outcome, ok } from '../../core';
import type { HostLayout, HostRequest } from '../../machine/host-port';
import { PAGE } from './memory-plan';

const LARGE_PAGE = 512 * PAGE;
const LEVELS = 4;
// SDM Vol. 3C, 29.3.2 EPT Translation Mechanism: read, write and execute; a leaf is write-back (bits 5:3)
const ALL_RIGHTS = 7n;
const WRITE_BACK = 6n << 3n;
const LARGE = 1n << 7n;

/** Tables that map the guest's RAM and nothing else. */
export interface EptTables {
  readonly root: bigint;
  readonly stores: readonly HostRequest[];
}

/** Bytes that an entry of a level maps. */
const spanAt = (level: number): number => PAGE * 512 ** (level - 1);

/**
 * EPT tables in zeroed memory from `first` on, in pages of 2 MiB where guest and host addresses allow and `largePages` says so. Fails
 * with the reason when they do not fit below `end`. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism
 */
export const eptTables = (
  guestMemory: HostLayout['guestMemory'],
  first: bigint,
  end: bigint,
  largePages: boolean,
): Outcome<EptTables, string> => {
  const stores: HostRequest[] = [];
  const tables = new Map<string, bigint>();
  let free = first;
  const put = (table: bigint, guest: number, level: number, value: bigint): void => {
    const index = BigInt(Math.floor(guest / spanAt(level)) % 512);
    stores.push({ op: 'store', address: table + index * 8n, bytes: 8, value });
  };
  const table = (guest: number, level: number): bigint => {
    const key = `${level} ${Math.floor(guest / spanAt(level + 1))}`;
    const known = tables.get(key);
    if (known !== undefined) return known;
    const address = free;
    free += BigInt(PAGE);
    tables.set(key, address);
    if (level < LEVELS) put(table(guest, level + 1), guest, level + 1, address | ALL_RIGHTS);
    return address;
  };
  const root = table(0, LEVELS);
  for (const range of guestMemory) {
    const last = range.guest + range.bytes;
    const offset = range.host - range.guest;
    if (offset % PAGE !== 0) return fault('guest memory does not lie in whole pages of the host');
    for (let guest = Math.ceil(range.guest / PAGE) * PAGE; guest + PAGE <= last; ) {
      const large =
        largePages && guest % LARGE_PAGE === 0 && offset % LARGE_PAGE === 0 && guest + LARGE_PAGE <= last;
      const host = BigInt(guest + offset) | ALL_RIGHTS | WRITE_BACK;
      if (large) put(table(guest, 2), guest, 2, host | LARGE);
      else put(table(guest, 1), guest, 1, host);
      guest += large ? LARGE_PAGE : PAGE;
    }
  }
  return free > end ? fault('the memory of the monitor does not hold the EPT tables') : ok({ root, stores });
};
