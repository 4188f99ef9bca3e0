import type { DataRow } from '../../engine/builder';
import { CRC32 } from './pure-bits';
import { ADDITIONS_WITH_ONE_FLAG, compareExchange8, compareExchange16 } from './pure-flags';
import { pureValue, RAX, RBX, RCX, RDX, row, widthOf } from './row';

const additions = (['adcx', 'adox'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) =>
    x.write(
      target,
      pureValue(x, ADDITIONS_WITH_ONE_FLAG[mnemonic], widthOf(target), [x.read(target), x.read(source)]),
    ),
  ),
);

export const EXTENSION_ROWS: readonly DataRow[] = [
  ...additions,

  row('crc32', (x, { operands: [target, source] }) => {
    if (target.kind !== 'register') return;
    const data = x.read(source);
    const crc = pureValue(x, CRC32.get(widthOf(source))!, 32, [x.register(target.number, 32), data]);
    x.setRegister(target.number, 32, crc);
  }),

  row('cmpxchg8b', (x, { operands: [target] }) => {
    const memory = x.readForUpdate(target);
    const registers = [RAX, RBX, RCX, RDX].map((number) => x.register(number, 64));
    const [stored, rax, rdx] = x.pure(compareExchange8, 64, [memory, ...registers]);
    x.write(target, stored);
    x.setRegister(RAX, 64, rax);
    x.setRegister(RDX, 64, rdx);
  }),

  row('cmpxchg16b', (x, { operands: [target] }) => {
    if (target.kind !== 'memory') return;
    const { segment } = target;
    const lowAt = x.effectiveAddress(target);
    x.checkAlignment(segment, lowAt, 16);
    const highAt = x.add(lowAt, x.constant(8n, 64));
    const low = x.loadForUpdate(segment, lowAt, 64);
    const high = x.loadForUpdate(segment, highAt, 64);
    const registers = [RAX, RBX, RCX, RDX].map((number) => x.register(number, 64));
    const [storedLow, storedHigh, rax, rdx] = x.pure(compareExchange16, 64, [low, high, ...registers]);
    x.store(segment, lowAt, storedLow);
    x.store(segment, highAt, storedHigh);
    x.setRegister(RAX, 64, rax);
    x.setRegister(RDX, 64, rdx);
  }),
];
