// The monitor as a pure machine, on scripted replies: no model of a processor takes part.
import { describe, expect, it } from 'vitest';
import { brokenRules, play, type ScriptedExit } from '../scripted-host';
import { after, monitor } from './playing';

describe('interrupts', () => {
  const arrival: ScriptedExit = { reason: 'externalInterrupt', fields: { guestRflags: 0x202n } };
  const ACKNOWLEDGED = { vmExitInterruptionInfo: 0x8000_0040n };

  it('acknowledges one when the guest can take it, and delivers it', () => {
    const { entries } = play(monitor, [arrival, { ...arrival, fields: ACKNOWLEDGED }]);
    expect(entries[1].fields.has('acknowledgeInterruptOnExit')).toBe(true);
    expect(entries[1].fields.get('vmEntryInterruptionInfo')).toBe(0n);
    expect(entries[2].fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0040n);
    expect(entries[2].fields.has('acknowledgeInterruptOnExit')).toBe(false);
    for (const entry of entries) expect(brokenRules(entry)).toEqual([]);
  });

  it('waits for the interrupt window of a guest that cannot', () => {
    const { entries } = play(monitor, [
      { reason: 'externalInterrupt' },
      { reason: 'interruptWindow', fields: { guestRflags: 0x202n } },
    ]);
    expect(entries[1].fields.has('interruptWindowExiting')).toBe(true);
    expect(entries[1].fields.has('externalInterruptExiting')).toBe(false);
    expect(entries[2].fields.has('interruptWindowExiting')).toBe(false);
    expect(entries[2].fields.has('externalInterruptExiting')).toBe(true);
  });

  it('keeps a vector that came too early until the window opens', () => {
    const { entries } = play(monitor, [
      arrival,
      { reason: 'externalInterrupt', fields: { ...ACKNOWLEDGED, guestRflags: 2n } },
      { reason: 'interruptWindow', fields: { guestRflags: 0x202n } },
    ]);
    expect(entries[2].fields.get('vmEntryInterruptionInfo')).toBe(0n);
    expect(entries[3].fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0040n);
  });

  it('does not acknowledge after an exit of another kind', () => {
    const cpuid: ScriptedExit = { reason: 'cpuid', fields: { vmExitInstructionLength: 2n } };
    const { entries } = play(monitor, [arrival, cpuid]);
    expect(entries[2].fields.has('acknowledgeInterruptOnExit')).toBe(false);
  });

  it('resumes after the preemption timer without a write', () => {
    const { entry } = after({ reason: 'preemptionTimerExpired' });
    expect(entry.requests.map((request) => request.op)).toEqual(['vmread']);
  });
});

describe('exceptions', () => {
  it('delivers #DB as the processor would, with DR6 and DR7', () => {
    const { fields, host, entry } = after({
      reason: 'exceptionOrNmi',
      fields: {
        vmExitInterruptionInfo: 0x8000_0301n,
        exitQualification: 0x4001n,
        guestDr7: 0x2401n,
        guestIa32Debugctl: 2n,
        guestRflags: 0x102n,
        guestInterruptibilityState: 1n,
      },
    });
    expect(host.debug.get(6)).toBe(0xffff_4ff1n);
    expect(fields.get('guestDr7')).toBe(0x401n);
    expect(fields.get('guestIa32Debugctl')).toBe(0n);
    expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0301n);
    expect(brokenRules(entry)).toEqual([]);
  });

  it('delivers #AC with its error code', () => {
    const { fields } = after({
      reason: 'exceptionOrNmi',
      fields: { vmExitInterruptionInfo: 0x8000_0b11n, vmExitInterruptionErrorCode: 0n },
    });
    expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0b11n);
  });

  it('delivers again what an exit interrupted', () => {
    const { fields } = after({
      reason: 'eptViolation',
      fields: {
        guestPhysicalAddress: 0x5000n,
        idtVectoringInfo: 0x8000_0480n,
        vmExitInstructionLength: 2n,
      },
    });
    expect(fields.get('vmEntryInterruptionInfo')).toBe(0x8000_0480n);
    expect(fields.get('vmEntryInstructionLength')).toBe(2n);
  });

  it('ends the machine at a triple fault', () => {
    expect(after({ reason: 'tripleFault' }).halted).toBe('triple fault');
    expect(after({ reason: 'initSignal' }).halted).toBe('no response to exit initSignal');
  });
});
