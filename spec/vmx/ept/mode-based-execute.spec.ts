// Mode-based execute control. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism, 29.3.3.2 EPT Violations
import { describe, expect, it } from 'vitest';
import { type Access, EptGuest, PAGE } from './guest';

const R = 1;
const W = 2;
/** Execute for supervisor-mode and for user-mode linear addresses. */
const XS = 4;
const XU = 0x400;
const FETCH = 4n;
const USER_PAGE = 0x67n;
const SUPERVISOR_PAGE = 0x63n;
const PERMISSIONS: Readonly<Record<number, bigint>> = { [R]: 8n, [W]: 16n, [XS]: 32n, [XU]: 64n };
/** Qualification of a violation by an access to a page with these rights. */
const qualified = (rights: number, access: bigint, user: boolean): bigint =>
  [R, W, XS, XU].reduce(
    (sum, one) => sum | ((rights & one) === 0 ? 0n : PERMISSIONS[one]),
    0x580n | (user ? 0x200n : 0n) | access,
  );

const guestWith = (rights: number, flags: bigint, modeBased = true): EptGuest => {
  const guest = new EptGuest({ controls: modeBased ? ['modeBasedExecuteControl'] : [], flags });
  for (const level of [2, 3, 4]) guest.setEntry(PAGE, guest.entry(PAGE, level) | BigInt(XU), level);
  guest.setEntry(PAGE, PAGE | 0x30 | rights);
  return guest;
};

describe('violation.fetch-mbe: a fetch needs bit 10 for a user-mode, bit 2 for a supervisor-mode linear address', () => {
  const rows = [R, R | XS, R | XU, R | XS | XU, XS, XU, XS | XU, R | W | XU].flatMap((rights) =>
    [true, false].map((user) => [rights, user] as const),
  );
  it.each(rows)('rights %i, user-mode %s', (rights, user) => {
    const guest = guestWith(rights, user ? USER_PAGE : SUPERVISOR_PAGE);
    if (user) guest.user();
    const allowed = (rights & (user ? XU : XS)) !== 0;
    const violation = { exit: 48, qualification: qualified(rights, FETCH, user) };
    if (allowed) expect(guest.access('fetch')).toBe('done');
    else expect(guest.access('fetch')).toMatchObject(violation);
  });

  it('the address decides, not the privilege level', () => {
    expect(guestWith(R | XU, USER_PAGE).access('fetch')).toBe('done');
    expect(guestWith(R | XS, USER_PAGE).access('fetch')).toMatchObject({ exit: 48 });
  });

  it('with CR0.PG = 0 every address is user-mode', () => {
    const guest = new EptGuest({
      controls: ['modeBasedExecuteControl', 'unrestrictedGuest'],
      values: { guestCr0: 0x31n, vmEntryControls: 0x11fbn, guestCsAccessRights: 0xc09bn },
    });
    guest.setEntry(PAGE, PAGE | 0x30 | R | XS);
    expect(guest.access('fetch')).toMatchObject({ exit: 48, qualification: qualified(R | XS, FETCH, true) });
  });

  it('each entry of the path counts', () => {
    for (const level of [2, 3, 4]) {
      const guest = guestWith(R | XS | XU, USER_PAGE);
      guest.setEntry(PAGE, guest.entry(PAGE, level) & ~BigInt(XU), level);
      expect(guest.access('fetch')).toMatchObject({ qualification: qualified(R | XS, FETCH, true) });
    }
  });
});

describe('qualification.bit6', () => {
  it.each<[Access, number, bigint]>([
    ['read', XU, 1n],
    ['write', R | XU, 2n],
    ['read', XS | XU, 1n],
  ])('a %s with rights %i shows whether user-mode addresses may execute', (access, rights, bit) => {
    const ended = guestWith(rights, USER_PAGE).access(access);
    expect(ended).toMatchObject({ exit: 48, qualification: qualified(rights, bit, true) });
  });

  it('is 0 while the control is 0, and bit 10 of an entry does not count', () => {
    const reading = guestWith(R | XU, USER_PAGE, false);
    expect(reading.access('write')).toMatchObject({ qualification: qualified(R, 2n, true) });
    const absent = guestWith(XU, USER_PAGE, false);
    expect(absent.access('fetch')).toMatchObject({ exit: 48, qualification: qualified(0, FETCH, true) });
    expect(guestWith(R | XS, USER_PAGE, false).access('fetch')).toBe('done');
  });
});
