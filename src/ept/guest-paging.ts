import type { PagingFeatures } from '../cpu/paging-format';
import { PagingMode } from '../cpu/paging-mode';
import { CR4, EFER, PDPTE_REGISTERS, SLOT, SLOT_COUNT } from '../cpu/slots';

/** Registers of a guest that paging depends on, and what its processor has. SDM Vol. 3A, 4.1.1 Four Paging Modes */
export interface GuestPaging {
  readonly cr4: bigint;
  readonly efer: bigint;
  /** PDPTE0 to PDPTE3, for PAE paging. */
  readonly pdptes: readonly bigint[];
  /** PKRU and IA32_PKRS, which count as CR4 says. */
  readonly pkru: bigint;
  readonly pkrs: bigint;
  readonly features: PagingFeatures;
}

const ALL_FEATURES = { gigabytePages: true, pse36: true, pat: true } as const;

interface Registers {
  readonly cr3?: bigint;
  readonly levels?: 4 | 5;
  readonly noExecute: boolean;
  readonly paging?: GuestPaging;
}

/** The registers of a guest as the slots of a processor hold them; without `paging` those of IA-32e mode. */
export const pagingRegisters = ({ cr3 = 0n, levels = 4, noExecute, paging }: Registers): Int32Array => {
  const R = new BigUint64Array(SLOT_COUNT);
  R[SLOT.cr3] = cr3;
  R[SLOT.cr4] = paging?.cr4 ?? BigInt(CR4.pae | (levels === 5 ? CR4.la57 : 0));
  R[SLOT.efer] = paging?.efer ?? BigInt(EFER.lma | (noExecute ? EFER.nxe : 0));
  R[SLOT.pkru] = paging?.pkru ?? 0n;
  R[SLOT.pkrs] = paging?.pkrs ?? 0n;
  PDPTE_REGISTERS.forEach((name, index) => {
    R[SLOT[name]] = paging?.pdptes[index] ?? 0n;
  });
  return new Int32Array(R.buffer);
};

/** The paging mode that they select. */
export const pagingModeOf = (
  registers: Int32Array,
  paging: GuestPaging | undefined,
  physicalAddressWidth: number,
): PagingMode => {
  const mode = new PagingMode({ ...ALL_FEATURES, ...paging?.features, physicalAddressWidth });
  mode.follow(registers);
  return mode;
};
