// SDM Vol. 3C, 26.4.2 Treatment of Task Switches; Table 28-2 Exit Qualification for Task Switches
import { describe, expect, it } from 'vitest';
import { step } from '../../../src/api';
import { choiceAt } from '../../../src/core';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { LEFT } from '../../../src/cpu/processor-draft';
import { FLAG } from '../../../src/cpu/slots';
import type { TaskSwitchAttempt } from '../../../src/cpu/virtualization';
import { inGuest } from '../dynamics/machine';
import { AT, exitOf, field, launched, type Setting, vmxOf, words } from '../dynamics/whole-machine';

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

// SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation: IRET; of one whose task switch exits nothing is said.
describe('IRET from a nested task', () => {
  const NESTED = 0x4002;
  const CODE_32 = 0x00cf_9b00_0000_ffffn;
  const DATA = 0x00cf_9300_0000_ffffn;
  const BUSY_TSS = 0x0000_8b00_0000_0067n | (0xb000n << 16n);
  const BLOCKED = 8;
  const setting = (controls: Setting['controls']): Setting => ({
    host: '32-bit',
    controls: controls!,
    guest: [0xcf],
    fields: { guestRflags: NESTED, guestInterruptibilityState: BLOCKED },
    memory: { [AT.guestGdt]: words(0n, CODE_32, DATA, BUSY_TSS), [AT.guestTss]: words(0x18n) },
  });

  it.each([[[]], [['nmiExiting', 'virtualNmis']]] as const)('with %j has unblocked NMIs', (controls) => {
    const state = exitOf(setting(controls));
    expect(field(state, 'exitReason')).toBe(9n);
    expect(field(state, 'exitQualification')).toBe(0x4000_0018n);
    expect(field(state, 'guestInterruptibilityState')).toBe(0n);
  });

  it.each([[[]], [['nmiExiting', 'virtualNmis']]] as const)(
    'with %j leaves them blocked, by choice',
    (controls) => {
      const { state } = step(
        launched(setting(controls)),
        choiceAt(['iret-task-switch'], () => 0n),
      );
      expect(field(state, 'guestInterruptibilityState')).toBe(BigInt(BLOCKED));
      expect(vmxOf(state).virtualNmiBlocking).toBe(false);
    },
  );

  it('is not asked where NMIs exit, and stay blocked', () => {
    const { state } = step(
      launched(setting(['nmiExiting'])),
      choiceAt(['iret-task-switch'], () => {
        throw new Error('asked');
      }),
    );
    expect(field(state, 'guestInterruptibilityState')).toBe(BigInt(BLOCKED));
  });
});
