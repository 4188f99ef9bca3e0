// SDM Vol. 3C, 26.2 Other Causes of VM Exits; 27.7.1 Interruptibility State; 28.3.4 Saving Non-Register State
import { describe, expect, it } from 'vitest';
import { type MachineState, step } from '../../../src/api';
import { choiceAt } from '../../../src/core';
import {
  AT,
  exitOf,
  field,
  fields,
  launched,
  type Setting,
  untilExit,
  type Values,
  vmxOf,
  withHidden,
} from '../dynamics/whole-machine';

const INJECT = 0x8000_0000;
const NMI = INJECT + 0x202;
const BLOCKED = 8n;
const HANDLER = 0x5000;
const OP = {
  nop: [0x90],
  iretq: [0x48, 0xcf],
  sti: [0xfb],
  movSs: [0x8e, 0xd0],
  vmcall: [0x0f, 0x01, 0xc1],
  ud2: [0x0f, 0x0b],
};
/** A frame on the guest's stack that returns to the instruction after IRETQ. */
const FRAME = new Uint8Array(
  BigUint64Array.of(BigInt(AT.guestCode + 2), 8n, 2n, BigInt(AT.guestStack), 16n).buffer,
);

const virtual = ({ controls = [], memory = {}, ...setting }: Setting): Setting => ({
  guest: [...OP.iretq, ...OP.vmcall],
  ...setting,
  controls: ['nmiExiting', 'virtualNmis', ...controls],
  memory: { [AT.guestStack]: FRAME, ...memory },
});
const window = (setting: Setting): Setting =>
  virtual({ ...setting, controls: ['nmiWindowExiting', ...(setting.controls ?? [])] });
const where = (state: MachineState) => fields(state, 'exitReason', 'guestRip');
const at = (exitReason: bigint, offset: number) => ({ exitReason, guestRip: BigInt(AT.guestCode + offset) });

describe('27.7.1 virtual-NMI blocking', () => {
  const blocked: Setting['fields'] = { guestInterruptibilityState: BLOCKED };

  it('is no blocking of NMIs: one that comes exits, and the blocking is saved', () => {
    const state = exitOf(virtual({ fields: blocked }), withHidden({ nmiPending: true }));
    expect(fields(state, 'exitReason', 'vmExitInterruptionInfo', 'guestInterruptibilityState')).toEqual({
      exitReason: 0n,
      vmExitInterruptionInfo: BigInt(NMI),
      guestInterruptibilityState: BLOCKED,
    });
    expect(state.processors[0].hidden.blockingByNmi).toBe(true);
  });

  it('begins with the injection of an NMI, ends with IRET, and says nothing of the host', () => {
    const handlers = { 2: HANDLER };
    const injected = virtual({
      handlers,
      fields: { vmEntryInterruptionInfo: NMI },
      memory: { [HANDLER]: OP.vmcall },
    });
    const state = exitOf(injected);
    expect(field(state, 'guestInterruptibilityState')).toBe(BLOCKED);
    expect(state.processors[0].hidden.blockingByNmi).toBe(false);
    expect(vmxOf(state).virtualNmiBlocking).toBe(false);
    const returned = exitOf(virtual({ fields: blocked }));
    expect(fields(returned, 'exitReason', 'guestInterruptibilityState')).toEqual({
      exitReason: 18n,
      guestInterruptibilityState: 0n,
    });
  });

  it('ends the blocking of NMIs that the host had', () => {
    const state = launched(virtual({ fields: {}, hidden: { blockingByNmi: true } }));
    expect(state.processors[0].hidden.blockingByNmi).toBe(false);
  });

  it.each([
    [['nmiExiting', 'virtualNmis'], BLOCKED, 1n],
    [['nmiExiting', 'virtualNmis'], 0n, 0n],
    [[], BLOCKED, 1n],
    [['nmiExiting'], BLOCKED, 0n],
  ] as const)('28.2.3 a fault of IRET with %j, interruptibility %s: bit 12 is %s', (controls, state, bit) => {
    const values = {
      exceptionBitmap: 0xffff_ffffn,
      guestInterruptibilityState: state,
      guestRsp: 0x8000_0000_0000n,
    };
    const after = exitOf({ guest: OP.iretq, controls, fields: values });
    expect([
      field(after, 'exitReason'),
      field(after, 'vmExitInterruptionInfo') & 0xfffn,
      (field(after, 'vmExitInterruptionInfo') >> 12n) & 1n,
    ]).toEqual([0n, 0xb0cn, bit]);
    // Unblocked before the exit, where IRET unblocks at all.
    const unblocks = controls.length !== 1;
    expect(field(after, 'guestInterruptibilityState')).toBe(unblocks ? 0n : BLOCKED);
  });
});

describe('26.2 NMI-window exiting', () => {
  it.each([
    ['active, no blocking', {}, 0],
    ['in HLT', { guestActivityState: 1 }, 0],
    ['in shutdown', { guestActivityState: 2 }, 0],
    ['blocking by MOV SS: after the instruction', { guestInterruptibilityState: 2 }, 1],
    [
      'whatever RFLAGS.IF is, blocking by STI: after the instruction',
      { guestInterruptibilityState: 1, guestRflags: 0x202 },
      1,
    ],
  ] as readonly (readonly [string, Values, number])[])('%s', (_, values, offset) => {
    const state = exitOf(window({ guest: OP.nop, fields: values }));
    expect(where(state)).toEqual(at(8n, offset));
    expect(field(state, 'guestActivityState')).toBe(BigInt(values.guestActivityState ?? 0));
  });

  it('blocked by an NMI that was injected until IRET', () => {
    const setting = window({ fields: { guestInterruptibilityState: BLOCKED } });
    expect(where(exitOf(setting))).toEqual(at(8n, 2));
    const injected = window({
      handlers: { 2: HANDLER },
      fields: { vmEntryInterruptionInfo: NMI },
      memory: { [HANDLER]: OP.vmcall },
    });
    expect(where(exitOf(injected))).toEqual({ exitReason: 18n, guestRip: BigInt(HANDLER) });
  });

  it('comes after the injection of another event, before its handler', () => {
    const setting = window({ handlers: { 6: HANDLER }, fields: { vmEntryInterruptionInfo: INJECT + 0x306 } });
    expect(where(exitOf(setting))).toEqual({ exitReason: 8n, guestRip: BigInt(HANDLER) });
  });

  it('does not wake a processor that waits for a startup IPI', () => {
    const asleep = step(launched(window({ fields: { guestActivityState: 3 } }))).state;
    expect(asleep.processors[0]).toMatchObject({ nonRoot: true, hidden: { activity: 3 } });
  });

  it('a choice says that STI does not hold it back, nor NMIs', () => {
    const open = choiceAt(['event-shadow'], () => 0n);
    const setting = window({ guest: OP.nop, fields: { guestInterruptibilityState: 1, guestRflags: 0x202 } });
    expect(where(step(launched(setting), open).state)).toEqual(at(8n, 0));
    const nmi = launched(
      virtual({ guest: OP.nop, fields: { guestInterruptibilityState: 2 } }),
      withHidden({ nmiPending: true }),
    );
    expect(where(step(nmi, open).state)).toEqual(at(0n, 0));
    expect(where(untilExit(nmi))).toEqual(at(0n, 1));
  });
});
