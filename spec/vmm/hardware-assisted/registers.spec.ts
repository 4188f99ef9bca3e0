// The monitor as a pure machine, on scripted replies: no model of a processor takes part.
import { describe, expect, it } from 'vitest';
import { brokenRules, GUEST_BASE, LAYOUT, play, type ScriptedExit, ScriptedHost } from '../scripted-host';
import { AT, after, monitor } from './playing';

describe('MSRs', () => {
  const access = (reason: 'rdmsr' | 'wrmsr', index: bigint, value = 0n): ScriptedExit => ({
    reason,
    fields: { vmExitInstructionLength: 2n },
    registers: { 0: value & 0xffff_ffffn, 1: index, 2: value >> 32n },
  });

  it('gives the MSRs of the host', () => {
    const { entry } = after(access('rdmsr', 0x1bn));
    expect([entry.registers[0], entry.registers[2]]).toEqual([0xfee0_0900n, 0n]);
  });

  it('raises #GP(0) for those of VMX and those that the host lacks', () => {
    for (const index of [0x3an, 0x480n, 0x493n, 0x1234n]) {
      const { fields, entry } = after(access('rdmsr', index));
      expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0b0dn);
      expect(fields.get('vmEntryExceptionErrorCode')).toBe(0n);
      expect(brokenRules(entry)).toEqual([]);
    }
  });

  it('moves the time-stamp counter by the offset alone', () => {
    const { entries } = play(monitor, [access('wrmsr', 0x10n, 5000n), access('rdmsr', 0x3bn)]);
    expect(entries[1].fields.get('tscOffset')).toBe(4000n);
    expect(entries[2].registers[0]).toBe(4000n);
  });

  it('sends accesses to a moved local APIC to its new page', () => {
    const host = new ScriptedHost();
    host.putGuest(AT, 0x8b, 0x03);
    host.store(0xfed0_0020, 4, 7n);
    const read: ScriptedExit = {
      reason: 'eptViolation',
      registers: { 3: 0xfed0_0020n },
      fields: {
        exitQualification: 0x181n,
        guestPhysicalAddress: 0xfed0_0020n,
        guestLinearAddress: 0xfed0_0020n,
        guestRip: BigInt(AT),
      },
    };
    expect(play(monitor, [read], host).entries[1].registers[0]).toBe(0xffff_ffffn);
    const moved = play(monitor, [access('wrmsr', 0x1bn, 0xfed0_0900n), read], host);
    expect(moved.entries[2].registers[0]).toBe(7n);
  });
});

describe('control registers', () => {
  const movToCr0 = (value: bigint, fields = {}): ScriptedExit => ({
    reason: 'controlRegisterAccess',
    registers: { 2: value },
    fields: { exitQualification: 0x200n, vmExitInstructionLength: 3n, ...fields },
  });
  const READY = { guestCr4: 0x2020n, guestIa32Efer: 0x100n, guestCr3: 0x3000n };

  // SDM Vol. 3A, 4.4.1 PDPTE Registers
  it('in PAE paging loads the PDPTEs for PG, CD and NW, not for NE', () => {
    const host = new ScriptedHost();
    // Bit 1 of a PDPTE is reserved.
    host.store(GUEST_BASE + 0x3000, 8, 0x4003n);
    const paged = {
      guestCr0: 0x8000_0031n,
      cr0ReadShadow: 0x8000_0011n,
      guestCr4: 0x2020n,
      guestCr3: 0x3000n,
    };
    const injected = (value: bigint): bigint | undefined =>
      play(monitor, [movToCr0(value, paged)], host).entries[1].fields.get('vmEntryInterruptionInfo');
    expect(injected(0x8000_0031n)).toBe(0n);
    expect(injected(0xc000_0011n)).toBe(0x8000_0b0dn);
  });

  it('enters IA-32e mode with PG, and leaves it again', () => {
    const { entries } = play(monitor, [
      movToCr0(0x8000_0011n, READY),
      movToCr0(0x11n, { guestCsAccessRights: 0xc09bn }),
    ]);
    expect(entries[1].fields.get('guestIa32Efer')).toBe(0x500n);
    expect(entries[1].fields.has('ia32eModeGuest')).toBe(true);
    expect(entries[1].fields.get('cr0ReadShadow')).toBe(0x8000_0011n);
    expect(entries[1].requests.map((request) => request.op)).toContain('invvpid');
    expect(brokenRules(entries[1])).toEqual([]);
    expect(entries[2].fields.get('guestIa32Efer')).toBe(0x100n);
    expect(entries[2].fields.has('ia32eModeGuest')).toBe(false);
    expect(brokenRules(entries[2])).toEqual([]);
  });

  it('refuses with #GP(0) what the processor refuses', () => {
    const refused: readonly ScriptedExit[] = [
      movToCr0(0x8000_0010n),
      movToCr0(0x8000_0011n, { ...READY, guestCr4: 0x2000n }),
      movToCr0(0xa000_0011n),
      movToCr0(0x8000_0011n, { ...READY, guestTrAccessRights: 0x83n }),
      { ...movToCr0(0x2000n), fields: { exitQualification: 0x204n, vmExitInstructionLength: 3n } },
    ];
    for (const exit of refused) {
      const { fields } = after(exit);
      expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0b0dn);
      expect(fields.get('guestRip')).toBe(LAYOUT.guest.rip);
    }
  });

  it('LMSW sets PE and leaves the high bits', () => {
    const { fields } = after({
      reason: 'controlRegisterAccess',
      fields: {
        exitQualification: 0xb_0030n,
        vmExitInstructionLength: 3n,
        guestCr0: 0x1_0030n,
        cr0ReadShadow: 0x10n,
      },
    });
    expect([fields.get('guestCr0'), fields.get('cr0ReadShadow')]).toEqual([0x1_003bn, 0x1_001bn]);
  });

  it('keeps NE set and shows the guest what it wrote', () => {
    const { fields } = after(movToCr0(0x31n));
    expect([fields.get('guestCr0'), fields.get('cr0ReadShadow')]).toEqual([0x31n, 0x31n]);
    expect(after(movToCr0(0x13n, { cr0ReadShadow: 0x31n })).fields.get('guestCr0')).toBe(0x33n);
  });
});
