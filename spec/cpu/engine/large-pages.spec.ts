import { describe, expect, test } from 'vitest';
import { AT, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const LINEAR = 0x4000_0000;
const PRESENT_AND_RESERVED = 9;
/** mov eax, [LINEAR + AT.code]; hlt */
const LOAD = [0x8b, 0x04, 0x25, ...little(LINEAR + AT.code, 4), 0xf4];
/** The second entry of the page-directory-pointer table maps the first GiB again. */
const SECOND_GIB = { [AT.directoryPointers + 8]: little(0x87, 8) };

// SDM Vol. 3A, 4.5.4 Linear-Address Translation with 4-Level Paging and 5-Level Paging
describe.each(TIERS)('1-GiB pages, %s', (tier) => {
  test('are there where CPUID announces them', () => {
    const { state } = runToHalt(pagedGuest(LOAD, SECOND_GIB), tier);
    expect(exceptionOf(state, true)).toBeUndefined();
    expect(state.processors[0].registers[0]).toBe(0x0025_048bn);
  });

  test('elsewhere the page-size bit of a PDPTE is reserved', () => {
    const { state } = runToHalt(pagedGuest(LOAD, SECOND_GIB, { 'page-1gib': false }), tier);
    expect(exceptionOf(state, true)).toEqual({ vector: 14, errorCode: PRESENT_AND_RESERVED, rip: AT.code });
  });
});
