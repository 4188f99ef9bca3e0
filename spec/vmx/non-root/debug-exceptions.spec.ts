// SDM Vol. 3C, 26.2 Other Causes of VM Exits; 27.3.2.1 Loading Guest Control Registers, Debug Registers, and MSRs; SDM Vol. 3B, 18.3.1.4 Single-Step Exception Condition
import { describe, expect, it } from 'vitest';
import { type MachineState, step } from '../../../src/api';
import {
  AT,
  beforeLaunch,
  exitOf,
  field,
  fields,
  launched,
  type Setting,
  words,
} from '../dynamics/whole-machine';

const HANDLER = 0x5000;
const DB = 1 << 1;
const TF = 0x102;
const RF = 0x1_0002;
const LBR = 1;
const BTF = 2;
const GENERAL_DETECT = 0x2400;
const DR6_RESET = 0xffff_0ff0n;
const NOP = 0x90;
const OP = {
  vmcall: [0x0f, 0x01, 0xc1],
  cpuid: [0x0f, 0xa2],
  // mov rbx, dr7
  movFromDr: [0x0f, 0x21, 0xfb],
  // mov dr7, rbx
  movDr7: [0x0f, 0x23, 0xfb],
  // mov dr0, rbx; mov dr6, rcx
  movDr0And6: [0x0f, 0x23, 0xc3, 0x0f, 0x23, 0xf1],
  jump: [0xeb, 0],
  int1: [0xf1],
  int40: [0xcd, 0x40],
  // mov ss, [rax]
  movSs: [0x8e, 0x10],
};
const USER = {
  guestCsSelector: 0x0b,
  guestSsSelector: 0x13,
  guestCsAccessRights: 0xa0fb,
  guestSsAccessRights: 0xc0f3,
} as const;

/** The handlers of #DB and of INT 40H say VMCALL. */
const guest = (setting: Setting): Setting => ({
  ...setting,
  handlers: { 1: HANDLER, 64: HANDLER + 0x100 },
  memory: { [HANDLER]: OP.vmcall, [HANDLER + 0x100]: [NOP, ...OP.vmcall], ...setting.memory },
  controls: ['loadDebugControls', 'saveDebugControls', ...(setting.controls ?? [])],
});
const where = (state: MachineState) => fields(state, 'exitReason', 'guestRip');
const debugAt = (offset: number) => ({ exitReason: 0n, guestRip: BigInt(AT.guestCode + offset) });
const handled = { exitReason: 18n, guestRip: BigInt(HANDLER) };

describe('a debug exception by DR7.GD', () => {
  const detected = {
    guest: OP.movFromDr,
    fields: { guestDr7: GENERAL_DETECT, guestIa32Debugctl: LBR },
  };

  it('that exits changes neither DR6 nor DR7.GD nor IA32_DEBUGCTL.LBR', () => {
    const state = exitOf(guest({ ...detected, fields: { ...detected.fields, exceptionBitmap: DB } }));
    expect(where(state)).toEqual(debugAt(0));
    expect(fields(state, 'exitQualification', 'guestDr7', 'guestIa32Debugctl')).toEqual({
      exitQualification: 0x2000n,
      guestDr7: BigInt(GENERAL_DETECT),
      guestIa32Debugctl: BigInt(LBR),
    });
    expect(state.processors[0].debug.dr6).toBe(DR6_RESET);
  });

  it('that is delivered changes all three', () => {
    const state = exitOf(guest(detected));
    expect(where(state)).toEqual(handled);
    expect(fields(state, 'guestDr7', 'guestIa32Debugctl')).toEqual({
      guestDr7: 0x400n,
      guestIa32Debugctl: 0n,
    });
    expect(state.processors[0].debug.dr6).toBe(DR6_RESET | 0x2000n);
  });

  it('that is injected changes none', () => {
    const state = exitOf(guest({ fields: { ...detected.fields, vmEntryInterruptionInfo: 0x8000_0301 } }));
    expect(where(state)).toEqual(handled);
    expect(fields(state, 'guestDr7', 'guestIa32Debugctl')).toEqual({
      guestDr7: BigInt(GENERAL_DETECT),
      guestIa32Debugctl: BigInt(LBR),
    });
    expect(state.processors[0].debug.dr6).toBe(DR6_RESET);
  });
});

describe('debug registers at VM entry and VM exit', () => {
  it('without load debug controls DR7 stays that of the host', () => {
    const state = exitOf({
      guest: [...OP.movFromDr, ...OP.vmcall],
      fields: { guestDr7: 0x455 },
      debug: { dr7: 0x402n },
    });
    expect(state.processors[0].registers[3]).toBe(0x402n);
  });

  it('without load debug controls IA32_DEBUGCTL stays that of the host', () => {
    const before = beforeLaunch({ guest: [NOP], fields: { guestIa32Debugctl: LBR } });
    const [host] = before.processors;
    const modelSpecific = { ...host.modelSpecific, debugctl: BigInt(BTF) };
    const { state, events } = step({ ...before, processors: [{ ...host, modelSpecific }] });
    expect(events.map(({ kind }) => kind)).toContain('vm-entry');
    expect(state.processors[0].modelSpecific.debugctl).toBe(BigInt(BTF));
  });

  it('without save debug controls that of the guest is lost: DR7 is 400H and IA32_DEBUGCTL 0', () => {
    const state = exitOf({
      guest: [...OP.movDr7, ...OP.vmcall],
      controls: ['loadDebugControls'],
      fields: { guestDr7: 0x401, guestIa32Debugctl: BTF },
      registers: { 3: 0x455n },
    });
    expect(fields(state, 'guestDr7', 'guestIa32Debugctl')).toEqual({
      guestDr7: 0x401n,
      guestIa32Debugctl: BigInt(BTF),
    });
    const [{ debug, modelSpecific }] = state.processors;
    expect([debug.dr7, modelSpecific.debugctl]).toEqual([0x400n, 0n]);
  });

  it('DR0 to DR3 and DR6 are neither loaded nor saved', () => {
    const setting = {
      guest: [...OP.movDr0And6, ...OP.vmcall],
      debug: { dr1: 0x1111n, dr6: 0xffff_0ff1n },
      registers: { 1: 0xffff_0ff4n, 3: 0x5678n },
    };
    expect(launched(setting).processors[0].debug).toMatchObject(setting.debug);
    expect(exitOf(setting).processors[0].debug).toMatchObject({
      dr0: 0x5678n,
      dr1: 0x1111n,
      dr6: 0xffff_0ff4n,
    });
  });
});

describe('single step in a guest', () => {
  const stepping = { guestRflags: TF, exceptionBitmap: DB };

  it('that VM entry loads traps after the first instruction', () => {
    const state = exitOf(guest({ guest: [NOP, ...OP.vmcall], fields: stepping }));
    expect(where(state)).toEqual(debugAt(1));
    expect(field(state, 'exitQualification')).toBe(0x4000n);
  });

  it('with IA32_DEBUGCTL.BTF only after a branch', () => {
    const fieldsOf = { ...stepping, guestIa32Debugctl: BTF };
    const state = exitOf(guest({ guest: [NOP, NOP, ...OP.jump, ...OP.vmcall], fields: fieldsOf }));
    expect(where(state)).toEqual(debugAt(4));
  });

  it('is none of an instruction that exits: nothing is pending', () => {
    const state = exitOf(guest({ guest: OP.cpuid, fields: stepping }));
    expect(fields(state, 'exitReason', 'guestRip', 'guestPendingDebugExceptions')).toEqual({
      exitReason: 10n,
      guestRip: BigInt(AT.guestCode),
      guestPendingDebugExceptions: 0n,
    });
  });
});

describe('INT1', () => {
  it('exits by bit 1 of the exception bitmap, as a privileged software exception', () => {
    const state = exitOf(guest({ guest: OP.int1, fields: { ...USER, exceptionBitmap: DB } }));
    expect(where(state)).toEqual(debugAt(0));
    expect(fields(state, 'vmExitInterruptionInfo', 'vmExitInstructionLength', 'exitQualification')).toEqual({
      vmExitInterruptionInfo: 0x8000_0501n,
      vmExitInstructionLength: 1n,
      exitQualification: 0n,
    });
  });

  it('of a user is delivered through a gate with DPL 0', () => {
    const memory = { [AT.guestTss + 4]: words(BigInt(AT.guestStack)) };
    expect(where(exitOf(guest({ guest: OP.int1, fields: USER, memory })))).toEqual(handled);
  });
});

describe('breakpoints in a guest', () => {
  const code = BigInt(AT.guestCode);

  it('RF that VM entry loads suppresses the instruction breakpoint of the first instruction', () => {
    const watched = { guest: [NOP, ...OP.vmcall], debug: { dr0: code } };
    const values = { guestDr7: 0x401, exceptionBitmap: DB };
    const state = exitOf(guest({ ...watched, fields: values }));
    expect(where(state)).toEqual(debugAt(0));
    expect(field(state, 'exitQualification')).toBe(1n);
    expect(where(exitOf(guest({ ...watched, fields: { ...values, guestRflags: RF } })))).toEqual({
      exitReason: 18n,
      guestRip: code + 1n,
    });
  });

  // Read or write of two bytes at the operand
  const watchedSs = {
    debug: { dr0: BigInt(AT.operand) },
    registers: { 0: BigInt(AT.operand) },
    memory: { [AT.operand]: [16, 0] },
  };
  const values = { guestDr7: 0x7_0401, exceptionBitmap: DB };

  it('a data breakpoint of MOV SS comes after the next instruction', () => {
    const state = exitOf(guest({ ...watchedSs, guest: [...OP.movSs, NOP, NOP], fields: values }));
    expect(where(state)).toEqual(debugAt(3));
    expect(field(state, 'exitQualification')).toBe(1n);
  });

  it('and where that is INT n, before the handler', () => {
    const state = exitOf(guest({ ...watchedSs, guest: [...OP.movSs, ...OP.int40], fields: values }));
    expect(where(state)).toEqual({ exitReason: 0n, guestRip: BigInt(HANDLER + 0x100) });
    expect(field(state, 'exitQualification')).toBe(1n);
  });
});
