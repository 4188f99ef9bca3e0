// The monitor as a pure machine, on scripted replies: no model of a processor takes part.
import { describe, expect, it } from 'vitest';
import { GUEST_BASE, LAYOUT, MONITOR_BASE, type ScriptedExit, ScriptedHost } from '../scripted-host';
import { AT, after, mmio } from './playing';

describe('device memory', () => {
  it('writes the local APIC', () => {
    // mov [ebx], eax
    const { host, exit } = mmio([0x89, 0x03], true, { 0: 0x1_0000_00f0n });
    const { entry, fields } = after(exit, host);
    expect(entry.requests).toContainEqual({ op: 'store', address: 0xfee0_0080n, bytes: 4, value: 0xf0n });
    expect(fields.get('guestRip')).toBe(LAYOUT.guest.rip + 2n);
  });

  it('reads it into a register, zero- and sign-extended', () => {
    const cases: readonly (readonly [readonly number[], bigint])[] = [
      [[0x8b, 0x03], 0x8182_8384n],
      [[0x0f, 0xb6, 0x03], 0x84n],
      [[0x0f, 0xbe, 0x03], 0xffff_ff84n],
      [[0x66, 0x8b, 0x03], 0x1111_8384n],
      [[0x8a, 0x23], 0x1111_8411n],
    ];
    for (const [bytes, value] of cases) {
      const { host, exit } = mmio(bytes, false, { 0: 0x1111_1111n });
      host.store(0xfee0_0080, 4, 0x8182_8384n);
      expect(after(exit, host).entry.registers[0]).toBe(value);
    }
  });

  it('computes flags', () => {
    // cmp dword [ebx], 1; or dword [ebx], 0x100
    const compare = mmio([0x83, 0x3b, 0x01], false);
    expect(after(compare.exit, compare.host).fields.get('guestRflags')).toBe(0x97n);
    const or = mmio([0x81, 0x0b, 0x00, 0x01, 0x00, 0x00], true);
    or.host.store(0xfee0_0080, 4, 0x8000_0000n);
    const { entry, fields } = after(or.exit, or.host);
    expect(entry.requests).toContainEqual({
      op: 'store',
      address: 0xfee0_0080n,
      bytes: 4,
      value: 0x8000_0100n,
    });
    expect(fields.get('guestRflags')).toBe(0x86n);
  });

  it('exchanges', () => {
    const { host, exit } = mmio([0x87, 0x03], true, { 0: 5n });
    host.store(0xfee0_0080, 4, 9n);
    expect(after(exit, host).entry.registers[0]).toBe(9n);
    expect(host.load(0xfee0_0080, 4)).toBe(5n);
  });

  it('finds all ones where nothing is, and never the memory of the host', () => {
    const { host, exit } = mmio([0x8b, 0x03], false, { 3: MONITOR_BASE + 0x50_0000n });
    const where = MONITOR_BASE + 0x50_0000n;
    host.store(Number(where), 4, 0x1234n);
    const fields = { ...exit.fields, guestPhysicalAddress: where, guestLinearAddress: where };
    expect(after({ ...exit, fields }, host).entry.registers[0]).toBe(0xffff_ffffn);
  });

  it('names an instruction that it does not emulate', () => {
    const { host, exit } = mmio([0xff, 0x33], false);
    expect(after(exit, host).halted).toMatch(/does not emulate 'push/);
  });

  it('moves a string through the page tables of a 64-bit guest', () => {
    const host = new ScriptedHost();
    // rep movsd, mapped at 4000_0000H; the source page 5000H of the guest is at 4000_1000H
    for (const [table, index, entry] of [
      [0x3000, 0, 0x4007],
      [0x4000, 1, 0x5007],
      [0x4000, 3, 0xc000_0087],
      [0x5000, 0, 0x6007],
      [0x6000, 0, 0x10_0007],
      [0x6000, 1, 0x7007],
    ])
      host.store(GUEST_BASE + table + 8 * index, 8, BigInt(entry));
    host.putGuest(AT, 0xf3, 0xa5);
    host.putGuest(0x7ffe, 0x0d, 0xf0);
    const exit: ScriptedExit = {
      reason: 'eptViolation',
      registers: { 1: 1n, 6: 0x4000_1ff8n, 7: 0xfee0_0300n },
      fields: {
        guestCr0: 0x8000_0031n,
        cr0ReadShadow: 0x8000_0011n,
        guestCr3: 0x3000n,
        guestCr4: 0x2020n,
        guestIa32Efer: 0x500n,
        guestCsAccessRights: 0xa09bn,
        guestRip: 0x4000_0000n,
        exitQualification: 0x182n,
        guestPhysicalAddress: 0xfee0_0300n,
        guestLinearAddress: 0xfee0_0300n,
      },
    };
    host.putGuest(0x7ff8, 1, 2, 3, 4);
    const { entry, fields } = after(exit, host);
    expect(entry.requests).toContainEqual({
      op: 'store',
      address: 0xfee0_0300n,
      bytes: 4,
      value: 0x0403_0201n,
    });
    expect([1, 6, 7].map((number) => entry.registers[number])).toEqual([0n, 0x4000_1ffcn, 0xfee0_0304n]);
    expect(fields.get('guestRip')).toBe(0x4000_0002n);
    expect(host.load(GUEST_BASE + 0x6008, 8)).toBe(0x7027n);
  });
});
