import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../event';
import { ACTIVITY, LEFT, type ProcessorDraft } from '../processor-draft';
import { SLOT } from '../slots';
import { enterDebugHandler, PENDING } from './debug';
import { combine } from './double-fault';
import { enterHandler, isSoftware } from './interrupt-gate';

/**
 * How a delivery ended: the handler is entered; a VM exit took its place; the processor is in the shutdown state; or each of `DELIVERY_LIMIT`
 * nested deliveries met a further benign exception and no end is in sight.
 */
export type DeliveryOutcome = 'delivered' | 'exited' | 'triple-fault' | 'delivery-loop';

/** Consecutive deliveries without a retired instruction after which a step ends with `DeliveryLoop`. */
export const DELIVERY_LIMIT = 64;

/** Runs what may leave; false when it left, and `cpu.interruption` or `cpu.exit` says why. */
const completes = (cpu: ProcessorDraft, action: () => void): boolean => {
  cpu.interruption = undefined;
  cpu.exit = undefined;
  try {
    action();
    return true;
  } catch (left) {
    if (left !== LEFT) throw left;
    cpu.taskSwitched = false;
    return false;
  }
};

/** Enters the handler of an event; false when it left. */
const enters = (cpu: ProcessorDraft, event: InterruptionEvent): boolean => {
  cpu.delivering = true;
  try {
    return completes(cpu, () => enterHandler(cpu, event));
  } finally {
    cpu.delivering = false;
  }
};

const exited = (cpu: ProcessorDraft, during: InterruptionEvent | undefined): 'exited' => {
  const exit = cpu.exit;
  cpu.exit = undefined;
  cpu.interruption = undefined;
  cpu.virtualization?.performExit(cpu, exit, during);
  cpu.boundaryWork = true;
  return 'exited';
};

/**
 * An event that does not exit itself ends an inactive state and what blocks by STI and MOV SS, also where its delivery exits.
 * SDM Vol. 3C, 28.1 Architectural State Before a VM Exit
 */
const indirectly = (cpu: ProcessorDraft, during: InterruptionEvent | undefined): 'exited' => {
  cpu.activity = ACTIVITY.active;
  cpu.blockingBySti = false;
  cpu.blockingByMovSs = false;
  return exited(cpu, during);
};

/** Asks for an exit in place of an event; `during` is the event in whose delivery it arose. */
const intercepted = (
  cpu: ProcessorDraft,
  event: InterruptionEvent,
  during: InterruptionEvent | undefined,
): boolean => cpu.nonRoot && !completes(cpu, () => cpu.virtualization?.interceptEvent(cpu, event, during));

/** What the processor records before it looks at the IDT. SDM Vol. 3A, 6.15 Exception and Interrupt Reference: #DB, #PF; 6.7.1 Handling Multiple NMIs */
const record = (cpu: ProcessorDraft, event: InterruptionEvent): void => {
  if (event.injected) return;
  if (event.type === EVENT_TYPE.nmi) cpu.blockingByNmi = true;
  if (event.type !== EVENT_TYPE.hardwareException) return;
  if (event.vector === VECTOR.pf && event.address !== undefined) cpu.R[SLOT.cr2] = event.address;
  if (event.vector === VECTOR.db && event.debugStatus !== undefined)
    enterDebugHandler(cpu, event.debugStatus);
};

const entered = (cpu: ProcessorDraft, event: InterruptionEvent): 'delivered' => {
  cpu.activity = ACTIVITY.active;
  // SDM Vol. 3C, 27.7.3 Delivery of Pending Debug Exceptions after VM Entry: as there, only software events keep the traps that MOV SS holds back.
  // Of these a single step is none: MOV SS itself is not stepped, whatever a VM exit between the two had to save.
  if (cpu.blockingByMovSs) cpu.pendingDebug &= isSoftware(event) ? ~PENDING.bs : PENDING.bt;
  cpu.blockingBySti = false;
  cpu.blockingByMovSs = false;
  cpu.nmiUnblocked = false;
  cpu.disarm();
  cpu.boundaryWork = true;
  if (cpu.nonRoot) cpu.virtualization?.passedBoundary(cpu);
  cpu.watcher?.delivered?.(cpu, event);
  return 'delivered';
};

const shutDown = (cpu: ProcessorDraft): DeliveryOutcome => {
  if (cpu.nonRoot && !completes(cpu, () => cpu.virtualization?.interceptTripleFault(cpu)))
    return indirectly(cpu, undefined);
  cpu.activity = ACTIVITY.shutdown;
  cpu.boundaryWork = true;
  return 'triple-fault';
};

/** Delivers an event whose exit was already asked for; faults on the way combine by the double-fault table. */
const deliverAsked = (cpu: ProcessorDraft, event: InterruptionEvent): DeliveryOutcome => {
  let current = event;
  record(cpu, event);
  for (let deliveries = 0; deliveries < DELIVERY_LIMIT; deliveries++) {
    if (enters(cpu, current)) return entered(cpu, current);
    const second = cpu.interruption;
    if (cpu.exit !== undefined || second === undefined) return indirectly(cpu, current);
    cpu.watcher?.undelivered?.(cpu, current, second);
    // SDM Vol. 3C, 26.2 Other Causes of VM Exits: the exception itself is asked for before it becomes a double fault.
    if (intercepted(cpu, second, current)) return indirectly(cpu, current);
    // CR2 keeps the address of a page fault that becomes a double fault.
    record(cpu, second);
    const next = combine(current, second, cpu.protectedMode);
    if (next === 'triple-fault') return shutDown(cpu);
    // SDM Vol. 3C, 28.2.4: a double fault that exits is no exit during the delivery of another event.
    if (next !== second && intercepted(cpu, next, undefined)) return indirectly(cpu, undefined);
    current = next;
  }
  return 'delivery-loop';
};

/**
 * Delivers an exception or interrupt at the current instruction boundary, or the exit that takes its place in non-root operation. RIP is that of the
 * faulting or next instruction; for software events that of the instruction itself (`instructionLength` is added). An event that VM entry injects
 * causes no exit itself; exceptions on its way may.
 * SDM Vol. 3A, 6.12 Exception and Interrupt Handling; 6.15 Exception and Interrupt Reference: Interrupt 8; SDM Vol. 3C, 27.6.1 Vectored-Event Injection
 */
export const deliver = (cpu: ProcessorDraft, event: InterruptionEvent): DeliveryOutcome =>
  !event.injected && intercepted(cpu, event, undefined) ? exited(cpu, undefined) : deliverAsked(cpu, event);
