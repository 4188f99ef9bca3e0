import type { Instruction, MemoryOperand, Operand } from '../../decode/instruction';
import type { X87State } from '../../extended-state';
import type { ProcessorDraft } from '../../processor-draft';
import { FLAG } from '../../slots';
import { bytesOf, MemoryArea, wordOf } from '../memory-area';
import { memoryOf } from '../system/operands';
import { systemRow } from '../system/system-row';
import {
  EXCEPTIONS,
  physicalOf,
  pointers,
  requireNoPending,
  requireX87,
  STATUS,
  setX87,
  summarized,
  topOf,
} from './access';
import {
  type Converted,
  exponentOf,
  fromFloat,
  fromInteger,
  INDEFINITE,
  isNegative,
  isUnsupported,
  significandOf,
  toFloat,
  toInteger,
} from './conversion';

const SIGN = 1n << 79n;
const STACK_UNDERFLOW = STATUS.invalid | STATUS.stackFault;
const STACK_OVERFLOW = STACK_UNDERFLOW | STATUS.c1;
/** Of these the destination is not written while they are unmasked. */
const BEFORE_RESULT = STATUS.invalid | STATUS.denormal | STATUS.overflow | STATUS.underflow;
const ZERO_TRUNCATES = 3;

const isFull = (x87: X87State, index: number): boolean => ((x87.full >> physicalOf(x87, index)) & 1) === 1;

const unmasked = ({ control }: X87State, raised: number): number => raised & EXCEPTIONS & ~control;

/** Ends an instruction: exceptions become sticky, C1 says what it says, pointers are remembered. */
const finish = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  raised: number,
  changes: Partial<X87State> = {},
): void => {
  const { x87 } = cpu.extended;
  const status = ((changes.status ?? x87.status) & ~STATUS.c1) | raised;
  setX87(cpu, {
    ...changes,
    ...pointers(cpu, instruction, unmasked(x87, raised) !== 0),
    status: summarized(status, x87.control),
  });
};

const begin = (cpu: ProcessorDraft): X87State => {
  requireX87(cpu);
  requireNoPending(cpu);
  return cpu.extended.x87;
};

const replaced = ({ registers }: X87State, physical: number, value: bigint): readonly bigint[] =>
  Object.freeze(registers.with(physical, value));

const withTop = (status: number, top: number): number => (status & ~(7 << 11)) | ((top & 7) << 11);

// SDM Vol. 1, 8.5.1.1 Stack Overflow or Underflow Exception (#IS)
const push = (cpu: ProcessorDraft, instruction: Instruction, { value, raised }: Converted): void => {
  const { x87 } = cpu.extended;
  const overflows = isFull(x87, 7);
  const all = overflows ? STACK_OVERFLOW : raised;
  if ((unmasked(x87, all) & BEFORE_RESULT) !== 0) {
    finish(cpu, instruction, all);
    return;
  }
  const physical = physicalOf(x87, 7);
  finish(cpu, instruction, all, {
    registers: replaced(x87, physical, overflows ? INDEFINITE : value),
    full: x87.full | (1 << physical),
    status: withTop(x87.status, physical),
  });
};

const popped = (x87: X87State): Pick<X87State, 'full' | 'status'> => ({
  full: x87.full & ~(1 << topOf(x87)),
  status: withTop(x87.status, topOf(x87) + 1),
});

const indexOf = (operand: Operand | undefined): number => Number((operand as { name: string }).name[3]);

const read = (cpu: ProcessorDraft, operand: MemoryOperand): bigint => {
  const bytes = operand.width / 8;
  return wordOf(new MemoryArea(cpu, operand, bytes, false).read(0, bytes));
};

const load = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const x87 = begin(cpu);
  const [operand] = instruction.operands;
  if (operand.kind === 'memory') {
    const bits = read(cpu, operand);
    push(
      cpu,
      instruction,
      operand.width === 80 ? { value: bits, raised: 0 } : fromFloat(bits, operand.width as 32 | 64),
    );
    return;
  }
  const index = indexOf(operand);
  push(
    cpu,
    instruction,
    isFull(x87, index)
      ? { value: x87.registers[physicalOf(x87, index)], raised: 0 }
      : { value: INDEFINITE, raised: STACK_UNDERFLOW },
  );
};

const loadInteger = (cpu: ProcessorDraft, instruction: Instruction): void => {
  begin(cpu);
  const operand = memoryOf(instruction.operands[0]);
  const value = fromInteger(BigInt.asIntN(operand.width, read(cpu, operand)));
  push(cpu, instruction, { value, raised: 0 });
};

/** The constants by rounding: to nearest and up, or down and to zero. SDM Vol. 2, FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ */
const CONSTANTS: Readonly<Record<string, (rounding: number) => bigint>> = {
  fld1: () => 0x3fff_8000_0000_0000_0000n,
  fldz: () => 0n,
  fldl2t: (rounding) => 0x4000_d49a_784b_cd1b_8afen + (rounding === 2 ? 1n : 0n),
  fldl2e: (rounding) => 0x3fff_b8aa_3b29_5c17_f0bcn - (rounding % 2 === 1 ? 1n : 0n),
  fldpi: (rounding) => 0x4000_c90f_daa2_2168_c235n - (rounding % 2 === 1 ? 1n : 0n),
  fldlg2: (rounding) => 0x3ffd_9a20_9a84_fbcf_f799n - (rounding % 2 === 1 ? 1n : 0n),
  fldln2: (rounding) => 0x3ffe_b172_17f7_d1cf_79acn - (rounding % 2 === 1 ? 1n : 0n),
};

const roundingOf = ({ control }: X87State): number => (control >> 10) & 3;

const toMemory = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  convert: (value: bigint, width: number, x87: X87State) => Converted,
  indefinite: (width: number) => bigint,
  pops: boolean,
): void => {
  const x87 = begin(cpu);
  const operand = memoryOf(instruction.operands[0]);
  const { width } = operand;
  const { value, raised } = isFull(x87, 0)
    ? convert(x87.registers[topOf(x87)], width, x87)
    : { value: indefinite(width), raised: STACK_UNDERFLOW };
  const area = new MemoryArea(cpu, operand, width / 8, true);
  if ((unmasked(x87, raised) & BEFORE_RESULT) !== 0) {
    area.probe(0, width / 8);
    finish(cpu, instruction, raised);
    return;
  }
  area.write(0, bytesOf(value, width / 8));
  finish(cpu, instruction, raised, pops ? popped(x87) : {});
};

const asFloat = (value: bigint, width: number, x87: X87State): Converted =>
  width === 80 ? { value, raised: 0 } : toFloat(value, width as 32 | 64, roundingOf(x87), x87.control);
const floatIndefinite = (width: number): bigint =>
  width === 80 ? INDEFINITE : toFloat(INDEFINITE, width as 32 | 64, 0, EXCEPTIONS).value;

const toRegister = (cpu: ProcessorDraft, instruction: Instruction, pops: boolean): void => {
  const x87 = begin(cpu);
  const full = isFull(x87, 0);
  if (!full && unmasked(x87, STACK_UNDERFLOW) !== 0) {
    finish(cpu, instruction, STACK_UNDERFLOW);
    return;
  }
  const physical = physicalOf(x87, indexOf(instruction.operands[0]));
  const next = {
    ...x87,
    registers: replaced(x87, physical, full ? x87.registers[topOf(x87)] : INDEFINITE),
    full: x87.full | (1 << physical),
  };
  const { registers, full: fullNow } = next;
  finish(cpu, instruction, full ? 0 : STACK_UNDERFLOW, {
    registers,
    full: fullNow,
    ...(pops ? popped(next) : {}),
  });
};

const store =
  (pops: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void =>
    instruction.operands[0].kind === 'memory'
      ? toMemory(cpu, instruction, asFloat, floatIndefinite, pops)
      : toRegister(cpu, instruction, pops);

const storeInteger =
  (pops: boolean, truncates = false) =>
  (cpu: ProcessorDraft, instruction: Instruction): void =>
    toMemory(
      cpu,
      instruction,
      (value, width, x87) =>
        toInteger(value, width as 16 | 32 | 64, truncates ? ZERO_TRUNCATES : roundingOf(x87)),
      (width) => 1n << BigInt(width - 1),
      pops,
    );

const exchange = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const x87 = begin(cpu);
  const other = physicalOf(x87, indexOf(instruction.operands[0]));
  const top = topOf(x87);
  const both = (1 << other) | (1 << top);
  const raised = (x87.full & both) === both ? 0 : STACK_UNDERFLOW;
  if (unmasked(x87, raised) !== 0) {
    finish(cpu, instruction, raised);
    return;
  }
  const value = (physical: number): bigint =>
    ((x87.full >> physical) & 1) === 1 ? x87.registers[physical] : INDEFINITE;
  const registers = Object.freeze(x87.registers.with(other, value(top)).with(top, value(other)));
  finish(cpu, instruction, raised, { registers, full: x87.full | both });
};

const free =
  (pops: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    const x87 = begin(cpu);
    const full = x87.full & ~(1 << physicalOf(x87, indexOf(instruction.operands[0])));
    finish(cpu, instruction, 0, pops ? popped({ ...x87, full }) : { full });
  };

/** FCHS and FABS: of the sign alone; no exception but an empty register. */
const changeSign =
  (change: (value: bigint) => bigint) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    const x87 = begin(cpu);
    const top = topOf(x87);
    const raised = isFull(x87, 0) ? 0 : STACK_UNDERFLOW;
    if (unmasked(x87, raised) !== 0) {
      finish(cpu, instruction, raised);
      return;
    }
    const value = raised === 0 ? change(x87.registers[top]) : INDEFINITE;
    finish(cpu, instruction, raised, {
      registers: replaced(x87, top, value),
      full: x87.full | (1 << top),
    });
  };

const classOf = (value: bigint): number => {
  if (isUnsupported(value)) return 0;
  const exponent = exponentOf(value);
  const significand = significandOf(value);
  if (exponent === 0x7fff) return significand === 1n << 63n ? STATUS.c2 | STATUS.c0 : STATUS.c0;
  if (exponent !== 0) return STATUS.c2;
  return significand === 0n ? STATUS.c3 : STATUS.c3 | STATUS.c2;
};

// SDM Vol. 2, FXAM
const examine = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const x87 = begin(cpu);
  const value = x87.registers[topOf(x87)];
  const conditions = STATUS.c0 | STATUS.c2 | STATUS.c3;
  finish(cpu, instruction, isNegative(value) ? STATUS.c1 : 0, {
    status: (x87.status & ~conditions) | (isFull(x87, 0) ? classOf(value) : STATUS.c3 | STATUS.c0),
  });
};

/** FCMOVcc: the flags that make the condition; `n` forms ask for none of them. */
const CONDITIONS: Readonly<Record<string, number>> = {
  b: FLAG.cf,
  e: FLAG.zf,
  be: FLAG.cf | FLAG.zf,
  u: FLAG.pf,
};

const moveIf =
  (flags: number, set: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    const x87 = begin(cpu);
    const source = physicalOf(x87, indexOf(instruction.operands[1]));
    const top = topOf(x87);
    const both = (1 << source) | (1 << top);
    const raised = (x87.full & both) === both ? 0 : STACK_UNDERFLOW;
    const moves = ((Number(cpu.rflags) & flags) !== 0) === set;
    if (unmasked(x87, raised) !== 0 || (raised === 0 && !moves)) {
      finish(cpu, instruction, raised);
      return;
    }
    finish(cpu, instruction, raised, {
      registers: replaced(x87, top, raised === 0 ? x87.registers[source] : INDEFINITE),
      full: x87.full | (1 << top),
    });
  };

/** Loads, stores, exchanges and what else computes nothing. SDM Vol. 1, 8.3.3 Data Transfer Instructions */
export const MOVE_ROWS = [
  systemRow('fld', load),
  systemRow('fild', loadInteger),
  ...Object.entries(CONSTANTS).map(([mnemonic, constant]) =>
    systemRow(mnemonic, (cpu, instruction) =>
      push(cpu, instruction, { value: constant(roundingOf(begin(cpu))), raised: 0 }),
    ),
  ),
  systemRow('fst', store(false)),
  systemRow('fstp', store(true)),
  systemRow('fist', storeInteger(false)),
  systemRow('fistp', storeInteger(true)),
  systemRow('fisttp', storeInteger(true, true)),
  systemRow('fxch', exchange),
  systemRow('ffree', free(false)),
  systemRow('ffreep', free(true)),
  systemRow(
    'fchs',
    changeSign((value) => value ^ SIGN),
  ),
  systemRow(
    'fabs',
    changeSign((value) => value & ~SIGN),
  ),
  systemRow('fxam', examine),
  ...Object.entries(CONDITIONS).flatMap(([name, flags]) => [
    systemRow(`fcmov${name}`, moveIf(flags, true)),
    systemRow(`fcmovn${name}`, moveIf(flags, false)),
  ]),
  systemRow('fnop', (cpu, instruction) => {
    begin(cpu);
    finish(cpu, instruction, cpu.extended.x87.status & STATUS.c1);
  }),
];
