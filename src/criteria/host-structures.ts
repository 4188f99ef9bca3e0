import { ENTRY, high32, low32, type Page, type PagingFormat, RadixWalk } from '../core';
import { TableReader } from '../ept';
import type { VmcsData, VmcsField } from '../vmx';
import { eptReach } from './ept-reach';
import type { ProcessorStructure } from './processor-structures';

interface Memory {
  page(frame: number): Page;
}

/** Linear addresses that a VM exit loads and the host uses at once; the stack grows down from its own. SDM Vol. 3C, 25.5 Host-State Area */
const LINEAR: readonly { readonly name: string; readonly field: VmcsField; readonly below?: true }[] = [
  { name: "the host's GDT", field: 'hostGdtrBase' },
  { name: "the host's IDT", field: 'hostIdtrBase' },
  { name: "the host's TSS", field: 'hostTrBase' },
  { name: "the host's stack", field: 'hostRsp', below: true },
  { name: "the host's code", field: 'hostRip' },
];

/** Fields of the host-state area that decide where the host's own structures are. */
export const HOST_FIELDS: readonly VmcsField[] = ['hostCr3', 'hostCr4', ...LINEAR.map(({ field }) => field)];

const BYTES = 8;

/** What the processor works with after a VM exit: page tables, and where each linear address of the host-state area leads by them. */
export interface HostStructures {
  /** Frame numbers of the page tables. */
  readonly tables: ReadonlySet<number>;
  readonly structures: readonly ProcessorStructure[];
}

/** Through the page tables that HOST_CR3 names; an address that they do not map is left out. SDM Vol. 3C, 28.5 Loading Host State */
export const hostStructures = (memory: Memory, format: PagingFormat, vmcs: VmcsData): HostStructures => {
  const root = Number(vmcs.get('hostCr3') & 0xf_ffff_ffff_f000n);
  const { tables } = eptReach(memory, format, root);
  const walk = new RadixWalk();
  const source = new TableReader((frame) => memory.page(frame));
  const structures: ProcessorStructure[] = [...tables].map((frame) => ({
    name: "the host's page tables",
    address: frame * 4096,
    bytes: 4096,
  }));
  for (const { name, field, below } of LINEAR) {
    const linear = vmcs.get(field) - (below ? BigInt(BYTES) : 0n);
    if (walk.run(format, source, root, low32(linear), high32(linear)) !== ENTRY.leaf) continue;
    structures.push({ name, address: walk.frame * 4096 + Number(linear & 0xff8n), bytes: BYTES });
  }
  return { tables, structures };
};
