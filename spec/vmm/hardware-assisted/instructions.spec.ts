// The monitor as a pure machine, on scripted replies: no model of a processor takes part.
import { describe, expect, it } from 'vitest';
import { brokenRules, LAYOUT, play, type ScriptedExit, ScriptedHost } from '../scripted-host';
import { after, monitor } from './playing';

describe('instructions', () => {
  it('CPUID hides VMX and goes on behind the instruction', () => {
    const { fields, entry } = after({
      reason: 'cpuid',
      fields: { vmExitInstructionLength: 2n },
      registers: { 0: 1n, 1: 0n },
    });
    expect(entry.registers.slice(0, 4)).toEqual([1n, 0xffff_ffffn & ~0x20n & ~(1n << 27n), 4n, 2n]);
    expect(fields.get('guestRip')).toBe(LAYOUT.guest.rip + 2n);
    expect(entry.requests.length).toBeLessThanOrEqual(8);
    expect(brokenRules(entry)).toEqual([]);
  });

  it('ends the shadow of STI and makes a single step pending', () => {
    const { fields, entry } = after({
      reason: 'cpuid',
      fields: { vmExitInstructionLength: 2n, guestRflags: 0x1_0302n, guestInterruptibilityState: 1n },
    });
    expect(fields.get('guestInterruptibilityState')).toBe(0n);
    expect(fields.get('guestPendingDebugExceptions')).toBe(0x4000n);
    expect(fields.get('guestRflags')).toBe(0x302n);
    expect(brokenRules(entry)).toEqual([]);
  });

  it('wraps RIP at 32 bits outside 64-bit mode', () => {
    const { fields } = after({
      reason: 'cpuid',
      fields: { vmExitInstructionLength: 2n, guestRip: 0xffff_fffen },
    });
    expect(fields.get('guestRip')).toBe(0n);
  });

  it('HLT waits in the HLT activity state', () => {
    const { fields, entry } = after({
      reason: 'hlt',
      fields: { vmExitInstructionLength: 1n, guestRflags: 0x202n },
    });
    expect(fields.get('guestActivityState')).toBe(1n);
    expect(fields.get('guestRip')).toBe(LAYOUT.guest.rip + 1n);
    expect(brokenRules(entry)).toEqual([]);
  });

  it('INVD writes back, and XSETBV sets the XCR0 that the guest owns', () => {
    const { entry } = after({ reason: 'invd', fields: { vmExitInstructionLength: 2n } });
    expect(entry.requests).toContainEqual({ op: 'wbinvd' });
    const xsetbv = after({
      reason: 'xsetbv',
      fields: { vmExitInstructionLength: 3n },
      registers: { 0: 7n, 1: 0n, 2: 1n },
    });
    expect(xsetbv.entry.requests).toContainEqual({ op: 'xsetbv', index: 0, value: 0x1_0000_0007n });
  });

  it('VMX instructions raise #UD', () => {
    for (const reason of ['vmcall', 'vmxon', 'vmread', 'invept'] as const) {
      const { fields, entry } = after({ reason, fields: { vmExitInstructionLength: 3n } });
      expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0306n);
      expect(fields.get('guestRip')).toBe(LAYOUT.guest.rip);
      expect(fields.get('guestRflags')).toBe(0x1_0002n);
      expect(brokenRules(entry)).toEqual([]);
    }
  });

  it('IN changes as much of RAX as it read', () => {
    const host = new ScriptedHost();
    host.ports.set(0x3fd, 0x60n);
    const fields = { exitQualification: 0x3fd_0048n & ~0x40n, vmExitInstructionLength: 1n };
    const { entry } = after({ reason: 'ioInstruction', fields, registers: { 0: 0x1122_3344n } }, host);
    expect(entry.registers[0]).toBe(0x1122_3360n);
    expect(entry.requests).toContainEqual({ op: 'in', port: 0x3fd, bytes: 1 });
  });

  it('OUT writes the real port', () => {
    const { entry } = after({
      reason: 'ioInstruction',
      fields: { exitQualification: 0xf4_0003n, vmExitInstructionLength: 2n },
      registers: { 0: 0x1_2345_6789n },
    });
    expect(entry.requests).toContainEqual({ op: 'out', port: 0xf4, bytes: 4, value: 0x2345_6789 });
  });

  it('REP OUTSB makes one iteration, and leaves RIP while more follow', () => {
    const host = new ScriptedHost();
    host.putGuest(0x2000, 0x41, 0x42);
    const exit: ScriptedExit = {
      reason: 'ioInstruction',
      fields: {
        exitQualification: 0x3f8_0030n,
        vmExitInstructionLength: 2n,
        vmExitInstructionInfo: 0x1_8080n,
      },
      registers: { 1: 2n, 6: 0x2000n },
    };
    const { entries } = play(monitor, [exit, { ...exit, registers: {} }], host);
    expect(entries[1].requests).toContainEqual({ op: 'out', port: 0x3f8, bytes: 1, value: 0x41 });
    expect(entries[1].fields.get('guestRip')).toBe(LAYOUT.guest.rip);
    expect([1, 6].map((number) => entries[1].registers[number])).toEqual([1n, 0x2001n]);
    expect(entries[2].requests).toContainEqual({ op: 'out', port: 0x3f8, bytes: 1, value: 0x42 });
    expect(entries[2].fields.get('guestRip')).toBe(LAYOUT.guest.rip + 2n);
    expect(entries[2].registers[1]).toBe(0n);
  });

  it('INS to a page that is not present raises #PF before the port is read', () => {
    const { entry, fields, host } = after({
      reason: 'ioInstruction',
      fields: {
        exitQualification: 0x3f8_0018n,
        vmExitInstructionLength: 1n,
        vmExitInstructionInfo: 0x80n,
        guestCr0: 0x8000_0031n,
        cr0ReadShadow: 0x8000_0011n,
        guestCr3: 0x3000n,
      },
      registers: { 7: 0x5_0000n },
    });
    expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0b0en);
    expect(fields.get('vmEntryExceptionErrorCode')).toBe(2n);
    expect(host.controls.get(2)).toBe(0x5_0000n);
    expect(entry.requests.map((request) => request.op)).not.toContain('in');
  });
});
