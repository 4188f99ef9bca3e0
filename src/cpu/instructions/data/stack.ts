import type { Width } from '../../../core';
import type { MemoryOperand } from '../../decode/instruction';
import type { Builder, DataRow } from '../../engine/builder';
import { RBP, RSP, resized, row, widthOf } from './row';

const SS = 2;

/** The stack pointer (or frame pointer) moved by a distance, of the stack's width. */
const moved = <V, C>(x: Builder<V, C>, number: number, distance: number): V =>
  x.add(x.register(number, x.stackWidth), x.constant(BigInt(distance), x.stackWidth));

/** A stack pointer as an offset for `load` and `store`. */
const offset = <V, C>(x: Builder<V, C>, pointer: V): V => resized(x, pointer, x.stackWidth, 64);

/** A stack pointer as a value of the operand width: a 16-bit one brings the upper half of ESP with it. SDM Vol. 2, ENTER */
const framePointer = <V, C>(x: Builder<V, C>, pointer: V, width: Width): V => {
  if (x.stackWidth !== 16 || width === 16) return resized(x, pointer, x.stackWidth, width);
  const upper = x.and(x.register(RSP, width), x.constant(0xffff_0000n, width));
  return x.or(upper, x.zeroExtend(pointer, width));
};

const SAVED_IN_ORDER = [0, 1, 2, 3, RSP, RBP, 6, 7] as const;

export const STACK_ROWS: readonly DataRow[] = [
  row('push', (x, { operands: [source] }) => x.push(x.read(source))),

  // SDM Vol. 2, POP: the address of a memory operand based on RSP is computed after the increment; POP RSP ends with the value read.
  row('pop', (x, { operands: [target] }) => {
    const width = widthOf(target);
    const bytes = width / 8;
    const value = x.pop(width);
    if (target.kind !== 'memory') {
      x.releaseStack(bytes);
      x.write(target, value);
      return;
    }
    const after: MemoryOperand =
      target.base === RSP ? { ...target, displacement: target.displacement + BigInt(bytes) } : target;
    x.write(after, value);
    x.releaseStack(bytes);
  }),

  // SDM Vol. 2, PUSHA/PUSHAD: the stored stack pointer is the one before.
  row('pusha', (x, { operandWidth }) => {
    const width = operandWidth as Width;
    x.checkPushAll();
    const values = SAVED_IN_ORDER.map((number) => x.register(number, width));
    values.forEach((value, index) => {
      x.store(SS, offset(x, moved(x, RSP, -(index + 1) * (width / 8))), value);
    });
    x.setRegister(RSP, x.stackWidth, moved(x, RSP, -values.length * (width / 8)));
  }),

  // SDM Vol. 2, POPA/POPAD: the stored stack pointer is skipped.
  row('popa', (x, { operandWidth }) => {
    const width = operandWidth as Width;
    const numbers = [...SAVED_IN_ORDER].reverse();
    const values = numbers.map((number, index) =>
      number === RSP ? undefined : x.load(SS, offset(x, moved(x, RSP, index * (width / 8))), width),
    );
    const pointer = moved(x, RSP, numbers.length * (width / 8));
    values.forEach((value, index) => {
      if (value !== undefined) x.setRegister(numbers[index], width, value);
    });
    x.setRegister(RSP, x.stackWidth, pointer);
  }),

  // SDM Vol. 2, ENTER: a fault of a write at the final stack pointer comes before the registers change.
  row('enter', (x, { operands: [size, nesting], operandWidth }) => {
    if (size.kind !== 'immediate' || nesting.kind !== 'immediate') return;
    const width = operandWidth as Width;
    const bytes = width / 8;
    const level = Number(nesting.value) & 31;
    const used = (level + 1) * bytes;
    const place = (index: number) => offset(x, moved(x, RSP, -(index + 1) * bytes));
    const frame = moved(x, RSP, -bytes);
    x.store(SS, place(0), x.register(RBP, width));
    for (let above = 1; above < level; above++)
      x.store(SS, place(above), x.load(SS, offset(x, moved(x, RBP, -above * bytes)), width));
    if (level > 0) x.store(SS, place(level), framePointer(x, frame, width));
    const end = moved(x, RSP, -used - Number(size.value));
    const framed = framePointer(x, frame, width);
    x.loadForUpdate(SS, offset(x, end), width);
    x.setRegister(RBP, width, framed);
    x.setRegister(RSP, x.stackWidth, end);
  }),

  row('leave', (x, { operandWidth }) => {
    const width = operandWidth as Width;
    const value = x.load(SS, offset(x, x.register(RBP, x.stackWidth)), width);
    x.setRegister(RSP, x.stackWidth, moved(x, RBP, width / 8));
    x.setRegister(RBP, width, value);
  }),
];
