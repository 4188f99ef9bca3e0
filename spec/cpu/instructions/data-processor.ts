import type { Bus } from '../../../src/cpu/bus';
import { decode, type Instruction } from '../../../src/cpu/decode';
import { runRow } from '../../../src/cpu/engine/computing-builder';
import { VECTOR } from '../../../src/cpu/event';
import { DATA_ROWS, STRING_ROWS } from '../../../src/cpu/instructions/data';
import type { Mmu } from '../../../src/cpu/mmu';
import { LEFT, ProcessorDraft } from '../../../src/cpu/processor-draft';
import { ACCESS_RIGHTS, EFER, SLOT } from '../../../src/cpu/slots';

const STRINGS = new Map(STRING_ROWS.map((row) => [row.mnemonic, row]));
const PAGE = 4096n;

/** Memory without translation: sparse pages; linear pages may be closed to writing or to any access. */
export class FlatMmu implements Mmu {
  // One element at a time.
  fill = (): number => 0;
  copy = (): number => 0;

  readonly pages = new Map<bigint, Uint8Array>();
  /** Pages by linear page number: 'none' faults on every access, 'read-only' on writes. */
  readonly closed = new Map<bigint, 'none' | 'read-only'>();
  cpu!: ProcessorDraft;

  private check(linear: bigint, bytes: number, write: boolean): void {
    for (const page of new Set([linear / PAGE, (linear + BigInt(bytes - 1)) / PAGE])) {
      const state = this.closed.get(page);
      if (state === 'none' || (state === 'read-only' && write))
        this.cpu.raise(VECTOR.pf, (state === 'none' ? 0 : 1) | (write ? 2 : 0), linear);
    }
  }
  private page(linear: bigint): Uint8Array {
    const number = linear / PAGE;
    let page = this.pages.get(number);
    if (page === undefined) {
      page = new Uint8Array(Number(PAGE));
      this.pages.set(number, page);
    }
    return page;
  }
  get(linear: bigint): number {
    return this.page(linear)[Number(linear % PAGE)];
  }
  put(linear: bigint, byte: number): void {
    this.page(linear)[Number(linear % PAGE)] = byte;
  }
  load(linear: bigint, bytes: Uint8Array): void {
    bytes.forEach((byte, index) => {
      this.put(linear + BigInt(index), byte);
    });
  }
  dump(linear: bigint, count: number): Uint8Array {
    return Uint8Array.from({ length: count }, (_, index) => this.get(linear + BigInt(index)));
  }

  read(linear: bigint, bytes: number): bigint {
    this.check(linear, bytes, false);
    let value = 0n;
    for (let index = bytes - 1; index >= 0; index--)
      value = (value << 8n) | BigInt(this.get(linear + BigInt(index)));
    return value;
  }
  write(linear: bigint, bytes: number, value: bigint): void {
    this.check(linear, bytes, true);
    for (let index = 0; index < bytes; index++)
      this.put(linear + BigInt(index), Number((value >> BigInt(8 * index)) & 0xffn));
  }
  probeWrite(linear: bigint, bytes: number): void {
    this.check(linear, bytes, true);
  }
  fetch(linear: bigint): { readonly bytes: Uint8Array; readonly offset: number } {
    return { bytes: this.page(linear), offset: Number(linear % PAGE) };
  }
  readPhysical(address: number, bytes: number): bigint {
    return this.read(BigInt(address), bytes);
  }
  writePhysical(address: number, bytes: number, value: bigint): void {
    this.write(BigInt(address), bytes, value);
  }
  flush(): void {}
  contextChanged(): void {}
}

const noBus = {} as Bus;

export interface FlatProcessor {
  readonly cpu: ProcessorDraft;
  readonly mmu: FlatMmu;
}

export type Decide = (alternatives: bigint, preferred: bigint) => bigint;

/** A processor at CPL 0 with flat segments, in 64-bit or 32-bit protected mode. */
export const flatProcessor = (mode: 32 | 64, decide: Decide = (_, preferred) => preferred): FlatProcessor => {
  const mmu = new FlatMmu();
  const choose = (_site: string, alternatives: bigint, preferred: bigint): bigint =>
    decide(alternatives, preferred);
  const cpu = new ProcessorDraft(
    noBus,
    mmu,
    { lookup: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }) },
    { now: () => 0 },
    choose,
  );
  mmu.cpu = cpu;
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
  return { cpu, mmu };
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
export const runSnippet = ({ cpu }: FlatProcessor, code: Uint8Array): boolean => {
  const start = cpu.rip;
  const end = start + BigInt(code.length);
  for (let steps = 0; cpu.rip !== end; steps++) {
    if (steps > 1000 || cpu.rip < start || cpu.rip > end) throw new Error(`RIP runs off to ${cpu.rip}`);
    if (!execute(cpu, code.subarray(Number(cpu.rip - start)))) return false;
  }
  return true;
};
