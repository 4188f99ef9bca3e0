import { maskOf } from '../../../core';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { ACCESS_RIGHTS, SLOT } from '../../slots';
import { setGeneral } from './operands';

/** Width of the stack pointer: 64 bits in 64-bit mode, else by SS.B. SDM Vol. 1, 6.2.3 Address-Size Attributes for Stack Accesses */
export const stackWidth = (cpu: ProcessorDraft): 16 | 32 | 64 => {
  if (cpu.mode64) return 64;
  return (cpu.W[2 * SLOT.ss + 1] & ACCESS_RIGHTS.db) !== 0 ? 32 : 16;
};

/** Linear address of the stack slot `ahead` bytes above (or below) the stack pointer. */
const slotAddress = (cpu: ProcessorDraft, ahead: number, bytes: number, write: boolean): bigint => {
  const offset = (cpu.R[SLOT.rsp] + BigInt(ahead)) & maskOf(stackWidth(cpu));
  return linearAddress(cpu, SEGMENT.ss, offset, bytes, write);
};

/** Reads a stack slot; RSP stays. */
export const peek = (cpu: ProcessorDraft, ahead: number, bytes: number): bigint =>
  cpu.mmu.read(slotAddress(cpu, ahead, bytes, false), bytes);

/** Moves the stack pointer. */
export const releaseStack = (cpu: ProcessorDraft, bytes: number): void => {
  const width = stackWidth(cpu);
  setGeneral(cpu, SLOT.rsp, width, cpu.R[SLOT.rsp] + BigInt(bytes));
};

/** Checks that values can be pushed in order; what it returns pushes them and cannot fault. */
export const preparePush = (cpu: ProcessorDraft, bytes: number, values: readonly bigint[]): (() => void) => {
  const addresses = values.map((_, index) => slotAddress(cpu, -bytes * (index + 1), bytes, true));
  for (const linear of addresses) cpu.mmu.probeWrite(linear, bytes);
  return () => {
    addresses.forEach((linear, index) => {
      cpu.mmu.write(linear, bytes, values[index] & maskOf(8 * bytes));
    });
    releaseStack(cpu, -bytes * values.length);
  };
};

/** Pushes values in order: all or nothing. */
export const pushAll = (cpu: ProcessorDraft, bytes: number, values: readonly bigint[]): void =>
  preparePush(cpu, bytes, values)();

/** Pushes a segment selector: with 32-bit operands a Choice decides whether its 16 bits alone are written. SDM Vol. 2, PUSH */
export const pushSelector = (cpu: ProcessorDraft, bytes: number, selector: number): void => {
  const written = bytes === 4 && cpu.decide('push-selector', 2n, 1n) === 1n ? 2 : bytes;
  cpu.mmu.write(slotAddress(cpu, -bytes, written, true), written, BigInt(selector));
  releaseStack(cpu, -bytes);
};
