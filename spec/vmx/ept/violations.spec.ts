// SDM Vol. 3C, 29.3.3.2 EPT Violations; Table 28-7 Exit Qualification for EPT Violations
import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import { EPT_VPID_CAP, FULL_CAPABILITIES } from '../../../src/vmx';
import { ACCESSED_DIRTY, type Access, EptGuest, PAGE, PT, type Setting, TABLES } from './guest';

const R = 1;
const W = 2;
const X = 4;
/** Bits 7 and 8: the access is to the translation of a linear address. */
const FINAL = 0x180n;
/** Bit 7 alone: the access is to a guest paging structure. */
const STRUCTURE = 0x80n;
const USER = 0x200n;
const WRITABLE = 0x400n;
const EXECUTE_DISABLE = 0x800n;
/** Of `PAGE` by the tables of `EptGuest`: a user-mode, read/write, executable page. */
const LINEAR = FINAL | USER | WRITABLE;

const OLD = {
  ...FULL_CAPABILITIES,
  ia32VmxEptVpidCap: EPT_VPID_CAP.set(FULL_CAPABILITIES.ia32VmxEptVpidCap!, 'advancedVmexitInfo', 0n),
};

const withRights = (rights: number, setting: Setting = {}): EptGuest => {
  const guest = new EptGuest(setting);
  guest.setEntry(PAGE, PAGE | 0x30 | rights);
  return guest;
};

describe('accesses to the translation of a linear address', () => {
  const rows: readonly (readonly [string, Access, number, bigint | 'done'])[] = [
    ['violation.not-present', 'read', 0, LINEAR | 1n],
    ['violation.not-present', 'write', 0, LINEAR | 2n],
    ['violation.not-present', 'fetch', 0, LINEAR | 4n],
    ['violation.read', 'read', X, LINEAR | 1n | (4n << 3n)],
    ['violation.write', 'write', X, LINEAR | 2n | (4n << 3n)],
    ['violation.write', 'write', R, LINEAR | 2n | (1n << 3n)],
    ['violation.write', 'write', R | X, LINEAR | 2n | (5n << 3n)],
    ['violation.fetch', 'fetch', R, LINEAR | 4n | (1n << 3n)],
    ['violation.fetch', 'fetch', R | W, LINEAR | 4n | (3n << 3n)],
    ['execute-only', 'fetch', X, 'done'],
    ['read-only', 'read', R, 'done'],
    ['read and write', 'write', R | W, 'done'],
    ['read and execute', 'fetch', R | X, 'done'],
  ];
  it.each(rows)('%s: %s with rights %i', (_, access, rights, expected) => {
    const ended = withRights(rights).access(access, PAGE + 8);
    const exit = { exit: 48, qualification: expected, gpa: BigInt(PAGE + 8), linear: BigInt(PAGE + 8) };
    expect(ended).toEqual(expected === 'done' ? 'done' : exit);
  });

  it('rights are those that all entries of the path have, at each level', () => {
    for (const level of [2, 3, 4]) {
      const guest = new EptGuest();
      guest.setEntry(PAGE, guest.entry(PAGE, level) & ~2n, level);
      expect(guest.access('write')).toMatchObject({ exit: 48, qualification: LINEAR | 2n | (5n << 3n) });
    }
  });

  it('entry.not-present: bits 2:0 alone decide, at each level; no right is left', () => {
    for (const level of [1, 2, 3, 4]) {
      const guest = new EptGuest();
      guest.setEntry(PAGE, -8, level);
      // The guest's own tables go the same way, except through the entry for the page alone.
      const expected = level === 1 ? LINEAR | 1n : STRUCTURE | 1n;
      expect(guest.access('read')).toMatchObject({ exit: 48, qualification: expected });
    }
  });
});

describe('qualification.bit9 to bit11: advanced VM-exit information', () => {
  const PRESENT = 1n;
  const NX = 1n << 63n;
  it.each([
    ['supervisor-mode, read-only', PRESENT, FINAL],
    ['read/write', PRESENT | 2n, FINAL | WRITABLE],
    ['user-mode', PRESENT | 4n, FINAL | USER],
    ['execute-disable', PRESENT | 2n | NX, FINAL | WRITABLE | EXECUTE_DISABLE],
  ])('%s', (_, flags, expected) => {
    const guest = withRights(0, { flags: flags | 0x60n });
    guest.machine.cpu.R[SLOT.efer] |= 0x800n;
    expect(guest.access('read')).toMatchObject({ exit: 48, qualification: expected | 1n });
  });

  it('of the whole path: a supervisor-mode table makes a supervisor-mode address', () => {
    const guest = withRights(0);
    guest.put(TABLES + 0x2000, BigInt(PT) | 0x61n);
    expect(guest.access('read')).toMatchObject({ qualification: FINAL | 1n });
  });

  it('qualification.advanced-info-when: not on a processor without it', () => {
    expect(withRights(0, { capabilities: OLD }).access('read')).toMatchObject({ qualification: FINAL | 1n });
  });

  it('with CR0.PG = 0 every address is user-mode, read/write and executable', () => {
    const guest = withRights(0, {
      controls: ['unrestrictedGuest'],
      values: { guestCr0: 0x31n, vmEntryControls: 0x11fbn, guestCsAccessRights: 0xc09bn },
    });
    expect(guest.access('read')).toMatchObject({ exit: 48, qualification: LINEAR | 1n });
  });
});

describe('accesses to guest paging structures', () => {
  // The entry for PAGE has both flags, or neither.
  const CLEAN = 0x7n;
  const rows: readonly (readonly [string, bigint, bigint, number, Access, bigint | 'done'])[] = [
    ['a table that may not be read', 0n, 0x67n, 0, 'read', STRUCTURE | 1n],
    ['whatever the access itself is', 0n, 0x67n, X, 'fetch', STRUCTURE | 1n | (4n << 3n)],
    ['read alone where nothing is to set', 0n, 0x67n, R, 'write', 'done'],
    ['the update of accessed flags is a write', 0n, CLEAN, R, 'read', STRUCTURE | 3n | (1n << 3n)],
    ['that of the dirty flag too', 0n, 0x27n, R, 'write', STRUCTURE | 3n | (1n << 3n)],
    ['violation.paging-structure-as-write', ACCESSED_DIRTY, 0x67n, R, 'read', STRUCTURE | 3n | (1n << 3n)],
    ['qualification.ad-paging-access', ACCESSED_DIRTY, 0x67n, 0, 'fetch', STRUCTURE | 3n],
    ['a table that may be written', ACCESSED_DIRTY, CLEAN, R | W, 'write', 'done'],
  ];
  it.each(rows)('%s', (_, eptp, flags, rights, access, expected) => {
    const guest = new EptGuest({ eptp, flags });
    guest.setEntry(PT, PT | 0x30 | rights);
    const exit = {
      exit: 48,
      qualification: expected,
      gpa: BigInt(PT + (PAGE / 4096) * 8),
      linear: BigInt(PAGE + 0x10),
    };
    expect(guest.access(access, PAGE + 0x10)).toEqual(expected === 'done' ? 'done' : exit);
  });

  it('a guest page fault comes before the access to the page itself', () => {
    const guest = withRights(0, { flags: 0n });
    expect(guest.access('read')).toEqual({ vector: 14, errorCode: 0 });
  });
});

// SDM Vol. 3A, 4.4.1 PDPTE Registers
describe('qualification.bit7: the load of PDPTE registers has no linear address', () => {
  it.each([
    ['without accessed and dirty flags', 0n],
    ['with them, as a read', ACCESSED_DIRTY],
  ])('%s', (_, eptp) => {
    const guest = new EptGuest({
      eptp,
      values: {
        guestCr4: 0x2020n,
        vmEntryControls: 0x11fbn,
        guestCsAccessRights: 0xc09bn,
        guestPdpte0: BigInt(TABLES + 0x2000) | 1n,
      },
    });
    guest.setEntry(PAGE, PAGE | 0x30);
    guest.machine.cpu.R[SLOT.rbx] = BigInt(PAGE + 0x20);
    // MOV CR3, EBX
    guest.machine.execute(0x0f, 0x22, 0xdb);
    expect(guest.lastExit()).toMatchObject({ exit: 48, qualification: 1n, gpa: BigInt(PAGE + 0x20) });
  });
});

describe('qualification.bit12: NMI unblocking due to IRET', () => {
  it('is 1 where IRET had just ended blocking by NMI', () => {
    const guest = withRights(0);
    guest.machine.cpu.nmiUnblocked = true;
    expect(guest.access('read')).toMatchObject({ qualification: LINEAR | 0x1001n });
  });
});

describe('translate.address-bits', () => {
  it('4 levels translate 48 bits; beyond them nothing is present', () => {
    const capabilities = FULL_CAPABILITIES;
    const guest = new EptGuest({ capabilities });
    const access = {
      read: true,
      write: false,
      fetch: false,
      linear: 0n,
      pagingStructure: false,
      linearRights: 7,
      update: false,
    };
    const { cpu, vmx } = guest.machine;
    expect(guest.ended(() => vmx.translateGuestPhysical(cpu, 2 ** 48, access))).toMatchObject({
      exit: 48,
      gpa: 1n << 48n,
      qualification: LINEAR | 1n,
    });
  });
});
