import type { Instruction, MemoryOperand } from '../../decode/instruction';
import type { X87State } from '../../extended-state';
import { X87_INITIAL } from '../../extended-state';
import type { ProcessorDraft } from '../../processor-draft';
import { bytesOf, MemoryArea, wordOf } from '../memory-area';
import { memoryOf, registerOf, setGeneral } from '../system/operands';
import { systemRow } from '../system/system-row';
import {
  physicalOf,
  requireNoPending,
  requireWait,
  requireX87,
  STATUS,
  setX87,
  summarized,
  topOf,
} from './access';
import { exponentOf, significandOf } from './conversion';

const REGISTER_BYTES = 10;
const CONTROL_MASK = 0x1f3f;
/** Bit 6 of the control word always reads as 1. */
const CONTROL_FIXED = 0x40;

const TAG = { valid: 0, zero: 1, special: 2, empty: 3 } as const;

const tagOf = (value: bigint): number => {
  const exponent = exponentOf(value);
  const significand = significandOf(value);
  if (exponent === 0 && significand === 0n) return TAG.zero;
  return exponent === 0 || exponent === 0x7fff || significand < 1n << 63n ? TAG.special : TAG.valid;
};

/** The tag word, two bits a physical register. SDM Vol. 1, 8.1.7 x87 FPU Tag Word */
const tagWord = ({ full, registers }: X87State): number =>
  registers.reduce(
    (word, value, index) => word | ((((full >> index) & 1) === 0 ? TAG.empty : tagOf(value)) << (2 * index)),
    0,
  );

const fullOf = (word: number): number =>
  [0, 1, 2, 3, 4, 5, 6, 7].reduce(
    (full, index) => (((word >> (2 * index)) & 3) === TAG.empty ? full : full | (1 << index)),
    0,
  );

const protectedImage = (cpu: ProcessorDraft): boolean => cpu.protectedMode && !cpu.virtual8086;

const environmentBytes = (instruction: Instruction): 14 | 28 => (instruction.operandWidth === 16 ? 14 : 28);

// SDM Vol. 1, 8.1.10 Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE
const image = (cpu: ProcessorDraft, wide: boolean): Uint8Array => {
  const { x87 } = cpu.extended;
  const size = wide ? 4 : 2;
  const words = [x87.control, x87.status, tagWord(x87)];
  const ip = Number(x87.instructionPointer & 0xffff_ffffn);
  const dp = Number(x87.dataPointer & 0xffff_ffffn);
  if (protectedImage(cpu))
    words.push(ip, wide ? x87.codeSelector | (x87.opcode << 16) : x87.codeSelector, dp, x87.dataSelector);
  else {
    // Real-address and virtual-8086 mode: linear pointers.
    const code = (ip + 16 * x87.codeSelector) >>> 0;
    const data = (dp + 16 * x87.dataSelector) >>> 0;
    const high = (address: number): number => (wide ? address >>> 16 : (address >>> 16) & 0xf) << 12;
    words.push(code & 0xffff, high(code) | x87.opcode, data & 0xffff, high(data));
  }
  const bytes = new Uint8Array(size * 7);
  words.forEach((word, index) => {
    const upper = wide && (index < 3 || (index === 6 && protectedImage(cpu))) ? 0xffff_0000 : 0;
    const reserved = wide && !protectedImage(cpu) && (index === 3 || index === 5) ? 0xffff_0000 : 0;
    bytes.set(
      bytesOf(BigInt(((word | upper | reserved) >>> 0) & (wide ? 0xffff_ffff : 0xffff)) & 0xffff_ffffn, size),
      index * size,
    );
  });
  return bytes;
};

const loaded = (cpu: ProcessorDraft, bytes: Uint8Array, wide: boolean): Omit<X87State, 'registers'> => {
  const size = wide ? 4 : 2;
  const word = (index: number): number => Number(wordOf(bytes, index * size, size));
  const control = (word(0) & CONTROL_MASK) | CONTROL_FIXED;
  const common = {
    control,
    status: summarized(word(1) & 0x7f7f, control),
    full: fullOf(word(2) & 0xffff),
  };
  if (protectedImage(cpu))
    return {
      ...common,
      instructionPointer: BigInt(word(3) >>> 0),
      codeSelector: word(4) & 0xffff,
      opcode: wide ? (word(4) >>> 16) & 0x7ff : 0,
      dataPointer: BigInt(word(5) >>> 0),
      dataSelector: word(6) & 0xffff,
    };
  const address = (low: number, high: number): bigint =>
    BigInt(
      ((word(low) & 0xffff) | ((wide ? (word(high) >>> 12) & 0xffff : (word(high) >>> 12) & 0xf) << 16)) >>>
        0,
    );
  return {
    ...common,
    instructionPointer: address(3, 4),
    codeSelector: 0,
    opcode: word(4) & 0x7ff,
    dataPointer: address(5, 6),
    dataSelector: 0,
  };
};

const area = (cpu: ProcessorDraft, operand: MemoryOperand, bytes: number, write: boolean): MemoryArea =>
  new MemoryArea(cpu, operand, bytes, write);

const storeEnvironment = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  const size = environmentBytes(instruction);
  area(cpu, memoryOf(instruction.operands[0]), size, true).write(0, image(cpu, size === 28));
  // All exceptions are masked.
  const control = cpu.extended.x87.control | 0x3f;
  setX87(cpu, { control, status: summarized(cpu.extended.x87.status, control) });
};

const loadEnvironment = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  requireNoPending(cpu);
  const size = environmentBytes(instruction);
  const bytes = area(cpu, memoryOf(instruction.operands[0]), size, false).read(0, size);
  setX87(cpu, loaded(cpu, bytes, size === 28));
};

const initialize = (cpu: ProcessorDraft): void =>
  setX87(cpu, { ...X87_INITIAL, registers: cpu.extended.x87.registers });

const saveAll = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  const size = environmentBytes(instruction);
  const { x87 } = cpu.extended;
  const bytes = new Uint8Array(size + 8 * REGISTER_BYTES);
  bytes.set(image(cpu, size === 28));
  for (let index = 0; index < 8; index++)
    bytes.set(bytesOf(x87.registers[physicalOf(x87, index)], REGISTER_BYTES), size + index * REGISTER_BYTES);
  area(cpu, memoryOf(instruction.operands[0]), bytes.length, true).write(0, bytes);
  initialize(cpu);
};

const restoreAll = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  requireNoPending(cpu);
  const size = environmentBytes(instruction);
  const length = size + 8 * REGISTER_BYTES;
  const bytes = area(cpu, memoryOf(instruction.operands[0]), length, false).read(0, length);
  const environment = loaded(cpu, bytes, size === 28);
  const top = topOf({ ...environment, registers: [] });
  const registers = Array.from({ length: 8 }, (_, physical) =>
    wordOf(bytes, size + ((physical - top) & 7) * REGISTER_BYTES, REGISTER_BYTES),
  );
  setX87(cpu, { ...environment, registers: Object.freeze(registers) });
};

const store16 = (cpu: ProcessorDraft, instruction: Instruction, value: number): void => {
  const [operand] = instruction.operands;
  if (operand.kind === 'memory') area(cpu, operand, 2, true).write(0, bytesOf(BigInt(value), 2));
  else setGeneral(cpu, registerOf(operand).number, 16, BigInt(value));
};

const storeControl = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  store16(cpu, instruction, cpu.extended.x87.control);
};

const loadControl = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  requireNoPending(cpu);
  const word = Number(wordOf(area(cpu, memoryOf(instruction.operands[0]), 2, false).read(0, 2)));
  const control = (word & CONTROL_MASK) | CONTROL_FIXED;
  setX87(cpu, { control, status: summarized(cpu.extended.x87.status, control) });
};

const storeStatus = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireX87(cpu);
  store16(cpu, instruction, cpu.extended.x87.status);
};

const clearExceptions = (cpu: ProcessorDraft): void => {
  requireX87(cpu);
  const flags = 0x7f | STATUS.summary | STATUS.busy;
  setX87(cpu, { status: cpu.extended.x87.status & ~flags });
};

const wait = (cpu: ProcessorDraft): void => {
  requireWait(cpu);
  requireNoPending(cpu);
};

const turn =
  (by: number) =>
  (cpu: ProcessorDraft): void => {
    requireX87(cpu);
    requireNoPending(cpu);
    const { x87 } = cpu.extended;
    const top = (topOf(x87) + by) & 7;
    setX87(cpu, { status: (x87.status & ~(7 << 11) & ~STATUS.c1) | (top << 11) });
  };

const nothing = (cpu: ProcessorDraft): void => requireX87(cpu);

/** Environment and control of the x87 FPU. SDM Vol. 1, 8.1 x87 FPU Execution Environment */
export const ENVIRONMENT_ROWS = [
  systemRow('fninit', (cpu) => {
    requireX87(cpu);
    initialize(cpu);
  }),
  systemRow('fnclex', clearExceptions),
  systemRow('fnstcw', storeControl),
  systemRow('fldcw', loadControl),
  systemRow('fnstsw', storeStatus),
  systemRow('fnstenv', storeEnvironment),
  systemRow('fldenv', loadEnvironment),
  systemRow('fnsave', saveAll),
  systemRow('frstor', restoreAll),
  systemRow('fwait', wait),
  systemRow('fincstp', turn(1)),
  systemRow('fdecstp', turn(-1)),
  // Nothing since the 80387. SDM Vol. 3B, 23 Architecture Compatibility
  ...['fneni', 'fndisi', 'fnsetpm'].map((mnemonic) => systemRow(mnemonic, nothing)),
];
