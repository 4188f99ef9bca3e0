// SDM Vol. 3A, 4.1.1 Four Paging Modes, as `walk` shows them
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, gva, hpa, type MemoryRoot } from '../../src/core';
import { EptTables, type GuestPaging, walk } from '../../src/ept';

const CR4 = { pse: 0x10n, pae: 0x20n, la57: 0x1000n, pke: 0x40_0000n } as const;
const EFER = { lma: 0x400n, nxe: 0x800n } as const;
const PLAIN: GuestPaging = {
  cr4: 0n,
  efer: 0n,
  pdptes: [0n, 0n, 0n, 0n],
  pkru: 0n,
  pkrs: 0n,
  features: { physicalAddressWidth: 39, gigabytePages: true, pse36: true, pat: true },
};

const little = (value: bigint, bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
const withEntries = (bytes: 4 | 8, entries: Readonly<Record<number, bigint>>): MemoryRoot =>
  Object.entries(entries).reduce(
    (memory, [at, entry]) => memory.write(Number(at), little(entry, bytes)),
    EMPTY_MEMORY,
  );

/** What a walk comes to: level and place of each entry, then the address or the error code. */
const summary = ({ references, outcome }: ReturnType<typeof walk>) => ({
  entries: references.map(({ level, address }) => [level, address]),
  result: outcome.ok ? outcome.value : 'errorCode' in outcome.fault ? outcome.fault.errorCode : outcome.fault,
});

describe('32-bit paging', () => {
  const memory = withEntries(4, { 4100: 0x87n, 4104: 0x2003n, 12284: 0x5003n });

  it('reads entries of 4 bytes', () => {
    const request = { memory, cr3: 0x1000n, paging: PLAIN };
    expect(summary(walk({ ...request, address: gva(0xbf_f123n) }))).toEqual({
      entries: [
        [2, 0x1008],
        [1, 0x2ffc],
      ],
      result: 0x5123,
    });
    expect(summary(walk({ ...request, address: gva(0x40_0123n) })).entries).toHaveLength(2);
  });

  it('4-MiB pages with CR4.PSE', () => {
    const paging = { ...PLAIN, cr4: CR4.pse };
    expect(summary(walk({ memory, cr3: 0x1000n, paging, address: gva(0x7f_e123n) }))).toEqual({
      entries: [[2, 0x1004]],
      result: 0x3f_e123,
    });
  });

  it('behind EPT', () => {
    const HOST = 0x10_0000;
    const placed = withEntries(4, { [HOST + 0x1008]: 0x2003n, [HOST + 0x2ffc]: 0x5003n });
    const tables = new EptTables(placed, hpa(0x4_0000)).mapRange({ gpa: gpa(0), hpa: hpa(HOST) }, 0x6000);
    const { references, outcome } = walk({
      memory: tables.publish(),
      cr3: 0x1000n,
      paging: PLAIN,
      eptp: tables.eptp,
      address: gva(0xbf_f123n),
    });
    expect(references).toHaveLength(14);
    expect(outcome).toEqual({ ok: true, value: HOST + 0x5123 });
  });
});

describe('PAE paging', () => {
  const memory = withEntries(8, { 12296: 0x8000_0000_0020_0083n });
  const paging = { ...PLAIN, cr4: CR4.pae, pdptes: [0n, 0x3001n, 0n, 0n] };
  const request = { memory, cr3: 0x1000n, paging };

  it('begins at the PDPTE register, whatever CR3 names', () => {
    const address = gva(0x4020_0456n);
    const withNxe = { ...paging, efer: EFER.nxe };
    expect(summary(walk({ ...request, paging: withNxe, address }))).toEqual({
      entries: [[2, 0x3008]],
      result: 0x20_0456,
    });
    expect(summary(walk({ ...request, paging: withNxe, address, access: 'fetch' })).result).toBe(0x11);
    expect(summary(walk({ ...request, address })).result).toBe(9);
  });

  it('a register without P is a page fault before any entry is read', () => {
    expect(summary(walk({ ...request, address: gva(0x123n) }))).toEqual({ entries: [], result: 0 });
  });
});

describe('IA-32e mode', () => {
  const LONG = { ...PLAIN, cr4: CR4.pae, efer: EFER.lma | EFER.nxe };
  const memory = withEntries(8, {
    8184: 0x2007n,
    8192: 0x3007n,
    12288: 0x0800_0000_0000_0087n,
  });

  it('5 levels with CR4.LA57', () => {
    const paging = { ...LONG, cr4: CR4.pae | CR4.la57 };
    const result = walk({ memory, cr3: 0x1000n, paging, address: gva(0xffff_0000_0000_0123n) });
    expect(summary(result)).toEqual({
      entries: [
        [5, 0x1ff8],
        [4, 0x2000],
        [3, 0x3000],
      ],
      result: 0x123,
    });
  });

  it('protection keys', () => {
    const paging = { ...LONG, cr4: CR4.pae | CR4.pke, pkru: 0b0100n };
    const request = { memory, cr3: 0x2000n, address: gva(0x123n) };
    expect(summary(walk({ ...request, paging })).result).toBe(0x21);
    expect(summary(walk({ ...request, paging, access: 'fetch' })).result).toBe(0x123);
    expect(summary(walk({ ...request, paging: { ...paging, cr4: CR4.pae } })).result).toBe(0x123);
  });
});
