import { writeCr3 } from '../control-registers';
import { VECTOR } from '../event';
import { PENDING } from '../events/debug';
import { prepareFrame } from '../events/stack';
import type { ProcessorDraft } from '../processor-draft';
import { structureAddress } from '../segmented-address';
import {
  ATTRIBUTES_BYTE,
  BUSY,
  type Descriptor,
  isOrdinary,
  isPresent,
  loadVirtual8086Segments,
  readDescriptor,
  SEGMENT,
  SYSTEM_TYPE,
  segmentRaw,
  selectorError,
  setSegmentRaw,
  typeOf,
} from '../segments';
import { CR0, FLAG, SLOT } from '../slots';
import type { TaskSwitchSource } from '../virtualization';
import { loadSelectors, loadTaskSegments, loadTaskTable } from './new-task';
import { LINK, LOADED_FLAGS, layoutOf } from './task-layout';
import { readTask, type SavedPoint, saveTask, type TaskImage, TaskMemory } from './task-state';

export interface TaskSwitch extends SavedPoint {
  readonly source: TaskSwitchSource;
  /** Of the new TSS. */
  readonly selector: number;
  /** EXT of the error codes of faults: 0 or 1. */
  readonly external: 0 | 1;
  /** Pushed on the stack of the new task. */
  readonly errorCode?: number;
  /** Of CALL, JMP and IRET: length of the instruction. */
  readonly length?: number;
}

const IMPLICIT = { implicit: true } as const;
const LOCAL_TABLE = 4;
/** L0 to L3 and LE. SDM Vol. 3B, 18.2.4 Debug Control Register (DR7) */
const LOCAL_ENABLES = 0x155;

const AVAILABLE: readonly number[] = [SYSTEM_TYPE.tss16, SYSTEM_TYPE.tss];
const BUSY_TYPES: readonly number[] = [SYSTEM_TYPE.busyTss16, SYSTEM_TYPE.busyTss];

/** The descriptor of the new TSS: available, but for IRET busy. SDM Vol. 3A, Table 8-1 Exception Conditions Checked During a Task Switch */
const newDescriptor = (cpu: ProcessorDraft, { selector, source, external }: TaskSwitch): Descriptor => {
  const vector = source === 'iret' ? VECTOR.ts : VECTOR.gp;
  const error = selectorError(selector, external);
  if ((selector & LOCAL_TABLE) !== 0) cpu.raise(vector, error);
  const descriptor = readDescriptor(cpu, selector, { vector, external });
  const { rights, limit } = descriptor;
  const types = source === 'iret' ? BUSY_TYPES : AVAILABLE;
  if (isOrdinary(rights) || !types.includes(typeOf(rights))) cpu.raise(vector, error);
  if (!isPresent(rights)) cpu.raise(VECTOR.np, error);
  if (limit < layoutOf(rights).leastLimit) cpu.raise(VECTOR.ts, error);
  return descriptor;
};

/** The byte of a TSS descriptor that holds the busy flag. SDM Vol. 3A, 8.2.2 TSS Descriptor */
class BusyFlag {
  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly linear: bigint,
  ) {}
  probe(): void {
    this.cpu.mmu.probeWrite(this.linear, 1, IMPLICIT);
  }
  set(busy: boolean): void {
    const now = this.cpu.mmu.read(this.linear, 1, IMPLICIT);
    this.cpu.mmu.write(this.linear, 1, busy ? now | BigInt(BUSY) : now & ~BigInt(BUSY), IMPLICIT);
  }
}

/** Of the current task, wherever the GDT now ends. */
const currentAttributes = (cpu: ProcessorDraft): bigint =>
  structureAddress(cpu, cpu.R[SLOT.gdtrBase], (cpu.W[2 * SLOT.tr] & 0xfff8) + ATTRIBUTES_BYTE);

/** Flags of the new task; a 16-bit TSS leaves bits 31:16 clear. */
const loadFlags = (cpu: ProcessorDraft, { flags }: TaskImage, nested: boolean): void => {
  cpu.rflags = (flags & LOADED_FLAGS) | (nested ? BigInt(FLAG.nt) : 0n) | 2n;
};

const loadGeneral = (cpu: ProcessorDraft, { general }: TaskImage, bytes: 2 | 4): void => {
  // Bits 31:16 after a switch to a 16-bit task are undefined; processors leave ones.
  const upper = bytes === 4 ? 0n : cpu.decide('16-bit-task', 0x10000n, 0xffffn) << 16n;
  general.forEach((value, number) => {
    cpu.R[number] = upper | value;
  });
};

const pushErrorCode = (cpu: ProcessorDraft, errorCode: number, bytes: 2 | 4, external: number): void => {
  const frame = prepareFrame(cpu, {
    stack: { segment: segmentRaw(cpu, SEGMENT.ss), pointer: cpu.R[SLOT.rsp] },
    values: [BigInt(errorCode >>> 0)],
    bytes,
    privilege: cpu.cpl,
    errorCode: external,
  });
  cpu.R[SLOT.rsp] = frame.push();
};

/** From here on a fault is one of the new task. SDM Vol. 3A, 8.3 Task Switching: step 13 */
const enterTask = (cpu: ProcessorDraft, image: TaskImage, bytes: 2 | 4, wanted: TaskSwitch): void => {
  const { external, errorCode } = wanted;
  // SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs: a task switch that changes the value of CR3
  if (cpu.paging && image.directory !== undefined && image.directory !== cpu.R[SLOT.cr3])
    writeCr3(cpu, image.directory);
  loadTaskTable(cpu, image, external);
  if (cpu.virtual8086) loadVirtual8086Segments(cpu, image.selectors);
  else loadTaskSegments(cpu, image, external);
  if (image.instructionPointer > BigInt.asUintN(32, cpu.R[SLOT.csLimit])) cpu.generalProtection(external);
  if (errorCode !== undefined) pushErrorCode(cpu, errorCode, bytes, external);
  if (image.trap) {
    cpu.pendingDebug |= PENDING.bt;
    cpu.boundaryWork = true;
  }
};

/** A task switch by a JMP, CALL or IRET. */
export const switchTaskBy = (
  cpu: ProcessorDraft,
  source: 'jmp' | 'call' | 'iret',
  selector: number,
  length: number,
): void =>
  switchTask(cpu, {
    source,
    selector,
    external: 0,
    instructionPointer: cpu.nextRip,
    flags: cpu.rflags,
    length,
  });

/**
 * Switches to the task of a TSS. Before the commit point a fault leaves the old task as it was; after it the fault finds the new one, and
 * `cpu.taskSwitched` says so. Of events that come through a task gate the error code is pushed. In non-root operation it leaves with a VM exit
 * once the descriptor of the TSS has passed its checks. Never in IA-32e mode.
 * SDM Vol. 3A, 8.3 Task Switching; SDM Vol. 3C, 26.4.2 Treatment of Task Switches
 */
export const switchTask = (cpu: ProcessorDraft, wanted: TaskSwitch): void => {
  const { source, selector, external, length } = wanted;
  const descriptor = newDescriptor(cpu, wanted);
  if (cpu.nonRoot) cpu.virtualization?.interceptTaskSwitch(cpu, { source, selector, length });
  const nests = source === 'call' || source === 'gate';
  const old = segmentRaw(cpu, 'tr');
  const oldMemory = new TaskMemory(cpu, old.base, layoutOf(old.rights));
  const newMemory = new TaskMemory(cpu, descriptor.base, layoutOf(descriptor.rights));
  const oldBusy = new BusyFlag(cpu, currentAttributes(cpu));
  const newBusy = new BusyFlag(cpu, structureAddress(cpu, descriptor.linear, ATTRIBUTES_BYTE));

  if (old.limit < oldMemory.layout.dynamic[1]) cpu.raise(VECTOR.ts, selectorError(old.selector, external));
  oldMemory.probeState();
  newMemory.probeRead();
  if (nests) newMemory.probeLink();
  else oldBusy.probe();
  if (source !== 'iret') newBusy.probe();

  if (!nests) oldBusy.set(false);
  const flags = source === 'iret' ? wanted.flags & ~BigInt(FLAG.nt) : wanted.flags;
  saveTask(cpu, oldMemory, { instructionPointer: wanted.instructionPointer, flags });
  if (nests) newMemory.write(LINK, 2, BigInt(old.selector));
  if (source !== 'iret') newBusy.set(true);
  setSegmentRaw(cpu, 'tr', { ...descriptor, rights: descriptor.rights | BUSY });

  const image = readTask(newMemory);
  cpu.taskSwitched = true;
  const { bytes } = newMemory.layout;
  cpu.rip = image.instructionPointer;
  cpu.nextRip = image.instructionPointer;
  loadFlags(cpu, image, nests);
  loadGeneral(cpu, image, bytes);
  loadSelectors(cpu, image);
  cpu.W[2 * SLOT.cr0] |= CR0.ts;
  cpu.W[2 * SLOT.dr7] &= ~LOCAL_ENABLES;
  cpu.mmu.contextChanged();
  cpu.boundaryWork = true;
  enterTask(cpu, image, bytes, wanted);
  cpu.taskSwitched = false;
};
