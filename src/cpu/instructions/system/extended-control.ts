import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import { pair, setPair } from './operands';
import { requireFeature, requirePrivilege } from './privilege';
import { intercept, systemRow } from './system-row';

const X87 = 1n;
const STATE_COMPONENTS_LEAF = 0x0d;

/** #UD unless CR4.OSXSAVE is 1. SDM Vol. 3A, 2.6 Extended Control Registers (Including XCR0) */
export const requireExtendedStates = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'xsave');
  if ((cpu.W[2 * SLOT.cr4] & CR4.osxsave) === 0) cpu.invalidOpcode();
};

/** #GP(0) unless ECX is 0: there is no other extended control register here. */
const requireXcr0 = (cpu: ProcessorDraft): void => {
  if (cpu.W[2 * SLOT.rcx] !== 0) cpu.generalProtection();
};

// SDM Vol. 2, XGETBV
const read = (cpu: ProcessorDraft): void => {
  requireExtendedStates(cpu);
  requireXcr0(cpu);
  setPair(cpu, cpu.R[SLOT.xcr0]);
};

// SDM Vol. 2, XSETBV
const write = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireExtendedStates(cpu);
  requirePrivilege(cpu);
  intercept(cpu, instruction, { id: 'xsetbv' });
  requireXcr0(cpu);
  const { eax, edx } = cpu.cpuid.lookup(STATE_COMPONENTS_LEAF, 0);
  const supported = (BigInt(edx >>> 0) << 32n) | BigInt(eax >>> 0);
  const value = pair(cpu);
  if ((value & ~supported) !== 0n || (value & X87) === 0n) cpu.generalProtection();
  cpu.R[SLOT.xcr0] = value;
};

export const EXTENDED_CONTROL_ROWS = [systemRow('xgetbv', read), systemRow('xsetbv', write)];
