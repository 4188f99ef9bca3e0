import type { DataRow } from '../../engine/builder';
import { maskedCount } from '../../engine/computed-shift';
import { DOUBLE_SHIFTS, SHIFTS, SHIFTS_WITHOUT_FLAGS } from './pure-shift';
import { AF, OF, pureValue, row, widthOf } from './row';

const INLINE = ['shl', 'shr', 'sar', 'rol', 'ror'] as const;
type Inline = (typeof INLINE)[number];
const isInline = (kind: string): kind is Inline => (INLINE as readonly string[]).includes(kind);

// SDM Vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR
const shifts = (['shl', 'shr', 'sar', 'rol', 'ror', 'rcl', 'rcr'] as const).map((kind) =>
  row(kind, (x, { operands: [target, count] }) => {
    const width = widthOf(target);
    const value = x.readForUpdate(target);
    const constant = count.kind === 'immediate' ? maskedCount(Number(count.value), width) : -1;
    if (constant === 0) {
      x.write(target, value);
    } else if (constant > 0 && constant < width && isInline(kind)) {
      const result = x.shift(kind, value, constant);
      x.undefinedFlags((kind === 'rol' || kind === 'ror' ? 0 : AF) | (constant > 1 ? OF : 0));
      x.write(target, result);
    } else {
      x.write(target, pureValue(x, SHIFTS[kind], width, [value, x.read(count)]));
    }
  }),
);

// SDM Vol. 2, SHLD, SHRD
const doubleShifts = (['shld', 'shrd'] as const).map((kind) =>
  row(kind, (x, { operands: [target, source, count] }) => {
    const value = x.readForUpdate(target);
    const values = [value, x.read(source), x.read(count)];
    x.write(target, pureValue(x, DOUBLE_SHIFTS[kind], widthOf(target), values));
  }),
);

const withoutFlags = (['shlx', 'shrx', 'sarx', 'rorx'] as const).map((kind) =>
  row(kind, (x, { operands: [target, source, count] }) =>
    x.write(
      target,
      pureValue(x, SHIFTS_WITHOUT_FLAGS[kind], widthOf(target), [x.read(source), x.read(count)]),
    ),
  ),
);

export const SHIFT_ROWS: readonly DataRow[] = [...shifts, ...doubleShifts, ...withoutFlags];
