import { SEGMENT, setSegmentRaw } from '../../../src/cpu/segments';
import { FLAG, SLOT } from '../../../src/cpu/slots';
import {
  execute,
  GDT,
  machine32,
  memoryAt,
  SELECTOR,
  type SystemProcessor,
  setGate,
  TSS,
} from '../system/system-processor';

export const NEW_TSS = 0x38000n;
export const LDT = 0x3c000n;
export const NEW_STACK = 0x48000n;
export const ENTRY = 0x6000n;
/** Where CR3, LDT and T of a 32-bit TSS are. */
export const FIELD = {
  link: 0,
  eip: 0x20,
  flags: 0x24,
  general: 0x28,
  selectors: 0x48,
  ldt: 0x60,
  trap: 0x64,
};
export const FIELD16 = { link: 0, ip: 0x0e, flags: 0x10, general: 0x12, selectors: 0x22, ldt: 0x2a };

export const TASK = {
  /** The current task. */
  current: SELECTOR.tss,
  next: 0x80,
  next16: 0x88,
  gate: 0x90,
  ldt: 0x98,
  absentLdt: 0xa0,
  executeOnly: 0xa8,
  conforming3: 0xb0,
} as const;

const system = (base: bigint, limit: number, type: number, dpl = 0, present = true): bigint =>
  BigInt(limit & 0xffff) |
  ((base & 0xffffffn) << 16n) |
  (BigInt(type | (dpl << 5) | (present ? 0x80 : 0)) << 40n) |
  ((base >> 24n) << 56n);

export interface TssSet {
  readonly type?: number;
  readonly limit?: number;
  readonly dpl?: number;
  readonly present?: boolean;
  readonly selector?: number;
}

/** Writes the descriptor of the new TSS. */
export const setTss = ({ memory }: SystemProcessor, set: TssSet = {}): void => {
  const { type = 9, limit = 0x67, dpl = 0, present = true, selector = TASK.next } = set;
  memory.write(GDT + BigInt(selector), 8, system(NEW_TSS, limit, type, dpl, present));
};

export interface TaskGateSet {
  readonly selector?: number;
  readonly dpl?: number;
  readonly present?: boolean;
}

const taskGate = ({ selector = TASK.next, dpl = 0, present = true }: TaskGateSet): bigint =>
  (BigInt(selector) << 16n) | (BigInt(5 | (dpl << 5) | (present ? 0x80 : 0)) << 40n);

/** A task gate of the GDT, at `TASK.gate`. */
export const setTaskGate = ({ memory }: SystemProcessor, set: TaskGateSet = {}): void =>
  memory.write(GDT + BigInt(TASK.gate), 8, taskGate(set));

/** A task gate of the IDT. */
export const setTaskVector = (
  machine: SystemProcessor,
  vector: number,
  selector: number = TASK.next,
  dpl = 0,
): void => setGate(machine, vector, { selector, rights: 0x85 | (dpl << 5) });

export const SELECTORS: readonly number[] = [
  SELECTOR.data,
  SELECTOR.code,
  SELECTOR.data,
  SELECTOR.data,
  SELECTOR.data,
  0,
];

/** Writes one selector of the new 32-bit TSS. */
export const setSelector = ({ memory }: SystemProcessor, segment: number, selector: number): void =>
  memory.write(NEW_TSS + BigInt(FIELD.selectors + 4 * segment), 2, BigInt(selector));

const fillTss = ({ memory }: SystemProcessor): void => {
  const put = (offset: number, value: bigint, bytes = 4): void =>
    memory.write(NEW_TSS + BigInt(offset), bytes, value);
  put(FIELD.eip, ENTRY);
  put(FIELD.flags, 0x202n);
  for (let i = 0; i < 8; i++) put(FIELD.general + 4 * i, i === 4 ? NEW_STACK : BigInt(0x1111 * (i + 1)));
  SELECTORS.forEach((selector, i) => {
    put(FIELD.selectors + 4 * i, BigInt(selector), 2);
  });
};

/** The same task as a 16-bit TSS. */
export const fillTss16 = ({ memory }: SystemProcessor): void => {
  const put = (offset: number, value: bigint): void => memory.write(NEW_TSS + BigInt(offset), 2, value);
  put(FIELD16.ip, ENTRY);
  put(FIELD16.flags, 0x202n);
  for (let i = 0; i < 8; i++) put(FIELD16.general + 2 * i, i === 4 ? 0x8000n : BigInt(0x1111 * (i + 1)));
  for (let i = 0; i < 4; i++) put(FIELD16.selectors + 2 * i, BigInt(SELECTORS[i]));
  put(FIELD16.ldt, 0n);
};

/** 32-bit protected mode with two tasks: the current one, and one whose TSS is ready. */
export const taskMachine = (): SystemProcessor => {
  const machine = machine32();
  const { cpu, memory } = machine;
  cpu.R[SLOT.gdtrLimit] = 0x1ffn;
  memory.write(GDT + BigInt(TASK.current), 8, system(TSS, 0x67, 11));
  memory.write(GDT + BigInt(TASK.ldt), 8, system(LDT, 0xff, 2));
  memory.write(GDT + BigInt(TASK.absentLdt), 8, system(LDT, 0xff, 2, 0, false));
  memory.write(GDT + BigInt(TASK.executeOnly), 8, 0x00cf_9900_0000_ffffn);
  memory.write(GDT + BigInt(TASK.conforming3), 8, 0x00cf_ff00_0000_ffffn);
  setTss(machine);
  fillTss(machine);
  setTaskGate(machine);
  return machine;
};

/** The current task runs at CPL 3. */
export const atUser = ({ cpu }: SystemProcessor): void => {
  const flat = { base: 0n, limit: 0xffffffff };
  setSegmentRaw(cpu, SEGMENT.cs, { selector: SELECTOR.userCode, ...flat, rights: 0xc0fb });
  setSegmentRaw(cpu, SEGMENT.ss, { selector: SELECTOR.userData, ...flat, rights: 0xc0f3 });
};

const POINTER = 0x2000n;

const far =
  (mnemonic: 'call_far' | 'jmp_far') =>
  (machine: SystemProcessor, selector: number = TASK.next) => {
    machine.memory.write(POINTER, 4, 0xdeadbeefn);
    machine.memory.write(POINTER + 4n, 2, BigInt(selector));
    return execute(machine, mnemonic, [memoryAt(POINTER, 48)]);
  };
export const callTask = far('call_far');
export const jumpTask = far('jmp_far');

/** IRET with NT, after the link of the current TSS was written. */
export const returnTask = (machine: SystemProcessor, link: number = TASK.next) => {
  machine.memory.write(TSS, 2, BigInt(link));
  machine.cpu.rflags |= BigInt(FLAG.nt);
  return execute(machine, 'iret', [], { operandWidth: 32 });
};

/** Type of a descriptor of the GDT. */
export const typeAt = ({ memory }: SystemProcessor, selector: number): number =>
  Number(memory.read(GDT + BigInt(selector) + 5n, 1, { implicit: true }) & 15n);

export const oldTss = ({ memory }: SystemProcessor, offset: number, bytes = 4): bigint =>
  memory.read(TSS + BigInt(offset), bytes, { implicit: true });
export const newTss = ({ memory }: SystemProcessor, offset: number, bytes = 4): bigint =>
  memory.read(NEW_TSS + BigInt(offset), bytes, { implicit: true });
