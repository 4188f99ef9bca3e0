import type { Width } from '../../../core';
import type { Operand } from '../../decode/instruction';
import type { Builder, DataRow } from '../../engine/builder';
import { branchRow, notZero, RCX } from './row';

const EQUAL = 4;
const NOT_EQUAL = 5;

const displacementOf = (operand: Operand): bigint =>
  (operand as { readonly displacement: bigint }).displacement;

const both = <V, C>(x: Builder<V, C>, first: C, second: C): C =>
  notZero(x, x.select(first, x.fromCondition(second), x.constant(0n, 8)));

// SDM Vol. 2, LOOP/LOOPcc: the count is decremented whether or not the branch is taken; flags stay.
const loops = (['loop', 'loope', 'loopne'] as const).map((mnemonic) =>
  branchRow(mnemonic, (x, { operands: [target], addressWidth }) => {
    const displacement = displacementOf(target);
    const count = x.sub(x.register(RCX, addressWidth), x.constant(1n, addressWidth));
    const remains = notZero(x, count);
    const taken =
      mnemonic === 'loop' ? remains : both(x, remains, x.condition(mnemonic === 'loope' ? EQUAL : NOT_EQUAL));
    x.checkRelative(displacement, taken);
    x.setRegister(RCX, addressWidth, count);
    x.branchRelative(taken, displacement);
  }),
);

const zeroCountJumps = (['jcxz', 'jecxz', 'jrcxz'] as const).map((mnemonic) =>
  branchRow(mnemonic, (x, { operands: [target], addressWidth }) =>
    x.branchRelative(x.isZero(x.register(RCX, addressWidth)), displacementOf(target)),
  ),
);

export const BRANCH_ROWS: readonly DataRow[] = [
  ...loops,
  ...zeroCountJumps,

  branchRow('jcc', (x, { operands: [target], condition }) =>
    x.branchRelative(x.condition(condition!), displacementOf(target)),
  ),

  branchRow('jmp', (x, { operands: [target] }) =>
    target.kind === 'relative' ? x.jumpRelative(target.displacement) : x.jumpTo(x.read(target)),
  ),

  branchRow('call', (x, { operands: [target], operandWidth }) => {
    const returnAddress = x.nextInstruction(operandWidth as Width);
    if (target.kind === 'relative') {
      x.checkRelative(target.displacement);
      x.push(returnAddress);
      x.jumpRelative(target.displacement);
    } else {
      const to = x.read(target);
      x.checkTarget(to);
      x.push(returnAddress);
      x.jumpTo(to);
    }
  }),

  branchRow('ret', (x, { operands: [released], operandWidth }) => {
    const to = x.pop(operandWidth as Width);
    x.checkTarget(to);
    x.releaseStack(operandWidth / 8 + (released?.kind === 'immediate' ? Number(released.value) : 0));
    x.jumpTo(to);
  }),
];
