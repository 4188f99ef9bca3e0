// 5-level EPT. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism
import { describe, expect, it } from 'vitest';
import { EPTP } from '../../../src/ept';
import { EPT_VPID_CAP, FULL_CAPABILITIES } from '../../../src/vmx';
import { ACCESSED_DIRTY, EptGuest, PAGE, type Setting, TABLES } from './guest';

const PML5 = 0x1f_0000;
const LENGTH_5 = 4n;

/** The tables of the guest under a PML5 table. */
const fiveLevels = (entry = 7n, setting: Setting = {}, flags = 0n): EptGuest =>
  new EptGuest({
    ...setting,
    values: {
      ...setting.values,
      eptPointer: EPTP.set(BigInt(PML5) | 6n | flags, 'walkLengthMinus1', LENGTH_5),
    },
    before: (guest) => guest.put(PML5, (entry & 7n) === 0n ? entry : BigInt(guest.tables.root) | entry),
  });
const access = {
  read: true,
  write: false,
  fetch: false,
  linear: 0n,
  pagingStructure: false,
  linearRights: 7,
  update: false,
} as const;

describe('eptp.walkLengthMinus1: 4', () => {
  it('translates through the PML5 table', () => {
    const guest = fiveLevels();
    guest.put(PAGE, 0x77n);
    expect(guest.machine.memory.read(BigInt(PAGE), 8)).toBe(0x77n);
  });

  it('and addresses of more than 48 bits', () => {
    const guest = fiveLevels();
    const { cpu, vmx } = guest.machine;
    guest.put(PML5 + 8 * 3, BigInt(guest.tables.root) | 7n);
    expect(vmx.translateGuestPhysical(cpu, 3 * 2 ** 48 + PAGE + 5, access)).toBe(PAGE + 5);
    expect(guest.ended(() => vmx.translateGuestPhysical(cpu, 2 * 2 ** 48, access))).toMatchObject({
      exit: 48,
      gpa: 2n << 48n,
    });
  });

  it('VM entry refuses it on a processor without it', () => {
    const without = EPT_VPID_CAP.set(FULL_CAPABILITIES.ia32VmxEptVpidCap!, 'walkLength5', 0n);
    const capabilities = { ...FULL_CAPABILITIES, ia32VmxEptVpidCap: without };
    expect(() => fiveLevels(7n, { capabilities })).toThrow('valid 7');
  });
});

describe('entry.pml5e', () => {
  const FIRST = BigInt(TABLES);
  it.each([
    ['not present', 0n, 48],
    ['write-only', 2n, 49],
    ['a bit beyond the physical-address width', 7n | (1n << 39n), 49],
    ...[3n, 4n, 5n, 6n, 7n].map((bit) => [`reserved bit ${bit}`, 7n | (1n << bit), 49] as const),
  ] as const)('%s', (_, entry, exit) => {
    expect(fiveLevels(entry).access('read')).toMatchObject({ exit, gpa: FIRST });
  });

  it('bits 9, 11 and 63:52 are ignored', () => {
    expect(fiveLevels(7n | 0xa00n | (0xfffn << 52n)).access('read')).toBe('done');
  });

  it('its rights are part of those of the path', () => {
    expect(fiveLevels(5n).access('write')).toMatchObject({ exit: 48, qualification: 0x7aan });
  });

  it('its accessed flag is set, and no dirty one', () => {
    const guest = fiveLevels(7n, {}, ACCESSED_DIRTY);
    guest.access('write');
    expect(guest.get(PML5) & 0xfffn).toBe(0x107n);
    expect(guest.entry(PAGE) & 0x300n).toBe(0x300n);
  });
});
