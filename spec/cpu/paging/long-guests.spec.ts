import { describe, expect, test } from 'vitest';
import { type MachineState, run } from '../../../src/machine';
import { AT, entryOf, exceptionOf, little, pagedGuest, runToHalt, TIERS } from '../engine/paged-guest';

const HLT = 0xf4;
const CR4 = {
  pae: 0x20n,
  pge: 0x80n,
  la57: 0x1000n,
  smap: 0x20_0000n,
  pke: 0x40_0000n,
  pks: 0x100_0000n,
} as const;
const WP = 0x1_0000n;
/** MOV RBX, value */
const setRbx = (value: bigint): number[] => [0x48, 0xbb, ...little(value, 8)];
const setRbp = (value: bigint): number[] => [0x48, 0xbd, ...little(value, 8)];
const setEcx = (value: number): number[] => [0xb9, ...little(value, 4)];
const setEax = (value: number): number[] => [0xb8, ...little(value, 4)];
const LOAD = [0x8a, 0x03];
const STORE = [0x88, 0x03];
const JMP = [0xff, 0xe3];
const LOAD_BY_RBP = [0x8a, 0x45, 0];
const WRPKRU = [0x0f, 0x01, 0xef];
const RDPKRU = [0x0f, 0x01, 0xee];
const WRMSR = [0x0f, 0x30];
const CLEAR_EDX = [0x31, 0xd2];

interface Registers {
  readonly cr4?: bigint;
  readonly wp?: boolean;
  readonly cr3?: number;
  readonly rflags?: bigint;
}
const withRegisters = (
  state: MachineState,
  { cr4 = 0n, wp = false, cr3, rflags = 2n }: Registers,
): MachineState => {
  const [cpu] = state.processors;
  return {
    ...state,
    processors: [
      {
        ...cpu,
        rflags,
        control: {
          ...cpu.control,
          cr0: cpu.control.cr0 | (wp ? WP : 0n),
          cr3: cr3 === undefined ? cpu.control.cr3 : BigInt(cr3),
          cr4: cpu.control.cr4 | cr4,
        },
      },
    ],
  };
};
type Edits = NonNullable<Parameters<typeof pagedGuest>[2]>;

describe.each(TIERS)('%s', (tier) => {
  const outcome = (
    code: readonly number[],
    registers: Registers,
    parts: Readonly<Record<number, readonly number[]>> = {},
    edits: Edits = {},
  ) => {
    const { state } = runToHalt(withRegisters(pagedGuest(code, parts, edits), registers), tier);
    const { registers: general, control } = state.processors[0];
    return {
      fault: exceptionOf(state, true),
      rax: general[0],
      cr2: control.cr2,
      rip: state.processors[0].rip,
    };
  };

  // SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging
  describe('5-level paging', () => {
    const PML5 = 0x3_0000;
    /** Both ends of the address space: entries 1 and 256 are the lower half's tables again. */
    const parts = {
      [PML5]: little(AT.pml4 | 7, 8),
      [PML5 + 8]: little(AT.pml4 | 7, 8),
      [PML5 + 256 * 8]: little(AT.pml4 | 7, 8),
    };
    const wide = (code: readonly number[]) =>
      outcome(code, { cr4: CR4.la57, cr3: PML5 }, parts, { la57: true });
    const LOW = 1n << 48n;
    const HIGH = 0xff00_0000_0000_0000n;
    const BEYOND = 1n << 56n;

    test.each([
      ['bit 48', LOW],
      ['the upper half', HIGH],
    ])('an address with %s is translated', (_, base) => {
      const { fault, rax } = wide([...setRbx(base + BigInt(AT.code)), ...LOAD, HLT]);
      expect([fault, rax & 0xffn]).toEqual([undefined, 0x48n]);
    });

    test('#GP(0) and #SS(0) for an address that is not canonical in 57 bits', () => {
      expect(wide([...setRbx(BEYOND), ...LOAD, HLT]).fault).toEqual({
        vector: 13,
        errorCode: 0,
        rip: AT.code + 10,
      });
      const { fault } = wide([...setRbp(BEYOND), ...LOAD_BY_RBP, HLT]);
      expect(fault).toEqual({ vector: 12, errorCode: 0, rip: AT.code + 10 });
    });

    test('an access that ends beyond the lower half is #GP(0)', () => {
      const load64 = [0x48, 0x8b, 0x03];
      const { fault } = wide([...setRbx(BEYOND - 4n), ...load64, HLT]);
      expect(fault).toEqual({ vector: 13, errorCode: 0, rip: AT.code + 10 });
    });

    test('code runs there, again and again', () => {
      // At 1_1000H: INC EAX; CMP EAX, 40; JE +2; JMP RBX; HLT.
      const body = [0xff, 0xc0, 0x83, 0xf8, 40, 0x74, 2, ...JMP, HLT];
      const { rax, rip } = outcome(
        [...setEax(0), ...setRbx(LOW + 0x1_1000n), ...JMP],
        { cr4: CR4.la57, cr3: PML5 },
        { ...parts, 69632: body },
        { la57: true },
      );
      expect([rax, rip]).toEqual([40n, LOW + 0x1_1000n + BigInt(body.length)]);
    });

    test('a jump to an address that is not canonical is #GP(0) at the jump', () => {
      expect(wide([...setRbx(BEYOND), ...JMP]).fault).toEqual({
        vector: 13,
        errorCode: 0,
        rip: AT.code + 10,
      });
    });

    test('with CR4.LA57 0 bit 48 is not canonical', () => {
      const { fault } = outcome([...setRbx(LOW), ...LOAD, HLT], {}, {}, { la57: true });
      expect(fault).toEqual({ vector: 13, errorCode: 0, rip: AT.code + 10 });
    });
  });

  // SDM Vol. 3A, 4.6.2 Protection Keys
  describe('protection keys', () => {
    const PAGE = 0x3_0000;
    const KEY = 5;
    const keyed = (rights: number): Record<number, number[]> => ({
      [entryOf(PAGE)]: little(BigInt(PAGE | rights) | (BigInt(KEY) << 59n), 8),
      [PAGE]: [0x5a],
    });
    const DISABLE = { access: 1 << (2 * KEY), write: 2 << (2 * KEY) } as const;
    const writeKeys = (value: number): number[] => [...setEcx(0), ...CLEAR_EDX, ...setEax(value), ...WRPKRU];
    const PKU = { pku: true };
    const USER = 7;
    const SUPERVISOR = 3;

    test('PKRU governs user pages for the supervisor too: reads, writes with CR0.WP', () => {
      const read = [...setRbx(BigInt(PAGE)), ...writeKeys(DISABLE.access), ...LOAD, HLT];
      const write = [...setRbx(BigInt(PAGE)), ...writeKeys(DISABLE.write), ...STORE, HLT];
      const at = AT.code + 10 + 15;
      const rights = keyed(USER);
      expect(outcome(read, { cr4: CR4.pke }, rights, PKU).fault).toEqual({
        vector: 14,
        errorCode: 0x21,
        rip: at,
      });
      expect(outcome(write, { cr4: CR4.pke, wp: true }, rights, PKU).fault).toEqual({
        vector: 14,
        errorCode: 0x23,
        rip: at,
      });
      expect(outcome(write, { cr4: CR4.pke }, rights, PKU).fault).toBeUndefined();
      expect(outcome(read, { cr4: CR4.pke }, keyed(SUPERVISOR), PKU).fault).toBeUndefined();
    });

    test('PKRU is followed at once, where the page was read before', () => {
      // Thirty reads, then WRPKRU in the loop's last turn: RSI counts.
      const loop = [...LOAD, 0xff, 0xce, 0x75, 0xfa];
      const code = [
        ...setRbx(BigInt(PAGE)),
        ...writeKeys(0),
        ...[0xbe, ...little(30, 4)],
        ...loop,
        ...writeKeys(DISABLE.access),
        ...LOAD,
        HLT,
      ];
      const { fault, cr2 } = outcome(code, { cr4: CR4.pke }, keyed(USER), PKU);
      expect([fault, cr2]).toEqual([
        { vector: 14, errorCode: 0x21, rip: AT.code + code.length - 3 },
        BigInt(PAGE),
      ]);
    });

    test('a key does not stop a fetch', () => {
      const code = [...setRbx(BigInt(PAGE)), ...writeKeys(DISABLE.access), ...JMP];
      const done = outcome(code, { cr4: CR4.pke }, { ...keyed(USER), [PAGE]: [HLT] }, PKU);
      expect([done.fault, done.rip]).toEqual([undefined, BigInt(PAGE + 1)]);
    });

    test('IA32_PKRS governs supervisor pages', () => {
      const code = (value: number, access: readonly number[]): number[] => [
        ...setRbx(BigInt(PAGE)),
        ...[...setEcx(0x6e1), ...CLEAR_EDX, ...setEax(value), ...WRMSR],
        ...access,
        HLT,
      ];
      const PKS = { pks: true };
      const supervisor = { ...keyed(SUPERVISOR) };
      const at = AT.code + 10 + 14;
      const fault = (code: readonly number[], registers: Registers, parts = supervisor) =>
        outcome(code, { cr4: CR4.pks, ...registers }, parts, PKS).fault;
      expect(fault(code(DISABLE.access, LOAD), {})).toEqual({ vector: 14, errorCode: 0x21, rip: at });
      expect(fault(code(DISABLE.write, STORE), { wp: true })).toEqual({
        vector: 14,
        errorCode: 0x23,
        rip: at,
      });
      expect(fault(code(DISABLE.write, STORE), {})).toBeUndefined();
      expect(fault(code(DISABLE.access, LOAD), {}, keyed(USER))).toBeUndefined();
    });

    test('RDPKRU gives PKRU and clears EDX; #GP(0) unless ECX is 0, #UD without CR4.PKE', () => {
      const read = [...writeKeys(0x1234_5678), ...setEax(0), 0xba, ...little(-1, 4), ...RDPKRU, HLT];
      const done = runToHalt(withRegisters(pagedGuest(read, {}, PKU), { cr4: CR4.pke }), tier).state;
      expect(done.processors[0].registers.slice(0, 3)).toEqual([0x1234_5678n, 0n, 0n]);
      expect(done.processors[0].control.pkru).toBe(0x1234_5678n);
      const wrong = [...setEcx(1), ...RDPKRU];
      expect(outcome(wrong, { cr4: CR4.pke }, {}, PKU).fault).toEqual({
        vector: 13,
        errorCode: 0,
        rip: AT.code + 5,
      });
      const { state } = runToHalt(pagedGuest(wrong, {}, PKU), tier);
      expect(exceptionOf(state, false)?.vector).toBe(6);
    });
  });

  // SDM Vol. 3A, 4.6.1 Determination of Access Rights
  describe('SMAP', () => {
    const supervisorOnly = Object.fromEntries(
      [AT.idt, AT.gdt, AT.handlers, AT.taskState, AT.stack - 4096].map((page) => [
        entryOf(page),
        little(page | 3, 8),
      ]),
    );
    const TABLE = 0x3_0000;
    const AC = 0x4_0002n;
    /** MOV DS, AX with a selector of the LDT, which is on a user page. */
    const code = [...setEax(4), 0x8e, 0xd8, HLT];
    const withTable = (rights: number, rflags: bigint) => {
      const parts = {
        ...supervisorOnly,
        [entryOf(TABLE)]: little(TABLE | rights, 8),
        [TABLE]: little(0x00cf_9300_0000_ffffn, 8),
      };
      const state = withRegisters(pagedGuest(code, parts), { cr4: CR4.smap, rflags });
      const [cpu] = state.processors;
      const ldtr = { selector: 0x10, base: BigInt(TABLE), limit: 0xff, accessRights: 0x82 };
      const processors = [{ ...cpu, segments: { ...cpu.segments, ldtr } }];
      return exceptionOf(runToHalt({ ...state, processors }, tier).state, true);
    };

    test('RFLAGS.AC does not suspend it for implicit accesses', () => {
      expect(withTable(7, AC)).toEqual({ vector: 14, errorCode: 1, rip: AT.code + 5 });
      expect(withTable(3, AC)).toBeUndefined();
    });

    test('RFLAGS.AC suspends it for explicit ones, and is followed at once', () => {
      const CLAC = [0x0f, 0x01, 0xca];
      const both = [...setRbx(BigInt(TABLE)), ...LOAD, ...CLAC, ...LOAD, HLT];
      const { fault } = outcome(both, { cr4: CR4.smap, rflags: AC }, supervisorOnly);
      expect(fault).toEqual({ vector: 14, errorCode: 1, rip: AT.code + 15 });
    });
  });

  // SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs
  describe('process-context identifiers', () => {
    const PCIDE = 0x2_0000n;
    const OTHER = 0x3_0000;
    /** A second root that maps the first 2 MiB by one page; page 1 is not there in the first. */
    const parts = {
      [OTHER]: little(0x3_1007, 8),
      200704: little(0x3_2007, 8),
      204800: little(0x87, 8),
      [entryOf(0x2_0000)]: little(0, 8),
    };
    const setCr3 = (value: bigint): number[] => [...setRbx(value), 0x0f, 0x22, 0xdb];
    const read = [...setRbx(0x2_0000n), ...LOAD];

    test('MOV to CR3 with bit 63 selects the other tables as well', () => {
      const NO_FLUSH = 1n << 63n;
      const code = [
        ...setCr3(BigInt(OTHER | 1)),
        ...read,
        ...setCr3(BigInt(AT.pml4) | NO_FLUSH),
        ...setCr3(BigInt(OTHER | 1) | NO_FLUSH),
        ...read,
        ...setCr3(BigInt(AT.pml4) | NO_FLUSH),
        ...read,
        HLT,
      ];
      const { fault } = outcome(code, { cr4: PCIDE }, parts, { pcid: true });
      expect(fault).toEqual({ vector: 14, errorCode: 0, rip: AT.code + code.length - 3 });
    });
  });

  test('INVPCID is decoded and runs', () => {
    // INVPCID RAX, [RBX]; type 2.
    const code = [...setRbx(0x3_0000n), ...setEax(2), 0x66, 0x0f, 0x38, 0x82, 0x03, HLT];
    expect(outcome(code, {}, {}, { invpcid: true }).fault).toBeUndefined();
    const without = run(pagedGuest(code, {}, { invpcid: false }), { tier, maxInstructions: 100 });
    expect(exceptionOf(without.state, false)?.vector).toBe(6);
  });
});
