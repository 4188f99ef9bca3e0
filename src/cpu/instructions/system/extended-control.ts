import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import { supportedComponents } from '../../state-components';
import { inUse } from '../xsave/components';
import { pair, setPair } from './operands';
import { requireFeature, requirePrivilege } from './privilege';
import { exits, systemRow } from './system-row';

const X87 = 1n;
const SSE = 2n;
const AVX = 4n;

/** #UD unless CR4.OSXSAVE is 1. SDM Vol. 3A, 2.6 Extended Control Registers (Including XCR0) */
const requireExtendedStates = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'xsave');
  if ((cpu.W[2 * SLOT.cr4] & CR4.osxsave) === 0) cpu.invalidOpcode();
};

// SDM Vol. 2, XGETBV: with ECX 1 the components of XCR0 that are in use
const read = (cpu: ProcessorDraft): void => {
  requireExtendedStates(cpu);
  const index = cpu.W[2 * SLOT.rcx];
  if (index === 0) setPair(cpu, cpu.R[SLOT.xcr0]);
  else if (index === 1 && cpu.cpuid.features.has('xgetbv1')) setPair(cpu, cpu.R[SLOT.xcr0] & inUse(cpu));
  else cpu.generalProtection();
};

// SDM Vol. 2, XSETBV
const write = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireExtendedStates(cpu);
  requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'xsetbv' })) return;
  if (cpu.W[2 * SLOT.rcx] !== 0) cpu.generalProtection();
  const value = pair(cpu);
  if ((value & ~supportedComponents(cpu.cpuid)) !== 0n || (value & X87) === 0n) cpu.generalProtection();
  if ((value & AVX) !== 0n && (value & SSE) === 0n) cpu.generalProtection();
  cpu.R[SLOT.xcr0] = value;
};

export const EXTENDED_CONTROL_ROWS = [systemRow('xgetbv', read), systemRow('xsetbv', write)];
