import type { SegmentNumber } from '../decode/instruction';
import type { InterruptionEvent } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { nullSegment, SEGMENT, setSegmentRaw } from '../segments';
import { CR4, FLAG, SLOT } from '../slots';
import { ioMapBase, readTss } from '../tasks/io-map';
import { enterThroughVector } from './real-mode';

const REDIRECTION_BYTES = 32;

/** Whether INT n goes to a protected-mode handler by the interrupt redirection bit map, which ends where the I/O permission bit map begins; #GP(0) when the TSS has none. */
const isRedirected = (cpu: ProcessorDraft, vector: number): boolean => {
  const map = ioMapBase(cpu);
  const bits = map === undefined ? undefined : readTss(cpu, map - REDIRECTION_BYTES + (vector >> 3), 1);
  if (bits === undefined) cpu.generalProtection();
  return ((bits >> (vector & 7)) & 1) !== 0;
};

/** Whether INT n in this mode goes to a handler of the 8086 program itself. SDM Vol. 3B, 21.3.3 Class 3-Software Interrupt Handling in Virtual-8086 Mode */
export const staysInVirtual8086 = (cpu: ProcessorDraft, vector: number): boolean =>
  cpu.virtual8086 && (cpu.W[2 * SLOT.cr4] & CR4.vme) !== 0 && !isRedirected(cpu, vector);

const IOPL_SHIFT = 12;
const maySetInterruptFlag = (cpu: ProcessorDraft): boolean =>
  ((cpu.W[2 * SLOT.rflags] >> IOPL_SHIFT) & 3) === 3;

/** The flags that a virtual-8086 program with an IOPL below 3 sees: IF is VIF, IOPL is 3. SDM Vol. 3B, 21.3.2 */
export const virtualFlagsImage = (cpu: ProcessorDraft): bigint => {
  const flags = cpu.rflags & ~BigInt(FLAG.if);
  return flags | BigInt(FLAG.iopl | (cpu.flag(FLAG.vif) ? FLAG.if : 0));
};

/** Enters the handler of INT n through the interrupt vector table at linear address 0. SDM Vol. 3B, 21.3.3, methods 5 and 6 */
export const enterVirtual8086Handler = (cpu: ProcessorDraft, event: InterruptionEvent): void => {
  const entry = Number(cpu.mmu.read(BigInt(4 * event.vector), 4, { implicit: true }));
  const direct = maySetInterruptFlag(cpu);
  enterThroughVector(cpu, event, direct ? cpu.rflags : virtualFlagsImage(cpu), entry);
  cpu.W[2 * SLOT.rflags] &= ~(FLAG.tf | FLAG.rf | (direct ? FLAG.if : FLAG.vif));
};

const DATA: readonly SegmentNumber[] = [SEGMENT.gs, SEGMENT.fs, SEGMENT.ds, SEGMENT.es];

/** What is pushed before SS when a handler leaves virtual-8086 mode. SDM Vol. 3B, 21.2.6 Leaving Virtual-8086 Mode */
export const dataSelectors = (cpu: ProcessorDraft): readonly bigint[] =>
  DATA.map((segment) => BigInt(cpu.W[2 * (SLOT.es + segment)] & 0xffff));

/** Paragraph numbers mean nothing to the handler. SDM Vol. 3B, 21.3.1.1 Handling an Interrupt or Exception Through a Protected-Mode Trap or Interrupt Gate */
export const clearDataSegments = (cpu: ProcessorDraft): void => {
  for (const segment of DATA) setSegmentRaw(cpu, segment, nullSegment(0));
};
