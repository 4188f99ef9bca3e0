import type { Bus } from '../../../src/cpu/bus';
import type { Instruction, Operand } from '../../../src/cpu/decode/instruction';
import type { InterruptionEvent } from '../../../src/cpu/event';
import { EXTENDED_ROWS } from '../../../src/cpu/instructions/extended';
import { SYSTEM_ROWS } from '../../../src/cpu/instructions/system';
import { type FeatureEdits, processor, resetProcessor } from '../../../src/cpu/presets';
import { LEFT, ProcessorDraft } from '../../../src/cpu/processor-draft';
import { SEGMENT, setSegmentRaw } from '../../../src/cpu/segments';
import { ACCESS_RIGHTS, CR0, CR4, EFER, SLOT } from '../../../src/cpu/slots';
import { FlatMemory } from '../flat-memory';

export class RecordingBus implements Bus {
  readonly log: string[] = [];
  readonly assertsA20m = false;
  pending = -1;
  input = 0x12345678;
  priority = 0;
  deadline = 0n;
  isMemory(): boolean {
    return true;
  }
  isRam(): boolean {
    return true;
  }
  readMmio(_address?: number): number {
    return 0;
  }
  writeMmio(): void {}
  in(port: number, bytes: 1 | 2 | 4): number {
    this.log.push(`in ${port} ${bytes}`);
    return bytes === 4 ? this.input : this.input & (2 ** (8 * bytes) - 1);
  }
  out(port: number, bytes: 1 | 2 | 4, value: number): void {
    this.log.push(`out ${port} ${bytes} ${value}`);
  }
  pendingInterrupt(): number {
    return this.pending;
  }
  acknowledgeInterrupt(): number {
    const vector = this.pending;
    this.pending = -1;
    return vector;
  }
  readTaskPriority(): number {
    return this.priority;
  }
  writeTaskPriority(value: number): void {
    this.priority = value;
  }
  writeBackCaches(): void {
    this.log.push('write back');
  }
  initialize(): void {
    this.log.push('init');
  }
  apicBaseWritten(value: bigint): boolean {
    this.log.push(`apic base ${value.toString(16)}`);
    return true;
  }
  readApic(): bigint | undefined {
    return undefined;
  }
  writeApic(): boolean {
    return false;
  }
  readTscDeadline(): bigint {
    return this.deadline;
  }
  writeTscDeadline(value: bigint, clock: number): void {
    this.deadline = value;
    this.log.push(`deadline ${value} at ${clock}`);
  }
}

export const GDT = 0x10000n;
export const IDT = 0x20000n;
export const TSS = 0x30000n;
export const STACK = 0x40000n;
export const KERNEL_STACK = 0x50000n;
export const INTERRUPT_STACK = 0x60000n;

/** Selectors of the GDT that `machine64` and `machine32` write. */
export const SELECTOR = {
  code: 0x08,
  data: 0x10,
  userCode: 0x1b,
  userData: 0x23,
  code32: 0x28,
  userCode32: 0x33,
  conforming: 0x38,
  readOnly: 0x40,
  absent: 0x48,
  absentCode: 0x50,
  tss: 0x60,
  ldt: 0x70,
  beyond: 0x400,
} as const;

const CODE64 = 0x00af_9b00_0000_ffffn;
const CODE32 = 0x00cf_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;
const USER = 0x0000_6000_0000_0000n;
const PRESENT = 0x0000_8000_0000_0000n;

export interface SystemProcessor {
  readonly cpu: ProcessorDraft;
  readonly memory: FlatMemory;
  readonly bus: RecordingBus;
}

const bare = (edits: FeatureEdits): SystemProcessor => {
  const memory = new FlatMemory();
  const bus = new RecordingBus();
  const preset = processor('skylake', edits);
  const cpu = new ProcessorDraft(bus, memory, preset.cpuid, { now: () => 1000 }, (_, __, answer) => answer);
  memory.cpu = cpu;
  resetProcessor(cpu);
  return { cpu, memory, bus };
};

const segments = (cpu: ProcessorDraft, wide: boolean): void => {
  const code = wide ? 0xa09b : 0xc09b;
  setSegmentRaw(cpu, SEGMENT.cs, { selector: SELECTOR.code, base: 0n, limit: 0xffffffff, rights: code });
  for (const segment of [SEGMENT.es, SEGMENT.ss, SEGMENT.ds, SEGMENT.fs, SEGMENT.gs])
    setSegmentRaw(cpu, segment, { selector: SELECTOR.data, base: 0n, limit: 0xffffffff, rights: 0xc093 });
  setSegmentRaw(cpu, 'tr', { selector: SELECTOR.tss, base: TSS, limit: 0x67, rights: 0x8b });
  setSegmentRaw(cpu, 'ldtr', { selector: 0, base: 0n, limit: 0, rights: ACCESS_RIGHTS.unusable });
};

const build = (wide: boolean, edits: FeatureEdits): SystemProcessor => {
  const machine = bare(edits);
  const { cpu, memory } = machine;
  const code = wide ? CODE64 : CODE32;
  const table: Record<number, bigint> = {
    [SELECTOR.code]: code,
    [SELECTOR.data]: DATA,
    [SELECTOR.userCode & ~3]: code | USER,
    [SELECTOR.userData & ~3]: DATA | USER,
    [SELECTOR.code32]: CODE32,
    [SELECTOR.userCode32 & ~3]: CODE32 | USER,
    [SELECTOR.conforming]: code | 0x0000_0400_0000_0000n,
    [SELECTOR.readOnly]: DATA & ~0x0000_0200_0000_0000n,
    [SELECTOR.absent]: DATA & ~PRESENT,
    [SELECTOR.absentCode]: code & ~PRESENT,
    [SELECTOR.tss]: 0x0000_8903_0000_0067n,
    [SELECTOR.ldt]: 0x0000_8208_0000_ffffn,
  };
  for (const [selector, raw] of Object.entries(table)) memory.write(GDT + BigInt(selector), 8, raw);
  segments(cpu, wide);
  const { R } = cpu;
  R[SLOT.gdtrBase] = GDT;
  R[SLOT.gdtrLimit] = 0x7fn;
  R[SLOT.idtrBase] = IDT;
  R[SLOT.idtrLimit] = wide ? 0xfffn : 0x7ffn;
  R[SLOT.cr0] = BigInt((CR0.pe | CR0.et | CR0.ne | (wide ? CR0.pg : 0)) >>> 0);
  if (wide) {
    R[SLOT.cr4] = BigInt(CR4.pae);
    R[SLOT.efer] = BigInt(EFER.lme | EFER.lma | EFER.sce);
  }
  R[SLOT.rsp] = STACK;
  cpu.rip = 0x1000n;
  cpu.nextRip = 0x1003n;
  cpu.boundaryWork = false;
  if (wide) {
    memory.write(TSS + 4n, 8, KERNEL_STACK);
    memory.write(TSS + 0x24n, 8, INTERRUPT_STACK);
  } else {
    memory.write(TSS + 4n, 4, KERNEL_STACK);
    memory.write(TSS + 8n, 2, BigInt(SELECTOR.data));
  }
  return machine;
};

/** 64-bit mode at CPL 0: flat segments, GDT, empty IDT, 64-bit TSS with RSP0 and IST1. */
export const machine64 = (edits: FeatureEdits = []): SystemProcessor => build(true, edits);
/** 32-bit protected mode without paging at CPL 0, with a 32-bit TSS. */
export const machine32 = (edits: FeatureEdits = []): SystemProcessor => build(false, edits);

/** Goes to CPL 3. */
export const asUser = ({ cpu }: SystemProcessor): void => {
  const wide = cpu.longMode;
  const flat = { base: 0n, limit: 0xffffffff };
  setSegmentRaw(cpu, SEGMENT.cs, { selector: SELECTOR.userCode, ...flat, rights: wide ? 0xa0fb : 0xc0fb });
  setSegmentRaw(cpu, SEGMENT.ss, { selector: SELECTOR.userData, ...flat, rights: 0xc0f3 });
};

export interface GateOptions {
  readonly selector?: number;
  readonly offset?: bigint;
  /** P, DPL, type: 8EH is a present interrupt gate of DPL 0. */
  readonly rights?: number;
  readonly interruptStack?: number;
}

/** Writes a gate of the IDT in the format of the mode. */
export const setGate = (
  { cpu, memory }: SystemProcessor,
  vector: number,
  options: GateOptions = {},
): void => {
  const { selector = SELECTOR.code, offset = 0x9000n, rights = 0x8e, interruptStack = 0 } = options;
  const low =
    (offset & 0xffffn) |
    (BigInt(selector) << 16n) |
    (BigInt(interruptStack) << 32n) |
    (BigInt(rights) << 40n) |
    (((offset >> 16n) & 0xffffn) << 48n);
  const size = cpu.longMode ? 16n : 8n;
  memory.write(IDT + BigInt(vector) * size, 8, low);
  if (cpu.longMode) memory.write(IDT + BigInt(vector) * size + 8n, 8, offset >> 32n);
};

/** The values on the stack from RSP up. */
export const stackWords = ({ cpu, memory }: SystemProcessor, count: number, bytes = 8): bigint[] =>
  Array.from({ length: count }, (_, n) =>
    memory.read(cpu.R[SLOT.rsp] + BigInt(n * bytes), bytes, { implicit: true }),
  );

const ROWS = new Map([...SYSTEM_ROWS, ...EXTENDED_ROWS].map((row) => [row.mnemonic, row]));

export const register = (number: number, width: 8 | 16 | 32 | 64): Operand => ({
  kind: 'register',
  number,
  width,
  high: false,
});
/** A memory operand at a fixed address of DS. */
export const memoryAt = (address: bigint, width = 64): Operand => ({
  kind: 'memory',
  segment: 3,
  base: -1,
  index: -1,
  scale: 0,
  displacement: address,
  addressWidth: 64,
  width,
});
export const immediate = (value: bigint, width: 8 | 16 = 8): Operand => ({ kind: 'immediate', value, width });

/** Executes one system instruction; returns the event with which it left, if it did. */
export const execute = (
  { cpu }: SystemProcessor,
  mnemonic: string,
  operands: readonly Operand[] = [],
  more: Partial<Instruction> = {},
): InterruptionEvent | undefined => {
  const mode64 = cpu.mode64;
  const instruction: Instruction = {
    mnemonic,
    length: 3,
    operands,
    operandWidth: 32,
    addressWidth: mode64 ? 64 : 32,
    operandSizePrefix: false,
    addressSizePrefix: false,
    ...more,
  };
  cpu.interruption = undefined;
  cpu.nextRip = cpu.rip + 3n;
  try {
    ROWS.get(mnemonic)!.execute(cpu, instruction);
  } catch (left) {
    if (left !== LEFT) throw left;
    return cpu.interruption;
  }
  return undefined;
};
