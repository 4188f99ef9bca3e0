import { ModelError } from '../../core';
import { EVENT_TYPE, type InterruptionEvent } from '../../cpu/event';
import { readPdptes, setPdptes } from '../../cpu/pdpte-registers';
import { ACTIVITY, type ProcessorDraft } from '../../cpu/processor-draft';
import { SLOT } from '../../cpu/slots';
import { withoutVpid0 } from '../../ept';
import type { VmxOperation } from '../operation';
import { controlMask } from '../vmcs/halves';
import { REGION } from '../vmcs/region';
import { isHost64, loadHost } from './load-host';
import { loadMsrsOnExit, storeMsrs } from './msr-areas';
import { recordEntryFailure, recordExit } from './record-exit';
import { saveGuest } from './save-guest';
import type { EntryFailure, VmExit } from './vm-exit';

const ENABLE_VPID = controlMask('enableVpid');

/** Why a VM exit could not be completed. Of the manual's reasons a corrupted VMCS (3) and a machine check (5) do not arise here: VMCS data are in the processor. SDM Vol. 3C, 28.7 VMX Aborts */
export const VMX_ABORT = { savingMsrs: 1, hostPdptes: 2, loadingMsrs: 4, ia32eMode: 6 } as const;

/** The processor stops with an indicator in the VMCS region; only RESET helps. SDM Vol. 3C, 28.7 VMX Aborts */
const abort = (vmx: VmxOperation, cpu: ProcessorDraft, indicator: number): void => {
  cpu.mmu.writePhysical(vmx.current!.address + REGION.abortIndicator, 4, BigInt(indicator));
  vmx.abortIndicator = indicator;
  cpu.activity = ACTIVITY.shutdown;
  cpu.boundaryWork = true;
};

/** Loads the PDPTEs of a host with PAE paging; false where one is illegal. SDM Vol. 3C, 28.5.4 Checking and Loading Host Page-Directory-Pointer-Table Entries */
const hasHostPdptes = (cpu: ProcessorDraft): boolean => {
  const entries = readPdptes(cpu, cpu.W[2 * SLOT.cr3]);
  if (entries === undefined) return false;
  setPdptes(cpu, entries);
  return true;
};

/** Host state and VM-exit MSR-load area: the same for exits and failed entries. SDM Vol. 3C, 28.5 Loading Host State, 28.6 Loading MSRs */
const returnToHost = (vmx: VmxOperation, cpu: ProcessorDraft): void => {
  const { data } = vmx.current!;
  vmx.timerDeadline = Number.POSITIVE_INFINITY;
  if (cpu.longMode && !isHost64(data)) {
    abort(vmx, cpu, VMX_ABORT.ia32eMode);
    return;
  }
  loadHost(cpu, data);
  if ((vmx.secondary & ENABLE_VPID) === 0) cpu.mmu.invalidate(withoutVpid0);
  cpu.mmu.contextChanged();
  cpu.boundaryWork = true;
  if (cpu.paePaging && !hasHostPdptes(cpu)) abort(vmx, cpu, VMX_ABORT.hostPdptes);
  else if (loadMsrsOnExit(cpu, data, vmx.mostAreaEntries) !== 0) abort(vmx, cpu, VMX_ABORT.loadingMsrs);
};

/**
 * Carries out a VM exit: information fields, guest state, MSR-store area, host state, MSR-load area. RIP is the one to save; afterwards RIP
 * and next RIP are the host's. `during` is the event in whose delivery the exit came about. SDM Vol. 3C, 28 VM Exits
 */
export const performExit = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  exit: VmExit,
  during: InterruptionEvent | undefined,
): void => {
  const vmcs = vmx.current;
  if (vmcs === undefined || !vmx.nonRoot)
    throw new ModelError(`VM exit ${exit.reason} outside VMX non-root operation`);
  const { data } = vmcs;
  cpu.watcher?.leftNonRoot?.(cpu, exit, during);
  vmcs.changed();
  recordExit(data, exit, during, cpu.nmiUnblocked);
  saveGuest(vmx, cpu, data, exit, during);
  vmx.nonRoot = false;
  vmx.virtualNmiBlocking = false;
  vmx.monitorTrap = 'none';
  cpu.nonRoot = false;
  cpu.exit = undefined;
  cpu.interruption = undefined;
  cpu.nmiUnblocked = false;
  if (storeMsrs(cpu, data, vmx.mostAreaEntries) !== 0) abort(vmx, cpu, VMX_ABORT.savingMsrs);
  else returnToHost(vmx, cpu);
  // SDM Vol. 3C, 28.5.5 Updating Non-Register State: NMIs are blocked after an exit that an NMI causes directly.
  if (exit.reason === 'exceptionOrNmi' && exit.event.type === EVENT_TYPE.nmi) cpu.blockingByNmi = true;
};

/** SDM Vol. 3C, 27.8 VM-Entry Failures During or After Loading Guest State */
export const performEntryFailure = (vmx: VmxOperation, cpu: ProcessorDraft, failure: EntryFailure): void => {
  const vmcs = vmx.current!;
  vmcs.changed();
  recordEntryFailure(vmcs.data, failure);
  returnToHost(vmx, cpu);
};
