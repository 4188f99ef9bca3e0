// SDM Vol. 3C, 27.7.3 Delivery of Pending Debug Exceptions after VM Entry; 28.3.4 Saving Non-Register State
import { describe, expect, it } from 'vitest';
import { type MachineState, step } from '../../../src/api';
import { AT, exitOf, fields, launched, type Setting, type Values } from '../dynamics/whole-machine';

const HANDLER = 0x5000;
const DB = 1 << 1;
const TF = 0x102;
const MOV_SS = 2;
const ENABLED_B1 = 0x1002;
const BS = 0x4000;
const OP = { nop: 0x90, vmcall: [0x0f, 0x01, 0xc1] };

const entry = (values: Values, more: Setting = {}): Setting => ({
  guest: [OP.nop, ...OP.vmcall],
  handlers: { 1: HANDLER, 64: HANDLER + 0x100, 6: HANDLER + 0x200 },
  memory: { [HANDLER]: OP.vmcall, [HANDLER + 0x100]: [OP.nop, ...OP.vmcall], [HANDLER + 0x200]: OP.vmcall },
  ...more,
  fields: values,
});
const where = (state: MachineState) => fields(state, 'exitReason', 'guestRip');
const vmcallAt = (address: number) => ({ exitReason: 18n, guestRip: BigInt(address) });
const debugAt = (address: number) => ({ exitReason: 0n, guestRip: BigInt(address) });
const AFTER_NOP = AT.guestCode + 1;

describe('27.7.3 after a VM entry that injects nothing', () => {
  it.each([
    ['an enabled breakpoint', ENABLED_B1, 0x2n],
    ['a single step', BS, 0x4000n],
    ['both', ENABLED_B1 | BS, 0x4002n],
  ])('%s: #DB before the first instruction', (_, pending, status) => {
    const delivered = exitOf(entry({ guestPendingDebugExceptions: pending }));
    expect(where(delivered)).toEqual(vmcallAt(HANDLER));
    expect(delivered.processors[0].debug.dr6 & 0xe00fn).toBe(status);
    const exited = exitOf(entry({ guestPendingDebugExceptions: pending, exceptionBitmap: DB }));
    expect(where(exited)).toEqual(debugAt(AT.guestCode));
    expect(fields(exited, 'exitQualification', 'guestPendingDebugExceptions')).toEqual({
      exitQualification: status,
      guestPendingDebugExceptions: 0n,
    });
    expect(exited.processors[0].debug.dr6 & 0xe00fn).toBe(0n);
  });

  it('breakpoints that are not enabled: none, and none are saved', () => {
    const state = exitOf(entry({ guestPendingDebugExceptions: 0xf }));
    expect(where(state)).toEqual(vmcallAt(AFTER_NOP));
    expect(fields(state, 'guestPendingDebugExceptions')).toEqual({ guestPendingDebugExceptions: 0n });
  });

  it('blocking by MOV SS holds them back for an instruction', () => {
    const held = {
      guestInterruptibilityState: MOV_SS,
      guestPendingDebugExceptions: ENABLED_B1,
      exceptionBitmap: DB,
    };
    const state = exitOf(entry(held));
    expect(where(state)).toEqual(debugAt(AFTER_NOP));
    expect(fields(state, 'exitQualification')).toEqual({ exitQualification: 2n });
  });

  it('and an exit of that instruction saves them', () => {
    const held = { guestInterruptibilityState: MOV_SS, guestPendingDebugExceptions: ENABLED_B1 };
    const state = exitOf(entry(held, { guest: OP.vmcall }));
    expect(fields(state, 'exitReason', 'guestPendingDebugExceptions', 'guestInterruptibilityState')).toEqual({
      exitReason: 18n,
      guestPendingDebugExceptions: BigInt(ENABLED_B1),
      guestInterruptibilityState: BigInt(MOV_SS),
    });
  });

  it('in HLT they wake; in shutdown and wait-for-SIPI there are none', () => {
    expect(where(exitOf(entry({ guestActivityState: 1, guestPendingDebugExceptions: ENABLED_B1 })))).toEqual(
      vmcallAt(HANDLER),
    );
    for (const guestActivityState of [2, 3]) {
      const entered = launched(entry({ guestActivityState, guestPendingDebugExceptions: ENABLED_B1 }));
      expect(entered.processors[0].hidden.pendingDebug).toBe(0);
      expect(step(entered).state.processors[0].hidden.activity).toBe(guestActivityState);
    }
  });
});

describe('27.7.3 after a VM entry that injects an event', () => {
  const INT_40 = { vmEntryInterruptionInfo: 0x8000_0440, vmEntryInstructionLength: 2 };
  const INVALID_OPCODE = { vmEntryInterruptionInfo: 0x8000_0306 };

  it('of the processor: none', () => {
    expect(where(exitOf(entry({ ...INVALID_OPCODE, guestPendingDebugExceptions: ENABLED_B1 })))).toEqual(
      vmcallAt(HANDLER + 0x200),
    );
    const movSs = { guestInterruptibilityState: MOV_SS, guestPendingDebugExceptions: ENABLED_B1 };
    expect(where(exitOf(entry({ ...INVALID_OPCODE, ...movSs })))).toEqual(vmcallAt(HANDLER + 0x200));
  });

  it('of software without blocking by MOV SS: none', () => {
    expect(where(exitOf(entry({ ...INT_40, guestPendingDebugExceptions: ENABLED_B1 })))).toEqual(
      vmcallAt(HANDLER + 0x101),
    );
  });

  it('of software with blocking by MOV SS: as if MOV SS came before INT n, before the handler', () => {
    const held = { ...INT_40, guestInterruptibilityState: MOV_SS, exceptionBitmap: DB };
    const state = exitOf(entry({ ...held, guestPendingDebugExceptions: ENABLED_B1 }));
    expect(where(state)).toEqual(debugAt(HANDLER + 0x100));
    expect(fields(state, 'exitQualification')).toEqual({ exitQualification: 2n });
    // The delivery clears TF: no single step follows INT n, though the field must show one.
    const stepped = { ...held, guestRflags: TF, guestPendingDebugExceptions: BS };
    expect(where(exitOf(entry(stepped)))).toEqual(vmcallAt(HANDLER + 0x101));
    const both = exitOf(entry({ ...stepped, guestPendingDebugExceptions: BS | ENABLED_B1 }));
    expect(fields(both, 'exitReason', 'exitQualification')).toEqual({
      exitReason: 0n,
      exitQualification: 2n,
    });
  });
});

describe('28.3.4 pending debug exceptions of exits that come before them', () => {
  const stepping = { guestRflags: TF };
  it('the monitor trap flag: a single step is saved', () => {
    const state = exitOf(entry(stepping, { controls: ['monitorTrapFlag'] }));
    expect(fields(state, 'exitReason', 'guestRip', 'guestPendingDebugExceptions')).toEqual({
      exitReason: 37n,
      guestRip: BigInt(AFTER_NOP),
      guestPendingDebugExceptions: BigInt(BS),
    });
  });
  it('other exits: none, for the trap has come before', () => {
    const state = exitOf(
      entry(
        { ...stepping, exceptionBitmap: DB, vmxPreemptionTimerValue: 1 },
        { controls: ['activateVmxPreemptionTimer'] },
      ),
    );
    expect(fields(state, 'exitReason', 'guestPendingDebugExceptions')).toEqual({
      exitReason: 0n,
      guestPendingDebugExceptions: 0n,
    });
  });
});
