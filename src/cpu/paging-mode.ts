import type { PagingFormat } from '../core';
import { ia32ePaging, type PagingFeatures, PTE, paePaging, paging32 } from './paging-format';
import type { FeatureName } from './presets';
import { CR4, EFER, SLOT } from './slots';

const CR3_LOW = 2 * SLOT.cr3;
const CR4_LOW = 2 * SLOT.cr4;
const EFER_LOW = 2 * SLOT.efer;
const FIRST_PDPTE = 2 * SLOT.pdpte0;
const FORMAT_BITS = CR4.pse | CR4.pae | CR4.la57;

/** The root of a walk whose PDPTE register is not present. */
export const NO_ROOT = -1;

/** What the formats of a processor depend on. */
export const pagingFeatures = (processor: {
  readonly physicalAddressWidth: number;
  readonly features: ReadonlySet<FeatureName>;
}): PagingFeatures => ({
  physicalAddressWidth: processor.physicalAddressWidth,
  gigabytePages: processor.features.has('page-1gib'),
  pse36: processor.features.has('pse36'),
  pat: processor.features.has('pat'),
});

const byteAddress = (low: number, high: number): number =>
  (high & 0xfffff) * 0x1_0000_0000 + ((low & -4096) >>> 0);

/** The paging mode that CR4 and IA32_EFER select while CR0.PG is 1: its format and its root. SDM Vol. 3A, 4.1.1 Four Paging Modes */
export class PagingMode {
  format: PagingFormat;
  /** IA32_EFER.NXE is 1 in a mode whose entries have an XD bit. */
  noExecute = false;
  /** Protection keys govern data accesses. SDM Vol. 3A, 4.6.2 Protection Keys */
  keys = false;
  private pae = false;
  private narrow = false;
  private cr4 = 0;
  private efer = 0;
  private readonly formats = new Map<number, PagingFormat>();

  constructor(private readonly features: PagingFeatures) {
    this.format = this.formatOf(0, 0);
    this.narrow = true;
  }

  /** Follows the registers; called before each walk. */
  follow(W: Int32Array): void {
    if (W[CR4_LOW] !== this.cr4 || W[EFER_LOW] !== this.efer) this.select(W[CR4_LOW], W[EFER_LOW]);
  }

  /** Byte address of the first table for a linear address; `NO_ROOT` where the PDPTE register is not present. */
  root(W: Int32Array, low: number): number {
    if (this.narrow) return (W[CR3_LOW] & -4096) >>> 0;
    if (!this.pae) return byteAddress(W[CR3_LOW], W[CR3_LOW + 1]);
    const at = FIRST_PDPTE + 2 * (low >>> 30);
    return (W[at] & PTE.present) === 0 ? NO_ROOT : byteAddress(W[at], W[at + 1]);
  }

  private select(cr4: number, efer: number): void {
    this.cr4 = cr4;
    this.efer = efer;
    const long = (efer & EFER.lma) !== 0;
    this.narrow = (cr4 & CR4.pae) === 0;
    this.pae = !this.narrow && !long;
    this.noExecute = !this.narrow && (efer & EFER.nxe) !== 0;
    this.keys = long && (cr4 & (CR4.pke | CR4.pks)) !== 0;
    const key = (cr4 & FORMAT_BITS) | ((efer & (EFER.lma | EFER.nxe)) * 0x1000);
    let format = this.formats.get(key);
    if (format === undefined) {
      format = this.formatOf(cr4, efer);
      this.formats.set(key, format);
    }
    this.format = format;
  }

  private formatOf(cr4: number, efer: number): PagingFormat {
    const { features } = this;
    const noExecute = (efer & EFER.nxe) !== 0;
    if ((cr4 & CR4.pae) === 0) return paging32(features, (cr4 & CR4.pse) !== 0);
    if ((efer & EFER.lma) === 0) return paePaging(features, noExecute);
    const levels = (cr4 & CR4.la57) === 0 ? 4 : 5;
    return ia32ePaging(features.physicalAddressWidth, noExecute, levels, features.gigabytePages);
  }
}
