// SDM Vol. 3C, 26.4.2 Treatment of Task Switches; Table 28-2 Exit Qualification for Task Switches
import { describe, expect, it } from 'vitest';
import { step } from '../../../src/api';
import { choiceAt } from '../../../src/core';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { LEFT } from '../../../src/cpu/processor-draft';
import { FLAG } from '../../../src/cpu/slots';
import type { TaskSwitchAttempt } from '../../../src/cpu/virtualization';
import { inGuest } from '../dynamics/machine';
import { AT, exitOf, field, fields, launched, type Setting, vmxOf, words } from '../dynamics/whole-machine';

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

describe('task switches that a guest attempts', () => {
  const FAR_JUMP = [0xea, 0, 0, 0, 0, 0x18, 0];
  const CODE_32 = 0x00cf_9b00_0000_ffffn;
  const DATA = 0x00cf_9300_0000_ffffn;
  const OLD = 0x8b00_b000_0067n;
  const NEW_TSS = 0x7000;
  const tss = (type: bigint, limit: bigint, present = 1n): bigint =>
    (type << 40n) | (present << 47n) | (BigInt(NEW_TSS) << 16n) | limit;
  const available = tss(9n, 0x67n);
  /** With the T flag. */
  const newTask = new Uint8Array(0x68).fill(0x5a, 0, 0x60).fill(1, 0x64, 0x65);
  const GDT_LIMIT = 0x27;
  /** JMP to selector 18H; TR names selector 20H. */
  const jumps = (descriptor: bigint, more: Setting['fields'] = {}, guest = FAR_JUMP): Setting => ({
    host: 'pae',
    guest,
    fields: {
      guestTrSelector: 0x20,
      guestGdtrLimit: GDT_LIMIT,
      exceptionBitmap: 0xffff_ffff,
      ...more,
    },
    memory: {
      [AT.guestGdt]: words(0n, CODE_32, DATA, descriptor, OLD),
      [NEW_TSS]: newTask,
      [AT.guestTss]: new Uint8Array(0x68).fill(0x77),
    },
  });

  it('the exit leaves both tasks as they are: TR, busy flags, NT, CR3 and the link; no trap of the T flag', () => {
    const setting = jumps(available);
    const before = launched(setting);
    const state = exitOf(setting);
    const kept = ['guestTrSelector', 'guestTrAccessRights', 'guestCr3', 'guestRflags', 'guestRip'] as const;
    expect(fields(state, 'exitReason', 'guestPendingDebugExceptions')).toEqual({
      exitReason: 9n,
      guestPendingDebugExceptions: 0n,
    });
    expect(fields(state, ...kept)).toEqual(fields(before, ...kept));
    for (const [address, bytes] of [
      [AT.guestGdt, 0x28],
      [NEW_TSS, 0x68],
      [AT.guestTss, 0x68],
    ] as const)
      expect(state.memory.read(address, bytes)).toEqual(before.memory.read(address, bytes));
  });

  it('a TSS that no page maps does not fault: the exit comes first', () => {
    const state = exitOf(jumps((available & ~0xffff_0000n) | (0x81n << 56n)));
    expect(field(state, 'exitReason')).toBe(9n);
  });

  it.each([
    ['a null selector', available, {}, [0xea, 0, 0, 0, 0, 0, 0], 13, 0],
    ['beyond the GDT', available, { guestGdtrLimit: 0x17 }, FAR_JUMP, 13, 0x18],
    ['RPL above the DPL of the TSS', available, {}, [0xea, 0, 0, 0, 0, 0x1b, 0], 13, 0x18],
    ['a busy TSS', tss(11n, 0x67n), {}, FAR_JUMP, 13, 0x18],
    ['a TSS that is not present', tss(9n, 0x67n, 0n), {}, FAR_JUMP, 11, 0x18],
    ['a TSS that is too short', tss(9n, 0x66n), {}, FAR_JUMP, 10, 0x18],
    ['a task gate that is not present', 0x0500_0020_0000n, {}, FAR_JUMP, 11, 0x18],
    ['a descriptor that no page maps', available, { guestGdtrBase: 0x40_0000 }, FAR_JUMP, 14, 0],
  ] as const)('no exit for %s', (_, descriptor, more, guest, vector, errorCode) => {
    const state = exitOf(jumps(descriptor, more, [...guest]));
    expect(field(state, 'exitReason')).toBe(0n);
    expect(field(state, 'vmExitInterruptionInfo')).toBe(0x8000_0b00n | BigInt(vector));
    expect(field(state, 'vmExitInterruptionErrorCode')).toBe(BigInt(errorCode));
  });

  const TASK_GATE = 0x8500_0018_0000n;
  it.each([
    // jmp far [rax], call far [rax]
    ['JMP', [0xff, 0x28], 2, 0x18],
    ['CALL', [0xff, 0x18], 2, 0x18],
    ['INT n through a task gate', [0xcd, 0x40], 2, 0x40 * 8 + 2],
    ['IRET with NT = 1', [0xcf], 0x4002, 0],
  ] as const)('no exit in IA-32e mode: %s', (_, guest, guestRflags, errorCode) => {
    const state = exitOf({
      guest,
      registers: { 0: BigInt(AT.operand) },
      fields: { guestRflags, exceptionBitmap: 1 << 13 },
      memory: {
        [AT.guestGdt + 0x18]: words(available),
        [AT.operand]: [0, 0, 0, 0, 0x18, 0],
        [AT.guestIdt + 0x40 * 16]: words(TASK_GATE, 0n),
      },
    });
    expect(fields(state, 'exitReason', 'vmExitInterruptionInfo', 'vmExitInterruptionErrorCode')).toEqual({
      exitReason: 0n,
      vmExitInterruptionInfo: 0x8000_0b0dn,
      vmExitInterruptionErrorCode: BigInt(errorCode),
    });
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
