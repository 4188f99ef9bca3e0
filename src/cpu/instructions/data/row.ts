import type { Width } from '../../../core';
import type { Instruction, MemoryOperand, Operand, RegisterOperand } from '../../decode/instruction';
import type { Builder, DataRow, PureOperation } from '../../engine/builder';
import { FLAG } from '../../slots';

export const { cf: CF, pf: PF, af: AF, zf: ZF, sf: SF, of: OF } = FLAG;
export { STATUS_FLAGS as STATUS } from '../../slots';

/** Register numbers that instructions use implicitly. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;

export const AH: RegisterOperand = { kind: 'register', number: 0, width: 8, high: true };

type Build = <V, C>(x: Builder<V, C>, instruction: Instruction) => void;

/** A row that goes on to the next instruction. */
export const row = (mnemonic: string, build: Build): DataRow => ({ kind: 'data', mnemonic, build });

/** A row that may jump. */
export const branchRow = (mnemonic: string, build: Build): DataRow => ({
  kind: 'data',
  mnemonic,
  ends: true,
  build,
});

/** Width of a register, immediate or memory operand. */
export const widthOf = (operand: Operand): Width =>
  (operand as RegisterOperand | MemoryOperand).width as Width;

/** The value at another width: cut, or extended with zeros or the sign. */
export const resized = <V, C>(
  x: Builder<V, C>,
  value: V,
  from: Width,
  to: Width,
  signed: boolean = false,
): V => {
  if (from === to) return value;
  if (from > to) return x.truncate(value, to);
  return signed ? x.signExtend(value, to) : x.zeroExtend(value, to);
};

export const notZero = <V, C>(x: Builder<V, C>, value: V): C => {
  const one = x.constant(1n, 8);
  return x.equal(x.select(x.isZero(value), x.constant(0n, 8), one), one);
};

/** Runs a pure operation with one result. */
export const pureValue = <V, C>(
  x: Builder<V, C>,
  operation: PureOperation,
  width: Width,
  values: readonly V[],
): V => x.pure(operation, width, values)[0];
