import { shiftRight } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import {
  descriptorAddress,
  isLoadableBase,
  isNull,
  isOrdinary,
  isReadable,
  isVisible,
  isWritableData,
  loadLocalTable,
  loadTaskRegister,
  type SegmentValue,
  SYSTEM_TYPE,
  segmentValue,
  typeOf,
} from '../../segments';
import { SLOT } from '../../slots';
import { memoryOf, readMemory, readOperand, registerOf, setGeneral, setZero, writeOperand } from './operands';
import { requirePrivilege, requireProtectedMode, requireUmipPrivilege } from './privilege';
import { exits, systemRow } from './system-row';

// SDM Vol. 2, LGDT/LIDT: a 16-bit operand size takes 24 bits of the base
const loadTable =
  (mnemonic: 'lgdt' | 'lidt') =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requirePrivilege(cpu);
    if (exits(cpu, instruction, { id: 'descriptor-table', mnemonic })) return;
    const operand = memoryOf(instruction.operands[0]);
    const limit = readMemory(cpu, operand, 2);
    let base = readMemory(cpu, operand, cpu.mode64 ? 8 : 4, 2);
    if (cpu.mode64) {
      if (!isLoadableBase(cpu, base)) cpu.generalProtection();
    } else if (instruction.operandWidth === 16) base &= 0xffffffn;
    const global = mnemonic === 'lgdt';
    cpu.R[global ? SLOT.gdtrBase : SLOT.idtrBase] = base;
    cpu.R[global ? SLOT.gdtrLimit : SLOT.idtrLimit] = limit;
  };

const loadRegister =
  (mnemonic: 'lldt' | 'ltr', load: (cpu: ProcessorDraft, selector: number) => void) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireProtectedMode(cpu);
    requirePrivilege(cpu);
    if (exits(cpu, instruction, { id: 'descriptor-table', mnemonic })) return;
    load(cpu, Number(readOperand(cpu, instruction.operands[0], 16)));
  };

const storeRegister =
  (mnemonic: 'sldt' | 'str', slot: number) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireProtectedMode(cpu);
    requireUmipPrivilege(cpu);
    if (exits(cpu, instruction, { id: 'descriptor-table', mnemonic })) return;
    writeOperand(cpu, instruction.operands[0], BigInt(cpu.W[2 * slot] & 0xffff));
  };

interface Examined {
  readonly value: SegmentValue;
  /** Bits 63:32 of the descriptor. */
  readonly upper: number;
}

/** The descriptor that a selector names, without any fault but #PF; undefined when there is none. */
const examine = (cpu: ProcessorDraft, selector: number): Examined | undefined => {
  if (isNull(selector)) return undefined;
  const linear = descriptorAddress(cpu, selector);
  if (linear === undefined) return undefined;
  const raw = cpu.mmu.read(linear, 8, { implicit: true });
  return { value: segmentValue(selector, raw), upper: Number(shiftRight(raw, 32n)) };
};

const LONG_SYSTEM = [SYSTEM_TYPE.ldt, SYSTEM_TYPE.tss, SYSTEM_TYPE.busyTss] as const;
const LEGACY_SYSTEM = [...LONG_SYSTEM, SYSTEM_TYPE.tss16, SYSTEM_TYPE.busyTss16] as const;
const RIGHTS_TYPES = {
  long: [...LONG_SYSTEM, SYSTEM_TYPE.callGate] as readonly number[],
  legacy: [
    ...LEGACY_SYSTEM,
    SYSTEM_TYPE.callGate,
    SYSTEM_TYPE.callGate16,
    SYSTEM_TYPE.taskGate,
  ] as readonly number[],
};
const LIMIT_TYPES = {
  long: LONG_SYSTEM as readonly number[],
  legacy: LEGACY_SYSTEM as readonly number[],
};

/** LAR and LSL: what may be examined at this CPL and RPL. SDM Vol. 2, LAR, LSL */
const examinable = (
  cpu: ProcessorDraft,
  { value }: Examined,
  types: { readonly long: readonly number[]; readonly legacy: readonly number[] },
): boolean => {
  const { rights, selector } = value;
  const allowed = cpu.longMode ? types.long : types.legacy;
  if (!isOrdinary(rights) && !allowed.includes(typeOf(rights))) return false;
  return isVisible(rights, cpu.cpl, selector & 3);
};

const examineInto =
  (
    types: { readonly long: readonly number[]; readonly legacy: readonly number[] },
    result: (found: Examined, cpu: ProcessorDraft) => number,
  ) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireProtectedMode(cpu);
    const found = examine(cpu, Number(readOperand(cpu, instruction.operands[1], 16)));
    const succeeds = found !== undefined && examinable(cpu, found, types);
    if (succeeds) {
      const { number, width } = registerOf(instruction.operands[0]);
      setGeneral(cpu, number, width, BigInt(result(found, cpu) >>> 0));
    }
    setZero(cpu, succeeds);
  };

const RIGHTS_MASK = 0x00f0ff00;

// SDM Vol. 2, LAR: bits 19:16, where the descriptor has a part of its limit, are undefined
const accessRights = ({ upper }: Examined, cpu: ProcessorDraft): number =>
  (upper & RIGHTS_MASK) | (Number(cpu.decide('lar-limit', 1n << 4n, BigInt((upper >>> 16) & 0xf))) << 16);

const verify =
  (permits: (rights: number) => boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireProtectedMode(cpu);
    const selector = Number(readOperand(cpu, instruction.operands[0], 16));
    const found = examine(cpu, selector);
    const rights = found?.value.rights ?? 0;
    setZero(cpu, found !== undefined && permits(rights) && isVisible(rights, cpu.cpl, selector & 3));
  };

// SDM Vol. 2, ARPL
const adjustPrivilege = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireProtectedMode(cpu);
  const [destination, source] = instruction.operands;
  const now = readOperand(cpu, destination, 16);
  const rpl = readOperand(cpu, source, 16) & 3n;
  const raises = (now & 3n) < rpl;
  const next = (now & ~3n) | rpl;
  if (raises) writeOperand(cpu, destination, next);
  setZero(cpu, raises);
};

export const DESCRIPTOR_ROWS = [
  systemRow('lgdt', loadTable('lgdt')),
  systemRow('lidt', loadTable('lidt')),
  systemRow('lldt', loadRegister('lldt', loadLocalTable)),
  systemRow('ltr', loadRegister('ltr', loadTaskRegister)),
  systemRow('sldt', storeRegister('sldt', SLOT.ldtr)),
  systemRow('str', storeRegister('str', SLOT.tr)),
  systemRow('lar', examineInto(RIGHTS_TYPES, accessRights)),
  systemRow(
    'lsl',
    examineInto(LIMIT_TYPES, ({ value }) => value.limit),
  ),
  systemRow('verr', verify(isReadable)),
  systemRow('verw', verify(isWritableData)),
  systemRow('arpl', adjustPrivilege),
];
