// SDM Vol. 3C, Table 28-7 Exit Qualification for EPT Violations
import { describe, expect, it } from 'vitest';
import { gva } from '../../src/core';
import { EPT_RIGHTS, type EptViolation, eptViolationQualification } from '../../src/ept';

type Violation = Omit<EptViolation, 'kind' | 'gpa'>;
const NONE = { read: false, write: false, fetch: false };
const BARE: Violation = { access: NONE, rights: 0, linear: undefined, pagingStructure: false };
const LINEAR: Violation = { ...BARE, linear: gva(0x1000n) };
const FINAL = 0x180;
/** `RIGHTS` of the guest's paging. */
const WRITE = 1;
const USER = 2;
const EXECUTE = 4;

const rows: readonly (readonly [string, Violation, number])[] = [
  ['nothing', BARE, 0],
  ['qualification.bit0', { ...BARE, access: { ...NONE, read: true } }, 1],
  ['qualification.bit1', { ...BARE, access: { ...NONE, write: true } }, 2],
  [
    'qualification.rmw: bit 1, and bit 0 where it is told',
    { ...BARE, access: { ...NONE, read: true, write: true } },
    3,
  ],
  ['qualification.bit2', { ...BARE, access: { ...NONE, fetch: true } }, 4],
  ['qualification.bit3', { ...BARE, rights: EPT_RIGHTS.read }, 8],
  ['qualification.bit4', { ...BARE, rights: EPT_RIGHTS.write }, 0x10],
  ['qualification.bit5', { ...BARE, rights: EPT_RIGHTS.execute }, 0x20],
  ['qualification.bit6', { ...BARE, rights: EPT_RIGHTS.userExecute }, 0x40],
  ['qualification.bit7', { ...LINEAR, pagingStructure: true }, 0x80],
  ['qualification.bit8', LINEAR, FINAL],
  ['qualification.bit9', { ...LINEAR, linearRights: USER | EXECUTE }, FINAL | 0x200],
  ['qualification.bit10', { ...LINEAR, linearRights: WRITE | EXECUTE }, FINAL | 0x400],
  ['qualification.bit11', { ...LINEAR, linearRights: 0 }, FINAL | 0x800],
  [
    'bits 11:9 of a paging-structure access are 0',
    { ...LINEAR, pagingStructure: true, linearRights: USER | WRITE },
    0x80,
  ],
  ['those without a linear address too', { ...BARE, linearRights: USER | WRITE }, 0],
];

describe('each bit', () => {
  it.each(rows)('%s', (_, violation, expected) => {
    expect(eptViolationQualification(violation)).toBe(expected);
  });
});
