import { disassemble, type MemoryOperand, type Operand } from '../../../cpu/decode';
import { dataBreakpoints } from '../breakpoints';
import { type Completion, complete } from '../completion';
import type { Exit } from '../guest';
import { readPieces, writePieces } from '../paging/physical';
import { halt, type Program } from '../program';
import { type Interrupted, placeOf } from './access';
import { ALL_STATUS, BINARY, COMPARES, STATUS, UNARY } from './arithmetic';
import { extended, operandValue, withOperand } from './operands';
import { emulateString, isStringTransfer } from './strings';

/** What an instruction with one memory operand makes of its operands' values. */
interface Effect {
  /** New value of each operand, where it has one. */
  readonly values: readonly (bigint | undefined)[];
  readonly flags?: bigint;
}

type Semantics = (values: readonly bigint[], widths: readonly number[], flags: bigint) => Effect;

const move =
  (signed: boolean): Semantics =>
  ([, source], [to, from]) => ({ values: [extended(source, from, to, signed)] });

const MOVES: Readonly<Record<string, Semantics>> = {
  mov: move(false),
  movnti: move(false),
  movzx: move(false),
  movsx: move(true),
  movsxd: move(true),
  xchg: ([a, b]) => ({ values: [b, a] }),
};

/** What is known of an instruction; `undefined` when the monitor does not emulate it. */
const semanticsOf = (mnemonic: string): Semantics | undefined => {
  const binary = BINARY[mnemonic];
  if (binary !== undefined)
    return ([a, b], [width, from], flags) => {
      const result = binary(a, extended(b, from, width, true), flags & STATUS.cf, width);
      return { values: COMPARES.has(mnemonic) ? [] : [result.value], flags: result.flags };
    };
  const unary = UNARY[mnemonic];
  if (unary !== undefined)
    return ([a], [width], flags) => {
      const result = unary(a, flags, width);
      return { values: [result.value], flags: result.flags };
    };
  return MOVES[mnemonic];
};

const widthOf = (operand: Operand): number => ('width' in operand ? operand.width : 0);
const isMemory = (operand: Operand): operand is MemoryOperand => operand.kind === 'memory';

/** Instructions that do not read the memory that they write. */
const isPureStore = (mnemonic: string, memoryFirst: boolean): boolean =>
  memoryFirst && (mnemonic === 'mov' || mnemonic === 'movnti');

/**
 * Carries out an instruction whose memory operand lies outside the guest's RAM: on the real device, or on nothing. Faults of another operand go to the guest;
 * an instruction that is not known here ends it.
 */
export function* emulate(at: Interrupted): Program<Exit> {
  const { exit, instruction, paging } = at;
  const { mnemonic, operands } = instruction;
  if (isStringTransfer(mnemonic)) return yield* emulateString(at);
  const semantics = semanticsOf(mnemonic);
  const memory = operands.findIndex(isMemory);
  const simple = operands.every((operand) => isMemory(operand) || operandValue(exit, operand) !== undefined);
  if (semantics === undefined || memory < 0 || !simple)
    return yield* halt(
      `the monitor does not emulate '${disassemble(instruction, at.code.rip)}' on device memory`,
    );

  const writes = (memory === 0 && !COMPARES.has(mnemonic)) || mnemonic === 'xchg';
  const place = yield* placeOf(at, operands[memory] as MemoryOperand, writes);
  if (!place.ok) return place.fault;
  const { linear, bytes, pieces } = place.value;
  const reads = !isPureStore(mnemonic, memory === 0);
  const inMemory = reads ? yield* readPieces(exit, pieces) : 0n;
  const values = operands.map((operand, i) => (i === memory ? inMemory : operandValue(exit, operand)!));
  const effect = semantics(values, operands.map(widthOf), paging.rflags);

  let after = exit;
  for (const [i, value] of effect.values.entries()) {
    if (value === undefined) continue;
    if (i === memory) yield* writePieces(exit, pieces, value);
    else after = withOperand(after, operands[i], value);
  }
  const completion: Completion = {
    length: instruction.length,
    breakpoints: yield* dataBreakpoints(linear, bytes, writes),
  };
  yield* complete(
    effect.flags === undefined
      ? completion
      : { ...completion, flags: { value: effect.flags, mask: ALL_STATUS } },
  );
  return after;
}
