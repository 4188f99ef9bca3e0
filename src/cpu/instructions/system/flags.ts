import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { FLAG, SLOT } from '../../slots';
import { ioPrivilege, requireFeature } from './privilege';
import { peek, pushAll, releaseStack } from './stack';
import { systemRow } from './system-row';

const RFLAGS = 2 * SLOT.rflags;

/** IF may be changed at this CPL; CR4.PVI and CR4.VME are not built. SDM Vol. 2, CLI, STI */
const requireInterruptPrivilege = (cpu: ProcessorDraft): void => {
  if (cpu.virtual8086) cpu.unbuilt('virtual-8086 mode');
  if (ioPrivilege(cpu) < cpu.cpl) cpu.generalProtection();
};

const clearInterrupt = (cpu: ProcessorDraft): void => {
  requireInterruptPrivilege(cpu);
  cpu.W[RFLAGS] &= ~FLAG.if;
};

// SDM Vol. 2, STI: the shadow follows only a change from 0 to 1
const setInterrupt = (cpu: ProcessorDraft): void => {
  requireInterruptPrivilege(cpu);
  if (!cpu.flag(FLAG.if)) cpu.blockingBySti = true;
  cpu.W[RFLAGS] |= FLAG.if;
  cpu.boundaryWork = true;
};

const pushFlags = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if (cpu.virtual8086) cpu.unbuilt('virtual-8086 mode');
  pushAll(cpu, instruction.operandWidth / 8, [cpu.rflags & ~BigInt(FLAG.rf | FLAG.vm)]);
};

const LOADABLE =
  FLAG.cf | FLAG.pf | FLAG.af | FLAG.zf | FLAG.sf | FLAG.tf | FLAG.df | FLAG.of | FLAG.nt | FLAG.ac | FLAG.id;

// SDM Vol. 2, POPF: what may not be changed keeps its value without a fault; RF is cleared
const popFlags = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if (cpu.virtual8086) cpu.unbuilt('virtual-8086 mode');
  const width = instruction.operandWidth;
  const image = peek(cpu, 0, width / 8);
  let loadable = LOADABLE;
  if (cpu.cpl <= ioPrivilege(cpu)) loadable |= FLAG.if;
  if (cpu.cpl === 0) loadable |= FLAG.iopl;
  const mask = BigInt(loadable) & maskOf(width);
  releaseStack(cpu, width / 8);
  cpu.rflags = ((cpu.rflags & ~mask) | (image & mask)) & ~BigInt(FLAG.rf);
  cpu.mmu.contextChanged();
};

const alignmentFlag =
  (set: boolean) =>
  (cpu: ProcessorDraft): void => {
    requireFeature(cpu, 'smap');
    if (cpu.cpl !== 0) cpu.invalidOpcode();
    if (set) cpu.W[RFLAGS] |= FLAG.ac;
    else cpu.W[RFLAGS] &= ~FLAG.ac;
    cpu.mmu.contextChanged();
  };

export const FLAG_ROWS = [
  systemRow('cli', clearInterrupt),
  systemRow('sti', setInterrupt),
  systemRow('pushf', pushFlags),
  systemRow('popf', popFlags),
  systemRow('clac', alignmentFlag(false)),
  systemRow('stac', alignmentFlag(true)),
];
