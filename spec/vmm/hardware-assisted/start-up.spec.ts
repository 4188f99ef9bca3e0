// The monitor as a pure machine, on scripted replies: no model of a processor takes part.
import { describe, expect, it } from 'vitest';
import { brokenRules, GUEST_BASE, LAYOUT, MONITOR_BASE, play, ScriptedHost } from '../scripted-host';
import { monitor } from './playing';

describe('start-up', () => {
  const host = new ScriptedHost();
  const { entries, halted } = play(monitor, [], host);
  const [entry] = entries;

  it('launches the guest with a VMCS that passes the checks of VM entry', () => {
    expect(halted).toBeUndefined();
    expect(entry.op).toBe('vmlaunch');
    expect(brokenRules(entry)).toEqual([]);
  });

  it('enters VMX operation in the order of the manual', () => {
    const order = entry.requests.map((request) => request.op);
    const steps = ['vmxon', 'vmclear', 'vmptrld', 'vmwrite'] as const;
    expect(steps.map((op) => order.indexOf(op))).toEqual(
      steps.map((op) => order.indexOf(op)).sort((a, b) => a - b),
    );
    expect(host.controls.get(4)! & 0x2000n).toBe(0x2000n);
    expect(host.load(Number(MONITOR_BASE), 4)).toBe(4n);
  });

  it('maps the RAM of the guest and nothing else', () => {
    const walk = (gpa: number): bigint => {
      let table = entry.fields.get('eptPointer') & ~0xfffn;
      for (const shift of [39n, 30n, 21n]) {
        const item = host.load(Number(table + 8n * ((BigInt(gpa) >> shift) & 511n)), 8);
        if ((item & 7n) === 0n || (item & 128n) !== 0n) return item;
        table = item & ~0xfffn;
      }
      return host.load(Number(table + 8n * ((BigInt(gpa) >> 12n) & 511n)), 8);
    };
    expect(walk(0)).toBe(BigInt(GUEST_BASE) | 0xb7n);
    expect(walk(0x3f_f000)).toBe(BigInt(GUEST_BASE + 0x20_0000) | 0xb7n);
    expect(walk(0x40_0000)).toBe(0n);
    expect(walk(0xfee0_0000)).toBe(0n);
  });

  it('starts a guest in 64-bit mode', () => {
    const { guest } = LAYOUT;
    const segments = guest.segments.map((segment, i) =>
      i === 1 ? { ...segment, accessRights: 0xa09b } : segment,
    );
    const start = {
      ...guest,
      mode: 'long',
      cr0: 0x8000_0011n,
      cr4: 0x20n,
      efer: 0x500n,
      cr3: 0x3000n,
    } as const;
    const long = new ScriptedHost({ ...LAYOUT, guest: { ...start, segments } });
    const [first] = play(monitor, [], long).entries;
    expect(first.fields.has('ia32eModeGuest')).toBe(true);
    expect(brokenRules(first)).toEqual([]);
  });

  it('maps RAM that is not aligned for large pages in pages of 4 KiB, and no page by half', () => {
    const guestMemory = [{ guest: 0, host: GUEST_BASE + 0x1000, bytes: 0x9_fc00 }];
    const odd = new ScriptedHost({ ...LAYOUT, guestMemory });
    const [first] = play(monitor, [], odd).entries;
    const leaves = first.requests.filter(
      (request) => request.op === 'store' && request.value >> 28n === 0n && request.value > GUEST_BASE,
    );
    expect(leaves).toHaveLength(0x9f);
    const tiny = { ...LAYOUT, guestMemory, monitorMemory: { base: MONITOR_BASE, bytes: 0x9000n } };
    expect(play(monitor, [], new ScriptedHost(tiny)).halted).toMatch(/does not hold the EPT tables/);
  });

  it('ends when the processor lacks what it needs', () => {
    const bare = new ScriptedHost();
    bare.msrs.delete(0x480);
    expect(play(monitor, [], bare).halted).toBe('the processor has no VMX');
    const restricted = new ScriptedHost();
    restricted.msrs.set(0x48b, restricted.msrs.get(0x48b)! & ~(1n << 39n));
    expect(play(monitor, [], restricted).halted).toBe('VMX lacks: Unrestricted guest');
    const locked = new ScriptedHost();
    locked.msrs.set(0x3a, 1n);
    expect(play(monitor, [], locked).halted).toBe('firmware has disabled VMX');
  });
});
