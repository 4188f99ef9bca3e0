import { shiftRight } from '../../../core';
import { writeCr0, writeCr3, writeCr4 } from '../../control-registers';
import type { Instruction } from '../../decode/instruction';
import { ACTIVITY, type ProcessorDraft } from '../../processor-draft';
import { CR0, SLOT } from '../../slots';
import {
  effectiveAddress,
  linearOf,
  memoryOf,
  numberOf,
  readOperand,
  registerOf,
  setGeneral,
  uncheckedLinear,
  writeOperand,
} from './operands';
import { requirePrivilege, requireUmipPrivilege } from './privilege';
import { exits, systemRow } from './system-row';

const LMSW_BITS = 0xfn;

/** CR0 or CR4 as software sees it. */
const shown = (cpu: ProcessorDraft, control: 0 | 4): bigint => {
  const value = cpu.R[control === 0 ? SLOT.cr0 : SLOT.cr4];
  return cpu.nonRoot && cpu.virtualization
    ? cpu.virtualization.readControlRegister(cpu, control, value)
    : value;
};
/** What reaches CR0 or CR4 when software writes a value. */
const owned = (cpu: ProcessorDraft, control: 0 | 4, value: bigint): bigint =>
  cpu.nonRoot && cpu.virtualization ? cpu.virtualization.writeControlRegister(cpu, control, value) : value;

const readControl = (cpu: ProcessorDraft, control: number): bigint => {
  switch (control) {
    case 0:
    case 4:
      return shown(cpu, control);
    case 2:
      return cpu.R[SLOT.cr2];
    case 3:
      return cpu.R[SLOT.cr3];
    case 8:
      return BigInt(cpu.bus.readTaskPriority());
    default:
      return cpu.invalidOpcode();
  }
};

const writeControl = (cpu: ProcessorDraft, control: number, value: bigint): void => {
  switch (control) {
    case 0:
      writeCr0(cpu, owned(cpu, 0, value));
      return;
    case 2:
      cpu.R[SLOT.cr2] = value;
      return;
    case 3:
      writeCr3(cpu, value);
      return;
    case 4:
      writeCr4(cpu, owned(cpu, 4, value));
      return;
    case 8:
      if (shiftRight(value, 4n) !== 0n) cpu.generalProtection();
      cpu.bus.writeTaskPriority(Number(value));
      cpu.boundaryWork = true;
      return;
    default:
      cpu.invalidOpcode();
  }
};

// SDM Vol. 2, MOV—Move to/from Control Registers
const moveControl = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const [destination, source] = instruction.operands;
  const loads = destination.kind === 'control';
  const control = numberOf(loads ? destination : source);
  const { number: register, width } = registerOf(loads ? source : destination);
  requirePrivilege(cpu);
  if (loads) {
    const value = BigInt.asUintN(width, cpu.R[register]);
    if (exits(cpu, instruction, { id: 'mov-to-cr', control, register, value })) return;
    writeControl(cpu, control, value);
  } else {
    if (exits(cpu, instruction, { id: 'mov-from-cr', control, register })) return;
    setGeneral(cpu, register, width, readControl(cpu, control));
  }
};

const clearTaskSwitched = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'clts' })) return;
  writeCr0(cpu, owned(cpu, 0, shown(cpu, 0) & ~BigInt(CR0.ts)));
};

// SDM Vol. 2, LMSW: PE is set, never cleared
const loadStatusWord = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requirePrivilege(cpu);
  const [operand] = instruction.operands;
  const address =
    operand.kind === 'memory'
      ? { address: uncheckedLinear(cpu, operand.segment, effectiveAddress(cpu, operand)) }
      : {};
  const source = readOperand(cpu, operand, 16);
  if (exits(cpu, instruction, { id: 'lmsw', source: Number(source), ...address })) return;
  const now = shown(cpu, 0);
  writeCr0(cpu, owned(cpu, 0, (now & ~(LMSW_BITS & ~1n)) | (source & LMSW_BITS)));
};

const storeStatusWord = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireUmipPrivilege(cpu);
  writeOperand(cpu, instruction.operands[0], shown(cpu, 0));
};

const cacheControl =
  (id: 'invd' | 'wbinvd') =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requirePrivilege(cpu);
    if (exits(cpu, instruction, { id })) return;
    if (id === 'wbinvd') cpu.bus.writeBackCaches();
  };

const halt = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'hlt' })) return;
  cpu.activity = ACTIVITY.hlt;
  cpu.boundaryWork = true;
};

const tableSlots = { g: [SLOT.gdtrBase, SLOT.gdtrLimit], i: [SLOT.idtrBase, SLOT.idtrLimit] } as const;

// SDM Vol. 2, SGDT and SIDT: the 16-bit operand size stores all of a 32-bit base
const storeTable =
  (table: 'g' | 'i') =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireUmipPrivilege(cpu);
    if (exits(cpu, instruction, { id: 'descriptor-table', mnemonic: `s${table}dt` })) return;
    const operand = memoryOf(instruction.operands[0]);
    const [base, limit] = tableSlots[table];
    const bytes = cpu.mode64 ? 8 : 4;
    const at = linearOf(cpu, operand, 2, true);
    const after = linearOf(cpu, operand, bytes, true, 2);
    cpu.mmu.probeWrite(at, 2);
    cpu.mmu.probeWrite(after, bytes);
    cpu.mmu.write(at, 2, cpu.R[limit] & 0xffffn);
    cpu.mmu.write(after, bytes, BigInt.asUintN(8 * bytes, cpu.R[base]));
  };

export const CONTROL_ROWS = [
  systemRow('mov_cr', moveControl),
  systemRow('clts', clearTaskSwitched),
  systemRow('lmsw', loadStatusWord),
  systemRow('smsw', storeStatusWord),
  systemRow('invd', cacheControl('invd')),
  systemRow('wbinvd', cacheControl('wbinvd')),
  // Without WBNOINVD the prefix is ignored.
  systemRow('wbnoinvd', cacheControl('wbinvd')),
  systemRow('hlt', halt),
  systemRow('sgdt', storeTable('g')),
  systemRow('sidt', storeTable('i')),
];
