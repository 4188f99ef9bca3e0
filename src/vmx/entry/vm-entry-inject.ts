import { ModelError } from '../../core';
import { EVENT_TYPE, type EventType, type InterruptionEvent } from '../../cpu/event';
import { deliver } from '../../cpu/events';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { blockNmis } from '../non-root/events';
import type { VmxOperation } from '../operation';
import type { VmcsData } from '../vmcs';
import { halfOf } from '../vmcs/halves';

const INFORMATION = halfOf('vmEntryInterruptionInfo');
const ERROR_CODE = halfOf('vmEntryExceptionErrorCode');
const LENGTH = halfOf('vmEntryInstructionLength');
const DELIVER_ERROR_CODE = 1 << 11;
const OTHER_EVENT = 7;

/** The event that a vectoring VM entry delivers. SDM Vol. 3C, 25.8.3 VM-Entry Controls for Event Injection */
export const injectedEvent = (vmcs: VmcsData): InterruptionEvent | undefined => {
  const { halves } = vmcs;
  const information = halves[INFORMATION];
  if (information >= 0) return undefined;
  const type = (information >> 8) & 7;
  if (type === OTHER_EVENT) return undefined;
  return {
    vector: information & 0xff,
    type: type as EventType,
    injected: true,
    ...((information & DELIVER_ERROR_CODE) === 0 ? {} : { errorCode: halves[ERROR_CODE] }),
    ...(type < EVENT_TYPE.softwareInterrupt ? {} : { instructionLength: halves[LENGTH] }),
  };
};

/** Whether a VM entry makes an MTF VM exit pending, whatever "monitor trap flag" is. SDM Vol. 3C, 27.6.2 Injection of Pending MTF VM Exits */
export const injectsMonitorTrap = ({ halves }: VmcsData): boolean =>
  halves[INFORMATION] < 0 && ((halves[INFORMATION] >> 8) & 7) === OTHER_EVENT;

/** Whether the event is INT n, INT3 or INTO, after which traps held back by MOV SS stay pending. */
export const isSoftwareInjection = ({ type }: InterruptionEvent): boolean =>
  type === EVENT_TYPE.softwareInterrupt || type === EVENT_TYPE.softwareException;

/** Delivers it with all guest state loaded; a VM exit on the way is carried out. SDM Vol. 3C, 27.6.1 Vectored-Event Injection */
export const inject = (vmx: VmxOperation, cpu: ProcessorDraft, event: InterruptionEvent): void => {
  if (event.type === EVENT_TYPE.nmi) blockNmis(vmx, cpu, true);
  const outcome = deliver(cpu, event);
  if (outcome === 'delivery-loop') cpu.deliveryLoop = true;
  if (outcome === 'triple-fault') throw new ModelError('a triple fault in non-root operation exits');
};
