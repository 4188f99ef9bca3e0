// SDM Vol. 3C, 26.5.7 Virtualization Exceptions
import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import type { Control } from '../../../src/vmx';
import { AT } from '../dynamics/machine';
import { EptGuest, PAGE, PT, type Setting, VE_AREA } from './guest';

const SUPPRESS = 1n << 63n;
const READ_ONLY = BigInt(PAGE) | 0x31n;
const CONVERTED = { vector: VECTOR.ve } as const;
const HANDLER = 0x1_9000;

const guestWith = (entry: bigint, setting: Setting = {}, more: readonly Control[] = []): EptGuest => {
  const guest = new EptGuest({
    controls: ['eptViolationVe', ...more],
    ...setting,
    values: { virtualizationExceptionInfoAddress: VE_AREA, eptpIndex: 0x1234, ...setting.values },
  });
  guest.setEntry(PAGE, entry);
  return guest;
};

describe('26.5.7.1 Convertible EPT Violations', () => {
  it.each([
    ['ve.convertible-not-present', 0n, 'read', CONVERTED],
    ['a suppressed one that is not present', SUPPRESS, 'read', { exit: 48 }],
    ['ve.convertible-leaf', READ_ONLY, 'write', CONVERTED],
    ['a suppressed page', READ_ONLY | SUPPRESS, 'write', { exit: 48 }],
    ['a page that allows the access', READ_ONLY, 'read', 'done'],
    ['never a misconfiguration', BigInt(PAGE) | 2n, 'read', { exit: 49 }],
  ] as const)('%s', (_, entry, access, expected) => {
    const ended = guestWith(entry).access(access);
    if (typeof expected === 'string') expect(ended).toBe(expected);
    else expect(ended).toMatchObject(expected);
  });

  it('one entry decides: that of a table counts only where it is not present itself', () => {
    const table = guestWith(READ_ONLY);
    for (const level of [2, 3, 4]) table.setEntry(PAGE, table.entry(PAGE, level) | SUPPRESS, level);
    expect(table.access('write')).toEqual(CONVERTED);
    const absent = guestWith(READ_ONLY);
    absent.setEntry(PAGE, SUPPRESS, 2);
    expect(absent.access('write')).toMatchObject({ exit: 48 });
  });

  it('of a large page its entry decides', () => {
    for (const [suppress, expected] of [
      [0n, CONVERTED],
      [SUPPRESS, { exit: 48 }],
    ] as const) {
      const guest = guestWith(READ_ONLY);
      guest.put(PT + (PAGE / 4096) * 8, 0x40_0067);
      guest.setEntry(0x40_0000, 0x40_00b1n | suppress, 2);
      expect(guest.access('write')).toMatchObject(expected);
    }
  });

  it('an access to a guest paging structure is converted too', () => {
    const guest = guestWith(READ_ONLY);
    guest.setEntry(PT, 0);
    expect(guest.access('read')).toEqual(CONVERTED);
    expect(guest.get(VE_AREA + 8)).toBe(0x81n);
  });

  it('a guest-physical address of more than 48 bits is translated by no entry', () => {
    const guest = guestWith(READ_ONLY);
    const { cpu, vmx } = guest.machine;
    const access = {
      read: true,
      write: false,
      fetch: false,
      linear: 0n,
      pagingStructure: false,
      linearRights: 7,
      update: false,
    };
    expect(guest.ended(() => vmx.translateGuestPhysical(cpu, 2 ** 48, access))).toMatchObject({ exit: 48 });
  });

  it('not where the control is 0', () => {
    const guest = new EptGuest();
    guest.setEntry(PAGE, 0);
    expect(guest.access('read')).toMatchObject({ exit: 48 });
  });
});

describe('what else stands against it', () => {
  it('ve.condition-pe: real-address mode', () => {
    const guest = guestWith(
      READ_ONLY,
      {
        values: {
          guestCr0: 0x30n,
          vmEntryControls: 0x11fbn,
          guestCsAccessRights: 0x9bn,
          guestCsLimit: 0xffff,
        },
      },
      ['unrestrictedGuest'],
    );
    expect(guest.access('write')).toMatchObject({ exit: 48 });
  });

  it.each([
    ['ve.condition-area-free', 1n],
    ['as delivery leaves it', 0xffff_ffffn],
  ])('%s', (_, busy) => {
    const guest = guestWith(READ_ONLY);
    guest.machine.memory.writePhysical(VE_AREA + 4, 4, busy);
    expect(guest.access('write')).toMatchObject({ exit: 48 });
    expect(guest.get(VE_AREA + 4, 4)).toBe(busy);
    expect(guest.get(VE_AREA + 16)).toBe(0n);
  });

  it('ve.condition-no-event-delivery', () => {
    const guest = guestWith(READ_ONLY);
    guest.setEntry(AT.guestIdt, 0);
    deliver(guest.machine.cpu, { vector: 0x20, type: EVENT_TYPE.externalInterrupt });
    expect(guest.lastExit()).toMatchObject({ exit: 48 });
    expect(guest.field('idtVectoringInfo')).toBe(0x8000_0020n);
    expect(guest.get(VE_AREA, 4)).toBe(0n);
  });
});

describe('26.5.7.2 Virtualization-Exception Information', () => {
  it('ve-area: is saved whole', () => {
    const guest = guestWith(READ_ONLY);
    guest.machine.memory.writePhysical(VE_AREA + 34, 8, 0xaaaa_aaaa_aaaa_aaaan);
    expect(guest.access('write', PAGE + 0x128)).toEqual(CONVERTED);
    const { get } = guest;
    const at = (offset: number, bytes: number) => get.call(guest, VE_AREA + offset, bytes);
    expect([at(0, 4), at(4, 4), at(8, 8), at(16, 8), at(24, 8), at(32, 2), at(34, 8)]).toEqual([
      48n,
      0xffff_ffffn,
      0x78an,
      BigInt(PAGE + 0x128),
      BigInt(PAGE + 0x128),
      0x1234n,
      0xaaaa_aaaa_aaaa_aaaan,
    ]);
  });

  it('the qualification has the bit of IRET', () => {
    const guest = guestWith(READ_ONLY);
    guest.machine.cpu.nmiUnblocked = true;
    guest.access('write');
    expect(guest.get(VE_AREA + 8)).toBe(0x178an);
  });
});

// SDM Vol. 3C, 26.5.7 Virtualization Exceptions
describe('ve.delivery', () => {
  const raised = (setting: Setting = {}): EptGuest => {
    const guest = guestWith(READ_ONLY, setting);
    guest.machine.gate(VECTOR.ve, HANDLER);
    expect(guest.access('write')).toEqual(CONVERTED);
    return guest;
  };
  const delivered = (guest: EptGuest): EptGuest => {
    deliver(guest.machine.cpu, guest.machine.cpu.interruption!);
    return guest;
  };

  it('through gate 20, without an error code', () => {
    const { machine } = delivered(raised());
    expect(machine.cpu.rip).toBe(BigInt(HANDLER));
    expect(machine.memory.readPhysical(AT.guestStack - 0x28, 8)).toBe(BigInt(AT.guestCode));
  });

  it('bit 20 of the exception bitmap makes it a VM exit, as a hardware exception', () => {
    const guest = delivered(raised({ values: { exceptionBitmap: 1 << VECTOR.ve } }));
    expect(guest.lastExit()).toMatchObject({ exit: 0, qualification: 0n });
    expect(guest.field('vmExitInterruptionInfo')).toBe(0x8000_0314n);
    expect(guest.field('idtVectoringInfo')).toBe(0n);
    expect(guest.get(VE_AREA + 4, 4)).toBe(0xffff_ffffn);
  });

  it('an EPT violation on the way is an exit, with #VE as the event', () => {
    const guest = raised();
    guest.setEntry(AT.guestIdt, 0);
    delivered(guest);
    expect(guest.lastExit()).toMatchObject({ exit: 48 });
    expect(guest.field('idtVectoringInfo')).toBe(0x8000_0314n);
  });

  it('a page fault on the way is a double fault', () => {
    const guest = raised({ values: { exceptionBitmap: 1 << VECTOR.df } });
    guest.put(PT + (AT.guestIdt / 4096) * 8, 0n);
    delivered(guest);
    expect(guest.field('vmExitInterruptionInfo')).toBe(0x8000_0b08n);
  });

  it('a second violation in the handler, while the area is busy, exits', () => {
    const guest = delivered(raised());
    expect(guest.access('write')).toMatchObject({ exit: 48 });
  });
});
