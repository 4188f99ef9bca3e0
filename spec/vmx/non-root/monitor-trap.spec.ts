// SDM Vol. 3C, 26.5.2 Monitor Trap Flag; 27.6.2 Injection of Pending MTF VM Exits
import { describe, expect, it } from 'vitest';
import { deserialize, type MachineState, serialize, step } from '../../../src/api';
import {
  AT,
  exitOf,
  fields,
  gate64,
  launched,
  type Setting,
  untilExit,
  vmxOf,
  withHidden,
  words,
} from '../dynamics/whole-machine';

const MTF = 37n;
const INJECT = 0x8000_0000;
const PENDING_MTF = INJECT + 0x700;
const HANDLER = 0x5000;
const GP = 13;
const OP = {
  nop: [0x90],
  ud2: [0x0f, 0x0b],
  hlt: [0xf4],
  int3: [0xcc],
  int40: [0xcd, 0x40],
  cpuid: [0x0f, 0xa2],
  sti: [0xfb],
  movSs: [0x8e, 0xd0],
  repStosb: [0xf3, 0xaa],
};
const monitored = (setting: Setting): Setting => ({
  ...setting,
  controls: ['monitorTrapFlag', ...(setting.controls ?? [])],
});
const where = (state: MachineState) => fields(state, 'exitReason', 'guestRip');

describe('26.5.2 without injection the VM exit is pending after the first instruction', () => {
  const after = (bytes: number): object => ({ exitReason: MTF, guestRip: BigInt(AT.guestCode + bytes) });
  const inHandler = { exitReason: MTF, guestRip: BigInt(HANDLER) };
  const handlers = { 3: HANDLER, 6: HANDLER, 13: HANDLER, 64: HANDLER, 1: HANDLER };

  it.each([
    ['NOP', OP.nop, after(1)],
    ['an instruction that faults: after the delivery of the fault', OP.ud2, inHandler],
    ['INT3', OP.int3, inHandler],
    ['INT n', OP.int40, inHandler],
    ['REP STOSB: after one iteration', OP.repStosb, after(0)],
    ['another VM exit comes first', OP.cpuid, { exitReason: 10n, guestRip: BigInt(AT.guestCode) }],
  ])('%s', (_, guest, expected) => {
    const registers = { 1: 3n, 7: 0x6000n };
    expect(where(exitOf(monitored({ guest: [...guest, ...OP.nop], handlers, registers })))).toEqual(expected);
  });

  it('INTO with RFLAGS.OF = 1', () => {
    const CODE_32 = 0x00cf_9b00_0000_ffffn;
    const gate32 = BigInt(HANDLER) | (8n << 16n) | (0x8en << 40n);
    const memory = { [AT.guestGdt + 8]: words(CODE_32), [AT.guestIdt + 4 * 8]: words(gate32) };
    const setting: Setting = { host: 'pae', guest: [0xce], fields: { guestRflags: 0x802 }, memory };
    expect(where(exitOf(monitored(setting)))).toEqual(inHandler);
  });

  it('HLT: the exit comes in its activity state', () => {
    const state = exitOf(monitored({ guest: OP.hlt }));
    expect(fields(state, 'exitReason', 'guestRip', 'guestActivityState')).toEqual({
      ...after(1),
      guestActivityState: 1n,
    });
  });

  it('a pending trap is delivered first, and its delivery counts as the instruction', () => {
    const state = exitOf(monitored({ handlers, fields: { guestPendingDebugExceptions: 0x1002 } }));
    expect(where(state)).toEqual(inHandler);
  });

  it('blocking by STI and MOV SS does not hold it back', () => {
    const sti = exitOf(monitored({ guest: OP.sti }));
    expect(fields(sti, 'exitReason', 'guestInterruptibilityState')).toEqual({
      exitReason: MTF,
      guestInterruptibilityState: 1n,
    });
    const movSs = exitOf(monitored({ guest: OP.movSs, registers: { 0: 16n } }));
    expect(fields(movSs, 'exitReason', 'guestInterruptibilityState')).toEqual({
      exitReason: MTF,
      guestInterruptibilityState: 2n,
    });
  });

  it('the next exit forgets it, and the information fields are 0', () => {
    const state = exitOf(monitored({ guest: OP.nop }));
    expect(vmxOf(state).monitorTrap).toBe('none');
    expect(
      fields(
        state,
        'exitQualification',
        'vmExitInterruptionInfo',
        'idtVectoringInfo',
        'vmExitInstructionLength',
      ),
    ).toEqual({
      exitQualification: 0n,
      vmExitInterruptionInfo: 0n,
      idtVectoringInfo: 0n,
      vmExitInstructionLength: 0n,
    });
  });

  it('a snapshot between VM entry and the exit goes on alike', () => {
    const entered = launched(monitored({ guest: OP.nop }));
    expect(vmxOf(entered).monitorTrap).toBe('armed');
    const back = deserialize(serialize(entered));
    if (!back.ok) throw new Error(back.fault.says);
    expect(where(untilExit(back.value))).toEqual(after(1));
  });
});

describe('26.5.2 with injection it is pending before the first instruction of the handler', () => {
  it.each([
    ['an external interrupt', INJECT + 0x30, {}],
    ['a hardware exception', INJECT + 0x306, {}],
    ['a software interrupt', INJECT + 0x430, { vmEntryInstructionLength: 2 }],
  ])('%s', (_, vmEntryInterruptionInfo, more) => {
    const handlers = { 48: HANDLER, 6: HANDLER };
    const values = { guestRflags: 0x202, ...more, vmEntryInterruptionInfo };
    expect(where(exitOf(monitored({ handlers, fields: values })))).toEqual({
      exitReason: MTF,
      guestRip: BigInt(HANDLER),
    });
  });

  it('also where a nested exception is delivered in the place of the event', () => {
    const state = exitOf(
      monitored({ handlers: { [GP]: HANDLER }, fields: { vmEntryInterruptionInfo: INJECT + 0x306 } }),
    );
    expect(where(state)).toEqual({ exitReason: MTF, guestRip: BigInt(HANDLER) });
  });
});

describe('27.6.2 injection of a pending MTF VM exit', () => {
  const inject = (fieldsOf: Setting['fields'] = {}): MachineState =>
    exitOf({ fields: { vmEntryInterruptionInfo: PENDING_MTF, ...fieldsOf } });

  it('exits before the first instruction although the control is 0', () => {
    expect(where(inject())).toEqual({ exitReason: MTF, guestRip: BigInt(AT.guestCode) });
  });

  it('is no vectoring VM entry: activity state, blocking and pending traps are those of the fields', () => {
    const values = {
      guestActivityState: 1n,
      guestInterruptibilityState: 8n,
      guestPendingDebugExceptions: 0x1001n,
    };
    expect(
      fields(
        inject(values),
        'exitReason',
        'guestActivityState',
        'guestInterruptibilityState',
        'guestPendingDebugExceptions',
      ),
    ).toEqual({ exitReason: MTF, ...values });
  });

  it('clears the valid bit', () => {
    expect(fields(inject(), 'vmEntryInterruptionInfo')).toEqual({ vmEntryInterruptionInfo: 0x700n });
  });
});

describe('26.5.2 activity states', () => {
  const shutdown = { fields: { guestActivityState: 2 }, memory: { [AT.guestIdt + 32]: gate64(HANDLER) } };

  it('in shutdown it is not pending; after an NMI is delivered it is', () => {
    const asleep = step(launched(monitored(shutdown))).state;
    expect(asleep.processors[0]).toMatchObject({ nonRoot: true, hidden: { activity: 2 } });
    expect(where(untilExit(withHidden({ nmiPending: true })(asleep)))).toEqual({
      exitReason: MTF,
      guestRip: BigInt(HANDLER),
    });
  });
});
