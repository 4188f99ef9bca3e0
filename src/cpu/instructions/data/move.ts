import type { DataRow } from '../../engine/builder';
import { SWAPPED_WORD } from './pure-bits';
import { pureValue, RAX, RBX, RDX, resized, row, widthOf } from './row';

const moves = ['mov', 'movnti', 'movdiri'].map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) => x.write(target, x.read(source))),
);

const extensions = (['movzx', 'movsx', 'movsxd'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) =>
    x.write(target, resized(x, x.read(source), widthOf(source), widthOf(target), mnemonic !== 'movzx')),
  ),
);

// SDM Vol. 2, CBW/CWDE/CDQE
const accumulatorExtensions = (['cbw', 'cwde', 'cdqe'] as const).map((mnemonic, index) => {
  const from = ([8, 16, 32] as const)[index];
  const to = ([16, 32, 64] as const)[index];
  return row(mnemonic, (x) => x.setRegister(RAX, to, x.signExtend(x.register(RAX, from), to)));
});

// SDM Vol. 2, CWD/CDQ/CQO
const signIntoData = (['cwd', 'cdq', 'cqo'] as const).map((mnemonic, index) => {
  const width = ([16, 32, 64] as const)[index];
  return row(mnemonic, (x) => {
    const sign = x.and(x.register(RAX, width), x.constant(1n << BigInt(width - 1), width));
    x.setRegister(RDX, width, x.select(x.isZero(sign), x.constant(0n, width), x.constant(-1n, width)));
  });
});

export const MOVE_ROWS: readonly DataRow[] = [
  ...moves,
  ...extensions,
  ...accumulatorExtensions,
  ...signIntoData,

  row('lea', (x, { operands: [target, source] }) => {
    if (source.kind !== 'memory') return;
    x.write(target, resized(x, x.effectiveAddress(source), 64, widthOf(target)));
  }),

  row('cmovcc', (x, { operands: [target, source], condition }) => {
    const moved = x.read(source);
    x.write(target, x.select(x.condition(condition!), moved, x.read(target)));
  }),

  row('setcc', (x, { operands: [target], condition }) =>
    x.write(target, x.fromCondition(x.condition(condition!))),
  ),

  // A memory operand is stored first: the register may be part of its address.
  row('xchg', (x, { operands: [first, second] }) => {
    const one = x.readForUpdate(first);
    const other = x.read(second);
    x.write(first, other);
    x.write(second, one);
  }),

  row('bswap', (x, { operands: [target] }) => {
    const width = widthOf(target);
    x.write(target, width === 16 ? pureValue(x, SWAPPED_WORD, 16, []) : x.byteSwap(x.read(target)));
  }),

  row('movbe', (x, { operands: [target, source] }) => x.write(target, x.byteSwap(x.read(source)))),

  row('xlat', (x, { segment = 3, addressWidth }) => {
    const index = x.zeroExtend(x.register(RAX, 8), addressWidth);
    const offset = x.add(x.register(RBX, addressWidth), index);
    x.setRegister(RAX, 8, x.load(segment, resized(x, offset, addressWidth, 64), 8));
  }),
];
