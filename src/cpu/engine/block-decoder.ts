import { high32, low32, ModelError, Unbuilt } from '../../core';
import { type CodeSize, decode, type Instruction } from '../decode';
import { LONGEST_INSTRUCTION } from '../decode/decoding';
import type { ProcessorDraft } from '../processor-draft';
import { codeBytesLeft, linearRip } from '../segmented-address';
import { SLOT } from '../slots';
import { Block, ONE_PAGE } from './block';
import type { CodeMode } from './code-mode';
import type { LinearMemory } from './linear-memory';
import { endsBlock, type InstructionRow } from './row';

export interface BlockRequest {
  readonly mode: CodeMode;
  /** Instructions in the block at most. */
  readonly most: number;
  /** Runs until the block is worth generating. */
  readonly heat: number;
  /** One instruction, to be run alone. */
  readonly alone: boolean;
}

/** Decodes blocks at RIP. */
export class BlockDecoder {
  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly memory: LinearMemory,
    private readonly rows: ReadonlyMap<string, InstructionRow>,
  ) {}

  /** The block at RIP, whose page is `frame`. Leaves with #UD or #GP for what is no instruction, with #PF when the second page of one cannot be fetched. */
  decode(frame: number, { mode, most, heat, alone }: BlockRequest): Block {
    const { cpu } = this;
    const { codeSize } = mode;
    const bytes = this.memory.memory.page(frame).bytes;
    const instructions: Instruction[] = [];
    const rows: InstructionRow[] = [];
    let next = ONE_PAGE;
    const offset = Number(linearRip(cpu) & 4095n);
    const end = offset + codeBytesLeft(cpu);
    let at = offset;
    while (instructions.length < most && at < 4096) {
      const result = decode(bytes, codeSize, at);
      if (result.kind === 'instruction') {
        const { instruction } = result;
        const row = this.rows.get(instruction.mnemonic);
        if (row === undefined) {
          if (instructions.length === 0) throw new Unbuilt(instruction.mnemonic);
          break;
        }
        if (at + instruction.length > end) {
          if (instructions.length === 0) cpu.generalProtection();
          break;
        }
        instructions.push(instruction);
        rows.push(row);
        at += instruction.length;
        if (endsBlock(row)) break;
        continue;
      }
      if (instructions.length > 0) break;
      if (result.kind === 'fault') this.refuse(result.fault);
      if (end <= 4096) cpu.generalProtection();
      next = this.nextFrame();
      const instruction = this.decodeCrossing(bytes.subarray(at), next, codeSize);
      if (at + instruction.length > end) cpu.generalProtection();
      instructions.push(instruction);
      rows.push(this.rowOf(instruction));
      break;
    }
    const { W } = cpu;
    return new Block(
      cpu.rip,
      W[2 * SLOT.rip],
      W[2 * SLOT.rip + 1],
      instructions,
      rows,
      heat,
      next,
      alone,
      mode,
    );
  }

  private rowOf(instruction: Instruction): InstructionRow {
    const row = this.rows.get(instruction.mnemonic);
    if (row === undefined) throw new Unbuilt(instruction.mnemonic);
    return row;
  }

  private refuse(kind: 'undefined-opcode' | 'too-long'): never {
    if (kind === 'too-long') this.cpu.generalProtection();
    this.cpu.invalidOpcode();
  }

  /** The frame of the page after RIP's. Leaves with #PF when it cannot be fetched. */
  nextFrame(): number {
    const { cpu, memory } = this;
    const next = BigInt.asUintN(cpu.codeSize === 64 ? 64 : 32, (linearRip(cpu) | 4095n) + 1n);
    return memory.fetchFrame(low32(next), high32(next));
  }

  /** An instruction whose bytes go on in the next page. */
  private decodeCrossing(first: Uint8Array, nextFrame: number, codeSize: CodeSize): Instruction {
    const bytes = new Uint8Array(first.length + LONGEST_INSTRUCTION);
    bytes.set(first);
    bytes.set(this.memory.memory.page(nextFrame).bytes.subarray(0, LONGEST_INSTRUCTION), first.length);
    const result = decode(bytes, codeSize, 0);
    if (result.kind === 'instruction') return result.instruction;
    if (result.kind === 'fault') this.refuse(result.fault);
    throw new ModelError('an instruction longer than 15 bytes was not refused');
  }
}
