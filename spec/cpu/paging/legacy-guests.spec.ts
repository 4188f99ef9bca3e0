import { describe, expect, test } from 'vitest';
import { AT, entryOf, exceptionOf32, little, runToHalt, TIERS } from '../engine/paged-guest';
import { CR4, type LegacyGuest, legacyGuest, NXE } from './legacy-guest';

const LARGE = 0x40_0000;
const HLT = 0xf4;
/** MOV EAX, [address] */
const load = (address: number): number[] => [0xa1, ...little(address, 4)];
/** MOV [address], EAX */
const store = (address: number): number[] => [0xa3, ...little(address, 4)];
const setEax = (value: number): number[] => [0xb8, ...little(value, 4)];
const MOV_CR3_EAX = [0x0f, 0x22, 0xd8];
const MOV_CR4_EAX = [0x0f, 0x22, 0xe0];
const JMP_EAX = [0xff, 0xe0];

describe.each(TIERS)('%s', (tier) => {
  const outcome = (guest: LegacyGuest) => {
    const { state } = runToHalt(legacyGuest(guest), tier);
    return {
      fault: exceptionOf32(state),
      eax: Number(state.processors[0].registers[0]),
      cr2: Number(state.processors[0].control.cr2),
      memory: state.memory,
    };
  };
  const at = (memory: ReturnType<typeof outcome>['memory'], address: number): number =>
    new DataView(memory.read(address, 4).buffer).getUint32(0, true);

  // SDM Vol. 3A, 4.3 32-Bit Paging
  describe('32-bit paging', () => {
    /** The second directory entry is a page of 4 MiB at 0. */
    const large = { [AT.directory + 4]: little(0x87, 4) };

    test('a 4-MiB page is one with CR4.PSE; its entry gets A and D', () => {
      const code = [...load(LARGE + AT.code), ...store(LARGE + 0x9000), HLT];
      const done = outcome({ mode: '32-bit', code, parts: large, cr4: CR4.pse });
      expect(done.fault).toBeUndefined();
      expect(done.eax & 0xff).toBe(code[0]);
      expect(at(done.memory, 0x9000)).toBe(done.eax >>> 0);
      expect(at(done.memory, AT.directory + 4)).toBe(0xe7);
    });

    test('without CR4.PSE the entry names a table', () => {
      const done = outcome({ mode: '32-bit', code: [...load(LARGE + AT.code), HLT], parts: large });
      expect(done.fault).toEqual({ vector: 14, errorCode: 0, rip: AT.code });
      expect(done.cr2).toBe(LARGE + AT.code);
    });

    test('CR4.PSE is followed at once', () => {
      const code = [...load(LARGE + AT.code), ...setEax(0), ...MOV_CR4_EAX, ...load(LARGE + AT.code), HLT];
      const done = outcome({ mode: '32-bit', code, parts: large, cr4: CR4.pse });
      expect(done.fault).toEqual({ vector: 14, errorCode: 0, rip: AT.code + 13 });
    });

    test('PSE-36: bits 20:13 of the entry are 39:32 of the address', () => {
      const beyond = { [AT.directory + 4]: little(0x87 | (1 << 13), 4) };
      const done = outcome({ mode: '32-bit', code: [...load(LARGE), HLT], parts: beyond, cr4: CR4.pse });
      expect([done.fault, done.eax]).toEqual([undefined, 0xffff_ffff]);
      const without = outcome({
        mode: '32-bit',
        code: [...load(LARGE), HLT],
        parts: beyond,
        cr4: CR4.pse,
        edits: ['-vmx', '-pse36'],
      });
      expect(without.fault).toEqual({ vector: 14, errorCode: 9, rip: AT.code });
    });

    test('the last entry of a table is its own', () => {
      const last = { [AT.table + 1023 * 4]: little(0x9007, 4), 36880: little(0x1234_5678, 4) };
      const done = outcome({ mode: '32-bit', code: [...load(0x3f_f010), HLT], parts: last });
      expect([done.fault, done.eax]).toEqual([undefined, 0x1234_5678]);
      expect(at(done.memory, AT.table + 1023 * 4)).toBe(0x9027);
    });

    test('R/W = 0 stops the supervisor with CR0.WP only', () => {
      const parts = { [AT.table + 0x30 * 4]: little(0x3_0005, 4) };
      const code = [...store(0x3_0000), HLT];
      expect(outcome({ mode: '32-bit', code, parts }).fault).toBeUndefined();
      const refused = outcome({ mode: '32-bit', code, parts, wp: true });
      expect(refused.fault).toEqual({ vector: 14, errorCode: 3, rip: AT.code });
    });

    test('IA32_EFER.NXE is without effect, also in the error code of a fetch', () => {
      const done = outcome({ mode: '32-bit', code: [...setEax(0x80_0000), ...JMP_EAX], efer: NXE });
      expect(done.fault).toEqual({ vector: 14, errorCode: 0, rip: 0x80_0000 });
    });

    test('SMEP gives the I/D flag', () => {
      const parts = { [AT.table + (AT.handlers >> 12) * 4]: little(AT.handlers | 3, 4) };
      const done = outcome({ mode: '32-bit', code: [HLT], parts, cr4: CR4.smep });
      // The code itself is on a user page.
      expect(done.fault).toEqual({ vector: 14, errorCode: 0x11, rip: AT.code });
    });
  });

  // SDM Vol. 3A, 4.4 PAE Paging
  describe('PAE paging', () => {
    test('XD stops a fetch with NXE, and is reserved without', () => {
      const code = [...setEax(0x3_0000), ...JMP_EAX];
      const parts = { [entryOf(0x3_0000)]: little(0x8000_0000_0003_0007n, 8), 196608: [HLT] };
      const fault = { vector: 14, rip: 0x3_0000 };
      expect(outcome({ mode: 'PAE', code, parts, efer: NXE }).fault).toEqual({ ...fault, errorCode: 0x11 });
      expect(outcome({ mode: 'PAE', code, parts }).fault).toEqual({ ...fault, errorCode: 9 });
    });

    test('2-MiB pages need no CR4.PSE', () => {
      const parts = { [AT.directory + 8]: little(0x87, 8) };
      const done = outcome({ mode: 'PAE', code: [...load(0x20_0000 + AT.code), HLT], parts });
      expect([done.fault, done.eax & 0xff]).toEqual([undefined, 0xa1]);
    });

    // SDM Vol. 3A, 4.4.1 PDPTE Registers
    test('the PDPTEs are those of the last load, not those in memory', () => {
      const second = 0x4000_0000 + AT.code;
      const code = [
        // The second PDPTE is written, the first cleared: neither counts.
        ...setEax(AT.directory | 1),
        ...store(AT.directoryPointers + 8),
        ...load(AT.code),
        ...setEax(AT.directoryPointers),
        ...MOV_CR3_EAX,
        ...load(second),
        HLT,
      ];
      const done = outcome({ mode: 'PAE', code });
      expect([done.fault, done.eax & 0xff]).toEqual([undefined, 0xb8]);
      const early = outcome({ mode: 'PAE', code: [...code.slice(0, 10), ...load(second), HLT] });
      expect(early.fault).toEqual({ vector: 14, errorCode: 0, rip: AT.code + 10 });
      expect(early.cr2).toBe(second);
    });

    test('a load with a reserved bit in a PDPTE is #GP(0), and the old ones stay', () => {
      const code = [...setEax(AT.directoryPointers), ...MOV_CR3_EAX, HLT];
      const parts = { [AT.directoryPointers + 16]: little(0x23, 8) };
      const done = outcome({ mode: 'PAE', code, parts });
      expect(done.fault).toEqual({ vector: 13, errorCode: 0, rip: AT.code + 5 });
    });

    test('leaves for 32-bit paging by CR4.PAE; the way back finds A, which is reserved in a PDPTE', () => {
      // For 32-bit paging there is a directory at CR3, and no page 1.
      const parts = {
        [AT.directoryPointers]: little(0x2_0001, 8),
        131072: Array.from({ length: 17 }, (_, page) => little(page === 1 ? 0 : (page << 12) | 3, 4)).flat(),
      };
      const pdptes = [BigInt(AT.directory) | 1n, 0n, 0n, 0n];
      const leave = [...setEax(0), ...MOV_CR4_EAX];
      const left = outcome({
        mode: 'PAE',
        code: [...load(0x1000), ...leave, ...load(0x1000), HLT],
        parts,
        pdptes,
      });
      expect(left.fault).toEqual({ vector: 14, errorCode: 0, rip: AT.code + 13 });
      const back = [...setEax(0x20), ...MOV_CR4_EAX, HLT];
      const refused = outcome({ mode: 'PAE', code: [...leave, ...back], parts, pdptes });
      expect(at(refused.memory, AT.directoryPointers)).toBe(0x2_0021);
      expect(refused.fault).toEqual({ vector: 13, errorCode: 0, rip: AT.code + 13 });
    });
  });
});
