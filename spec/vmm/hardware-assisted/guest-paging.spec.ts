// SDM Vol. 3A, 4 Paging: the walk that the monitor makes when it reads or writes memory for INS and OUTS
import { describe, expect, it } from 'vitest';
import { hardwareAssistedMonitor } from '../../../src/vmm/hardware-assisted';
import type { VmcsValues } from '../../../src/vmx/vmcs';
import { GUEST_BASE, play, ScriptedHost } from '../scripted-host';

type Fields = Partial<VmcsValues>;
type Entry = readonly [gpa: number, bytes: 4 | 8, value: bigint];

const PAGED: Fields = { guestCr0: 0x8000_0031n, cr0ReadShadow: 0x8000_0011n, guestCr3: 0x3000n };
const TWO_LEVELS: Fields = { ...PAGED, guestCr4: 0x2010n };
const PAE: Fields = { ...PAGED, guestCr4: 0x2020n, guestPdpte0: 0x3001n };
const FOUR_LEVELS: Fields = {
  ...PAGED,
  guestCr4: 0x2020n,
  guestIa32Efer: 0xd00n,
  guestCsAccessRights: 0xa09bn,
};
const USER: Fields = { guestSsAccessRights: 0xc0f3n };
const WRITE_PROTECT: Fields = { guestCr0: 0x8001_0031n };

/** One INSB (or OUTSB) with the byte at `linear`; the host address that was used, or the page fault. */
const touch = (fields: Fields, entries: readonly Entry[], linear: bigint, write: boolean) => {
  const host = new ScriptedHost();
  for (const [at, bytes, value] of entries) host.store(GUEST_BASE + at, bytes, value);
  const { entries: entered, halted } = play(
    hardwareAssistedMonitor(),
    [
      {
        reason: 'ioInstruction',
        registers: { [write ? 7 : 6]: linear },
        fields: {
          exitQualification: write ? 0x3f8_0018n : 0x3f8_0010n,
          vmExitInstructionInfo: 0x1_8100n,
          vmExitInstructionLength: 1n,
          ...fields,
        },
      },
    ],
    host,
  );
  expect(halted).toBeUndefined();
  const { requests, fields: vmcs } = entered[1];
  if (vmcs.get('vmEntryInterruptionInfo') === 0x8000_0b0en)
    return { fault: vmcs.get('vmEntryExceptionErrorCode'), cr2: host.controls.get(2) };
  const used = requests.findLast(
    (request) => request.op === (write ? 'store' : 'load') && request.bytes === 1,
  );
  return {
    host: used !== undefined && 'address' in used ? Number(used.address) - GUEST_BASE : undefined,
    memory: host,
  };
};

const FOUR: readonly Entry[] = [
  [0x3000, 8, 0x4007n],
  [0x4000, 8, 0x5007n],
  [0x5000, 8, 0x6007n],
  [0x6008, 8, 0x8007n],
];
const withLeaf = (value: bigint): readonly Entry[] => [...FOUR.slice(0, 3), [0x6008, 8, value]];

describe('4.5 5-Level Paging', () => {
  const FIVE_LEVELS: Fields = { ...FOUR_LEVELS, guestCr4: 0x3020n, guestCr3: 0x2000n };
  const five = (root: Entry): readonly Entry[] => [root, ...FOUR];
  const HIGH = 0xff00_0000_0000_1234n;

  it('reads one table more, with addresses of 57 bits', () => {
    expect(touch(FIVE_LEVELS, five([0x2000, 8, 0x3007n]), 0x1234n, true).host).toBe(0x8234);
    const upper = touch(FIVE_LEVELS, five([0x2800, 8, 0x3007n]), HIGH, true);
    expect(upper.host).toBe(0x8234);
    expect(upper.memory?.load(GUEST_BASE + 0x2800, 8)).toBe(0x3027n);
  });

  it('the page-size bit of a PML5E is reserved', () => {
    expect(touch(FIVE_LEVELS, five([0x2000, 8, 0x3087n]), 0x1234n, false).fault).toBe(9n);
  });
});

describe('4.5 4-Level Paging', () => {
  it('finds a page and sets accessed and dirty flags', () => {
    const result = touch(FOUR_LEVELS, FOUR, 0x1234n, true);
    expect(result.host).toBe(0x8234);
    const entries = [0x3000, 0x4000, 0x5000, 0x6008].map((at) => result.memory?.load(GUEST_BASE + at, 8));
    expect(entries).toEqual([0x4027n, 0x5027n, 0x6027n, 0x8067n]);
  });

  it('sets no dirty flag for a read', () => {
    const result = touch(FOUR_LEVELS, FOUR, 0x1234n, false);
    expect(result.host).toBe(0x8234);
    expect(result.memory?.load(GUEST_BASE + 0x6008, 8)).toBe(0x8027n);
  });

  it('knows pages of 2 MiB and 1 GiB', () => {
    expect(touch(FOUR_LEVELS, [...FOUR.slice(0, 2), [0x5000, 8, 0x20_0087n]], 0x1234n, true).host).toBe(
      0x20_1234,
    );
    expect(touch(FOUR_LEVELS, [FOUR[0], [0x4000, 8, 0x87n]], 0x1234n, true).host).toBe(0x1234);
  });

  it('faults where an entry is absent or has reserved bits', () => {
    expect(touch(FOUR_LEVELS, FOUR, 0x2000n, true)).toEqual({ fault: 2n, cr2: 0x2000n });
    expect(touch(FOUR_LEVELS, withLeaf((1n << 45n) | 0x8007n), 0x1000n, false).fault).toBe(9n);
    expect(touch(FOUR_LEVELS, [...FOUR.slice(0, 2), [0x5000, 8, 0x2087n]], 0x1000n, false).fault).toBe(9n);
    const noNx = { ...FOUR_LEVELS, guestIa32Efer: 0x500n };
    expect(touch(noNx, withLeaf((1n << 63n) | 0x8007n), 0x1000n, false).fault).toBe(9n);
    expect(touch(FOUR_LEVELS, withLeaf((1n << 63n) | 0x8007n), 0x1000n, false).host).toBe(0x8000);
  });

  it('obeys user and write rights', () => {
    const user = { ...FOUR_LEVELS, ...USER };
    expect(touch(user, withLeaf(0x8003n), 0x1000n, false).fault).toBe(5n);
    expect(touch(user, withLeaf(0x8005n), 0x1000n, true).fault).toBe(7n);
    expect(touch(FOUR_LEVELS, withLeaf(0x8005n), 0x1000n, true).host).toBe(0x8000);
    expect(touch({ ...FOUR_LEVELS, ...WRITE_PROTECT }, withLeaf(0x8005n), 0x1000n, true).fault).toBe(3n);
    const smap = { ...FOUR_LEVELS, guestCr4: 0x20_2020n };
    expect(touch(smap, FOUR, 0x1000n, false).fault).toBe(1n);
    expect(touch({ ...smap, guestRflags: 0x4_0002n }, FOUR, 0x1000n, false).host).toBe(0x8000);
  });

  it('raises #GP(0) at an address that is not canonical', () => {
    const host = new ScriptedHost();
    const { entries } = play(
      hardwareAssistedMonitor(),
      [
        {
          reason: 'ioInstruction',
          registers: { 7: 1n << 47n },
          fields: { ...FOUR_LEVELS, exitQualification: 0x3f8_0018n, vmExitInstructionInfo: 0x100n },
        },
      ],
      host,
    );
    expect(entries[1].fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0b0dn);
  });
});

describe('4.3 32-Bit Paging', () => {
  it('finds pages of 4 KiB and 4 MiB', () => {
    expect(
      touch(
        TWO_LEVELS,
        [
          [0x3004, 4, 0x4007n],
          [0x4008, 4, 0x9007n],
        ],
        0x40_2345n,
        true,
      ).host,
    ).toBe(0x9345);
    expect(touch(TWO_LEVELS, [[0x3004, 4, 0x87n]], 0x40_2345n, true).host).toBe(0x2345);
    const noPse = { ...TWO_LEVELS, guestCr4: 0x2000n };
    expect(touch(noPse, [[0x3004, 4, 0x87n]], 0x40_2345n, true).fault).toBe(2n);
  });
});

describe('4.4 PAE Paging', () => {
  it('starts from the PDPTE registers', () => {
    expect(touch(PAE, [[0x3008, 8, 0x87n]], 0x20_2345n, true).host).toBe(0x2345);
    expect(touch(PAE, [], 0x4020_2345n, true).fault).toBe(2n);
    expect(touch(PAE, [[0x3008, 8, (1n << 53n) | 0x87n]], 0x20_2345n, true).fault).toBe(11n);
  });
});

describe('segments', () => {
  it('refuses what the limit or the type refuses', () => {
    const at = (fields: Fields) => {
      const { entries } = play(hardwareAssistedMonitor(), [
        {
          reason: 'ioInstruction',
          registers: { 7: 0x2000n },
          fields: { exitQualification: 0x3f8_0018n, vmExitInstructionInfo: 0x80n, ...fields },
        },
      ]);
      return entries[1].fields.get('vmEntryInterruptionInfo');
    };
    expect(at({})).toBe(0n);
    for (const fields of [
      { guestEsLimit: 0x1fffn },
      { guestEsAccessRights: 0xc091n },
      { guestEsAccessRights: 0x1_0000n },
      { guestEsAccessRights: 0xc097n, guestEsLimit: 0x2000n },
    ])
      expect(at(fields)).toBe(0x8000_0b0dn);
    expect(at({ guestEsAccessRights: 0xc097n, guestEsLimit: 0x1fffn })).toBe(0n);
  });
});
