import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import { virtualFlagsImage } from '../../events';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, FLAG, SLOT } from '../../slots';
import { ioPrivilege, requireFeature } from './privilege';
import { peek, pushAll, releaseStack } from './stack';
import { systemRow } from './system-row';
import {
  checkVirtualFlags,
  setVirtualInterruptFlag,
  usesVirtualInterruptFlag,
} from './virtual-interrupt-flag';

const RFLAGS = 2 * SLOT.rflags;

/**
 * What CLI and STI change: IF, or VIF where virtual interrupts are on and IOPL forbids IF; #GP(0) when it is neither.
 * SDM Vol. 2, CLI, STI; SDM Vol. 3B, 21.4 Protected-Mode Virtual Interrupts
 */
const interruptFlag = (cpu: ProcessorDraft): number => {
  if (cpu.cpl <= ioPrivilege(cpu)) return FLAG.if;
  const enable = cpu.virtual8086 ? CR4.vme : CR4.pvi;
  if (cpu.cpl < 3 || (cpu.W[2 * SLOT.cr4] & enable) === 0) cpu.generalProtection();
  return FLAG.vif;
};

const clearInterrupt = (cpu: ProcessorDraft): void => {
  cpu.W[RFLAGS] &= ~interruptFlag(cpu);
};

// SDM Vol. 2, STI: the shadow follows only a change of IF from 0 to 1
const setInterrupt = (cpu: ProcessorDraft): void => {
  const flag = interruptFlag(cpu);
  if (flag === FLAG.vif && cpu.flag(FLAG.vip)) cpu.generalProtection();
  if (flag === FLAG.if && !cpu.flag(FLAG.if)) cpu.blockingBySti = true;
  cpu.W[RFLAGS] |= flag;
  cpu.boundaryWork = true;
};

// SDM Vol. 2, PUSHF
const pushFlags = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const width = instruction.operandWidth;
  const flags = usesVirtualInterruptFlag(cpu, width) ? virtualFlagsImage(cpu) : cpu.rflags;
  pushAll(cpu, width / 8, [flags & ~BigInt(FLAG.rf | FLAG.vm)]);
};

const LOADABLE =
  FLAG.cf | FLAG.pf | FLAG.af | FLAG.zf | FLAG.sf | FLAG.tf | FLAG.df | FLAG.of | FLAG.nt | FLAG.ac | FLAG.id;

// SDM Vol. 2, POPF: what may not be changed keeps its value without a fault; RF is cleared
const popFlags = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const width = instruction.operandWidth;
  const virtual = usesVirtualInterruptFlag(cpu, width);
  const image = peek(cpu, 0, width / 8);
  if (virtual) checkVirtualFlags(cpu, image);
  let loadable = LOADABLE;
  if (cpu.cpl <= ioPrivilege(cpu)) loadable |= FLAG.if;
  if (cpu.cpl === 0) loadable |= FLAG.iopl;
  const mask = BigInt(loadable) & maskOf(width);
  releaseStack(cpu, width / 8);
  cpu.rflags = ((cpu.rflags & ~mask) | (image & mask)) & ~BigInt(FLAG.rf);
  if (virtual) setVirtualInterruptFlag(cpu, image);
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
