import { shiftRight } from '../../core';
import { MSR } from '../../cpu/msr-index';
import { invalidatesTlbs, readMsr, writeMsr } from '../../cpu/msrs';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { EFER, SLOT } from '../../cpu/slots';
import type { UndefinedUse } from '../../cpu/undefined-use';
import { withoutLinear } from '../../ept';
import { fieldIndex, type VmcsData } from '../vmcs';
import { halfOf } from '../vmcs/halves';

const ENTRY_BYTES = 16;

type AreaName = Extract<UndefinedUse, { kind: 'msr-area' }>['area'];
const area = (
  name: AreaName,
  count: Parameters<typeof halfOf>[0],
  address: Parameters<typeof halfOf>[0],
) => ({
  name,
  count: halfOf(count),
  address: fieldIndex(address),
});
const ENTRY_LOAD = area('VM-entry MSR-load', 'vmEntryMsrLoadCount', 'vmEntryMsrLoadAddress');
const EXIT_STORE = area('VM-exit MSR-store', 'vmExitMsrStoreCount', 'vmExitMsrStoreAddress');
const EXIT_LOAD = area('VM-exit MSR-load', 'vmExitMsrLoadCount', 'vmExitMsrLoadAddress');

const SMM_MONITOR_CTL = 0x9b;
const SMBASE = 0x9e;
const BIOS_UPDT_TRIG = 0x79;
const BIOS_SIGN_ID = 0x8b;
const isX2Apic = (index: number): boolean => index >>> 8 === 8;

// SDM Vol. 3C, 27.4 Loading MSRs
const mayLoad = (index: number): boolean =>
  index !== MSR.IA32_FS_BASE &&
  index !== MSR.IA32_GS_BASE &&
  index !== SMM_MONITOR_CTL &&
  index !== SMBASE &&
  index !== BIOS_UPDT_TRIG &&
  index !== BIOS_SIGN_ID &&
  !isX2Apic(index);
// SDM Vol. 3C, 28.4 Saving MSRs
const mayStore = (index: number): boolean => index !== SMBASE && !isX2Apic(index);

/** Place of the first entry that cannot be transferred, counted from 1; 0 when all were. */
type Failing = number;

/** More entries than recommended: it is undefined what comes of those beyond. SDM Vol. 3D, A.6 Miscellaneous Data */
const endsAt = (cpu: ProcessorDraft, most: number, entries: number, name: AreaName): boolean => {
  cpu.watcher?.undefinedUse?.(cpu, { kind: 'msr-area', area: name, entries, most });
  return cpu.decide('msr-area', 2n, 0n) === 0n;
};

const eachEntry = (
  cpu: ProcessorDraft,
  vmcs: VmcsData,
  most: number,
  { name, count, address }: ReturnType<typeof area>,
  transfer: (index: number, at: number) => boolean,
): Failing => {
  const entries = vmcs.halves[count] >>> 0;
  if (entries === 0) return 0;
  const first = Number(vmcs.words[address]);
  for (let place = 0; place < entries; place++) {
    if (place === most && endsAt(cpu, most, entries, name)) return place + 1;
    const at = first + place * ENTRY_BYTES;
    const head = cpu.mmu.readPhysical(at, 8);
    if (shiftRight(head, 32n) !== 0n || !transfer(Number(head), at + 8)) return place + 1;
  }
  return 0;
};

// SDM Vol. 3C, 27.4 Loading MSRs, 28.6 Loading MSRs
const load =
  (cpu: ProcessorDraft) =>
  (index: number, at: number): boolean => {
    const before = cpu.W[2 * SLOT.efer];
    const loaded = mayLoad(index) && writeMsr(cpu, index, cpu.mmu.readPhysical(at, 8));
    const flushes = invalidatesTlbs(index) || ((before ^ cpu.W[2 * SLOT.efer]) & EFER.nxe) !== 0;
    // After the transition nothing is used that was cached before it, whatever its VPID.
    if (loaded && flushes) cpu.mmu.invalidate(withoutLinear);
    return loaded;
  };

const store =
  (cpu: ProcessorDraft) =>
  (index: number, at: number): boolean => {
    const value = mayStore(index) ? readMsr(cpu, index) : undefined;
    if (value === undefined) return false;
    cpu.mmu.writePhysical(at, 8, value);
    return true;
  };

/** SDM Vol. 3C, 27.4 Loading MSRs */
export const loadMsrsOnEntry = (cpu: ProcessorDraft, vmcs: VmcsData, most: number): Failing =>
  vmcs.halves[ENTRY_LOAD.count] === 0 ? 0 : eachEntry(cpu, vmcs, most, ENTRY_LOAD, load(cpu));

/** SDM Vol. 3C, 28.4 Saving MSRs */
export const storeMsrs = (cpu: ProcessorDraft, vmcs: VmcsData, most: number): Failing =>
  vmcs.halves[EXIT_STORE.count] === 0 ? 0 : eachEntry(cpu, vmcs, most, EXIT_STORE, store(cpu));

/** SDM Vol. 3C, 28.6 Loading MSRs */
export const loadMsrsOnExit = (cpu: ProcessorDraft, vmcs: VmcsData, most: number): Failing =>
  vmcs.halves[EXIT_LOAD.count] === 0 ? 0 : eachEntry(cpu, vmcs, most, EXIT_LOAD, load(cpu));
