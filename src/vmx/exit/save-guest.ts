import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../cpu/event';
import { DEBUGCTL, PENDING } from '../../cpu/events';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { FLAG, SLOT, STATUS_FLAGS } from '../../cpu/slots';
import { statusFlagsOf } from '../../cpu/status-flags';
import { isNmiBlocked } from '../non-root/events';
import type { VmxOperation } from '../operation';
import type { VmcsData } from '../vmcs';
import { LOW_SLOTS, PDPTE_SLOTS, RIGHTS_SLOTS, SELECTOR_SLOTS, WHOLE_SLOTS } from '../vmcs/guest-slots';
import { controlMask, halfOf } from '../vmcs/halves';
import type { VmExit } from './vm-exit';

const EXIT_CONTROLS = halfOf('vmExitControls');
const ENTRY_CONTROLS = halfOf('vmEntryControls');
const IA32E_GUEST = controlMask('ia32eModeGuest');
const UNRESTRICTED = controlMask('unrestrictedGuest');
const EFER_LMA = 1 << 10;
const CR0 = halfOf('guestCr0');
const RIP = halfOf('guestRip');
const RFLAGS = halfOf('guestRflags');
const DR7 = halfOf('guestDr7');
const DEBUGCTL_FIELD = halfOf('guestIa32Debugctl');
const PAT = halfOf('guestIa32Pat');
const EFER = halfOf('guestIa32Efer');
const PERF = halfOf('guestIa32PerfGlobalCtrl');
const PKRS = halfOf('guestIa32Pkrs');
const ACTIVITY_STATE = halfOf('guestActivityState');
const INTERRUPTIBILITY = halfOf('guestInterruptibilityState');
const PENDING_DEBUG = halfOf('guestPendingDebugExceptions');
const TIMER = halfOf('vmxPreemptionTimerValue');

const SAVE_DEBUG = controlMask('saveDebugControls');
const SAVE_PAT = controlMask('saveIa32Pat');
const SAVE_EFER = controlMask('saveIa32Efer');
const SAVE_PERF = controlMask('saveIa32PerfGlobalCtl');
const SAVE_TIMER = controlMask('saveVmxPreemptionTimerValue');
const TIMER_ACTIVE = controlMask('activateVmxPreemptionTimer');

/** Access-rights bits that are saved: 16:12 and 7:0. */
const SAVED_RIGHTS = 0x1f0ff;
/** General detect: the one debug exception that is a fault with RF set in its image. */
const GENERAL_DETECT = 1 << 13;

/** Writes both halves of a field, and remembers when it changed. */
const save = (vmcs: VmcsData, half: number, low: number, high: number): void => {
  const { halves } = vmcs;
  if (halves[half] === low && halves[half + 1] === high) return;
  halves[half] = low;
  halves[half + 1] = high;
  vmcs.written[half >> 1] = 1;
};

/** The RFLAGS image of the event has RF = 1; the image of an injected one is that of the guest. */
const isFault = ({ type, vector, debugStatus, injected }: InterruptionEvent): boolean => {
  if (injected === true || type !== EVENT_TYPE.hardwareException) return false;
  if (vector === VECTOR.db) return ((debugStatus ?? 0) & GENERAL_DETECT) !== 0;
  return vector !== VECTOR.df && vector !== VECTOR.mc;
};

/** RFLAGS.RF in the saved image. SDM Vol. 3C, 28.3.3 Saving RIP, RSP, RFLAGS, and SSP */
const resumeFlag = (now: number, exit: VmExit, during: InterruptionEvent | undefined): number => {
  switch (exit.reason) {
    case 'exceptionOrNmi':
      return isFault(exit.event) ? FLAG.rf : now;
    // What a task gate would have saved in the old TSS.
    case 'taskSwitch':
      if (exit.source !== 'gate') return 0;
      return during !== undefined && isFault(during) ? FLAG.rf : now;
    case 'eptViolation':
    case 'eptMisconfiguration':
    case 'pmlFull':
      return during === undefined || isFault(during) ? FLAG.rf : now;
    case 'externalInterrupt':
    case 'tripleFault':
    case 'initSignal':
    case 'sipi':
    case 'interruptWindow':
    case 'nmiWindow':
    case 'monitorTrapFlag':
    case 'preemptionTimerExpired':
      return now;
    default:
      return 0;
  }
};

/** Bits 3:0 of the interruptibility state; no SMI blocking outside SMM, no enclaves. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
const interruptibility = (vmx: VmxOperation, cpu: ProcessorDraft): number =>
  (cpu.blockingBySti ? 1 : 0) | (cpu.blockingByMovSs ? 2 : 0) | (isNmiBlocked(vmx, cpu) ? 8 : 0);

const isDebugException = (exit: VmExit): boolean =>
  exit.reason === 'exceptionOrNmi' && exit.event.vector === VECTOR.db;

/**
 * Pending debug exceptions: what MOV SS holds back, of which a single step is one even where MOV SS itself ran with TF, and what an INIT or the monitor trap
 * flag comes before. Other exits save none: traps come before whatever else exits at a boundary, and an instruction that exits has none. SDM Vol. 3C, 28.3.4 Saving Non-Register State
 */
const heldTraps = (cpu: ProcessorDraft, exit: VmExit): number => {
  const before = exit.reason === 'initSignal' || exit.reason === 'monitorTrapFlag';
  if (before && !cpu.blockingByMovSs) return cpu.pendingDebug;
  if (!cpu.blockingByMovSs || isDebugException(exit)) return 0;
  const steps = cpu.flag(FLAG.tf) && (cpu.W[2 * SLOT.debugctl] & DEBUGCTL.btf) === 0;
  return (cpu.pendingDebug & ~PENDING.bs) | (steps ? PENDING.bs : 0);
};

const registers = (cpu: ProcessorDraft, vmcs: VmcsData): void => {
  const { W } = cpu;
  for (let i = 0; i < WHOLE_SLOTS.fields.length; i++) {
    const slot = 2 * WHOLE_SLOTS.slots[i];
    save(vmcs, 2 * WHOLE_SLOTS.fields[i], W[slot], W[slot + 1]);
  }
  for (let i = 0; i < LOW_SLOTS.fields.length; i++)
    save(vmcs, 2 * LOW_SLOTS.fields[i], W[2 * LOW_SLOTS.slots[i]], 0);
  for (let i = 0; i < SELECTOR_SLOTS.fields.length; i++) {
    const slot = 2 * SELECTOR_SLOTS.slots[i];
    save(vmcs, 2 * SELECTOR_SLOTS.fields[i], W[slot] & 0xffff, 0);
    save(vmcs, 2 * RIGHTS_SLOTS.fields[i], W[slot + 1] & SAVED_RIGHTS, 0);
  }
};

const saveSlot = (cpu: ProcessorDraft, vmcs: VmcsData, half: number, slot: number): void =>
  save(vmcs, half, cpu.W[2 * slot], cpu.W[2 * slot + 1]);

/** Without EPT, or outside PAE paging, the fields are undefined: they stay. SDM Vol. 3C, 28.3.4 Saving Non-Register State */
const savePdptes = (cpu: ProcessorDraft, vmcs: VmcsData): void => {
  for (let i = 0; i < PDPTE_SLOTS.fields.length; i++)
    saveSlot(cpu, vmcs, 2 * PDPTE_SLOTS.fields[i], PDPTE_SLOTS.slots[i]);
};

/** What is left of the VMX-preemption timer at a machine clock, 32 bits. SDM Vol. 3C, 26.5.1 VMX-Preemption Timer */
export const timerValue = (vmx: VmxOperation, now: number): number =>
  Math.max(0, vmx.timerDeadline / vmx.timerRate - Math.floor(now / vmx.timerRate));

/** Of an unrestricted guest the VM-entry control "IA-32e mode guest" follows IA32_EFER.LMA. SDM Vol. 3C, 28.3.1 Saving Control Registers, Debug Registers, and MSRs */
const saveLongMode = (vmcs: VmcsData, active: boolean): void => {
  const controls = vmcs.halves[ENTRY_CONTROLS];
  save(vmcs, ENTRY_CONTROLS, active ? controls | IA32E_GUEST : controls & ~IA32E_GUEST, 0);
};

/** SDM Vol. 3C, 28.3 Saving Guest State */
export const saveGuest = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  vmcs: VmcsData,
  exit: VmExit,
  during: InterruptionEvent | undefined,
): void => {
  const { W } = cpu;
  const controls = vmcs.halves[EXIT_CONTROLS];
  registers(cpu, vmcs);
  saveSlot(cpu, vmcs, CR0, SLOT.cr0);
  if ((controls & SAVE_DEBUG) !== 0) {
    saveSlot(cpu, vmcs, DR7, SLOT.dr7);
    saveSlot(cpu, vmcs, DEBUGCTL_FIELD, SLOT.debugctl);
  }
  if ((controls & SAVE_PAT) !== 0) saveSlot(cpu, vmcs, PAT, SLOT.pat);
  if ((controls & SAVE_EFER) !== 0) saveSlot(cpu, vmcs, EFER, SLOT.efer);
  if ((controls & SAVE_PERF) !== 0) saveSlot(cpu, vmcs, PERF, SLOT.perfGlobalCtrl);
  if (vmx.savesPkrs) saveSlot(cpu, vmcs, PKRS, SLOT.pkrs);
  if ((vmx.secondary & UNRESTRICTED) !== 0) saveLongMode(vmcs, (W[2 * SLOT.efer] & EFER_LMA) !== 0);
  if (vmx.eptEnabled && cpu.paePaging) savePdptes(cpu, vmcs);
  saveSlot(cpu, vmcs, RIP, SLOT.rip);
  const flags = (W[2 * SLOT.rflags] & ~STATUS_FLAGS) | statusFlagsOf(W) | 2;
  save(vmcs, RFLAGS, (flags & ~FLAG.rf) | resumeFlag(flags & FLAG.rf, exit, during), 0);
  save(vmcs, ACTIVITY_STATE, cpu.activity, 0);
  save(vmcs, INTERRUPTIBILITY, interruptibility(vmx, cpu), 0);
  save(vmcs, PENDING_DEBUG, heldTraps(cpu, exit), 0);
  if ((controls & SAVE_TIMER) !== 0 && (vmx.pin & TIMER_ACTIVE) !== 0)
    save(vmcs, TIMER, timerValue(vmx, cpu.clock.now()) | 0, 0);
};
