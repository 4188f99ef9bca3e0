// SDM Vol. 3C, 25.4.2 Guest Non-Register State; 26.2 Other Causes of VM Exits; 27.7.1 Interruptibility State; 28.3.4 Saving Non-Register State
import { describe, expect, it } from 'vitest';
import { type MachineState, step } from '../../../src/api';
import { choiceAt } from '../../../src/core';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import {
  AT,
  exitOf,
  field,
  fields,
  gate64,
  launched,
  type Setting,
  untilExit,
  withHidden,
} from '../dynamics/whole-machine';

const HANDLER = 0x5000;
const IF = 0x202;
const BY_STI = 1;
const BY_MOV_SS = 2;
const BY_NMI = 8;
const MTF = 37n;
const NOP = 0x90;
const TRAP_GATE = 0x8f;
const OP = {
  vmcall: [0x0f, 0x01, 0xc1],
  vmresume: [0x0f, 0x01, 0xc3],
  sti: [0xfb],
  hlt: [0xf4],
  movSs: [0x8e, 0xd0],
  popSs: [0x17],
  // lss esp, [eax]
  lss: [0x0f, 0xb2, 0x20],
};
const where = (state: MachineState) => fields(state, 'exitReason', 'guestRip');
const at = (exitReason: bigint, offset: number) => ({ exitReason, guestRip: BigInt(AT.guestCode + offset) });
const blocking = (state: MachineState): bigint => field(state, 'guestInterruptibilityState');
/** What blocks after the first instruction, as its monitor-trap exit saves it. */
const afterOne = (setting: Setting): bigint => {
  const state = exitOf({ ...setting, controls: ['monitorTrapFlag'] });
  expect(field(state, 'exitReason')).toBe(MTF);
  return blocking(state);
};

describe('28.3.4 blocking by STI and MOV SS', () => {
  it('STI with RFLAGS.IF = 1 already does not block', () => {
    expect(afterOne({ guest: OP.sti })).toBe(BigInt(BY_STI));
    expect(afterOne({ guest: OP.sti, fields: { guestRflags: IF } })).toBe(0n);
  });

  it('POP SS blocks, LSS does not', () => {
    const narrow: Setting = { host: 'pae', registers: { 0: BigInt(AT.operand) } };
    const memory = { [AT.guestStack]: [16, 0, 0, 0], [AT.operand]: [0, 0, 0, 0, 16, 0] };
    expect(afterOne({ ...narrow, guest: OP.popSs, memory })).toBe(BigInt(BY_MOV_SS));
    expect(afterOne({ ...narrow, guest: OP.lss, memory })).toBe(0n);
  });

  it.each([
    ['STI', { guestRflags: IF, guestInterruptibilityState: BY_STI }],
    ['MOV SS', { guestInterruptibilityState: BY_MOV_SS }],
  ])('by %s has ended where a trap-like exit follows the instruction', (_, fieldsOf) => {
    expect(afterOne({ guest: [NOP], fields: fieldsOf })).toBe(0n);
  });

  // The manual leaves open whether it does.
  it('the same instruction in its shadow does not renew it', () => {
    const sti = { guestRflags: IF, guestInterruptibilityState: BY_STI };
    expect(afterOne({ guest: OP.sti, fields: sti })).toBe(0n);
    const movSs = { guestInterruptibilityState: BY_MOV_SS };
    expect(afterOne({ guest: OP.movSs, fields: movSs, registers: { 0: 16n } })).toBe(0n);
    expect(afterOne({ guest: OP.movSs, registers: { 0: 16n } })).toBe(BigInt(BY_MOV_SS));
  });

  it('HLT ends it', () => {
    const state = exitOf({
      guest: OP.hlt,
      controls: ['activateVmxPreemptionTimer'],
      fields: { guestRflags: IF, guestInterruptibilityState: BY_STI, vmxPreemptionTimerValue: 10 },
    });
    expect(fields(state, 'exitReason', 'guestActivityState', 'guestInterruptibilityState')).toEqual({
      exitReason: 52n,
      guestActivityState: 1n,
      guestInterruptibilityState: 0n,
    });
  });

  it('a VM entry that injects an event leaves none', () => {
    const setting = { handlers: { 6: HANDLER }, memory: { [HANDLER]: OP.vmcall } };
    for (const guestInterruptibilityState of [BY_STI, BY_MOV_SS]) {
      const state = launched({
        ...setting,
        fields: { guestInterruptibilityState, guestRflags: IF, vmEntryInterruptionInfo: 0x8000_0306 },
      });
      expect(state.processors[0].hidden).toMatchObject({ blockingBySti: false, blockingByMovSs: false });
      expect(blocking(untilExit(state))).toBe(0n);
    }
  });
});

describe('external interrupts in a guest', () => {
  const open = choiceAt(['event-shadow'], () => 0n);
  const shadows = [
    ['STI', { guestRflags: IF, guestInterruptibilityState: BY_STI }],
    ['MOV SS', { guestRflags: IF, guestInterruptibilityState: BY_MOV_SS }],
  ] as const;

  it.each(shadows)('exit after the instruction blocked by %s, or before it by choice', (_, fieldsOf) => {
    const setting: Setting = {
      guest: [NOP, NOP],
      controls: ['externalInterruptExiting'],
      fields: fieldsOf,
      interrupt: 0x51,
    };
    expect(where(exitOf(setting))).toEqual(at(1n, 1));
    expect(where(step(launched(setting), open).state)).toEqual(at(1n, 0));
  });

  it.each(shadows)('are delivered after the instruction blocked by %s', (_, fieldsOf) => {
    const state = exitOf({
      guest: [NOP, ...OP.vmcall],
      handlers: { 81: HANDLER },
      memory: { [HANDLER]: OP.vmcall },
      fields: { ...fieldsOf, guestRsp: AT.guestStack },
      interrupt: 0x51,
    });
    expect(where(state)).toEqual({ exitReason: 18n, guestRip: BigInt(HANDLER) });
    const frame = Uint8Array.from(state.memory.read(AT.guestStack - 40, 8));
    expect(new DataView(frame.buffer).getBigUint64(0, true)).toBe(BigInt(AT.guestCode + 1));
  });

  it('stay pending while RFLAGS.IF is 0', () => {
    expect(where(exitOf({ guest: [NOP, ...OP.vmcall], interrupt: 0x51 }))).toEqual(at(18n, 1));
  });
});

describe('blocking by NMI without virtual NMIs', () => {
  it.each([[[]], [['nmiExiting']]] as const)('with %j holds an NMI back', (controls) => {
    const setting = { guest: [NOP, ...OP.vmcall], handlers: { 2: HANDLER }, controls };
    const pending = withHidden({ nmiPending: true });
    const blocked = exitOf({ ...setting, fields: { guestInterruptibilityState: BY_NMI } }, pending);
    expect(where(blocked)).toEqual(at(18n, 1));
    expect(blocking(blocked)).toBe(BigInt(BY_NMI));
  });

  it('is in effect after an exit for another reason', () => {
    const guest = OP.vmcall;
    const blocked = exitOf({ guest, fields: { guestInterruptibilityState: BY_NMI } });
    expect(blocked.processors[0].hidden.blockingByNmi).toBe(true);
    expect(exitOf({ guest }).processors[0].hidden.blockingByNmi).toBe(false);
  });
});

describe('26.2 interrupt-window exiting', () => {
  const open = { guestRflags: IF } as const;
  const windowed = (setting: Setting): Setting => ({ ...setting, controls: ['interruptWindowExiting'] });

  it('after a VM entry comes before the first instruction', () => {
    const state = exitOf(windowed({ guest: OP.vmcall, fields: open }));
    expect(where(state)).toEqual(at(7n, 0));
    expect(fields(state, 'exitQualification', 'vmExitInstructionLength')).toEqual({
      exitQualification: 0n,
      vmExitInstructionLength: 0n,
    });
  });

  it('after injection comes before the first instruction of a handler that leaves RFLAGS.IF = 1', () => {
    const state = exitOf(
      windowed({
        memory: { [AT.guestIdt + 6 * 16]: gate64(HANDLER, TRAP_GATE), [HANDLER]: OP.vmcall },
        fields: { ...open, vmEntryInterruptionInfo: 0x8000_0306 },
      }),
    );
    expect(where(state)).toEqual({ exitReason: 7n, guestRip: BigInt(HANDLER) });
  });

  it.each([
    ['STI', BY_STI],
    ['MOV SS', BY_MOV_SS],
  ])('after the instruction that is blocked by %s; no blocking is saved', (_, guestInterruptibilityState) => {
    const state = exitOf(windowed({ guest: [NOP], fields: { ...open, guestInterruptibilityState } }));
    expect(where(state)).toEqual(at(7n, 1));
    expect(blocking(state)).toBe(0n);
  });

  it('comes again at each VM entry while it is open', () => {
    const memory = { [AT.hostCode + 0x100]: [NOP, ...OP.vmresume, NOP, ...OP.hlt] };
    const first = untilExit(launched(windowed({ guest: OP.vmcall, fields: open, memory })));
    const { state, events } = step(first);
    expect(events.map(({ kind }) => kind)).toContain('vm-entry');
    expect(where(untilExit(state))).toEqual(at(7n, 0));
  });
});

describe('a window and MWAIT', () => {
  const waiting = withHidden({ activity: ACTIVITY.mwait, monitoredLine: AT.operand });
  const open = { guestRflags: IF };

  it('without a window the processor waits', () => {
    const { state } = step(launched({ guest: OP.vmcall, fields: open }, waiting));
    expect(state.processors[0]).toMatchObject({ nonRoot: true, hidden: { activity: ACTIVITY.mwait } });
  });

  it.each([
    ['an interrupt window', ['interruptWindowExiting'], 7n],
    ['an NMI window', ['nmiExiting', 'virtualNmis', 'nmiWindowExiting'], 8n],
  ] as const)('%s wakes from MWAIT', (_, controls, reason) => {
    const { state } = step(launched({ guest: OP.vmcall, controls, fields: open }, waiting));
    expect(where(state)).toEqual(at(reason, 0));
    expect(field(state, 'guestActivityState')).toBe(0n);
  });
});

describe('27.7.2 wait-for-SIPI', () => {
  it('no exit by the monitor trap flag in wait-for-SIPI', () => {
    const setting: Setting = { controls: ['monitorTrapFlag'], fields: { guestActivityState: 3 } };
    const waiting = step(launched(setting)).state;
    expect(waiting.processors[0]).toMatchObject({ nonRoot: true, hidden: { activity: 3 } });
    const woken = untilExit(withHidden({ startupVector: 0x9f })(waiting));
    expect(field(woken, 'exitReason')).toBe(4n);
  });

  it('the VMX-preemption timer stays 0 once it has counted down; the value that another exit saves is 0', () => {
    const waiting = launched({
      controls: ['activateVmxPreemptionTimer', 'saveVmxPreemptionTimerValue'],
      fields: { guestActivityState: 3, vmxPreemptionTimerValue: 2 },
    });
    let state = { ...waiting, clock: waiting.clock + 1000 };
    ({ state } = step(state));
    expect(state.processors[0].nonRoot).toBe(true);
    const after = untilExit(withHidden({ startupVector: 0x9f })(state));
    expect(fields(after, 'exitReason', 'vmxPreemptionTimerValue')).toEqual({
      exitReason: 4n,
      vmxPreemptionTimerValue: 0n,
    });
  });
});
