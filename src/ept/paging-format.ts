import { ENTRY, type EntryKind, type PagingFormat } from '../core';
import { EPT_ENTRY, EPT_RIGHTS } from './entry';
import { EPTP, type EptCapabilities } from './eptp';

const PERMISSIONS = EPT_RIGHTS.read | EPT_RIGHTS.write | EPT_RIGHTS.execute;
const RESERVED_TOP = 0xf8;
const RESERVED_TABLE = 0x78;
const RESERVED_2M = 0x1ff000;
const RESERVED_1G = 0x3ffff000;
/** Bit n stands for memory type n: 2, 3 and 7 are reserved. */
const RESERVED_TYPES = 0b1000_1100;

class EptPaging implements PagingFormat {
  readonly name: string;
  readonly entryBytes = 8;
  readonly allRights: number;
  private readonly reservedHigh: number;
  private readonly executeOnly: boolean;
  private readonly page2m: boolean;
  private readonly page1g: boolean;

  constructor(
    { executeOnly, page2m, page1g, physicalAddressWidth }: EptCapabilities,
    readonly levels: 4 | 5,
    modeBased: boolean,
  ) {
    this.name = `EPT, ${levels} levels${modeBased ? ', mode-based execute' : ''}`;
    this.allRights = modeBased ? PERMISSIONS | EPT_RIGHTS.userExecute : PERMISSIONS;
    this.reservedHigh = 0xfffff & ~(2 ** (physicalAddressWidth - 32) - 1);
    this.executeOnly = executeOnly;
    this.page2m = page2m;
    this.page1g = page1g;
  }

  classify(low: number, high: number, level: number): EntryKind {
    if ((low & this.allRights) === 0) return ENTRY.absent;
    if ((low & EPT_RIGHTS.read) === 0 && (!this.executeOnly || (low & EPT_RIGHTS.write) !== 0))
      return ENTRY.reserved;
    if ((high & this.reservedHigh) !== 0) return ENTRY.reserved;
    if (level > 3) return (low & RESERVED_TOP) === 0 ? ENTRY.table : ENTRY.reserved;
    if (level === 1 || (low & EPT_ENTRY.pageSize) !== 0) return this.leafKind(low, level);
    return (low & RESERVED_TABLE) === 0 ? ENTRY.table : ENTRY.reserved;
  }

  private leafKind(low: number, level: number): EntryKind {
    if (level === 3 && (!this.page1g || (low & RESERVED_1G) !== 0)) return ENTRY.reserved;
    if (level === 2 && (!this.page2m || (low & RESERVED_2M) !== 0)) return ENTRY.reserved;
    return ((RESERVED_TYPES >> ((low >> 3) & 7)) & 1) !== 0 ? ENTRY.reserved : ENTRY.leaf;
  }

  restrict(rights: number, low: number): number {
    return rights & low;
  }
}

/**
 * EPT as a format of the radix walk: an absent entry is an EPT violation, a reserved one an EPT misconfiguration. `modeBased`: mode-based execute
 * control. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism, 29.3.3.1 EPT Misconfigurations
 */
export const eptPaging = (
  capabilities: EptCapabilities,
  levels: 4 | 5 = 4,
  modeBased = false,
): PagingFormat => new EptPaging(capabilities, levels, modeBased);

/** The format that an EPTP which VM entry accepts selects. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP) */
export const eptPagingOf = (capabilities: EptCapabilities, eptp: bigint, modeBased = false): PagingFormat =>
  eptPaging(capabilities, EPTP.get(eptp, 'walkLengthMinus1') === 4n ? 5 : 4, modeBased);
