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
import { interceptControlRegister } from './control-registers';

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

const interceptIo = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  instruction: Instruction,
  what: Of<'io'>,
): void => {
  const { direction, port, bytes, string, repeated, immediate, address, segment } = what;
  if (!ioExits(vmx, cpu.mmu, port, bytes)) return;
  cpu.leave({
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
  } satisfies VmExit);
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

/** Leaves with the VM exit of a sensitive instruction when the controls say so. SDM Vol. 3C, 26.1 Instructions That Cause VM Exits */
export const interceptInstruction = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  instruction: Instruction,
  what: InterceptedInstruction,
): void => {
  const { length } = instruction;
  switch (what.id) {
    case 'io':
      interceptIo(vmx, cpu, instruction, what);
      return;
    case 'mov-to-cr':
    case 'mov-from-cr':
    case 'clts':
    case 'lmsw':
      interceptControlRegister(vmx, cpu, instruction, what);
      return;
    case 'rdmsr':
    case 'wrmsr':
      if (msrExits(vmx, cpu.mmu, what.index, what.id === 'wrmsr')) cpu.leave({ reason: what.id, length });
      return;
    case 'invlpg':
      if ((vmx.primary & INVLPG_EXITING) !== 0)
        cpu.leave({ reason: 'invlpg', length, linearAddress: what.address });
      return;
    case 'invpcid':
      if ((vmx.primary & INVLPG_EXITING) !== 0) cpu.leave(invpcidExit(cpu, instruction));
      return;
    case 'mov-dr':
      if ((vmx.primary & MOV_DR_EXITING) !== 0)
        cpu.leave({
          reason: 'movDr',
          length,
          debug: what.debug,
          direction: what.direction,
          register: what.register,
        });
      return;
    case 'descriptor-table':
      if ((vmx.secondary & DESCRIPTOR_TABLES) !== 0)
        cpu.leave(descriptorTableExit(cpu, instruction, what.mnemonic));
      return;
    case 'xsaves':
    case 'xrstors':
      if ((what.components & vmx.current!.data.words[XSS_BITMAP]) !== 0n)
        cpu.leave({
          reason: what.id,
          length,
          displacement: operandDisplacement(cpu, instruction.operands[0]),
          information: operandInformation(instruction.operands[0]),
        });
      return;
    case 'wbinvd':
      if ((vmx.secondary & WBINVD_EXITING) !== 0) cpu.leave({ reason: 'wbinvd', length });
      return;
    case 'pause':
      if ((vmx.primary & PAUSE_EXITING) !== 0 || endsPauseLoop(vmx, cpu))
        cpu.leave({ reason: 'pause', length });
      return;
    case 'rdrand':
    case 'rdseed':
      if ((vmx.secondary & (what.id === 'rdrand' ? RDRAND_EXITING : RDSEED_EXITING)) !== 0)
        cpu.leave({ reason: what.id, length, information: destinationInformation(instruction.operands[0]) });
      return;
    case 'umwait':
    case 'tpause':
      if ((vmx.primary & RDTSC_EXITING) !== 0)
        cpu.leave({ reason: what.id, length, information: destinationInformation(instruction.operands[0]) });
      return;
    case 'mwait':
      if ((vmx.primary & MWAIT_EXITING) !== 0)
        cpu.leave({ reason: 'mwait', length, armed: cpu.monitoredLine >= 0 });
      return;
    default: {
      const control = BY_PRIMARY[what.id];
      if (control === 0 || (vmx.primary & control) !== 0) cpu.leave({ reason: what.id, length });
    }
  }
};
