// SDM Vol. 3C, 28.2.4 Information for VM Exits During Event Delivery: EPT violations, misconfigurations and a full log on the way
import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { SLOT } from '../../../src/cpu/slots';
import { AT } from '../dynamics/machine';
import { ACCESSED_DIRTY, EptGuest, PAGE, PML, type Setting } from './guest';

const INTERRUPT: InterruptionEvent = { vector: 0x20, type: EVENT_TYPE.externalInterrupt };
const PAGE_FAULT: InterruptionEvent = {
  vector: VECTOR.pf,
  type: EVENT_TYPE.hardwareException,
  errorCode: 2,
  address: 0x1234n,
};
const INT_N: InterruptionEvent = {
  vector: 0x30,
  type: EVENT_TYPE.softwareInterrupt,
  instructionLength: 2,
};
const INT3: InterruptionEvent = {
  vector: VECTOR.bp,
  type: EVENT_TYPE.softwareException,
  instructionLength: 1,
};

/** What makes the read of the IDT exit, by exit reason. */
const CAUSES: Readonly<
  Record<number, { readonly setting: Setting; readonly break: (guest: EptGuest) => void }>
> = {
  48: { setting: {}, break: (guest) => guest.setEntry(AT.guestIdt, 0) },
  49: { setting: {}, break: (guest) => guest.setEntry(AT.guestIdt, 2) },
  62: {
    setting: {
      eptp: ACCESSED_DIRTY,
      controls: ['enablePml'],
      values: { pmlAddress: PML, pmlIndex: 0xffff },
    },
    break: () => {},
  },
};

const rows = [48, 49, 62].flatMap((reason) =>
  (
    [
      ['an external interrupt', INTERRUPT, 0x8000_0020n, 0n, 0n],
      ['a page fault', PAGE_FAULT, 0x8000_0b0en, 2n, 0n],
      ['INT n', INT_N, 0x8000_0430n, 0n, 2n],
      ['INT3', INT3, 0x8000_0603n, 0n, 1n],
    ] as const
  ).map(([name, event, vectoring, error, length]) => ({ reason, name, event, vectoring, error, length })),
);

describe('exits on the way to a handler', () => {
  it.each(rows)('reason $reason in the delivery of $name', ({ reason, event, vectoring, error, length }) => {
    const cause = CAUSES[reason];
    const guest = new EptGuest(cause.setting);
    const { cpu } = guest.machine;
    cause.break(guest);
    cpu.nmiUnblocked = true;
    const rip = cpu.rip;
    deliver(cpu, event);
    expect(guest.field('exitReason')).toBe(BigInt(reason));
    expect([guest.field('idtVectoringInfo'), guest.field('idtVectoringErrorCode')]).toEqual([
      vectoring,
      error,
    ]);
    expect(guest.field('vmExitInstructionLength')).toBe(length);
    expect(guest.field('vmExitInterruptionInfo')).toBe(0n);
    // Bit 12 is undefined where IDT-vectoring information is valid: 0 here.
    expect(guest.field('exitQualification') & 0x1000n).toBe(0n);
    expect(guest.field('guestRip')).toBe(rip);
    // The image that the delivery would have pushed: of a fault with RF set.
    expect(guest.field('guestRflags') & 0x1_0000n).toBe(event === PAGE_FAULT ? 0x1_0000n : 0n);
    expect(cpu.nonRoot).toBe(false);
  });

  it('the violation is a supervisor-mode access to a linear address', () => {
    const guest = new EptGuest();
    guest.setEntry(AT.guestIdt, 0);
    deliver(guest.machine.cpu, INTERRUPT);
    const address = BigInt(AT.guestIdt + 16 * 0x20);
    expect(guest.lastExit()).toEqual({ exit: 48, qualification: 0x781n, gpa: address, linear: address });
  });

  it('a push on the stack is a write', () => {
    const guest = new EptGuest({ values: { guestRsp: PAGE + 0x100 } });
    guest.machine.gate(0x20, AT.guestCode);
    guest.setEntry(PAGE, PAGE | 0x35);
    deliver(guest.machine.cpu, INTERRUPT);
    expect(guest.lastExit()).toMatchObject({ exit: 48, qualification: 0x7aan });
  });

  it('a page fault whose delivery exits has written CR2', () => {
    const guest = new EptGuest();
    guest.setEntry(AT.guestIdt, 0);
    deliver(guest.machine.cpu, PAGE_FAULT);
    expect(guest.machine.cpu.R[SLOT.cr2]).toBe(0x1234n);
  });
});
