import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../cpu/event';
import { fieldIndex, type VmcsData } from '../vmcs';
import { halfOf } from '../vmcs/halves';
import { ExitFields, interruptionInformation } from './exit-fields';
import { EXIT_REASONS } from './exit-reasons';
import type { EntryFailure, VmExit } from './vm-exit';

const REASON = halfOf('exitReason');
const QUALIFICATION = halfOf('exitQualification');
const INTERRUPTION = halfOf('vmExitInterruptionInfo');
const INTERRUPTION_ERROR = halfOf('vmExitInterruptionErrorCode');
const IDT_VECTORING = halfOf('idtVectoringInfo');
const IDT_VECTORING_ERROR = halfOf('idtVectoringErrorCode');
const LENGTH = halfOf('vmExitInstructionLength');
const INFORMATION = halfOf('vmExitInstructionInfo');
const LINEAR_ADDRESS = fieldIndex('guestLinearAddress');
const PHYSICAL_ADDRESS = fieldIndex('guestPhysicalAddress');
const ENTRY_INFORMATION = halfOf('vmEntryInterruptionInfo');

const ENTRY_FAILURE = 1 << 31;
const VALID = 1 << 31;

const fields = new ExitFields();

/** Whether the exit counts as one during the delivery of an event. SDM Vol. 3C, 28.2.4 Information for VM Exits During Event Delivery */
const duringDelivery = (exit: VmExit): boolean => {
  if (exit.reason === 'tripleFault') return false;
  if (exit.reason !== 'exceptionOrNmi') return true;
  const { event } = exit;
  return !(event.vector === VECTOR.df && event.type === EVENT_TYPE.hardwareException);
};

/**
 * Writes the VM-exit information fields and clears the valid bit of the VM-entry interruption information.
 * SDM Vol. 3C, 28.2 Recording VM-Exit Information and Updating VM-Entry Control Fields
 */
export const recordExit = (
  vmcs: VmcsData,
  exit: VmExit,
  during: InterruptionEvent | undefined,
  nmiUnblocked: boolean,
): void => {
  const { halves } = vmcs;
  const vectoring = during !== undefined && duringDelivery(exit) ? during : undefined;
  fields.collect(exit, vectoring, nmiUnblocked);
  halves[REASON] = EXIT_REASONS[exit.reason].number;
  halves[QUALIFICATION] = fields.qualificationLow;
  halves[QUALIFICATION + 1] = fields.qualificationHigh;
  halves[INTERRUPTION] = fields.interruption;
  halves[INTERRUPTION_ERROR] = fields.errorCode;
  halves[LENGTH] = fields.length;
  halves[INFORMATION] = fields.information;
  if (fields.linearAddress !== undefined) vmcs.words[LINEAR_ADDRESS] = fields.linearAddress;
  if (fields.gpa !== undefined) vmcs.words[PHYSICAL_ADDRESS] = BigInt(fields.gpa);
  halves[IDT_VECTORING] = vectoring === undefined ? 0 : interruptionInformation(vectoring);
  halves[IDT_VECTORING_ERROR] = vectoring?.errorCode ?? 0;
  if ((halves[ENTRY_INFORMATION] & VALID) !== 0) {
    halves[ENTRY_INFORMATION] &= ~VALID;
    vmcs.written[ENTRY_INFORMATION >> 1] = 1;
  }
};

/** Reason and qualification alone; the other fields stay. SDM Vol. 3C, 27.8 VM-Entry Failures During or After Loading Guest State */
export const recordEntryFailure = (vmcs: VmcsData, failure: EntryFailure): void => {
  const { halves } = vmcs;
  halves[REASON] = EXIT_REASONS[failure.reason].number | ENTRY_FAILURE;
  halves[QUALIFICATION] = failure.qualification;
  halves[QUALIFICATION + 1] = 0;
};
