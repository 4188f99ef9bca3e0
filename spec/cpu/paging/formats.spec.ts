import { describe, expect, it } from 'vitest';
import { ENTRY, type PagingFormat } from '../../../src/core';
import {
  ia32ePaging,
  isLegalPdpte,
  type PagingFeatures,
  paePaging,
  paging32,
} from '../../../src/cpu/paging-format';

const FEATURES: PagingFeatures = { physicalAddressWidth: 36, gigabytePages: true, pse36: true, pat: true };
const NAMES = Object.keys(ENTRY) as readonly (keyof typeof ENTRY)[];

/** What an entry with these bits set is; bit 0 is P. */
const kind = (format: PagingFormat, level: number, ...bits: readonly number[]): keyof typeof ENTRY => {
  const entry = bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
  const low = Number(BigInt.asIntN(32, entry));
  return NAMES[format.classify(low, Number(BigInt.asIntN(32, entry >> 32n)), level)];
};

/** The bits that, set beside these, make a present entry malformed. */
const reservedBits = (format: PagingFormat, level: number, ...beside: readonly number[]): readonly number[] =>
  Array.from({ length: 8 * format.entryBytes }, (_, bit) => bit).filter(
    (bit) => kind(format, level, 0, ...beside, bit) === 'reserved',
  );

const range = (high: number, low: number): readonly number[] =>
  Array.from({ length: high - low + 1 }, (_, i) => low + i);

const PS = 7;

// SDM Vol. 3A, 4.3 32-Bit Paging, Tables 4-4 to 4-6
describe('32-bit paging', () => {
  const with36 = paging32(FEATURES, true);

  it('an entry without P is absent, whatever else is in it', () => {
    for (const level of [1, 2]) expect(kind(with36, level, 7, 13, 21, 31)).toBe('absent');
  });

  it('the page-size bit counts with CR4.PSE only', () => {
    expect(kind(with36, 2, 0)).toBe('table');
    expect(kind(with36, 2, 0, PS)).toBe('leaf');
    expect(kind(paging32(FEATURES, false), 2, 0, PS, 21)).toBe('table');
  });

  it.each([
    ['PSE-36 and 36 address bits', FEATURES, range(21, 17)],
    ['PSE-36 and 40', { ...FEATURES, physicalAddressWidth: 40 }, [21]],
    ['PSE-36 and more than 40', { ...FEATURES, physicalAddressWidth: 46 }, [21]],
    ['PSE-36 and 32', { ...FEATURES, physicalAddressWidth: 32 }, range(21, 13)],
    ['no PSE-36', { ...FEATURES, pse36: false }, range(21, 13)],
    ['no PAT', { ...FEATURES, pat: false }, [12, ...range(21, 17)]],
  ])('reserved bits of a 4-MiB page: %s', (_, features, bits) => {
    expect(reservedBits(paging32(features, true), 2, PS)).toEqual(bits);
  });

  it('elsewhere only the PAT bit of a part without PAT is reserved, and that not without CR4.PSE', () => {
    expect(reservedBits(with36, 1)).toEqual([]);
    expect(reservedBits(with36, 2)).toEqual([]);
    const plain = { ...FEATURES, pat: false };
    expect(reservedBits(paging32(plain, true), 1)).toEqual([PS]);
    expect(reservedBits(paging32(plain, false), 1)).toEqual([]);
  });
});

// SDM Vol. 3A, 4.4.2 Linear-Address Translation with PAE Paging, Tables 4-9 to 4-11
describe('PAE paging', () => {
  const format = paePaging(FEATURES, true);

  it('bits 62:MAXPHYADDR are reserved at both levels, bit 63 without NXE', () => {
    for (const level of [1, 2]) {
      expect(reservedBits(format, level)).toEqual(range(62, 36));
      expect(reservedBits(paePaging(FEATURES, false), level)).toEqual(range(63, 36));
      const wide = paePaging({ ...FEATURES, physicalAddressWidth: 52 }, true);
      expect(reservedBits(wide, level)).toEqual(range(62, 52));
    }
  });

  it('bits 20:13 of a 2-MiB page are reserved, and bit 12 without PAT', () => {
    expect(kind(format, 2, 0, PS)).toBe('leaf');
    expect(reservedBits(format, 2, PS)).toEqual([...range(20, 13), ...range(62, 36)]);
    const plain = paePaging({ ...FEATURES, pat: false }, true);
    expect(reservedBits(plain, 2, PS)).toEqual([...range(20, 12), ...range(62, 36)]);
    expect(reservedBits(plain, 1)).toEqual([PS, ...range(62, 36)]);
  });

  // SDM Vol. 3A, 4.4.1 PDPTE Registers
  it('a PDPTE that is present has bits 2:1, 8:5 and those from MAXPHYADDR 0, bit 63 too', () => {
    const illegal = range(63, 1).filter((bit) => {
      const entry = 1n | (1n << BigInt(bit));
      return !isLegalPdpte(Number(BigInt.asIntN(32, entry)), Number(BigInt.asIntN(32, entry >> 32n)), 36);
    });
    expect(illegal).toEqual([1, 2, 5, 6, 7, 8, ...range(63, 36)]);
    expect(isLegalPdpte(0x1e6, -1, 36)).toBe(true);
  });
});

// SDM Vol. 3A, 4.5.4 Linear-Address Translation with 4-Level Paging, Tables 4-15 to 4-20
describe.each([4, 5] as const)('%s-level paging', (levels) => {
  const format = ia32ePaging(36, true, levels);

  it('bits 51:MAXPHYADDR are reserved at every level, 62:52 are not, bit 63 without NXE', () => {
    for (const level of range(levels, 1)) {
      const top = level > 3 ? [PS] : [];
      expect(reservedBits(format, level)).toEqual([...top, ...range(51, 36)]);
      expect(reservedBits(ia32ePaging(36, false, levels), level)).toEqual([...top, ...range(51, 36), 63]);
      expect(reservedBits(ia32ePaging(52, true, levels), level)).toEqual(top);
    }
  });

  it('large pages: bits below the frame but for PAT', () => {
    expect(reservedBits(format, 2, PS)).toEqual([...range(20, 13), ...range(51, 36)]);
    expect(reservedBits(format, 3, PS)).toEqual([...range(29, 13), ...range(51, 36)]);
    expect(kind(ia32ePaging(36, true, levels, false), 3, 0, PS)).toBe('reserved');
  });
});
