import { isCanonical, shiftRight, u64 } from '../../core';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { linearAddressBits, structureAddress } from '../segmented-address';
import {
  accessed,
  dplOf,
  isCode,
  isConforming,
  isContradictoryCode,
  isNull,
  isPresent,
  nullSegment,
  readDescriptor,
  SEGMENT,
  type SegmentValue,
  SYSTEM_TYPE,
  segmentRaw,
  selectorError,
  setSegmentRaw,
} from '../segments';
import { ACCESS_RIGHTS, FLAG, SLOT } from '../slots';
import { switchTask } from '../tasks/task-switch';
import { DR6 } from './debug';
import { enterRealModeHandler } from './real-mode';
import { innerStack, type NewStack, prepareFrame, stackPointer64 } from './stack';
import {
  clearDataSegments,
  dataSelectors,
  enterVirtual8086Handler,
  staysInVirtual8086,
} from './virtual-8086';

const IDT = 2;

interface Gate {
  readonly selector: number;
  readonly offset: bigint;
  readonly type: number;
  /** 1 to 7, or 0. */
  readonly interruptStack: number;
}

/** A code segment that an event enters, and the CPL that it will run at. */
interface Target {
  readonly segment: SegmentValue;
  readonly privilege: number;
}

/** INT n, INT3 and INTO. */
export const isSoftware = (event: InterruptionEvent): boolean =>
  event.type === EVENT_TYPE.softwareInterrupt || event.type === EVENT_TYPE.softwareException;

/** EXT of the error code of faults in the delivery. SDM Vol. 3A, 6.13 Error Code */
const externalOf = (event: InterruptionEvent): 0 | 1 => (isSoftware(event) ? 0 : 1);

// SDM Vol. 3A, 6.11 IDT Descriptors; 6.14.1 64-Bit Mode IDT
const readGate = (cpu: ProcessorDraft, event: InterruptionEvent): Gate => {
  const bytes = cpu.longMode ? 16 : 8;
  const external = externalOf(event);
  const errorCode = event.vector * 8 + IDT + external;
  if (event.vector * bytes + bytes - 1 > cpu.W[2 * SLOT.idtrLimit] >>> 0) cpu.generalProtection(errorCode);
  const linear = structureAddress(cpu, cpu.R[SLOT.idtrBase], event.vector * bytes);
  const low = cpu.mmu.read(linear, 8, { implicit: true });
  const high = cpu.longMode ? cpu.mmu.read(u64(linear + 8n), 8, { implicit: true }) : 0n;
  const rights = Number(shiftRight(low, 40n) & 0xffn);
  const type = rights & 0x1f;
  const gates: readonly number[] = cpu.longMode
    ? [SYSTEM_TYPE.interruptGate, SYSTEM_TYPE.trapGate]
    : [
        SYSTEM_TYPE.taskGate,
        SYSTEM_TYPE.interruptGate16,
        SYSTEM_TYPE.trapGate16,
        SYSTEM_TYPE.interruptGate,
        SYSTEM_TYPE.trapGate,
      ];
  if (!gates.includes(type) || (shiftRight(high, 40n) & 0x1fn) !== 0n) cpu.generalProtection(errorCode);
  if (isSoftware(event) && dplOf(rights) < cpu.cpl) cpu.generalProtection(errorCode);
  if (!isPresent(rights)) cpu.raise(VECTOR.np, errorCode);
  const narrow = type === SYSTEM_TYPE.interruptGate16 || type === SYSTEM_TYPE.trapGate16;
  const offset =
    (low & 0xffffn) | (narrow ? 0n : (shiftRight(low, 48n) & 0xffffn) << 16n) | ((high & 0xffffffffn) << 32n);
  return {
    selector: Number(shiftRight(low, 16n) & 0xffffn),
    offset,
    type,
    interruptStack: cpu.longMode ? Number(shiftRight(low, 32n) & 7n) : 0,
  };
};

const readTarget = (cpu: ProcessorDraft, selector: number, external: number): Target => {
  if (isNull(selector)) cpu.generalProtection(external);
  const descriptor = readDescriptor(cpu, selector, { vector: VECTOR.gp, external });
  const { rights } = descriptor;
  const errorCode = selectorError(selector, external);
  if (!isCode(rights) || dplOf(rights) > cpu.cpl) cpu.generalProtection(errorCode);
  if (cpu.longMode && ((rights & ACCESS_RIGHTS.l) === 0 || isContradictoryCode(rights)))
    cpu.generalProtection(errorCode);
  if (!isPresent(rights)) cpu.raise(VECTOR.np, errorCode);
  const privilege = isConforming(rights) ? cpu.cpl : dplOf(rights);
  if (cpu.virtual8086 && privilege !== 0) cpu.generalProtection(errorCode);
  const segment = accessed(cpu, descriptor);
  return { segment: { ...segment, selector: (selector & 0xfffc) | privilege }, privilege };
};

// SDM Vol. 3B, 18.3.1.1: RF of the image is 1 for faults other than instruction breakpoints
const flagsImage = (cpu: ProcessorDraft, event: InterruptionEvent): bigint => {
  const flags = cpu.rflags;
  if (event.injected || event.type !== EVENT_TYPE.hardwareException || event.vector === VECTOR.df)
    return flags;
  const trap = event.vector === VECTOR.db && ((event.debugStatus ?? 0) & DR6.bd) === 0;
  return trap ? flags : flags | BigInt(FLAG.rf);
};

/** Where the handler returns to. */
const returnPointer = (cpu: ProcessorDraft, event: InterruptionEvent): bigint => {
  const next = u64(cpu.rip + BigInt(event.instructionLength ?? 0));
  return cpu.mode64 ? next : BigInt.asUintN(32, next);
};

// SDM Vol. 3A, 6.12.1.3 Flag Usage By Exception- or Interrupt-Handler Procedure
const enter = (cpu: ProcessorDraft, gate: Gate, target: Target, stack: SegmentValue | undefined): void => {
  const interruptGate = gate.type === SYSTEM_TYPE.interruptGate || gate.type === SYSTEM_TYPE.interruptGate16;
  setSegmentRaw(cpu, SEGMENT.cs, target.segment);
  if (stack !== undefined) setSegmentRaw(cpu, SEGMENT.ss, stack);
  cpu.W[2 * SLOT.rflags] &= ~(FLAG.tf | FLAG.nt | FLAG.rf | FLAG.vm | (interruptGate ? FLAG.if : 0));
  cpu.rip = gate.offset;
  cpu.mmu.contextChanged();
};

// SDM Vol. 3A, 6.14.2 64-Bit Mode Stack Frame to 6.14.5 Interrupt Stack Table
const through64 = (cpu: ProcessorDraft, event: InterruptionEvent, gate: Gate, external: number): void => {
  const target = readTarget(cpu, gate.selector, external);
  const { privilege } = target;
  const changes = privilege !== cpu.cpl;
  const old = segmentRaw(cpu, SEGMENT.ss);
  const segment = changes ? nullSegment(privilege, privilege) : old;
  const from = gate.interruptStack !== 0 ? { interruptStack: gate.interruptStack } : { privilege };
  const top = changes || gate.interruptStack !== 0 ? stackPointer64(cpu, from, external) : cpu.R[SLOT.rsp];
  const frame = prepareFrame(cpu, {
    stack: { segment, pointer: top & ~15n },
    values: [
      BigInt(old.selector),
      cpu.R[SLOT.rsp],
      flagsImage(cpu, event),
      BigInt(cpu.W[2 * SLOT.cs] & 0xffff),
      returnPointer(cpu, event),
      ...(event.errorCode === undefined ? [] : [BigInt(event.errorCode >>> 0)]),
    ],
    bytes: 8,
    privilege,
    errorCode: external,
  });
  if (!isCanonical(gate.offset, linearAddressBits(cpu))) cpu.generalProtection(external);
  cpu.R[SLOT.rsp] = frame.push();
  enter(cpu, gate, target, changes ? segment : undefined);
};

// SDM Vol. 3A, 6.12.1 Exception- or Interrupt-Handler Procedures
const through32 = (cpu: ProcessorDraft, event: InterruptionEvent, gate: Gate, external: number): void => {
  const target = readTarget(cpu, gate.selector, external);
  const { privilege } = target;
  const changes = privilege !== cpu.cpl;
  const old = segmentRaw(cpu, SEGMENT.ss);
  const stack: NewStack = changes
    ? innerStack(cpu, privilege, external)
    : { segment: old, pointer: BigInt.asUintN(32, cpu.R[SLOT.rsp]) };
  const leavesVirtual8086 = cpu.virtual8086;
  const wide = gate.type === SYSTEM_TYPE.interruptGate || gate.type === SYSTEM_TYPE.trapGate;
  const frame = prepareFrame(cpu, {
    stack,
    values: [
      ...(leavesVirtual8086 ? dataSelectors(cpu) : []),
      ...(changes ? [BigInt(old.selector), cpu.R[SLOT.rsp]] : []),
      flagsImage(cpu, event),
      BigInt(cpu.W[2 * SLOT.cs] & 0xffff),
      returnPointer(cpu, event),
      ...(event.errorCode === undefined ? [] : [BigInt(event.errorCode >>> 0)]),
    ],
    bytes: wide ? 4 : 2,
    privilege,
    errorCode: changes ? selectorError(stack.segment.selector, external) : external,
  });
  if (gate.offset > BigInt(target.segment.limit)) cpu.generalProtection(external);
  cpu.R[SLOT.rsp] = frame.push();
  enter(cpu, gate, target, changes ? stack.segment : undefined);
  if (leavesVirtual8086) clearDataSegments(cpu);
};

// SDM Vol. 3A, 6.12.2 Interrupt Tasks: RF of a fault is saved in the old TSS
const throughTask = (cpu: ProcessorDraft, event: InterruptionEvent, gate: Gate, external: 0 | 1): void =>
  switchTask(cpu, {
    source: 'gate',
    selector: gate.selector,
    external,
    instructionPointer: returnPointer(cpu, event),
    flags: flagsImage(cpu, event),
    ...(event.errorCode === undefined ? {} : { errorCode: event.errorCode }),
  });

/**
 * Enters the handler of an event through the IDT, whole or not at all: a fault leaves registers as they were, but for one of a new task. Leaves with `LEFT`.
 * SDM Vol. 3A, 6.12 Exception and Interrupt Handling; 6.14 Exception and Interrupt Handling in 64-bit Mode
 */
export const enterHandler = (cpu: ProcessorDraft, event: InterruptionEvent): void => {
  if (!cpu.protectedMode) {
    enterRealModeHandler(cpu, event);
    return;
  }
  if (event.type === EVENT_TYPE.softwareInterrupt && staysInVirtual8086(cpu, event.vector)) {
    enterVirtual8086Handler(cpu, event);
    return;
  }
  const gate = readGate(cpu, event);
  const external = externalOf(event);
  if (gate.type === SYSTEM_TYPE.taskGate) throughTask(cpu, event, gate, external);
  else if (cpu.longMode) through64(cpu, event, gate, external);
  else through32(cpu, event, gate, external);
};
