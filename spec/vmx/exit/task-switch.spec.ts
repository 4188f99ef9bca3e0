// SDM Vol. 3C, 26.4.2 Treatment of Task Switches; Table 28-2 Exit Qualification for Task Switches
import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { LEFT } from '../../../src/cpu/processor-draft';
import { FLAG } from '../../../src/cpu/slots';
import type { TaskSwitchAttempt } from '../../../src/cpu/virtualization';
import { inGuest } from '../dynamics/machine';

const exitWith = (attempt: TaskSwitchAttempt, during?: InterruptionEvent, rflags = 2) => {
  const machine = inGuest([], { guestRflags: rflags });
  const { cpu } = machine;
  try {
    machine.vmx.interceptTaskSwitch(cpu, attempt);
  } catch (left) {
    if (left !== LEFT) throw left;
  }
  machine.vmx.performExit(cpu, cpu.exit, during);
  return machine;
};

describe('VM exits due to task switches', () => {
  it.each([
    ['call', 0x0000_0080n],
    ['iret', 0x4000_0080n],
    ['jmp', 0x8000_0080n],
  ] as const)('%s: source, selector and instruction length', (source, qualification) => {
    const machine = exitWith({ source, selector: 0x80, length: 7 }, undefined, FLAG.rf | 2);
    expect(machine.field('exitReason')).toBe(9n);
    expect(machine.field('exitQualification')).toBe(qualification);
    expect(machine.field('vmExitInstructionLength')).toBe(7n);
    expect(machine.field('vmExitInterruptionInfo')).toBe(0n);
    expect(machine.field('guestRflags')).toBe(2n);
  });

  it('a task gate of the IDT: the event is in the IDT-vectoring fields', () => {
    const event = { vector: VECTOR.gp, type: EVENT_TYPE.hardwareException, errorCode: 0x18 } as const;
    const machine = exitWith({ source: 'gate', selector: 0x88, length: undefined }, event);
    expect(machine.field('exitQualification')).toBe(0xc000_0088n);
    expect(machine.field('idtVectoringInfo')).toBe(0x8000_0b0dn);
    expect(machine.field('idtVectoringErrorCode')).toBe(0x18n);
    expect(machine.field('vmExitInterruptionInfo')).toBe(0n);
    // RF as the old TSS would have had it for a fault.
    expect(machine.field('guestRflags')).toBe(BigInt(FLAG.rf | 2));
  });

  it('reached by INT n has the length of that, by an interrupt RF as it is', () => {
    const int = { vector: 0x40, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 } as const;
    const machine = exitWith({ source: 'gate', selector: 0x88, length: undefined }, int);
    expect(machine.field('vmExitInstructionLength')).toBe(2n);
    const external = { vector: 0x40, type: EVENT_TYPE.externalInterrupt } as const;
    for (const flags of [2, FLAG.rf | 2]) {
      const other = exitWith({ source: 'gate', selector: 0x88, length: undefined }, external, flags);
      expect(other.field('guestRflags')).toBe(BigInt(flags));
    }
  });
});
