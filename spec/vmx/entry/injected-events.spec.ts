// SDM Vol. 3C, 27.6.1 Vectored-Event Injection
import { describe, expect, it } from 'vitest';
import { AT, exitOf, field, fields, launched, untilExit, words } from '../dynamics/whole-machine';

const HANDLER = 0x5000;
const IF = 0x202;
const RF = 0x1_0000;
const INJECT = 0x8000_0000;
const VMCALL = [0x0f, 0x01, 0xc1];
const KERNEL_GS_BASE = 0xc000_0102n;
const handled = { exitReason: 18n, guestRip: BigInt(HANDLER) };
const handling = (...vectors: readonly number[]) => ({
  handlers: Object.fromEntries(vectors.map((vector) => [vector, HANDLER])),
  memory: { [HANDLER]: VMCALL },
});
/** RIP, CS and RFLAGS of a frame whose error code has been pushed, or not. */
const frame = (state: ReturnType<typeof exitOf>, hasErrorCode = false): readonly bigint[] => {
  const top = AT.guestStack - 40 - (hasErrorCode ? 8 : 0);
  const pushed = new BigUint64Array(Uint8Array.from(state.memory.read(top, 48)).buffer);
  return [...pushed].slice(hasErrorCode ? 1 : 0, hasErrorCode ? 4 : 3);
};

describe('27.6.1 an injected event', () => {
  it('is delivered after the MSR-load area: an exit on the way finds the MSRs loaded', () => {
    const state = exitOf({
      fields: {
        vmEntryInterruptionInfo: INJECT + 0x440,
        vmEntryInstructionLength: 2,
        exceptionBitmap: 1 << 13,
        vmEntryMsrLoadCount: 1,
        vmEntryMsrLoadAddress: AT.msrArea,
      },
      memory: { [AT.msrArea]: words(KERNEL_GS_BASE, 0x4321n) },
    });
    expect(fields(state, 'exitReason', 'idtVectoringInfo')).toEqual({
      exitReason: 0n,
      idtVectoringInfo: BigInt(INJECT + 0x440),
    });
    expect(state.processors[0].modelSpecific.kernelGsBase).toBe(0x4321n);
  });

  it.each([
    ['an exception that the bitmap names', INJECT + 0x306, []],
    ['an NMI where NMIs exit', INJECT + 0x202, ['nmiExiting']],
    ['an external interrupt where they exit', INJECT + 0x30, ['externalInterruptExiting']],
  ] as const)('does not exit itself: %s', (_, vmEntryInterruptionInfo, controls) => {
    const state = exitOf({
      ...handling(2, 6, 48),
      controls,
      fields: { vmEntryInterruptionInfo, guestRflags: IF, exceptionBitmap: 0xffff_ffff },
    });
    expect(fields(state, 'exitReason', 'guestRip')).toEqual(handled);
  });

  it('a fault in the delivery of a software interrupt pushes guest RIP itself', () => {
    const values = { vmEntryInterruptionInfo: INJECT + 0x440, vmEntryInstructionLength: 2 };
    const state = exitOf({ ...handling(13), fields: values });
    expect(fields(state, 'exitReason', 'guestRip')).toEqual(handled);
    expect(frame(state, true)[0]).toBe(BigInt(AT.guestCode));
  });

  it('a fault in the delivery of an exception that contributes is a double fault, and then a triple one', () => {
    const values = { vmEntryInterruptionInfo: INJECT + 0xb0d, vmEntryExceptionErrorCode: 0x18 };
    const doubled = exitOf({ fields: { ...values, exceptionBitmap: 1 << 8 } });
    expect(fields(doubled, 'exitReason', 'vmExitInterruptionInfo', 'idtVectoringInfo')).toEqual({
      exitReason: 0n,
      vmExitInterruptionInfo: 0x8000_0b08n,
      idtVectoringInfo: 0n,
    });
    expect(field(exitOf({ fields: values }), 'exitReason')).toBe(2n);
  });

  it.each([
    ['an external interrupt', { vmEntryInterruptionInfo: INJECT + 0x30 }],
    ['a hardware exception', { vmEntryInterruptionInfo: INJECT + 0x306 }],
    ['a software interrupt', { vmEntryInterruptionInfo: INJECT + 0x430, vmEntryInstructionLength: 2 }],
  ])('RF of the image is that of guest RFLAGS: %s', (_, values) => {
    for (const guestRflags of [IF, IF | RF]) {
      const state = exitOf({ ...handling(6, 48), fields: { ...values, guestRflags } });
      expect(fields(state, 'exitReason', 'guestRip')).toEqual(handled);
      expect(frame(state)[2]).toBe(BigInt(guestRflags));
    }
  });

  it('a vectoring VM entry wakes from HLT', () => {
    const state = launched({
      ...handling(48),
      fields: { vmEntryInterruptionInfo: INJECT + 0x30, guestRflags: IF, guestActivityState: 1 },
    });
    expect(state.processors[0].hidden.activity).toBe(0);
    expect(fields(untilExit(state), 'exitReason', 'guestRip')).toEqual(handled);
  });

  it('the valid bit stays until the next exit', () => {
    const setting = {
      ...handling(48),
      fields: { vmEntryInterruptionInfo: INJECT + 0x30, guestRflags: IF },
    };
    expect(field(launched(setting), 'vmEntryInterruptionInfo')).toBe(BigInt(INJECT + 0x30));
    expect(field(exitOf(setting), 'vmEntryInterruptionInfo')).toBe(0x30n);
  });
});
