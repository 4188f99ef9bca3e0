import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../cpu/event';
import type { ProcessorDraft } from '../cpu/processor-draft';
import { SLOT } from '../cpu/slots';
import type { DeliveredEvent } from './observation';

const KINDS = {
  [EVENT_TYPE.externalInterrupt]: 'interrupt',
  [EVENT_TYPE.nmi]: 'nmi',
  [EVENT_TYPE.hardwareException]: 'exception',
  [EVENT_TYPE.softwareInterrupt]: 'software interrupt',
  [EVENT_TYPE.privilegedSoftwareException]: 'exception',
  [EVENT_TYPE.softwareException]: 'exception',
} as const;

/** An event just delivered, as its handler finds it: delivered by the processor or injected by VM entry is the same. */
export const deliveredEvent = (cpu: ProcessorDraft, event: InterruptionEvent): DeliveredEvent => {
  const { vector, type, errorCode } = event;
  const kind = KINDS[type];
  return {
    vector,
    kind,
    ...(errorCode === undefined ? {} : { errorCode: errorCode >>> 0 }),
    ...(vector === VECTOR.pf && kind === 'exception' ? { address: cpu.R[SLOT.cr2] } : {}),
  };
};
