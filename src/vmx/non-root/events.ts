import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../cpu/event';
import { isHeldByShadow, NMI } from '../../cpu/events';
import { ACTIVITY, type ProcessorDraft } from '../../cpu/processor-draft';
import { FLAG } from '../../cpu/slots';
import type { VmxOperation } from '../operation';
import { controlMask, halfOf } from '../vmcs/halves';

const EXCEPTION_BITMAP = halfOf('exceptionBitmap');
const ERROR_CODE_MASK = halfOf('pageFaultErrorCodeMask');
const ERROR_CODE_MATCH = halfOf('pageFaultErrorCodeMatch');
const EXIT_CONTROLS = halfOf('vmExitControls');
const NMI_EXITING = controlMask('nmiExiting');
const INTERRUPT_EXITING = controlMask('externalInterruptExiting');
const ACKNOWLEDGE = controlMask('acknowledgeInterruptOnExit');
const INTERRUPT_WINDOW = controlMask('interruptWindowExiting');
const NMI_WINDOW = controlMask('nmiWindowExiting');
const VIRTUAL_NMIS = controlMask('virtualNmis');

/** SDM Vol. 3C, 25.6.3 Exception Bitmap: for page faults a failed match inverts the bit. */
const exceptionExits = (vmx: VmxOperation, event: InterruptionEvent): boolean => {
  const { halves } = vmx.current!.data;
  const bit = (halves[EXCEPTION_BITMAP] & (1 << event.vector)) !== 0;
  if (event.vector !== VECTOR.pf) return bit;
  const matches = ((event.errorCode ?? 0) & halves[ERROR_CODE_MASK]) === halves[ERROR_CODE_MATCH];
  return matches ? bit : !bit;
};

/** Leaves with the exit that takes an event's place. INT n and external interrupts never do here. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
export const interceptEvent = (vmx: VmxOperation, cpu: ProcessorDraft, event: InterruptionEvent): void => {
  switch (event.type) {
    case EVENT_TYPE.externalInterrupt:
    case EVENT_TYPE.softwareInterrupt:
      return;
    case EVENT_TYPE.nmi:
      if ((vmx.pin & NMI_EXITING) !== 0) cpu.leave({ reason: 'exceptionOrNmi', event });
      return;
    default:
      if (exceptionExits(vmx, event)) cpu.leave({ reason: 'exceptionOrNmi', event });
  }
};

/** An external interrupt is pending: it exits whatever RFLAGS.IF is, or not at all; blocking by STI or MOV SS may hold it back. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
export const interceptExternalInterrupt = (vmx: VmxOperation, cpu: ProcessorDraft): void => {
  if ((vmx.pin & INTERRUPT_EXITING) === 0 || isHeldByShadow(cpu)) return;
  const acknowledge = (vmx.current!.data.halves[EXIT_CONTROLS] & ACKNOWLEDGE) !== 0;
  const vector = acknowledge ? cpu.bus.acknowledgeInterrupt() : undefined;
  cpu.leave({ reason: 'externalInterrupt', vector });
};

/** Without blocking by STI or MOV SS: HLT is woken. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
const isInterruptWindowOpen = (vmx: VmxOperation, cpu: ProcessorDraft): boolean =>
  (vmx.primary & INTERRUPT_WINDOW) !== 0 &&
  cpu.activity !== ACTIVITY.shutdown &&
  cpu.flag(FLAG.if) &&
  !cpu.blockingBySti &&
  !cpu.blockingByMovSs;

/** HLT and shutdown are woken. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
const isNmiWindowOpen = (vmx: VmxOperation, cpu: ProcessorDraft): boolean =>
  (vmx.primary & NMI_WINDOW) !== 0 && !vmx.virtualNmiBlocking && !cpu.blockingByMovSs && !isHeldByShadow(cpu);

/** An NMI that exits may do so in spite of blocking by STI or MOV SS; without such blocking it comes here no sooner. */
const nmiExitsInShadow = (vmx: VmxOperation, cpu: ProcessorDraft): boolean =>
  cpu.nmiPending &&
  (vmx.pin & NMI_EXITING) !== 0 &&
  !cpu.blockingByNmi &&
  (cpu.blockingBySti || cpu.blockingByMovSs) &&
  !isHeldByShadow(cpu);

/** SDM Vol. 3C, 26.5.2 Monitor Trap Flag; 26.5.1 VMX-Preemption Timer; 26.2 Other Causes of VM Exits. No processor that waits for a startup IPI comes here. */
export const interceptBoundary = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  before: 'debug-trap' | 'nmi' | 'interrupt',
): void => {
  switch (before) {
    case 'debug-trap':
      if (vmx.monitorTrap === 'pending') cpu.leave({ reason: 'monitorTrapFlag' });
      return;
    case 'nmi':
      if (cpu.clock.now() >= vmx.timerDeadline) cpu.leave({ reason: 'preemptionTimerExpired' });
      if (isNmiWindowOpen(vmx, cpu)) cpu.leave({ reason: 'nmiWindow' });
      if (nmiExitsInShadow(vmx, cpu)) {
        cpu.nmiPending = false;
        cpu.leave({ reason: 'exceptionOrNmi', event: NMI });
      }
      return;
    case 'interrupt':
      if (isInterruptWindowOpen(vmx, cpu)) cpu.leave({ reason: 'interruptWindow' });
  }
};

/** Interrupt-window exiting is on: MWAIT that masked interrupts would end does not wait. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const waitsForWindow = (vmx: VmxOperation): boolean => (vmx.primary & INTERRUPT_WINDOW) !== 0;

/** Blocking by NMI, or with "virtual NMIs" their blocking, as the guest has it. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export const isNmiBlocked = (vmx: VmxOperation, cpu: ProcessorDraft): boolean =>
  (vmx.pin & VIRTUAL_NMIS) === 0 ? cpu.blockingByNmi : vmx.virtualNmiBlocking;

/** The guest's NMIs are blocked from now on, or no longer; with "virtual NMIs" no blocking by NMI is left. SDM Vol. 3C, 27.7.1 Interruptibility State */
export const blockNmis = (vmx: VmxOperation, cpu: ProcessorDraft, blocked: boolean): void => {
  const isVirtual = (vmx.pin & VIRTUAL_NMIS) !== 0;
  vmx.virtualNmiBlocking = isVirtual && blocked;
  cpu.blockingByNmi = !isVirtual && blocked;
};

/** IRET: blocking by NMI ends unless NMIs exit, that of virtual NMIs does. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const unblockNmi = (vmx: VmxOperation, cpu: ProcessorDraft): boolean => {
  if ((vmx.pin & (NMI_EXITING | VIRTUAL_NMIS)) === NMI_EXITING || !isNmiBlocked(vmx, cpu)) return false;
  blockNmis(vmx, cpu, false);
  return true;
};
