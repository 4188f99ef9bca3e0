import type { SegmentNumber } from '../../../cpu/decode';
import { dataBreakpoints } from '../breakpoints';
import { complete } from '../completion';
import type { Exit } from '../guest';
import { readPieces, writePieces } from '../paging/physical';
import type { Program } from '../program';
import { addressPart, isExhausted, iterated, RDI, RSI } from '../strings';
import { type Interrupted, placeAt } from './access';

const RAX = 0;
const ES: SegmentNumber = 0;
const DS: SegmentNumber = 3;

/** Which ends of the transfer are memory; the other is the accumulator. */
const ENDS: Readonly<Record<string, { readonly source: boolean; readonly destination: boolean }>> = {
  movs: { source: true, destination: true },
  stos: { source: false, destination: true },
  lods: { source: true, destination: false },
};

export const isStringTransfer = (mnemonic: string): boolean => mnemonic in ENDS;

/** One iteration of MOVS, STOS or LODS. SDM Vol. 2, MOVS/MOVSB/MOVSW/MOVSD/MOVSQ */
export function* emulateString(at: Interrupted): Program<Exit> {
  const { exit, instruction, paging } = at;
  const { addressWidth, operandWidth } = instruction;
  const { source, destination } = ENDS[instruction.mnemonic];
  const bytes = operandWidth / 8;
  const indexes = [...(source ? [RSI] : []), ...(destination ? [RDI] : [])];
  const iteration = { addressWidth, repeated: instruction.repeat !== undefined, bytes, indexes };
  if (isExhausted(exit, iteration)) {
    yield* complete({ length: instruction.length });
    return exit;
  }
  const segment = instruction.segment ?? DS;
  const from = source
    ? yield* placeAt(at, segment, addressPart(exit, RSI, addressWidth), bytes, false)
    : undefined;
  if (from?.ok === false) return from.fault;
  const to = destination
    ? yield* placeAt(at, ES, addressPart(exit, RDI, addressWidth), bytes, true)
    : undefined;
  if (to?.ok === false) return to.fault;

  const accumulator = exit.registers[RAX];
  const moved = from ? yield* readPieces(exit, from.value.pieces) : BigInt.asUintN(operandWidth, accumulator);
  if (to) yield* writePieces(exit, to.value.pieces, moved);
  let breakpoints = 0n;
  if (from) breakpoints |= yield* dataBreakpoints(from.value.linear, bytes, false);
  if (to) breakpoints |= yield* dataBreakpoints(to.value.linear, bytes, true);
  const after = iterated(exit, iteration, paging.rflags);
  yield* complete({ breakpoints, length: after.again ? 0 : instruction.length });
  if (to) return after.exit;
  const rax = operandWidth >= 32 ? moved : (accumulator & ~((1n << BigInt(operandWidth)) - 1n)) | moved;
  return { ...after.exit, registers: after.exit.registers.with(RAX, rax) };
}
