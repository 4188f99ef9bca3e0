import { high32, isCanonical, low32, shiftRight, u64 } from '../../core';
import { type CacheDrop, withoutNonGlobal, withoutVpid } from '../../cpu/caching';
import type { Instruction } from '../../cpu/decode/instruction';
import type { SystemRow } from '../../cpu/engine/row';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { eptpError, eptRoot, withoutAddressOfVpid, withoutEp4ta, withoutEpt, withoutVpids } from '../../ept';
import { controlSupported, EPT_VPID_CAP } from '../capabilities';
import type { VmxOperation } from '../operation';
import {
  memoryOperand,
  operandAddress,
  operandDisplacement,
  operandInformation,
  registerOperand,
  secondRegister,
} from './operands';
import { inRootOperation, vmxOf } from './prologue';
import { type VmxResult, vmxRow } from './results';

const DESCRIPTOR_BYTES = 16;

/** Types 1 and 2. SDM Vol. 3C, INVEPT—Invalidate Translations Derived from EPT */
const INVEPT_TYPES = ['inveptSingle', 'inveptAll'] as const;
/** Types 0 to 3. SDM Vol. 3C, INVVPID—Invalidate Translations Based on VPID */
const INVVPID_TYPES = ['invvpidIndividual', 'invvpidSingle', 'invvpidAll', 'invvpidSingleNonGlobal'] as const;
const INVEPT_SINGLE = 1n;
const INVVPID_INDIVIDUAL = 0n;
const INVVPID_SINGLE = 1n;
const INVVPID_ALL = 2n;

const offers = (vmx: VmxOperation, capability: Parameters<typeof EPT_VPID_CAP.get>[1]): boolean =>
  EPT_VPID_CAP.get(vmx.capabilities.ia32VmxEptVpidCap ?? 0n, capability) === 1n;

const begin = (reason: 'invept' | 'invvpid', cpu: ProcessorDraft, instruction: Instruction): VmxOperation => {
  const vmx = vmxOf(cpu);
  const operand = memoryOperand(cpu, instruction);
  const control = reason === 'invept' ? 'enableEpt' : 'enableVpid';
  if (!controlSupported(vmx.capabilities, control) || !offers(vmx, reason)) cpu.invalidOpcode();
  return inRootOperation(cpu, instruction, () => ({
    reason,
    length: instruction.length,
    displacement: operandDisplacement(cpu, operand),
    information: operandInformation(operand) | secondRegister(instruction.operands[0]),
  }));
};

const typeOf = (cpu: ProcessorDraft, instruction: Instruction): bigint =>
  BigInt.asUintN(cpu.mode64 ? 64 : 32, cpu.R[registerOperand(instruction.operands[0])!.number]);

/** Both halves of the descriptor, low half first. */
const readDescriptor = (cpu: ProcessorDraft, instruction: Instruction): readonly [bigint, bigint] => {
  const at = operandAddress(cpu, memoryOperand(cpu, instruction), DESCRIPTOR_BYTES, false);
  return [cpu.mmu.read(at, 8), cpu.mmu.read(u64(at + 8n), 8)];
};

const invept = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = begin('invept', cpu, instruction);
  const type = typeOf(cpu, instruction);
  const capability = type === 0n || type > 2n ? undefined : INVEPT_TYPES[Number(type) - 1];
  if (capability === undefined || !offers(vmx, capability)) return 'invalidInveptInvvpidOperand';
  const [eptp] = readDescriptor(cpu, instruction);
  if (type === INVEPT_SINGLE && eptpError(eptp, vmx.ept) !== undefined) return 'invalidInveptInvvpidOperand';
  cpu.mmu.invalidate(type === INVEPT_SINGLE ? (caches) => withoutEp4ta(caches, eptRoot(eptp)) : withoutEpt);
  return 'VMsucceed';
};

/** What each type of INVVPID drops. */
const dropOf = (type: bigint, vpid: number, address: bigint): CacheDrop => {
  if (type === INVVPID_INDIVIDUAL)
    return (caches) => withoutAddressOfVpid(caches, { low: low32(address), high: high32(address) }, vpid);
  if (type === INVVPID_ALL) return withoutVpids;
  return (caches) => (type === INVVPID_SINGLE ? withoutVpid : withoutNonGlobal)(caches, vpid);
};

const invvpid = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = begin('invvpid', cpu, instruction);
  const type = typeOf(cpu, instruction);
  const capability = type > 3n ? undefined : INVVPID_TYPES[Number(type)];
  if (capability === undefined || !offers(vmx, capability)) return 'invalidInveptInvvpidOperand';
  const [vpid, address] = readDescriptor(cpu, instruction);
  const isBad =
    shiftRight(vpid, 16n) !== 0n ||
    (type !== INVVPID_ALL && vpid === 0n) ||
    (type === INVVPID_INDIVIDUAL && !isCanonical(address, vmx.linearAddressWidth));
  if (isBad) return 'invalidInveptInvvpidOperand';
  cpu.mmu.invalidate(dropOf(type, Number(vpid), address));
  return 'VMsucceed';
};

export const INVALIDATION_ROWS: readonly SystemRow[] = [vmxRow('invept', invept), vmxRow('invvpid', invvpid)];
