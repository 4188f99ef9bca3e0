// SDM Vol. 3C, 27.6.1.1 Details of Vectored-Event Injection: guests in real-address and virtual-8086 mode
import { describe, expect, it } from 'vitest';
import type { MachineState } from '../../../src/api';
import {
  AT,
  exitOf,
  fields,
  launched,
  PAGE_DIRECTORY,
  type Setting,
  type Values,
  words,
} from '../dynamics/whole-machine';

const INJECT = 0x8000_0000;
const LENGTH = 3;
const TYPE = { interrupt: 0, nmi: 2, exception: 3, intN: 4, int1: 5, int3: 6 } as const;
const INTO = 4;
const SS_SELECTOR = 0x1230;

/** Words on a stack, the last pushed first. */
const pushed = (state: MachineState, bytes: 2 | 4, count: number): readonly number[] => {
  const [{ segments, registers }] = state.processors;
  const at = Number(segments.ss.base + registers[4]);
  const view = new DataView(Uint8Array.from(state.memory.read(at, bytes * count)).buffer);
  return Array.from({ length: count }, (_, n) =>
    bytes === 2 ? view.getUint16(2 * n, true) : view.getUint32(4 * n, true),
  );
};
const inject = (type: number, vector: number, values: Values = {}): Values => ({
  vmEntryInterruptionInfo: INJECT + (type << 8) + vector,
  ...(type < TYPE.intN ? {} : { vmEntryInstructionLength: LENGTH }),
  ...values,
});
const ROWS = [
  ['an external interrupt', TYPE.interrupt, 0x30, 0],
  ['an NMI', TYPE.nmi, 2, 0],
  ['a hardware exception', TYPE.exception, 6, 0],
  ['INT n', TYPE.intN, 0x40, LENGTH],
  ['INT3', TYPE.int3, 3, LENGTH],
  ['INTO', TYPE.int3, INTO, LENGTH],
  ['INT1', TYPE.int1, 1, LENGTH],
] as const;

const paragraphs = (rights: number): Values =>
  Object.fromEntries(
    ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'].flatMap((name) => {
      const selector = name === 'Cs' ? AT.guestCode >> 4 : name === 'Ss' ? SS_SELECTOR : 0;
      return [
        [`guest${name}Selector`, selector],
        [`guest${name}Base`, 16 * selector],
        [`guest${name}Limit`, 0xffff],
        [`guest${name}AccessRights`, rights],
      ];
    }),
  );

describe('a guest in real-address mode', () => {
  const HANDLER = (0x0500 << 16) | 0x0123;
  const ivt = new Uint8Array(Uint32Array.from({ length: 256 }, () => HANDLER).buffer);
  const real = (values: Values): Setting => ({
    controls: ['activateSecondaryControls', 'enableEpt', 'unrestrictedGuest'],
    without: ['ia32eModeGuest'],
    guest: [0x0f, 0xa2],
    memory: { [AT.guestIdt]: ivt },
    fields: {
      ...paragraphs(0x93),
      guestCsAccessRights: 0x9b,
      guestCr0: 0x30,
      guestCr4: 0x2000,
      guestIdtrLimit: 0x3ff,
      guestRip: 0,
      guestRsp: 0x100,
      guestRflags: 0x202,
      ...values,
    },
  });

  it('executes', () => {
    expect(fields(exitOf(real({})), 'exitReason', 'guestCsBase', 'guestRip')).toEqual({
      exitReason: 10n,
      guestCsBase: BigInt(AT.guestCode),
      guestRip: 0n,
    });
  });

  it.each(ROWS)(
    '%s: flags, CS and IP on the stack, then the interrupt vector table',
    (_, type, vector, length) => {
      const state = launched(real(inject(type, vector)));
      const [{ segments, rip, rflags, registers }] = state.processors;
      expect([segments.cs.selector, segments.cs.base, rip, rflags & 0x300n]).toEqual([
        0x500,
        0x5000n,
        0x123n,
        0n,
      ]);
      expect(registers[4]).toBe(0x100n - 6n);
      expect(pushed(state, 2, 3)).toEqual([length, AT.guestCode >> 4, 0x202]);
    },
  );

  it('a vector beyond the table: #GP has no error code there, and is a double fault that becomes a triple one', () => {
    const state = exitOf(real(inject(TYPE.interrupt, 0x30, { guestIdtrLimit: 7 })));
    expect(fields(state, 'exitReason')).toEqual({ exitReason: 2n });
    const intercepted = exitOf(
      real(inject(TYPE.intN, 0x30, { guestIdtrLimit: 7, exceptionBitmap: 1 << 13 })),
    );
    expect(
      fields(
        intercepted,
        'exitReason',
        'vmExitInterruptionInfo',
        'idtVectoringInfo',
        'vmExitInstructionLength',
        'guestRip',
      ),
    ).toEqual({
      exitReason: 0n,
      vmExitInterruptionInfo: 0x8000_030dn,
      idtVectoringInfo: 0x8000_0430n,
      vmExitInstructionLength: BigInt(LENGTH),
      guestRip: 0n,
    });
  });
});

describe('a guest in virtual-8086 mode', () => {
  const HANDLER = 0x5000;
  const KERNEL_STACK = 0x7000;
  const CODE_32 = 0x00cf_9b00_0000_ffffn;
  const DATA = 0x00cf_9300_0000_ffffn;
  const gates = (rights: bigint): Uint8Array =>
    words(...Array.from({ length: 256 }, () => BigInt(HANDLER) | (8n << 16n) | (rights << 40n)));
  const tss = new Uint8Array(0x68 + 32);
  new DataView(tss.buffer).setUint32(4, KERNEL_STACK, true);
  new DataView(tss.buffer).setUint16(8, 16, true);
  new DataView(tss.buffer).setUint16(0x66, 0x68 + 32, true);
  const VM = 0x2_0002;
  const virtual = (values: Values, rights = 0xeen): Setting => ({
    without: ['ia32eModeGuest'],
    guest: [0x0f, 0xa2],
    memory: {
      [AT.guestIdt]: gates(rights),
      [AT.guestGdt]: words(0n, CODE_32, DATA),
      [AT.guestTss]: tss,
      // Where the interrupt vector table is: at linear address 0.
      0: new Uint8Array(Uint32Array.from({ length: 256 }, () => 0x0600_0042).buffer),
    },
    fields: {
      ...paragraphs(0xf3),
      guestCr3: PAGE_DIRECTORY,
      guestCr4: 0x2010,
      guestTrLimit: 0x68 + 31,
      guestIdtrLimit: 0x7ff,
      guestRip: 0,
      guestRsp: 0x100,
      guestRflags: VM | 0x200,
      ...values,
    },
  });
  const frame = (state: MachineState): readonly number[] => pushed(state, 4, 9);

  it('executes', () => {
    expect(fields(exitOf(virtual({})), 'exitReason', 'guestRip')).toEqual({ exitReason: 10n, guestRip: 0n });
  });

  it.each(ROWS)('%s: through a gate to CPL 0, whatever IOPL is', (_, type, vector, length) => {
    const state = launched(virtual(inject(type, vector)));
    const [{ segments, rip, rflags, registers }] = state.processors;
    expect([segments.cs.selector, segments.ss.selector, rip, rflags & 0x2_0300n]).toEqual([
      8,
      16,
      BigInt(HANDLER),
      0n,
    ]);
    expect(registers[4]).toBe(BigInt(KERNEL_STACK - 36));
    expect(frame(state)).toEqual([length, AT.guestCode >> 4, VM | 0x200, 0x100, SS_SELECTOR, 0, 0, 0, 0]);
  });

  it('an error code is pushed last', () => {
    const state = launched(
      virtual(
        inject(TYPE.exception, 13, {
          vmEntryInterruptionInfo: INJECT + 0xb0d,
          vmEntryExceptionErrorCode: 0x55,
        }),
      ),
    );
    expect(pushed(state, 4, 3)).toEqual([0x55, 0, AT.guestCode >> 4]);
  });

  it.each([
    ['INT n', TYPE.intN, 0x40, true],
    ['INT3', TYPE.int3, 3, true],
    ['INT1', TYPE.int1, 1, false],
    ['an external interrupt', TYPE.interrupt, 0x30, false],
  ] as const)('through a gate with DPL 0: %s', (_, type, vector, faults) => {
    const values = inject(type, vector, { exceptionBitmap: 0xffff_ffff });
    const setting = virtual(values, 0x8en);
    if (!faults) {
      expect(launched(setting).processors[0].rip).toBe(BigInt(HANDLER));
      return;
    }
    // The error code names the gate; EXT is 0 for software events.
    expect(
      fields(exitOf(setting), 'exitReason', 'vmExitInterruptionInfo', 'vmExitInterruptionErrorCode'),
    ).toEqual({
      exitReason: 0n,
      vmExitInterruptionInfo: 0x8000_0b0dn,
      vmExitInterruptionErrorCode: BigInt(8 * vector + 2),
    });
  });

  it('with CR4.VME and a clear redirection bit INT n stays in the 8086 program: IF of the image is VIF, IOPL 3', () => {
    const VIF = 1 << 19;
    const state = launched(
      virtual(inject(TYPE.intN, 0x40, { guestCr4: 0x2011, guestRflags: VM | 0x200 | VIF })),
    );
    const [{ segments, rip, rflags, registers }] = state.processors;
    expect([segments.cs.selector, rip, registers[4]]).toEqual([0x600, 0x42n, 0x100n - 6n]);
    expect(pushed(state, 2, 3)).toEqual([LENGTH, AT.guestCode >> 4, 0x3202]);
    // IF stays, VIF is cleared.
    expect(Number(rflags) & (VIF | 0x200)).toBe(0x200);
  });
});
