// SDM Vol. 3C, 29.3.3.1 EPT Misconfigurations
import { describe, expect, it } from 'vitest';
import { EPT_VPID_CAP, FULL_CAPABILITIES, type VmxCapabilities } from '../../../src/vmx';
import { EptGuest, PAGE, TABLES } from './guest';

const WRITE_BACK = 0x30n;
const without = (feature: 'executeOnly' | 'page2m' | 'page1g'): VmxCapabilities => ({
  ...FULL_CAPABILITIES,
  ia32VmxEptVpidCap: EPT_VPID_CAP.set(FULL_CAPABILITIES.ia32VmxEptVpidCap!, feature, 0n),
});
const POORER = {
  executeOnly: without('executeOnly'),
  page2m: without('page2m'),
  page1g: without('page1g'),
} as const;

interface Row {
  readonly id: string;
  readonly says: string;
  readonly level: number;
  /** The entry in place of the one that is there. */
  readonly entry: (now: bigint) => bigint;
  /** Where the processor lacks something. */
  readonly lacks?: keyof typeof POORER;
  readonly modeBased?: boolean;
  /** 49 (a misconfiguration) when left out; 0: the access succeeds. */
  readonly exit?: 48 | 0;
}

const rights = (low: bigint) => (now: bigint) => (now & ~7n) | low;
const or = (mask: bigint) => (now: bigint) => now | mask;
const all = (levels: readonly number[], row: Omit<Row, 'level'>): readonly Row[] =>
  levels.map((level) => ({ ...row, level }));

const ROWS: readonly Row[] = [
  ...all([1, 2, 3, 4], { id: 'misconfig.write-only', says: '010b', entry: rights(2n) }),
  ...all([1, 2, 3, 4], { id: 'misconfig.write-only', says: '110b', entry: rights(6n) }),
  ...all([1, 2, 3, 4], {
    id: 'misconfig.execute-only-unsupported',
    says: '100b',
    entry: rights(4n),
    lacks: 'executeOnly',
  }),
  ...all([1, 2, 3, 4], {
    id: 'misconfig.execute-only-unsupported',
    says: 'user-mode execute alone',
    entry: (now) => (now & ~7n) | 0x400n,
    lacks: 'executeOnly',
    modeBased: true,
  }),
  {
    id: 'misconfig.execute-only-unsupported',
    says: 'no bit 10 without mode-based execute control',
    level: 1,
    entry: (now) => (now & ~7n) | 0x400n,
    lacks: 'executeOnly',
    exit: 48,
  },
  ...[0x08n, 0x10n, 0x20n, 0x40n, 0x80n].map((bit) => ({
    id: 'misconfig.reserved-low',
    says: `bit of ${bit} in a PML4E`,
    level: 4,
    entry: or(bit),
  })),
  ...all([2, 3], { id: 'misconfig.reserved-low', says: 'bit 3', entry: or(0x08n) }),
  ...all([2, 3], { id: 'misconfig.reserved-low', says: 'bit 6', entry: or(0x40n) }),
  ...all([1, 2, 3, 4], {
    id: 'misconfig.reserved-address',
    says: 'the first bit beyond the physical-address width',
    entry: or(1n << 39n),
  }),
  ...all([1, 2, 3, 4], { id: 'misconfig.reserved-address', says: 'bit 51', entry: or(1n << 51n) }),
  ...all([1, 2, 3, 4], {
    id: 'entry formats',
    says: 'bits 62:52 are ignored',
    entry: or(0x7ffn << 52n),
    exit: 0,
  }),
  {
    id: 'misconfig.reserved-large-page',
    says: '2 MiB, bit 12',
    level: 2,
    entry: () => 0x1000n | 0x80n | WRITE_BACK | 7n,
  },
  {
    id: 'misconfig.reserved-large-page',
    says: '1 GiB, bit 29',
    level: 3,
    entry: () => (1n << 29n) | 0x80n | WRITE_BACK | 7n,
  },
  {
    id: 'misconfig.large-page-unsupported',
    says: '2 MiB',
    level: 2,
    entry: () => 0x80n | WRITE_BACK | 7n,
    lacks: 'page2m',
  },
  {
    id: 'misconfig.large-page-unsupported',
    says: '1 GiB',
    level: 3,
    entry: () => 0x80n | WRITE_BACK | 7n,
    lacks: 'page1g',
  },
  { id: 'entry.pde-2m', says: 'supported', level: 2, entry: () => 0x80n | WRITE_BACK | 7n, exit: 0 },
  { id: 'entry.pdpte-1g', says: 'supported', level: 3, entry: () => 0x80n | WRITE_BACK | 7n, exit: 0 },
  ...[0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map(
    (type): Row => ({
      id: 'misconfig.memory-type',
      says: `memory type ${type}`,
      level: 1,
      entry: (now) => (now & ~0x38n) | (type << 3n),
      ...([2n, 3n, 7n].includes(type) ? {} : { exit: 0 }),
    }),
  ),
  { id: 'entry.pte-4k', says: 'bit 7 is ignored', level: 1, entry: or(0x80n), exit: 0 },
];

describe('each reserved setting of a present entry', () => {
  it.each(ROWS)('$id: $says, level $level', ({ level, entry, lacks, modeBased = false, exit = 49 }) => {
    const guest = new EptGuest({
      ...(lacks === undefined ? {} : { capabilities: POORER[lacks] }),
      controls: modeBased ? ['modeBasedExecuteControl'] : [],
    });
    guest.setEntry(PAGE, entry(guest.entry(PAGE, level)), level);
    const ended = guest.access('read', PAGE + 0x18);
    // Above level 1 the guest's own tables, which the walk reaches first, go through the same entry.
    const first = level === 1 ? PAGE + 0x18 : TABLES;
    if (exit === 0) expect(ended).toBe('done');
    else expect(ended).toMatchObject({ exit, gpa: BigInt(first) });
    if (exit === 49) expect(ended).toMatchObject({ qualification: 0n });
  });

  it('the guest-linear address is left alone', () => {
    const guest = new EptGuest();
    guest.setEntry(PAGE, 0);
    guest.access('read', PAGE + 0x18);
    guest.machine.resume();
    guest.setEntry(PAGE, 2);
    expect(guest.access('read', PAGE + 0x20)).toMatchObject({
      exit: 49,
      gpa: BigInt(PAGE + 0x20),
      linear: BigInt(PAGE + 0x18),
    });
  });
});

describe('misconfig.order: entries are examined from the top', () => {
  it('a misconfiguration comes before rights that an entry above it lacks', () => {
    const guest = new EptGuest();
    for (const level of [2, 3, 4]) guest.setEntry(PAGE, guest.entry(PAGE, level) & ~2n, level);
    guest.setEntry(PAGE, PAGE | 2);
    expect(guest.access('write')).toMatchObject({ exit: 49 });
  });

  it('an entry that is not present comes before a misconfiguration below it', () => {
    const guest = new EptGuest();
    guest.setEntry(PAGE, PAGE | 2);
    guest.setEntry(PAGE, guest.entry(PAGE, 2) & ~7n, 2);
    expect(guest.access('read')).toMatchObject({ exit: 48 });
  });

  it('one of an EPTP that VM entry refuses is no guest at all', () => {
    expect(() => new EptGuest({ eptp: 0x100n })).toThrow('VMLAUNCH');
  });
});
