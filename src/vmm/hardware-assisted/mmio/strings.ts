import type { SegmentNumber } from '../../../cpu/decode';
import { dataBreakpoints } from '../breakpoints';
import { type Completion, complete } from '../completion';
import type { Exit } from '../guest';
import { readPieces, writePieces } from '../paging/physical';
import type { Program } from '../program';
import { addressPart, isExhausted, iterated, RDI, RSI } from '../strings';
import { type Interrupted, placeAt } from './access';
import { ALL_STATUS, BINARY, STATUS } from './arithmetic';

const RAX = 0;
const ES: SegmentNumber = 0;
const DS: SegmentNumber = 3;

interface StringRow {
  /** Memory at RSI takes part; else the accumulator in its place, if anything. */
  readonly source: boolean;
  /** Memory at RDI takes part. */
  readonly destination: boolean;
  readonly compares?: true;
}

const STRINGS: Readonly<Record<string, StringRow>> = {
  movs: { source: true, destination: true },
  stos: { source: false, destination: true },
  lods: { source: true, destination: false },
  cmps: { source: true, destination: true, compares: true },
  scas: { source: false, destination: true, compares: true },
};

export const isStringInstruction = (mnemonic: string): boolean => mnemonic in STRINGS;

/** Whether REPE or REPNE goes on after a comparison that left these flags. SDM Vol. 2, REP/REPE/REPZ/REPNE/REPNZ */
const goesOn = (repeat: 'rep' | 'repne' | undefined, flags: bigint): boolean =>
  ((flags & STATUS.zf) !== 0n) === (repeat === 'rep');

/** One iteration of a string instruction. SDM Vol. 2, MOVS, STOS, LODS, CMPS, SCAS */
export function* emulateString(at: Interrupted): Program<Exit> {
  const { exit, instruction, paging } = at;
  const { addressWidth, operandWidth, repeat } = instruction;
  const { source, destination, compares = false } = STRINGS[instruction.mnemonic];
  const bytes = operandWidth / 8;
  const indexes = [...(source ? [RSI] : []), ...(destination ? [RDI] : [])];
  const iteration = { addressWidth, repeated: repeat !== undefined, bytes, indexes };
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
    ? yield* placeAt(at, ES, addressPart(exit, RDI, addressWidth), bytes, !compares)
    : undefined;
  if (to?.ok === false) return to.fault;

  const accumulator = exit.registers[RAX];
  const moved = from ? yield* readPieces(exit, from.value.pieces) : BigInt.asUintN(operandWidth, accumulator);
  const compared =
    to && compares
      ? BINARY.cmp(moved, yield* readPieces(exit, to.value.pieces), 0n, operandWidth).flags
      : undefined;
  if (to && compared === undefined) yield* writePieces(exit, to.value.pieces, moved);
  let breakpoints = 0n;
  if (from) breakpoints |= yield* dataBreakpoints(from.value.linear, bytes, false);
  if (to) breakpoints |= yield* dataBreakpoints(to.value.linear, bytes, !compares);
  const after = iterated(exit, iteration, paging.rflags);
  const again = after.again && (compared === undefined || goesOn(repeat, compared));
  const completion: Completion = { breakpoints, length: again ? 0 : instruction.length };
  yield* complete(
    compared === undefined ? completion : { ...completion, flags: { value: compared, mask: ALL_STATUS } },
  );
  if (to) return after.exit;
  const rax = operandWidth >= 32 ? moved : (accumulator & ~((1n << BigInt(operandWidth)) - 1n)) | moved;
  return { ...after.exit, registers: after.exit.registers.with(RAX, rax) };
}
