import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../event';
import { initializeProcessor, startProcessor } from '../presets/reset';
import { ACTIVITY, isWaiting, type ProcessorDraft } from '../processor-draft';
import { FLAG, SLOT } from '../slots';
import { type StepInstruction, tookBranch } from './branch-trap';
import { codeBreakpoints, DEBUGCTL, DR6, debugException, hasCodeBreakpoints, PENDING } from './debug';

/** A non-maskable interrupt. SDM Vol. 3A, 6.7 Nonmaskable Interrupt (NMI) */
export const NMI: InterruptionEvent = Object.freeze({ vector: VECTOR.nmi, type: EVENT_TYPE.nmi });

const shadowed = (cpu: ProcessorDraft): boolean => cpu.blockingBySti || cpu.blockingByMovSs;
const interruptible = (cpu: ProcessorDraft): boolean => cpu.flag(FLAG.if) && !shadowed(cpu);

/** Pending traps become one #DB. SDM Vol. 3A, 6.9 Priority Among Simultaneous Exceptions and Interrupts */
const pendingTrap = (cpu: ProcessorDraft): InterruptionEvent | undefined => {
  const { pendingDebug } = cpu;
  const due = (pendingDebug & (PENDING.enabled | PENDING.bs | PENDING.bt)) !== 0;
  if (!due || cpu.blockingByMovSs) return undefined;
  cpu.pendingDebug = 0;
  return debugException(pendingDebug & (DR6.b | DR6.bs | DR6.bt));
};

/** Whether there is blocking by STI or MOV SS, and it holds back what the manual lets a processor take all the same. */
export const isHeldByShadow = (cpu: ProcessorDraft): boolean =>
  shadowed(cpu) && cpu.decide('event-shadow', 2n, 1n) !== 0n;

const nmi = (cpu: ProcessorDraft): InterruptionEvent | undefined => {
  if (!cpu.nmiPending || cpu.blockingByNmi || cpu.blockingByMovSs || isHeldByShadow(cpu)) return undefined;
  cpu.nmiPending = false;
  return NMI;
};

const externalInterrupt = (cpu: ProcessorDraft): InterruptionEvent | undefined => {
  if (cpu.bus.pendingInterrupt() < 0) return undefined;
  if (cpu.nonRoot) cpu.virtualization?.interceptExternalInterrupt(cpu);
  if (!interruptible(cpu)) return undefined;
  return { vector: cpu.bus.acknowledgeInterrupt(), type: EVENT_TYPE.externalInterrupt };
};

const codeBreakpoint = (cpu: ProcessorDraft): InterruptionEvent | undefined => {
  if (cpu.activity !== ACTIVITY.active || cpu.flag(FLAG.rf) || cpu.blockingByMovSs) return undefined;
  const found = codeBreakpoints(cpu);
  return found === 0 ? undefined : debugException(found);
};

/** An INIT takes effect, unless it is blocked; in VMX non-root operation it exits. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
const takeInit = (cpu: ProcessorDraft): void => {
  if (cpu.virtualization?.blocksInit(cpu) === true) return;
  initializeProcessor(cpu);
  cpu.bus.initialize();
};

/** A startup IPI that arrived ends the wait for it. */
const isStarted = (cpu: ProcessorDraft): boolean => {
  const { startupVector } = cpu;
  if (startupVector === undefined) return false;
  cpu.startupVector = undefined;
  if (cpu.nonRoot) cpu.virtualization?.interceptStartup(cpu, startupVector);
  startProcessor(cpu, startupVector);
  return true;
};

const isOver = (cpu: ProcessorDraft): boolean => cpu.clock.now() >= cpu.waitDeadline;

/** Whether a wait ends without an event: by a store to the line, an interrupt that is masked, or its time. SDM Vol. 2, MWAIT, UMWAIT, TPAUSE */
const endsWait = (cpu: ProcessorDraft): boolean =>
  (cpu.activity === ACTIVITY.mwait && cpu.monitoredLine < 0) ||
  (cpu.wakesMasked && !shadowed(cpu) && cpu.bus.pendingInterrupt() >= 0) ||
  isOver(cpu);

const wake = (cpu: ProcessorDraft): void => {
  cpu.activity = ACTIVITY.active;
  if (cpu.waitLimited && isOver(cpu)) cpu.rflags |= BigInt(FLAG.cf);
  cpu.endWait();
};

/**
 * What is delivered before the next instruction, by priority; undefined when the instruction begins (then RFLAGS.RF is cleared). In non-root operation
 * it may leave with a VM exit, `cpu.exit`. What it returns has been taken from the pending state. A halted processor stays halted while it returns undefined.
 * SDM Vol. 3A, 6.9 Priority Among Simultaneous Exceptions and Interrupts
 */
export const boundaryEvent = (cpu: ProcessorDraft): InterruptionEvent | undefined => {
  if (isWaiting(cpu.activity) && endsWait(cpu)) wake(cpu);
  const event = nextEvent(cpu);
  if (event !== undefined && isWaiting(cpu.activity)) wake(cpu);
  return event;
};

const nextEvent = (cpu: ProcessorDraft): InterruptionEvent | undefined => {
  const waits = cpu.activity === ACTIVITY.waitForSipi;
  // The trap of a task switch comes first.
  const taskTrap = (cpu.pendingDebug & PENDING.bt) !== 0 && !waits;
  if (cpu.initPending && !taskTrap && !(waits && cpu.nonRoot)) takeInit(cpu);
  if (cpu.activity === ACTIVITY.waitForSipi && !isStarted(cpu)) return undefined;
  const virtualization = cpu.nonRoot ? cpu.virtualization : undefined;
  if (cpu.activity === ACTIVITY.shutdown) {
    virtualization?.instructionBoundary(cpu, 'nmi');
    return cpu.virtualization?.isAborted(cpu) ? undefined : nmi(cpu);
  }
  virtualization?.instructionBoundary(cpu, 'debug-trap');
  const trap = pendingTrap(cpu);
  if (trap !== undefined) return trap;
  virtualization?.instructionBoundary(cpu, 'nmi');
  const nonMaskable = nmi(cpu);
  if (nonMaskable !== undefined) return nonMaskable;
  virtualization?.instructionBoundary(cpu, 'interrupt');
  const event = externalInterrupt(cpu) ?? codeBreakpoint(cpu);
  if (event === undefined && cpu.activity === ACTIVITY.active) cpu.W[2 * SLOT.rflags] &= ~FLAG.rf;
  return event;
};

/**
 * Whether the next boundary must be looked at even if nothing happens in between. Not asked here: what `Virtualization` waits for (its windows and
 * deadlines), and whether another agent will raise an interrupt.
 */
export const needsBoundaryWork = (cpu: ProcessorDraft): boolean =>
  cpu.activity !== ACTIVITY.active ||
  shadowed(cpu) ||
  cpu.pendingDebug !== 0 ||
  cpu.flag(FLAG.tf | FLAG.rf) ||
  (cpu.nmiPending && !cpu.blockingByNmi) ||
  cpu.initPending ||
  (cpu.nonRoot && cpu.virtualization?.wantsEachBoundary(cpu) === true) ||
  ((cpu.nonRoot || interruptible(cpu)) && cpu.bus.pendingInterrupt() >= 0) ||
  hasCodeBreakpoints(cpu);

const TRAP = 1;
const STI = 2;
const MOV_SS = 4;
const BEGUN = 8;

/** Notes what holds before an instruction and decides what follows it. */
export const beginInstruction = (cpu: ProcessorDraft): void => {
  cpu.begun =
    BEGUN |
    (cpu.flag(FLAG.tf) ? TRAP : 0) |
    (cpu.blockingBySti ? STI : 0) |
    (cpu.blockingByMovSs ? MOV_SS : 0);
};

/** A single-step trap becomes pending. SDM Vol. 3B, 18.3.1.4 Single-Step Exception Condition */
const pendSingleStep = (cpu: ProcessorDraft): void => {
  cpu.pendingDebug |= PENDING.bs;
  cpu.boundaryWork = true;
};

/** TF as the instruction leaves it, not as it found it, decides whether a single-step trap follows. The instruction branches. */
export const trapByNewFlags = (cpu: ProcessorDraft): void => {
  cpu.begun &= ~TRAP;
  if (cpu.flag(FLAG.tf)) pendSingleStep(cpu);
};

/**
 * The instruction (or iteration) retired: shadows that it ran under end, and the single-step trap becomes pending unless the instruction was MOV or POP SS,
 * or IA32_DEBUGCTL.BTF wants branches alone.
 * SDM Vol. 3B, 18.3.1.4 Single-Step Exception Condition; SDM Vol. 3A, 6.8.3 Masking Exceptions and Interrupts When Switching Stacks
 */
export const endInstruction = (cpu: ProcessorDraft, instruction: StepInstruction): void => {
  const { begun } = cpu;
  if ((begun & STI) !== 0) cpu.blockingBySti = false;
  if ((begun & MOV_SS) !== 0) cpu.blockingByMovSs = false;
  if (cpu.nonRoot && begun !== 0) cpu.virtualization?.passedBoundary(cpu);
  if ((begun & TRAP) === 0 || cpu.blockingByMovSs) return;
  const onBranches = (cpu.W[2 * SLOT.debugctl] & DEBUGCTL.btf) !== 0;
  if (!onBranches || tookBranch(cpu, instruction)) pendSingleStep(cpu);
};
