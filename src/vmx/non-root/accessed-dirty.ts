import type { EntryUpdate } from '../../cpu/caching';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { EPT_ENTRY } from '../../ept';
import type { VmExit } from '../exit/vm-exit';
import type { VmxOperation } from '../operation';
import type { VmcsData } from '../vmcs';
import { fieldIndex } from '../vmcs';
import { controlMask, halfOf } from '../vmcs/halves';

const ENABLE_PML = controlMask('enablePml');
const PML_INDEX = halfOf('pmlIndex');
const PML_ADDRESS = fieldIndex('pmlAddress');
const LAST_PML_ENTRY = 511;

/** SDM Vol. 3C, 29.3.6 Page-Modification Logging */
const logPage = (vmx: VmxOperation, cpu: ProcessorDraft, address: number, data: VmcsData): void => {
  const index = data.halves[PML_INDEX];
  cpu.mmu.writePhysical(Number(data.words[PML_ADDRESS]) + 8 * index, 8, BigInt(address - (address % 4096)));
  data.halves[PML_INDEX] = (index - 1) & 0xffff;
  data.written[PML_INDEX >> 1] = 1;
  vmx.current!.changed();
};

/** Whether dirty flags that are set are logged; leaves where the log is full. */
const logs = (vmx: VmxOperation, cpu: ProcessorDraft, data: VmcsData): boolean => {
  if ((vmx.secondary & ENABLE_PML) === 0) return false;
  if (data.halves[PML_INDEX] > LAST_PML_ENTRY) cpu.leave({ reason: 'pmlFull' } satisfies VmExit);
  return true;
};

/** Sets flags that are 0 in EPT entries, as `setAccessedAndDirty` does, of a translation that began at a remembered entry. */
export const setFlags = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  address: number,
  updates: readonly EntryUpdate[],
): void => {
  const { data } = vmx.current!;
  const logging = logs(vmx, cpu, data);
  for (const update of updates) cpu.mmu.setEntryFlags(update.address, update.bits);
  const dirties = updates.some(({ bits }) => (bits & EPT_ENTRY.dirty) !== 0);
  if (logging && dirties) logPage(vmx, cpu, address, data);
};

/**
 * Sets the accessed flags of the EPT entries that the last translation used, and for a write the dirty flag of the page, which may log it. May leave
 * (page-modification log full); then no flag is set. SDM Vol. 3C, 29.3.5 Accessed and Dirty Flags for EPT
 */
export const setAccessedAndDirty = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  address: number,
  write: boolean,
): void => {
  const { path, format } = vmx.eptWalk;
  const { lows, addresses, level: leaf } = path;
  const ofLeaf = write ? EPT_ENTRY.accessed | EPT_ENTRY.dirty : EPT_ENTRY.accessed;
  let missing = ofLeaf & ~lows[leaf];
  for (let level = format.levels; level > leaf; level--) missing |= EPT_ENTRY.accessed & ~lows[level];
  if (missing === 0) return;
  const { data } = vmx.current!;
  const logging = logs(vmx, cpu, data);
  for (let level = format.levels; level >= leaf; level--) {
    const flags = (level === leaf ? ofLeaf : EPT_ENTRY.accessed) & ~lows[level];
    if (flags !== 0) cpu.mmu.setEntryFlags(addresses[level], flags);
  }
  if (logging && (missing & EPT_ENTRY.dirty) !== 0) logPage(vmx, cpu, address, data);
};
