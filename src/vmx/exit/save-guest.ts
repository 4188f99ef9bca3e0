import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../cpu/event';
import { DEBUGCTL, PENDING } from '../../cpu/events';
import { ACTIVITY, isWaiting, type ProcessorDraft } from '../../cpu/processor-draft';
import { FLAG, SLOT, STATUS_FLAGS } from '../../cpu/slots';
import { statusFlagsOf } from '../../cpu/status-flags';
import { isNmiBlocked } from '../non-root/events';
import type { VmxOperation } from '../operation';
import { fieldIndex, type VmcsData } from '../vmcs';
import {
  CET_SLOTS,
  type FieldSlots,
  LOW_SLOTS,
  PDPTE_SLOTS,
  RIGHTS_SLOTS,
  SELECTOR_SLOTS,
  WHOLE_SLOTS,
} from '../vmcs/guest-slots';
import { controlMask, halfOf } from '../vmcs/halves';
import type { VmExit } from './vm-exit';

const EXIT_CONTROLS = halfOf('vmExitControls');
const ENTRY_CONTROLS = fieldIndex('vmEntryControls');
const IA32E_GUEST = controlMask('ia32eModeGuest');
const UNRESTRICTED = controlMask('unrestrictedGuest');
const EFER_LMA = 1 << 10;
const CR0 = fieldIndex('guestCr0');
const RIP = fieldIndex('guestRip');
const RFLAGS = fieldIndex('guestRflags');
const DR7 = fieldIndex('guestDr7');
const DEBUGCTL_FIELD = fieldIndex('guestIa32Debugctl');
const PAT = fieldIndex('guestIa32Pat');
const EFER = fieldIndex('guestIa32Efer');
const PERF = fieldIndex('guestIa32PerfGlobalCtrl');
const PKRS = fieldIndex('guestIa32Pkrs');
const ACTIVITY_STATE = fieldIndex('guestActivityState');
const INTERRUPTIBILITY = fieldIndex('guestInterruptibilityState');
const PENDING_DEBUG = fieldIndex('guestPendingDebugExceptions');
const TIMER = fieldIndex('vmxPreemptionTimerValue');

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

/** Writes a 64-bit field from a slot, and remembers when it changed. Halves are compared: comparing bigints would make them. */
const saveWhole = (
  { words, halves, written }: VmcsData,
  field: number,
  { R, W }: ProcessorDraft,
  slot: number,
): void => {
  if (halves[2 * field] === W[2 * slot] && halves[2 * field + 1] === W[2 * slot + 1]) return;
  words[field] = R[slot];
  written[field] = 1;
};

/** Writes bits 31:0 of a field, and remembers when they changed; the others of such a field are always 0. */
const saveLow = ({ halves, written }: VmcsData, field: number, low: number): void => {
  if (halves[2 * field] === low) return;
  halves[2 * field] = low;
  written[field] = 1;
};

const saveSlots = (cpu: ProcessorDraft, vmcs: VmcsData, { fields, slots }: FieldSlots): void => {
  for (let i = 0; i < fields.length; i++) saveWhole(vmcs, fields[i], cpu, slots[i]);
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
  saveSlots(cpu, vmcs, WHOLE_SLOTS);
  for (let i = 0; i < LOW_SLOTS.fields.length; i++)
    saveLow(vmcs, LOW_SLOTS.fields[i], W[2 * LOW_SLOTS.slots[i]]);
  for (let i = 0; i < SELECTOR_SLOTS.fields.length; i++) {
    const slot = 2 * SELECTOR_SLOTS.slots[i];
    saveLow(vmcs, SELECTOR_SLOTS.fields[i], W[slot] & 0xffff);
    saveLow(vmcs, RIGHTS_SLOTS.fields[i], W[slot + 1] & SAVED_RIGHTS);
  }
};

/** Without EPT, or outside PAE paging, the fields are undefined: they stay. SDM Vol. 3C, 28.3.4 Saving Non-Register State */
const savePdptes = (cpu: ProcessorDraft, vmcs: VmcsData): void => saveSlots(cpu, vmcs, PDPTE_SLOTS);

/** What is left of the VMX-preemption timer at a machine clock, 32 bits. SDM Vol. 3C, 26.5.1 VMX-Preemption Timer */
export const timerValue = (vmx: VmxOperation, now: number): number =>
  Math.max(0, vmx.timerDeadline / vmx.timerRate - Math.floor(now / vmx.timerRate));

/** Of an unrestricted guest the VM-entry control "IA-32e mode guest" follows IA32_EFER.LMA. SDM Vol. 3C, 28.3.1 Saving Control Registers, Debug Registers, and MSRs */
const saveLongMode = (vmcs: VmcsData, active: boolean): void => {
  const controls = vmcs.halves[2 * ENTRY_CONTROLS];
  saveLow(vmcs, ENTRY_CONTROLS, active ? controls | IA32E_GUEST : controls & ~IA32E_GUEST);
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
  saveWhole(vmcs, CR0, cpu, SLOT.cr0);
  if ((controls & SAVE_DEBUG) !== 0) {
    saveWhole(vmcs, DR7, cpu, SLOT.dr7);
    saveWhole(vmcs, DEBUGCTL_FIELD, cpu, SLOT.debugctl);
  }
  if ((controls & SAVE_PAT) !== 0) saveWhole(vmcs, PAT, cpu, SLOT.pat);
  if ((controls & SAVE_EFER) !== 0) saveWhole(vmcs, EFER, cpu, SLOT.efer);
  if ((controls & SAVE_PERF) !== 0) saveWhole(vmcs, PERF, cpu, SLOT.perfGlobalCtrl);
  if (vmx.savesPkrs) saveWhole(vmcs, PKRS, cpu, SLOT.pkrs);
  if (vmx.savesCet) saveSlots(cpu, vmcs, CET_SLOTS);
  if ((vmx.secondary & UNRESTRICTED) !== 0) saveLongMode(vmcs, (W[2 * SLOT.efer] & EFER_LMA) !== 0);
  if (vmx.eptEnabled && cpu.paePaging) savePdptes(cpu, vmcs);
  saveWhole(vmcs, RIP, cpu, SLOT.rip);
  const flags = (W[2 * SLOT.rflags] & ~STATUS_FLAGS) | statusFlagsOf(W) | 2;
  saveLow(vmcs, RFLAGS, (flags & ~FLAG.rf) | resumeFlag(flags & FLAG.rf, exit, during));
  // SDM Vol. 3C, 25.4.2 Guest Non-Register State: the field never shows that the processor waits.
  saveLow(vmcs, ACTIVITY_STATE, isWaiting(cpu.activity) ? ACTIVITY.active : cpu.activity);
  saveLow(vmcs, INTERRUPTIBILITY, interruptibility(vmx, cpu));
  saveLow(vmcs, PENDING_DEBUG, heldTraps(cpu, exit));
  if ((controls & SAVE_TIMER) !== 0 && (vmx.pin & TIMER_ACTIVE) !== 0)
    saveLow(vmcs, TIMER, timerValue(vmx, cpu.clock.now()) | 0);
};
