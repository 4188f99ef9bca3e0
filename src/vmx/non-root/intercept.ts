import type { Instruction, Operand } from '../../cpu/decode/instruction';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import type { InterceptedInstruction } from '../../cpu/virtualization';
import type { VmExit } from '../exit/vm-exit';
import {
  operandDisplacement,
  operandInformation,
  registerOperand,
  secondRegister,
} from '../instructions/operands';
import type { VmxOperation } from '../operation';
import { fieldIndex } from '../vmcs';
import { controlMask, halfOf } from '../vmcs/halves';
import { ioExits, msrExits } from './bitmaps';
import { controlRegisterExit } from './control-registers';

type Id = InterceptedInstruction['id'];
type Of<I extends Id> = Extract<InterceptedInstruction, { id: I }>;

const WBINVD_EXITING = controlMask('wbinvdExiting');
const DESCRIPTOR_TABLES = controlMask('descriptorTableExiting');
const INVLPG_EXITING = controlMask('invlpgExiting');
const MWAIT_EXITING = controlMask('mwaitExiting');
const MOV_DR_EXITING = controlMask('movDrExiting');

const RDRAND_EXITING = controlMask('rdrandExiting');
const RDSEED_EXITING = controlMask('rdseedExiting');
const RDTSC_EXITING = controlMask('rdtscExiting');
const PAUSE_EXITING = controlMask('pauseExiting');
const PAUSE_LOOP_EXITING = controlMask('pauseLoopExiting');
const XSS_BITMAP = fieldIndex('xssExitingBitmap');
const PLE_GAP = halfOf('pleGap');
const PLE_WINDOW = halfOf('pleWindow');

/** Primary control that makes the instruction exit; 0: it always does. SDM Vol. 3C, 26.1.2, 26.1.3 */
const BY_PRIMARY = {
  cpuid: 0,
  invd: 0,
  xsetbv: 0,
  rsm: 0,
  getsec: 0,
  hlt: controlMask('hltExiting'),
  rdtsc: controlMask('rdtscExiting'),
  rdtscp: controlMask('rdtscExiting'),
  rdpmc: controlMask('rdpmcExiting'),
  monitor: controlMask('monitorExiting'),
} as const;

const ADDRESS_SIZE = { 16: 0, 32: 1, 64: 2 } as const;
const OPERAND_SIZE = ADDRESS_SIZE;

const ioExit = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  instruction: Instruction,
  what: Of<'io'>,
): VmExit | undefined => {
  const { direction, port, bytes, string, repeated, immediate, address, segment } = what;
  if (!ioExits(vmx, cpu.mmu, port, bytes)) return undefined;
  return {
    reason: 'ioInstruction',
    length: instruction.length,
    bytes,
    direction,
    port,
    string,
    repeated,
    immediate,
    ...(address === undefined ? {} : { linearAddress: address }),
    ...(string
      ? { information: (ADDRESS_SIZE[instruction.addressWidth] << 7) | ((segment ?? 0) << 15) }
      : {}),
  };
};

// SDM Vol. 3C, Tables 28-11 and 28-12: identity of the instruction in bits 29:28, operand size in bit 11
const IDENTITY = { sgdt: 0, sidt: 1, lgdt: 2, lidt: 3, sldt: 0, str: 1, lldt: 2, ltr: 3 } as const;
const OPERAND_32 = 1 << 11;

const descriptorTableExit = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  mnemonic: keyof typeof IDENTITY,
): VmExit => {
  const operand = instruction.operands[0];
  const system = mnemonic.endsWith('dt') && mnemonic !== 'sldt' && mnemonic !== 'lldt';
  const size = system && instruction.operandWidth !== 16 ? OPERAND_32 : 0;
  return {
    reason: system ? 'gdtrIdtrAccess' : 'ldtrTrAccess',
    length: instruction.length,
    displacement: operandDisplacement(cpu, operand),
    information:
      operandInformation(operand) |
      (IDENTITY[mnemonic] << 28) |
      (registerOperand(operand) === undefined ? size : 0),
  };
};

// SDM Vol. 3C, 26.1.3 Instructions That Cause VM Exits Conditionally
const invpcidExit = (cpu: ProcessorDraft, instruction: Instruction): VmExit => {
  const [register, descriptor] = instruction.operands;
  return {
    reason: 'invpcid',
    length: instruction.length,
    displacement: operandDisplacement(cpu, descriptor),
    information: operandInformation(descriptor) | secondRegister(register),
  };
};

/** Register and size of an operand. SDM Vol. 3C, 28.2.5 Information for VM Exits Due to Instruction Execution */
const destinationInformation = (operand: Operand | undefined): number => {
  const register = registerOperand(operand);
  return register === undefined
    ? 0
    : (register.number << 3) | (OPERAND_SIZE[register.width as 16 | 32 | 64] << 11);
};

/** SDM Vol. 3C, 25.6.13 Controls for PAUSE-Loop Exiting; 26.1.3 Instructions That Cause VM Exits Conditionally */
const endsPauseLoop = (vmx: VmxOperation, cpu: ProcessorDraft): boolean => {
  if ((vmx.secondary & PAUSE_LOOP_EXITING) === 0 || cpu.cpl !== 0) return false;
  const { halves } = vmx.current!.data;
  const now = Math.floor(cpu.clock.now());
  const loop = vmx.pauseLoop;
  const goesOn = loop !== undefined && now - loop.last <= halves[PLE_GAP] >>> 0;
  vmx.pauseLoop = Object.freeze({ first: goesOn ? loop.first : now, last: now });
  return goesOn && now - loop.first > halves[PLE_WINDOW] >>> 0;
};

/** The VM exit of a sensitive instruction when the controls say so; undefined when it goes on. SDM Vol. 3C, 26.1 Instructions That Cause VM Exits */
export const instructionExit = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  instruction: Instruction,
  what: InterceptedInstruction,
): VmExit | undefined => {
  const { length } = instruction;
  switch (what.id) {
    case 'io':
      return ioExit(vmx, cpu, instruction, what);
    case 'mov-to-cr':
    case 'mov-from-cr':
    case 'clts':
    case 'lmsw':
      return controlRegisterExit(vmx, instruction, what);
    case 'rdmsr':
    case 'wrmsr':
      return msrExits(vmx, cpu.mmu, what.index, what.id === 'wrmsr')
        ? { reason: what.id, length }
        : undefined;
    case 'invlpg':
      return (vmx.primary & INVLPG_EXITING) !== 0
        ? { reason: 'invlpg', length, linearAddress: what.address }
        : undefined;
    case 'invpcid':
      return (vmx.primary & INVLPG_EXITING) !== 0 ? invpcidExit(cpu, instruction) : undefined;
    case 'mov-dr': {
      const { debug, direction, register } = what;
      return (vmx.primary & MOV_DR_EXITING) !== 0
        ? { reason: 'movDr', length, debug, direction, register }
        : undefined;
    }
    case 'descriptor-table':
      return (vmx.secondary & DESCRIPTOR_TABLES) !== 0
        ? descriptorTableExit(cpu, instruction, what.mnemonic)
        : undefined;
    case 'xsaves':
    case 'xrstors':
      return (what.components & vmx.current!.data.words[XSS_BITMAP]) !== 0n
        ? {
            reason: what.id,
            length,
            displacement: operandDisplacement(cpu, instruction.operands[0]),
            information: operandInformation(instruction.operands[0]),
          }
        : undefined;
    case 'wbinvd':
      return (vmx.secondary & WBINVD_EXITING) !== 0 ? { reason: 'wbinvd', length } : undefined;
    case 'pause':
      return (vmx.primary & PAUSE_EXITING) !== 0 || endsPauseLoop(vmx, cpu)
        ? { reason: 'pause', length }
        : undefined;
    case 'rdrand':
    case 'rdseed':
      return (vmx.secondary & (what.id === 'rdrand' ? RDRAND_EXITING : RDSEED_EXITING)) !== 0
        ? { reason: what.id, length, information: destinationInformation(instruction.operands[0]) }
        : undefined;
    case 'umwait':
    case 'tpause':
      return (vmx.primary & RDTSC_EXITING) !== 0
        ? { reason: what.id, length, information: destinationInformation(instruction.operands[0]) }
        : undefined;
    case 'mwait':
      return (vmx.primary & MWAIT_EXITING) !== 0
        ? { reason: 'mwait', length, armed: cpu.monitoredLine >= 0 }
        : undefined;
    default: {
      const control = BY_PRIMARY[what.id];
      return control === 0 || (vmx.primary & control) !== 0 ? { reason: what.id, length } : undefined;
    }
  }
};
