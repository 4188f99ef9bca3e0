import {
  type Gpa,
  type Hpa,
  high32,
  hpa,
  indexAt,
  low32,
  MemoryDraft,
  type MemoryRoot,
  ModelError,
} from '../core';
import { EPT_ENTRY, EPT_MEMORY_TYPE, EPT_RIGHTS } from './entry';
import { EPTP } from './eptp';
import { highHalf, lowHalf } from './nested-walk';

const ALL_RIGHTS = EPT_RIGHTS.read | EPT_RIGHTS.write | EPT_RIGHTS.execute;
const LEVEL_OF_SIZE = { '4K': 1, '2M': 2, '1G': 3 } as const;
const SIZE_BYTES = { '4K': 2 ** 12, '2M': 2 ** 21, '1G': 2 ** 30 } as const;
const TOP_LEVEL = 4;
const HIGH = 2 ** 32;

/** One page to map: where, how large (4 KiB when left out), and how. */
export interface EptMapping {
  readonly gpa: Gpa;
  readonly hpa: Hpa;
  readonly size?: keyof typeof LEVEL_OF_SIZE;
  /** `EPT_RIGHTS`; all when left out. */
  readonly rights?: number;
  /** Write-back when left out. */
  readonly memoryType?: (typeof EPT_MEMORY_TYPE)[keyof typeof EPT_MEMORY_TYPE];
  readonly ignorePat?: boolean;
}

/**
 * Writes 4-level EPT tables into memory, from frame `firstTable` on: one frame a table, in the order in which mappings need them.
 * SDM Vol. 3C, 29.3.2 EPT Translation Mechanism
 */
export class EptTables {
  private readonly draft: MemoryDraft;
  private nextTable: number;
  readonly root: Hpa;

  constructor(memory: MemoryRoot, firstTable: Hpa) {
    if (firstTable % 4096 !== 0) throw new ModelError('EPT tables start at a multiple of 4096');
    this.draft = new MemoryDraft(memory);
    this.root = firstTable;
    this.nextTable = firstTable + 4096;
  }

  /** The EPTP for these tables: 4 levels, write-back. */
  get eptp(): bigint {
    return EPTP.set(EPTP.set(BigInt(this.root), 'memoryType', 6n), 'walkLengthMinus1', 3n);
  }

  /** Host-physical address of the entry for a guest-physical address at a level; tables on the way are made. */
  entryAddress(address: Gpa, level: number): Hpa {
    const low = lowHalf(address);
    const high = highHalf(address);
    let table: number = this.root;
    for (let at = TOP_LEVEL; at > level; at--) {
      const entry = table + indexAt(low, high, at) * 8;
      table = this.tableOf(entry);
    }
    return hpa(table + indexAt(low, high, level) * 8);
  }

  /** Maps one page; both addresses are multiples of its size. */
  map(mapping: EptMapping): this {
    const { size = '4K', rights = ALL_RIGHTS, memoryType = EPT_MEMORY_TYPE.writeBack } = mapping;
    if (mapping.gpa % SIZE_BYTES[size] !== 0 || mapping.hpa % SIZE_BYTES[size] !== 0)
      throw new ModelError(`a mapping of ${size} starts at a multiple of its size`);
    const flags =
      rights |
      (memoryType << 3) |
      (mapping.ignorePat === true ? EPT_ENTRY.ignorePat : 0) |
      (size === '4K' ? 0 : EPT_ENTRY.pageSize);
    return this.write(this.entryAddress(mapping.gpa, LEVEL_OF_SIZE[size]), mapping.hpa + flags);
  }

  /** Maps `bytes` from a guest-physical to a host-physical address in pages of one size. */
  mapRange(mapping: EptMapping, bytes: number): this {
    const step = SIZE_BYTES[mapping.size ?? '4K'];
    for (let done = 0; done < bytes; done += step)
      this.map({ ...mapping, gpa: (mapping.gpa + done) as Gpa, hpa: (mapping.hpa + done) as Hpa });
    return this;
  }

  /** Writes an entry as it is: for malformed ones. */
  write(at: Hpa, entry: number | bigint): this {
    const { words } = this.draft.ownedPage(Math.floor(at / 4096));
    const value = BigInt.asUintN(64, BigInt(entry));
    words[(at & 4095) >> 2] = low32(value);
    words[((at & 4095) >> 2) + 1] = high32(value);
    return this;
  }

  /** Memory with the tables as they stand. */
  publish(): MemoryRoot {
    return this.draft.publish();
  }

  private tableOf(entry: number): number {
    const { words } = this.draft.page(Math.floor(entry / 4096));
    const index = (entry & 4095) >> 2;
    if ((words[index] & ALL_RIGHTS) !== 0) {
      if ((words[index] & EPT_ENTRY.pageSize) !== 0) throw new ModelError('a larger page is mapped there');
      return (words[index + 1] & 0xfffff) * HIGH + ((words[index] & -4096) >>> 0);
    }
    const table = this.nextTable;
    this.nextTable += 4096;
    this.write(hpa(entry), table + ALL_RIGHTS);
    return table;
  }
}
