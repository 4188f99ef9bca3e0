import type { SegmentNumber } from '../../decode/instruction';
import type { Builder, DataRow, PureOperation } from '../../engine/builder';
import {
  BIT_STRING_OFFSETS,
  BIT_TESTS,
  type BitTest,
  bitScanForward,
  bitScanReverse,
  leadingZeros,
  populationCount,
  trailingZeros,
} from './pure-bits';
import { AF, OF, PF, pureValue, resized, row, SF, widthOf } from './row';

const changed = <V, C>(x: Builder<V, C>, kind: BitTest, word: V, bit: V): V => {
  switch (kind) {
    case 'bts':
      return x.or(word, bit);
    case 'btr':
      return x.and(word, x.not(bit));
    case 'btc':
      return x.xor(word, bit);
    default:
      return word;
  }
};

// SDM Vol. 2, BT, BTS, BTR, BTC: a register bit number reaches beyond a memory operand, an immediate one does not.
const bitTests = (['bt', 'bts', 'btr', 'btc'] as const).map((kind) =>
  row(kind, (x, { operands: [target, number] }) => {
    const width = widthOf(target);
    const tests = kind === 'bt';
    if (number.kind === 'immediate') {
      const bit = x.constant(1n << (number.value & BigInt(width - 1)), width);
      const word = tests ? x.read(target) : x.readForUpdate(target);
      const result = changed(x, kind, word, bit);
      x.setCarry(x.equal(x.and(word, bit), bit));
      x.undefinedFlags(OF | SF | AF | PF);
      if (!tests) x.write(target, result);
      return;
    }
    const position = x.read(number);
    if (target.kind !== 'memory') {
      const result = pureValue(x, BIT_TESTS[kind], width, [x.read(target), position]);
      if (!tests) x.write(target, result);
      return;
    }
    const segment: SegmentNumber = target.segment;
    const place = BIT_STRING_OFFSETS.get(width)!.get(target.addressWidth)!;
    const offset = pureValue(x, place, 64, [x.effectiveAddress(target), position]);
    const word = tests ? x.load(segment, offset, width) : x.loadForUpdate(segment, offset, width);
    const result = pureValue(x, BIT_TESTS[kind], width, [word, position]);
    if (!tests) x.store(segment, offset, result);
  }),
);

// SDM Vol. 2, BSF, BSR: with a zero source the whole register is open, also its upper half with 32 bits.
const scans = (
  [
    ['bsf', bitScanForward],
    ['bsr', bitScanReverse],
  ] as const
).map(([mnemonic, operation]) =>
  row(mnemonic, (x, { operands: [target, source] }) => {
    if (target.kind !== 'register') return;
    const { number, width } = target;
    const whole = width === 32 ? 64 : width;
    const values = [resized(x, x.read(source), width, whole), x.register(number, whole)];
    x.setRegister(number, whole, pureValue(x, operation, whole, values));
  }),
);

const counts = (
  [
    ['popcnt', populationCount],
    ['lzcnt', leadingZeros],
    ['tzcnt', trailingZeros],
  ] as readonly (readonly [string, PureOperation])[]
).map(([mnemonic, operation]) =>
  row(mnemonic, (x, { operands: [target, source] }) =>
    x.write(target, pureValue(x, operation, widthOf(target), [x.read(source)])),
  ),
);

export const BIT_ROWS: readonly DataRow[] = [...bitTests, ...scans, ...counts];
