import type { Bus } from '../../../src/cpu/bus';
import { decode, type Instruction } from '../../../src/cpu/decode';
import { runRow } from '../../../src/cpu/engine/computing-builder';
import { DATA_ROWS, STRING_ROWS } from '../../../src/cpu/instructions/data';
import { LEFT, ProcessorDraft } from '../../../src/cpu/processor-draft';
import { ACCESS_RIGHTS, EFER, SLOT } from '../../../src/cpu/slots';
import { FlatMemory } from '../flat-memory';

const STRINGS = new Map(STRING_ROWS.map((row) => [row.mnemonic, row]));
const noBus = {} as Bus;

export interface DataProcessor {
  readonly cpu: ProcessorDraft;
  readonly memory: FlatMemory;
}

export type Decide = (alternatives: bigint, preferred: bigint) => bigint;

/** A processor at CPL 0 with flat segments, in 64-bit or 32-bit protected mode. */
export const dataProcessor = (mode: 32 | 64, decide: Decide = (_, preferred) => preferred): DataProcessor => {
  const memory = new FlatMemory();
  const choose = (_site: string, alternatives: bigint, preferred: bigint): bigint =>
    decide(alternatives, preferred);
  const cpu = new ProcessorDraft(
    noBus,
    memory,
    { lookup: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }), features: new Set() },
    { now: () => 0 },
    choose,
  );
  memory.cpu = cpu;
  const data = 3 | ACCESS_RIGHTS.s | ACCESS_RIGHTS.present | ACCESS_RIGHTS.db | ACCESS_RIGHTS.g;
  const code = 11 | ACCESS_RIGHTS.s | ACCESS_RIGHTS.present | ACCESS_RIGHTS.g;
  for (let segment = 0; segment < 6; segment++) {
    cpu.W[2 * (SLOT.es + segment) + 1] = data;
    cpu.W[2 * (SLOT.esLimit + segment)] = -1;
  }
  cpu.W[2 * SLOT.cs + 1] = code | (mode === 64 ? ACCESS_RIGHTS.l : ACCESS_RIGHTS.db);
  cpu.W[2 * SLOT.cr0] = 1;
  if (mode === 64) cpu.W[2 * SLOT.efer] = EFER.lme | EFER.lma;
  cpu.rflags = 2n;
  return { cpu, memory };
};

const decoded = (cpu: ProcessorDraft, bytes: Uint8Array): Instruction => {
  const result = decode(bytes, cpu.codeSize);
  if (result.kind !== 'instruction') throw new Error(`not decoded: ${Buffer.from(bytes).toString('hex')}`);
  return result.instruction;
};

/** Executes the instruction that begins `bytes` at `cpu.rip` and goes on to the next; whether it completed without a fault. */
export const execute = (cpu: ProcessorDraft, bytes: Uint8Array): boolean => {
  const instruction = decoded(cpu, bytes);
  const row = DATA_ROWS.get(instruction.mnemonic);
  const string = STRINGS.get(instruction.mnemonic);
  const before = cpu.R.slice();
  cpu.interruption = undefined;
  try {
    if (row !== undefined) runRow(cpu, row, instruction);
    else if (string !== undefined) {
      cpu.nextRip = cpu.rip + BigInt(instruction.length);
      string.execute(cpu, instruction);
    } else throw new Error(`no row: ${instruction.mnemonic}`);
  } catch (left) {
    if (left !== LEFT) throw left;
    // A data row that leaves has changed no register and no flag.
    if (row !== undefined)
      for (let slot = 0; slot < before.length; slot++)
        if (slot !== SLOT.nextRip && cpu.R[slot] !== before[slot])
          throw new Error(`${instruction.mnemonic} changed slot ${slot} before it left`);
    return false;
  }
  cpu.rip = cpu.nextRip;
  return true;
};

/** Bytes from hexadecimal text. */
export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** Places code at `cpu.rip` and runs it until RIP is at its end; whether no instruction left. */
export const runSnippet = ({ cpu }: DataProcessor, code: Uint8Array): boolean => {
  const start = cpu.rip;
  const end = start + BigInt(code.length);
  for (let steps = 0; cpu.rip !== end; steps++) {
    if (steps > 1000 || cpu.rip < start || cpu.rip > end) throw new Error(`RIP runs off to ${cpu.rip}`);
    if (!execute(cpu, code.subarray(Number(cpu.rip - start)))) return false;
  }
  return true;
};
