import { ModelError } from '../../core';
import { PENDING } from '../../cpu/events';
import { ACTIVITY, type ActivityState, type ProcessorDraft } from '../../cpu/processor-draft';
import { withoutVpid0 } from '../../ept';
import { EXIT_REASONS, exitReasonOf } from '../exit/exit-reasons';
import { loadMsrsOnEntry } from '../exit/msr-areas';
import { performEntryFailure } from '../exit/perform-exit';
import type { EntryFailure } from '../exit/vm-exit';
import { instructionErrorOf } from '../instructions/instruction-errors';
import type { VmxResult } from '../instructions/results';
import { blockNmis } from '../non-root/events';
import type { VmxOperation } from '../operation';
import type { ActiveVmcs } from '../state';
import type { VmcsData } from '../vmcs';
import { controlMask, halfOf } from '../vmcs/halves';
import { requireBuilt } from './built';
import type { VmEntryContext } from './context';
import { inject, injectedEvent, injectsMonitorTrap, isSoftwareInjection } from './vm-entry-inject';
import { loadGuest } from './vm-entry-load';
import type { VmEntryFailure } from './vm-entry-rule';

const ACTIVITY_STATE = halfOf('guestActivityState');
const INTERRUPTIBILITY = halfOf('guestInterruptibilityState');
const PENDING_DEBUG = halfOf('guestPendingDebugExceptions');
const TIMER = halfOf('vmxPreemptionTimerValue');
const TIMER_ACTIVE = controlMask('activateVmxPreemptionTimer');
const ENABLE_VPID = controlMask('enableVpid');
const MONITOR_TRAP = controlMask('monitorTrapFlag');
const BLOCKING_BY_STI = 1;
const BLOCKING_BY_MOV_SS = 2;
const BLOCKING_BY_NMI = 8;

const contextOf = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  vmcs: ActiveVmcs,
  instruction: 'vmlaunch' | 'vmresume',
): VmEntryContext => {
  const { entering, entryMemory } = vmx;
  entryMemory.mmu = cpu.mmu;
  entering.longMode = cpu.mode64;
  entering.ia32eMode = cpu.longMode;
  entering.cpl = cpu.cpl;
  entering.instruction = instruction;
  entering.currentVmcs = vmcs.address;
  entering.movSsBlocking = cpu.blockingByMovSs;
  entering.vmxonPointer = vmx.vmxonPointer!;
  entering.vmxoffSinceLaunch = vmcs.vmxoffSinceLaunch;
  return {
    vmcs: vmcs.data,
    capabilities: vmx.capabilities,
    memory: entryMemory,
    processor: entering,
  };
};

/** What comes of a VM entry: `entered` also when it failed after guest state was looked at, or an exit came at once. */
type EntryResult = VmxResult | 'entered';

// SDM Vol. 3C, 27.8 VM-Entry Failures During or After Loading Guest State
const fail = (vmx: VmxOperation, cpu: ProcessorDraft, failure: VmEntryFailure): EntryResult => {
  switch (failure.kind) {
    case 'fault':
      return failure.vector === '#UD' ? cpu.invalidOpcode() : cpu.generalProtection();
    case 'VMfailInvalid':
      return 'VMfailInvalid';
    case 'VMfailValid':
      return instructionErrorOf(failure.error)!;
    case 'exit': {
      const reason = exitReasonOf(failure.reason);
      if (reason !== 'entryFailureGuestState' && reason !== 'entryFailureMsrLoading')
        throw new ModelError(`VM-entry failure with reason ${failure.reason}`);
      return failLate(vmx, cpu, { reason, qualification: failure.qualification });
    }
  }
};

const isMsrLoading = (failure: VmEntryFailure): boolean =>
  failure.kind === 'exit' && failure.reason === EXIT_REASONS.entryFailureMsrLoading.number;

const failLate = (vmx: VmxOperation, cpu: ProcessorDraft, failure: EntryFailure): EntryResult => {
  performEntryFailure(vmx, cpu, failure);
  return 'entered';
};

// SDM Vol. 3C, 27.7.2 Activity State, 27.7.3 Delivery of Pending Debug Exceptions after VM Entry, 27.7.1 Interruptibility State
const startGuest = (vmx: VmxOperation, cpu: ProcessorDraft, vmcs: VmcsData): void => {
  const { halves } = vmcs;
  const event = injectedEvent(vmcs);
  const blocking = halves[INTERRUPTIBILITY];
  const movSs = (blocking & BLOCKING_BY_MOV_SS) !== 0;
  const activity = (event === undefined ? halves[ACTIVITY_STATE] : ACTIVITY.active) as ActivityState;
  // After INT n, as after MOV SS itself, no single step is pending, though the field must show one.
  let traps = 0;
  if (event === undefined) traps = activity <= ACTIVITY.hlt ? -1 : 0;
  else if (movSs && isSoftwareInjection(event)) traps = ~PENDING.bs;
  cpu.blockingBySti = event === undefined && (blocking & BLOCKING_BY_STI) !== 0;
  cpu.blockingByMovSs = event === undefined && movSs;
  blockNmis(vmx, cpu, (blocking & BLOCKING_BY_NMI) !== 0);
  cpu.pendingDebug = halves[PENDING_DEBUG] & traps;
  cpu.activity = activity;
  if (injectsMonitorTrap(vmcs)) vmx.monitorTrap = 'pending';
  else vmx.monitorTrap = (vmx.primary & MONITOR_TRAP) === 0 ? 'none' : 'armed';
  // SDM Vol. 3C, 27.3.3 Clearing Address-Range Monitoring
  cpu.endWait();
  cpu.nmiUnblocked = false;
  cpu.begun = 0;
  vmx.nonRoot = true;
  cpu.nonRoot = true;
  vmx.pauseLoop = undefined;
  vmx.timerDeadline =
    (vmx.pin & TIMER_ACTIVE) === 0
      ? Number.POSITIVE_INFINITY
      : (Math.floor(cpu.clock.now() / vmx.timerRate) + (halves[TIMER] >>> 0)) * vmx.timerRate;
  if ((vmx.secondary & ENABLE_VPID) === 0) cpu.mmu.invalidate(withoutVpid0);
  cpu.mmu.contextChanged();
  cpu.boundaryWork = true;
  cpu.watcher?.enteredNonRoot?.(cpu);
  if (event !== undefined) inject(vmx, cpu, event);
};

/**
 * VM entry from VMX root operation at CPL 0: checks, guest state, MSR-load area, event injection. When it fails before guest state is looked
 * at: VMfailInvalid or VMfailValid; later: the host state is loaded, exit reason 33 or 34 with bit 31. Next RIP says where execution goes on.
 * SDM Vol. 3C, 27 VM Entries
 */
export const enterGuest = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  instruction: 'vmlaunch' | 'vmresume',
): EntryResult => {
  const vmcs = vmx.current;
  if (vmcs === undefined) return 'VMfailInvalid';
  const { data } = vmcs;
  vmx.readControls();
  const failure = vmx.checker.firstFailure(contextOf(vmx, cpu, vmcs, instruction), (permitted) =>
    permitted.length === 1 ? 0 : Number(cpu.decide('vm-entry-failure', BigInt(permitted.length), 0n)),
  );
  // A failure of MSR loading comes after what was loaded before it.
  if (failure !== undefined && !isMsrLoading(failure)) return fail(vmx, cpu, failure);
  requireBuilt(data);
  loadGuest(cpu, data, vmx.eptEnabled);
  const failing = loadMsrsOnEntry(cpu, data, vmx.mostAreaEntries);
  if (failing !== 0) return failLate(vmx, cpu, { reason: 'entryFailureMsrLoading', qualification: failing });
  if (!data.launched) {
    data.launched = true;
    vmcs.vmxoffSinceLaunch = false;
    vmcs.changed();
  }
  startGuest(vmx, cpu, data);
  cpu.nextRip = cpu.rip;
  return 'entered';
};
