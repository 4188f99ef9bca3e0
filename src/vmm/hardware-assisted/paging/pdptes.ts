import type { Exit } from '../guest';
import { type Program, tell, vmread, vmwrites } from '../program';
import { readPhysical } from './physical';

// SDM Vol. 3A, 4.4.1 PDPTE Registers: reserved bits 2:1 and 8:5
const RESERVED = 0x1e6n;
const TABLE = 0xffff_ffe0n;

/**
 * Loads the PDPTE registers as a write to a control register does in PAE paging; false, and nothing loaded, where the processor raises
 * #GP(0). SDM Vol. 3A, 4.4.1 PDPTE Registers
 */
export function* loadPdptes(exit: Exit, cr3?: bigint): Program<boolean> {
  const [inVmcs] = yield* vmread('guestCr3');
  const table = Number((cr3 ?? inVmcs) & TABLE);
  const entries: bigint[] = [];
  for (const index of [0, 1, 2, 3])
    entries.push(yield* readPhysical(exit, { gpa: table + 8 * index, bytes: 8 }));
  const reserved = RESERVED | ~((1n << BigInt(exit.guest.physicalBits)) - 1n);
  if (entries.some((entry) => (entry & 1n) !== 0n && (entry & reserved) !== 0n)) return false;
  const [guestPdpte0, guestPdpte1, guestPdpte2, guestPdpte3] = entries;
  yield* tell(vmwrites({ guestPdpte0, guestPdpte1, guestPdpte2, guestPdpte3 }));
  return true;
}
