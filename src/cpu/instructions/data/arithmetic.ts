import type { Operand } from '../../decode/instruction';
import type { DataRow } from '../../engine/builder';
import { RAX, resized, row, widthOf } from './row';

const binary = (['add', 'sub'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) => {
    const a = x.readForUpdate(target);
    const b = x.read(source);
    const result = x[mnemonic](a, b);
    x.flags(mnemonic, a, b, result);
    x.write(target, result);
  }),
);

const withCarry = (['adc', 'sbb'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) => {
    const a = x.readForUpdate(target);
    const b = x.read(source);
    x.write(target, mnemonic === 'adc' ? x.addWithCarry(a, b) : x.subWithBorrow(a, b));
  }),
);

const steps = (['inc', 'dec'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target] }) => {
    const a = x.readForUpdate(target);
    const one = x.constant(1n, widthOf(target));
    const result = mnemonic === 'inc' ? x.add(a, one) : x.sub(a, one);
    x.flags(mnemonic, a, one, result);
    x.write(target, result);
  }),
);

const isAccumulator = (operand: Operand): boolean =>
  operand.kind === 'register' && operand.number === RAX && !operand.high;

export const ARITHMETIC_ROWS: readonly DataRow[] = [
  ...binary,
  ...withCarry,
  ...steps,

  row('cmp', (x, { operands: [first, second] }) => {
    const a = x.read(first);
    const b = x.read(second);
    x.flags('sub', a, b, x.sub(a, b));
  }),

  row('neg', (x, { operands: [target] }) => {
    const zero = x.constant(0n, widthOf(target));
    const a = x.readForUpdate(target);
    const result = x.sub(zero, a);
    x.flags('sub', zero, a, result);
    x.write(target, result);
  }),

  // SDM Vol. 2, XADD: with one register twice the sum stays.
  row('xadd', (x, { operands: [target, source] }) => {
    const a = x.readForUpdate(target);
    const b = x.read(source);
    const sum = x.add(a, b);
    x.flags('add', a, b, sum);
    if (target.kind === 'memory') x.write(target, sum);
    x.write(source, a);
    if (target.kind !== 'memory') x.write(target, sum);
  }),

  // SDM Vol. 2, CMPXCHG: when the operands differ the accumulator alone is written; memory sees a write all the same.
  row('cmpxchg', (x, { operands: [target, source] }) => {
    const width = widthOf(target);
    const old = x.readForUpdate(target);
    const accumulator = x.register(RAX, width);
    const replacement = x.read(source);
    const same = x.equal(accumulator, old);
    const whole = width === 32 ? 64 : width;
    const kept = x.select(same, x.register(RAX, whole), resized(x, old, width, whole));
    x.flags('sub', accumulator, old, x.sub(accumulator, old));
    if (target.kind === 'register' && width === 32) {
      const before = x.register(target.number, whole);
      x.setRegister(target.number, whole, x.select(same, x.zeroExtend(replacement, whole), before));
    } else x.write(target, x.select(same, replacement, old));
    if (!isAccumulator(target)) x.setRegister(RAX, whole, kept);
  }),
];
