import type { Width } from '../../../core';
import { disassemble, type MemoryOperand, type Operand } from '../../../cpu/decode';
import { BIT_STRING_OFFSETS } from '../../../cpu/instructions/data/pure-bits';
import { dataBreakpoints } from '../breakpoints';
import { type Completion, complete } from '../completion';
import type { Exit } from '../guest';
import { readPieces, writePieces } from '../paging/physical';
import { halt, type Program } from '../program';
import { type Interrupted, placeAt } from './access';
import { ALL_STATUS } from './arithmetic';
import { offsetOf, operandValue, withOperand } from './operands';
import { readsMemory, semanticsOf, writesMemory } from './semantics';
import { emulateString, isStringInstruction } from './strings';

const RAX = 0;
const BIT_STRING_INSTRUCTIONS: ReadonlySet<string> = new Set(['bt', 'bts', 'btr', 'btc']);

const widthOf = (operand: Operand): number => ('width' in operand ? operand.width : 0);
const accumulatorOf = (width: number): Operand => ({
  kind: 'register',
  number: RAX,
  width: width as Width,
  high: false,
});
const isMemory = (operand: Operand): operand is MemoryOperand => operand.kind === 'memory';

/** Offset of the memory operand; a bit number in a register reaches beyond it. SDM Vol. 2, BT, BTS, BTR, BTC */
const memoryOffset = ({ exit, instruction, code }: Interrupted, memory: MemoryOperand): bigint => {
  const offset = offsetOf(exit, memory, instruction, code);
  const number = instruction.operands[1];
  if (!BIT_STRING_INSTRUCTIONS.has(instruction.mnemonic) || number.kind !== 'register') return offset;
  const place = BIT_STRING_OFFSETS.get(number.width)?.get(memory.addressWidth);
  const values = [offset, operandValue(exit, number)!];
  const outcome = place?.compute({ width: 64, values, flags: 0 });
  return outcome !== undefined && 'results' in outcome ? outcome.results[0] : offset;
};

/**
 * Carries out an instruction whose memory operand lies outside the guest's RAM: on the real device, or on nothing. Faults of another operand go to the guest;
 * an instruction that is not known here ends it.
 */
export function* emulate(at: Interrupted): Program<Exit> {
  const { exit, instruction, paging } = at;
  const { mnemonic, operands } = instruction;
  if (isStringInstruction(mnemonic)) return yield* emulateString(at);
  const semantics = semanticsOf(mnemonic);
  const memory = operands.findIndex(isMemory);
  const simple = operands.every((operand) => isMemory(operand) || operandValue(exit, operand) !== undefined);
  if (semantics === undefined || memory < 0 || !simple)
    return yield* halt(
      `the monitor does not emulate '${disassemble(instruction, at.code.rip)}' on device memory`,
    );

  const operand = operands[memory] as MemoryOperand;
  const writes = writesMemory(mnemonic, memory);
  const place = yield* placeAt(at, operand.segment, memoryOffset(at, operand), operand.width / 8, writes);
  if (!place.ok) return place.fault;
  const { linear, bytes, pieces } = place.value;
  const inMemory = readsMemory(mnemonic, memory) ? yield* readPieces(exit, pieces) : 0n;
  const effect = semantics({
    values: operands.map((one, i) => (i === memory ? inMemory : operandValue(exit, one)!)),
    widths: operands.map(widthOf),
    rflags: paging.rflags,
    accumulator: exit.registers[RAX],
    condition: instruction.condition,
  });

  let after = exit;
  for (const [i, value] of effect.values.entries()) {
    if (value === undefined) continue;
    if (i === memory) yield* writePieces(exit, pieces, value);
    else after = withOperand(after, operands[i], value);
  }
  if (effect.accumulator !== undefined)
    after = withOperand(after, accumulatorOf(operand.width), effect.accumulator);
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
