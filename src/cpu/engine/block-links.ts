import { VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { codeBytesLeft } from '../segmented-address';
import { SLOT } from '../slots';
import { type Block, ONE_PAGE } from './block';
import type { CodeCache } from './code-cache';
import type { CodeMode } from './code-mode';
import { EPOCH_AT } from './engine-slots';
import type { LinearMemory } from './linear-memory';

const RIP = 2 * SLOT.rip;
const CS_BASE = 2 * SLOT.csBase;
const JUMP_ENTRIES = 4096;
const TAKEN = 0;
const NOT_TAKEN = 1;
const INDIRECT = 2;

/** Where the blocks come from that are not in the code cache. */
interface BlockSource {
  decodeBlock(frame: number, key: number, mode: CodeMode, alone: boolean): Block;
  /** Frame of the page after RIP's. Leaves with #PF when it cannot be fetched. */
  nextFrame(): number;
}

const jumpEntry = (low: number, high: number, epoch: number): number =>
  (low ^ (low >>> 11) ^ high ^ ((epoch & 255) << 3)) & (JUMP_ENTRIES - 1);

/** From block to block: by links while the epoch is theirs, by linear address, and through the code cache. */
export class BlockLinks {
  /** The block that ended at a place that is not linked; null when the engine must stop for another reason. */
  from: Block | null = null;
  private kind = TAKEN;
  private readonly jumps: (Block | null)[] = new Array(JUMP_ENTRIES).fill(null);
  private readonly jumpEpochs = new Int32Array(JUMP_ENTRIES);

  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly memory: LinearMemory,
    private readonly code: CodeCache,
    private readonly source: BlockSource,
  ) {}

  /** Epoch numbers begin anew. */
  forget(): void {
    this.jumps.fill(null);
  }

  /** Called by emitted code: the block goes on at a fixed place that is not linked now. */
  missed(from: Block, kind: 0 | 1): null {
    this.cpu.rip = kind === 0 ? from.takenTarget : from.notTakenTarget;
    this.from = from;
    this.kind = kind;
    return null;
  }

  /** The block has run to its end, and RIP says where it goes on. */
  wentOn(from: Block): void {
    this.from = from;
    this.kind = INDIRECT;
  }

  /** Called by emitted code: a jump to a computed place. */
  indirect(from: Block, low: number, high: number): Block | null {
    const { cpu } = this;
    const top = high >> this.memory.mode.canonicalShift;
    if (top !== 0 && top !== -1) cpu.raise(VECTOR.gp, 0);
    const { W } = cpu;
    W[RIP] = low;
    W[RIP + 1] = high;
    const at = jumpEntry(low, high, W[EPOCH_AT]);
    const block = this.jumps[at];
    if (block !== null && block.low === low && block.high === high && this.jumpEpochs[at] === W[EPOCH_AT]) {
      from.indirect = block;
      from.indirectEpoch = W[EPOCH_AT];
      from.indirectLow = low;
      from.indirectHigh = high;
      return block;
    }
    this.from = from;
    this.kind = INDIRECT;
    return null;
  }

  /** The block at RIP; `from` is linked to it. */
  follow(): Block {
    const from = this.from!;
    this.from = null;
    const block = this.lookUp(false);
    const epoch = this.cpu.W[EPOCH_AT];
    if (this.kind === TAKEN) {
      from.taken = block;
      from.takenEpoch = epoch;
    } else if (this.kind === NOT_TAKEN) {
      from.notTaken = block;
      from.notTakenEpoch = epoch;
    } else {
      from.indirect = block;
      from.indirectEpoch = epoch;
      from.indirectLow = block.low;
      from.indirectHigh = block.high;
    }
    return block;
  }

  /** The block at RIP; leaves with #PF, #GP, #UD or a VM exit when there is none to fetch. */
  lookUp(alone: boolean): Block {
    const { cpu } = this;
    const { W } = cpu;
    const low = W[RIP];
    const high = W[RIP + 1];
    const at = jumpEntry(low, high, W[EPOCH_AT]) ^ (alone ? JUMP_ENTRIES / 2 : 0);
    const known = this.jumps[at];
    if (
      known !== null &&
      known.low === low &&
      known.high === high &&
      this.jumpEpochs[at] === W[EPOCH_AT] &&
      known.alone === alone &&
      !this.memory.eachUse
    )
      return known;
    const left = codeBytesLeft(cpu);
    if (left <= 0) cpu.generalProtection();
    const { mode } = this.memory;
    const linear = mode.codeSize === 64 ? low : (low + W[CS_BASE]) | 0;
    const frame = this.memory.fetchFrame(linear, high);
    const key = (mode.number << 13) | ((linear & 4095) << 1) | (alone ? 1 : 0);
    let block = this.code.find(frame, key);
    if (
      block === undefined ||
      block.low !== low ||
      block.high !== high ||
      block.length > left ||
      (block.nextFrame !== ONE_PAGE && block.nextFrame !== this.source.nextFrame())
    )
      block = this.source.decodeBlock(frame, key, mode, alone);
    this.jumps[at] = block;
    this.jumpEpochs[at] = W[EPOCH_AT];
    return block;
  }
}
