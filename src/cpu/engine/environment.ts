import { low32 } from '../../core';
import type { SegmentNumber } from '../decode/instruction';
import { VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { checkPushAll, linearAddress } from '../segmented-address';
import { STATUS_FLAGS } from '../slots';
import { carryFlag, conditionHolds, statusFlagsOf, storeStatusFlags } from '../status-flags';
import type { Block } from './block';
import type { PureOperation } from './builder';
import { PURE_SLOT, VALUE_HIGH_AT } from './engine-slots';
import type { LinearMemory } from './linear-memory';
import type { EnvironmentValues } from './shapes';
import { chosenFlags } from './undefined-flags';
import { chosenResults } from './undefined-results';

/** What emitted code needs of the engine. */
interface Linker {
  missed(from: Block, kind: 0 | 1): null;
  indirect(from: Block, low: number, high: number): Block | null;
}

/** Low 64 bits of a product: returns bits 31:0, leaves bits 63:32 in the value slot. */
const multiplier =
  (W: Int32Array) =>
  (aLow: number, aHigh: number, bLow: number, bHigh: number): number => {
    const a0 = aLow & 0xffff;
    const a1 = aLow >>> 16;
    const b0 = bLow & 0xffff;
    const b1 = bLow >>> 16;
    const middle = a1 * b0 + ((a0 * b0) >>> 16);
    const other = a0 * b1 + (middle % 65536);
    W[VALUE_HIGH_AT] =
      (a1 * b1 +
        Math.floor(middle / 65536) +
        Math.floor(other / 65536) +
        Math.imul(aLow, bHigh) +
        Math.imul(aHigh, bLow)) |
      0;
    return Math.imul(aLow, bLow);
  };

/** Whether a signed 64-bit product needs more than 64 bits. */
const productOverflows = (aLow: number, aHigh: number, bLow: number, bHigh: number): boolean => {
  if (aHigh === aLow >> 31 && bHigh === bLow >> 31) return false;
  const product = signed(aLow, aHigh) * signed(bLow, bHigh);
  return BigInt.asIntN(64, product) !== product;
};

const signed = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);

/** The values of `ENVIRONMENT` for one engine, in its order. */
export const environmentOf = (
  cpu: ProcessorDraft,
  memory: LinearMemory,
  linker: Linker,
): EnvironmentValues => {
  const { W, R } = cpu;
  const { fast } = memory;
  const read = (low: number, high: number, bytes: number, kind: number): number =>
    memory.readSlow(low, high, bytes, kind);
  const update = (low: number, high: number, bytes: number, kind: number): number =>
    memory.readSlow(low, high, bytes, kind, true);
  const write = (
    low: number,
    high: number,
    bytes: number,
    valueLow: number,
    valueHigh: number,
    kind: number,
  ): void => memory.writeSlow(low, high, bytes, valueLow, valueHigh, kind);
  const missed = (from: Block, kind: 0 | 1): null => linker.missed(from, kind);
  const indirect = (from: Block, low: number, high: number): Block | null => linker.indirect(from, low, high);
  const linear = (segment: SegmentNumber, low: number, bytes: number, write: boolean): number =>
    low32(linearAddress(cpu, segment, BigInt(low >>> 0), bytes, write, 1));
  const pushAll = (): void => checkPushAll(cpu);
  const beyond = (stack: boolean): never => cpu.raise(stack ? VECTOR.ss : VECTOR.gp, 0);
  const pure = (operation: PureOperation, width: 8 | 16 | 32 | 64, count: number): void => {
    if (operation.inSlots !== undefined && width >= 32 && !cpu.asksUndefinedFlags) {
      operation.inSlots(W, PURE_SLOT, width);
      return;
    }
    const values: bigint[] = [];
    for (let i = 0; i < count; i++) values.push(R[PURE_SLOT + i]);
    const outcome = operation.compute({ width, values, flags: statusFlagsOf(W) });
    if ('divideError' in outcome) cpu.raise(VECTOR.de);
    chosenResults(cpu, outcome, width).forEach((result, i) => {
      R[PURE_SLOT + i] = result;
    });
    const open = cpu.asksUndefinedFlags ? (outcome.undefinedFlags ?? 0) : 0;
    storeStatusFlags(W, open === 0 ? outcome.flags : chosenFlags(cpu, outcome.flags & STATUS_FLAGS, open));
  };
  return [
    W,
    fast.readLow,
    fast.readHigh,
    fast.readWords,
    fast.readBytes,
    fast.writeLow,
    fast.writeHigh,
    fast.writeWords,
    fast.writeBytes,
    read,
    update,
    write,
    missed,
    indirect,
    linear,
    beyond,
    carryFlag,
    conditionHolds,
    productOverflows,
    multiplier(W),
    pure,
    pushAll,
  ];
};
