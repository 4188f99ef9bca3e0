import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../cpu/event';
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

/** An external interrupt is pending: it exits whatever RFLAGS.IF is, or not at all. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
export const interceptExternalInterrupt = (vmx: VmxOperation, cpu: ProcessorDraft): void => {
  if ((vmx.pin & INTERRUPT_EXITING) === 0) return;
  const acknowledge = (vmx.current!.data.halves[EXIT_CONTROLS] & ACKNOWLEDGE) !== 0;
  const vector = acknowledge ? cpu.bus.acknowledgeInterrupt() : undefined;
  cpu.leave({ reason: 'externalInterrupt', vector });
};

/** SDM Vol. 3C, 26.5.1 VMX-Preemption Timer; 26.2 Other Causes of VM Exits: interrupt windows wake HLT, the timer every state but wait-for-SIPI. */
export const interceptBoundary = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  before: 'debug-trap' | 'nmi' | 'interrupt',
): void => {
  if (before === 'nmi' && cpu.activity !== ACTIVITY.waitForSipi && cpu.clock.now() >= vmx.timerDeadline)
    cpu.leave({ reason: 'preemptionTimerExpired' });
  const isOpen =
    before === 'interrupt' &&
    (vmx.primary & INTERRUPT_WINDOW) !== 0 &&
    cpu.activity <= ACTIVITY.hlt &&
    cpu.flag(FLAG.if) &&
    !cpu.blockingBySti &&
    !cpu.blockingByMovSs;
  if (isOpen) cpu.leave({ reason: 'interruptWindow' });
};

/** IRET: blocking by NMI ends unless NMIs exit. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const unblockNmi = (vmx: VmxOperation, cpu: ProcessorDraft): boolean => {
  if ((vmx.pin & NMI_EXITING) !== 0 || !cpu.blockingByNmi) return false;
  cpu.blockingByNmi = false;
  return true;
};
