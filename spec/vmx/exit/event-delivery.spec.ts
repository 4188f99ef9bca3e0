// SDM Vol. 3C, 28.2.4 Information for VM Exits During Event Delivery; 28.1 Architectural State Before a VM Exit
import { describe, expect, it } from 'vitest';
import type { MachineState } from '../../../src/api';
import {
  AT,
  EPT_TABLES,
  exitOf,
  field,
  fields,
  type Meanwhile,
  type Setting,
  TABLES,
  type Values,
  withHidden,
  words,
} from '../dynamics/whole-machine';

const FAR = 0x20_0000;
const RF = 0x1_0000n;
const TF = 0x100;
const TASK_GATE = 0x0000_8500_0018_0000n;
const TSS_DESCRIPTOR = 0x0000_8900_b000_0067n;

/** An event and what the IDT-vectoring information says of it. */
interface Original extends Setting {
  readonly information: bigint;
  readonly errorCode?: bigint;
  readonly length?: bigint;
  /** RF of the saved RFLAGS is 1: the image on the stack of a fault would have it. */
  readonly fault?: true;
  readonly meanwhile?: Meanwhile;
  /** What was recorded before the exit. */
  readonly recorded?: (state: MachineState) => void;
}

const ORIGINALS: Readonly<Record<string, Original>> = {
  'an injected external interrupt': {
    fields: { vmEntryInterruptionInfo: 0x8000_0030, guestRflags: 0x202 },
    information: 0x8000_0030n,
  },
  'an injected exception with error code': {
    fields: { vmEntryInterruptionInfo: 0x8000_0b0e, vmEntryExceptionErrorCode: 0x15 },
    information: 0x8000_0b0en,
    errorCode: 0x15n,
    recorded: (state) => expect(state.processors[0].control.cr2).toBe(0n),
  },
  'an injected software interrupt': {
    fields: { vmEntryInterruptionInfo: 0x8000_0430, vmEntryInstructionLength: 4 },
    information: 0x8000_0430n,
    length: 4n,
  },
  'INT n': { guest: [0xcd, 0x40], information: 0x8000_0440n, length: 2n },
  INT3: { guest: [0xcc], information: 0x8000_0603n, length: 1n },
  INT1: { guest: [0xf1], information: 0x8000_0501n, length: 1n },
  '#UD': { guest: [0x0f, 0x0b], information: 0x8000_0306n, fault: true },
  '#GP': { guest: [0x0f, 0x22, 0xc0], information: 0x8000_0b0dn, errorCode: 0n, fault: true },
  // mov al, [FAR * 2], which nothing maps
  '#PF, whose address is in CR2': {
    guest: [0x8a, 0x04, 0x25, 0x10, 0, 0x40, 0],
    information: 0x8000_0b0en,
    errorCode: 0n,
    fault: true,
    recorded: (state) => expect(state.processors[0].control.cr2).toBe(0x40_0010n),
  },
  'a single-step trap, whose bits are in DR6': {
    guest: [0x90],
    fields: { guestRflags: 2 | TF },
    information: 0x8000_0301n,
    recorded: (state) => expect(state.processors[0].debug.dr6 & 0x4000n).toBe(0x4000n),
  },
  'an NMI, which blocks further ones': {
    meanwhile: withHidden({ nmiPending: true }),
    information: 0x8000_0202n,
    recorded: (state) => {
      expect(field(state, 'guestInterruptibilityState')).toBe(8n);
      expect(state.processors[0].hidden).toMatchObject({ blockingByNmi: true, nmiPending: false });
    },
  },
  'an external interrupt in HLT, which is acknowledged and wakes': {
    fields: { guestRflags: 0x202, guestActivityState: 1 },
    interrupt: 0x51,
    information: 0x8000_0051n,
    recorded: (state) => expect(field(state, 'guestActivityState')).toBe(0n),
  },
};
const originals = Object.entries(ORIGINALS);

const after = (original: Original, more: Setting): MachineState =>
  exitOf(
    {
      ...original,
      ...more,
      controls: [...(original.controls ?? []), ...(more.controls ?? [])],
      fields: { ...original.fields, ...more.fields },
    },
    ...(original.meanwhile === undefined ? [] : [original.meanwhile]),
  );
const vectoring = (state: MachineState) =>
  fields(state, 'idtVectoringInfo', 'idtVectoringErrorCode', 'vmExitInstructionLength');
const ofOriginal = ({ information, errorCode = 0n, length = 0n }: Original) => ({
  idtVectoringInfo: information,
  idtVectoringErrorCode: errorCode,
  vmExitInstructionLength: length,
});
const entryOf = (original: Original): bigint => BigInt(FAR) + 16n * (original.information & 0xffn);

describe('28.2.4 an EPT violation where the gate is read', () => {
  it.each(originals)('%s', (_, original) => {
    const state = after(original, {
      controls: ['activateSecondaryControls', 'enableEpt'],
      fields: { guestIdtrBase: FAR },
      memory: { [EPT_TABLES + 0x2008]: words(0n) },
    });
    expect(field(state, 'exitReason')).toBe(48n);
    expect(vectoring(state)).toEqual(ofOriginal(original));
    expect(field(state, 'exitQualification') & 0x187n).toBe(0x181n);
    expect(fields(state, 'guestLinearAddress', 'guestPhysicalAddress')).toEqual({
      guestLinearAddress: entryOf(original),
      guestPhysicalAddress: entryOf(original),
    });
    expect(field(state, 'vmExitInterruptionInfo')).toBe(0n);
    expect(field(state, 'guestRflags') & RF).toBe(original.fault ? RF : 0n);
    original.recorded?.(state);
  });
});

describe('28.2.4 an EPT misconfiguration where the gate is read', () => {
  it.each(originals)('%s', (_, original) => {
    const state = after(original, {
      controls: ['activateSecondaryControls', 'enableEpt'],
      fields: { guestIdtrBase: FAR },
      memory: { [EPT_TABLES + 0x2008]: words(0x20_00b2n) },
    });
    expect(fields(state, 'exitReason', 'exitQualification', 'guestPhysicalAddress')).toEqual({
      exitReason: 49n,
      exitQualification: 0n,
      guestPhysicalAddress: entryOf(original),
    });
    expect(vectoring(state)).toEqual(ofOriginal(original));
    original.recorded?.(state);
  });
});

describe('28.2.4 a page fault where the gate is read', () => {
  const absent: Setting = { fields: { guestIdtrBase: FAR }, memory: { [TABLES + 0x2008]: words(0n) } };
  const exceptions = (bits: number): Values => ({ ...absent.fields, exceptionBitmap: bits });

  // A page fault of the original would exit by the same bit.
  it.each(originals.filter(([, { information }]) => (information & 0xffn) !== 14n))(
    'that exits, in the delivery of %s',
    (_, original) => {
      const state = after(original, { ...absent, fields: exceptions(1 << 14) });
      expect(fields(state, 'exitReason', 'vmExitInterruptionInfo', 'exitQualification')).toEqual({
        exitReason: 0n,
        vmExitInterruptionInfo: 0x8000_0b0en,
        exitQualification: entryOf(original),
      });
      expect(vectoring(state)).toEqual(ofOriginal(original));
      // SDM Vol. 3C, 28.1: CR2 keeps what the original has put there.
      expect(state.processors[0].control.cr2).not.toBe(entryOf(original));
    },
  );

  it('that becomes a double fault which exits: no event was being delivered', () => {
    const original = ORIGINALS['#PF, whose address is in CR2'];
    const state = after(original, { ...absent, fields: exceptions(1 << 8) });
    expect(fields(state, 'exitReason', 'vmExitInterruptionInfo', 'vmExitInterruptionErrorCode')).toEqual({
      exitReason: 0n,
      vmExitInterruptionInfo: 0x8000_0b08n,
      vmExitInterruptionErrorCode: 0n,
    });
    expect(vectoring(state)).toEqual(ofOriginal({ information: 0n }));
    // Both page faults have been recorded.
    expect(state.processors[0].control.cr2).toBe(entryOf(original));
  });

  it('and again: a triple fault, of which nothing is said', () => {
    const state = after(ORIGINALS['#PF, whose address is in CR2'], absent);
    expect(field(state, 'exitReason')).toBe(2n);
    expect(vectoring(state)).toEqual(ofOriginal({ information: 0n }));
  });
});

describe('28.2.4 a task gate', () => {
  const narrow: Setting = {
    host: 'pae',
    memory: {
      [AT.guestGdt + 24]: words(TSS_DESCRIPTOR),
      [AT.guestIdt]: words(...Array.from({ length: 256 }, () => TASK_GATE)),
    },
  };
  it.each(originals)('%s', (_, original) => {
    const state = after(original, narrow);
    expect(fields(state, 'exitReason', 'exitQualification', 'guestTrSelector')).toEqual({
      exitReason: 9n,
      exitQualification: 0xc000_0018n,
      guestTrSelector: 24n,
    });
    expect(vectoring(state)).toEqual(ofOriginal(original));
  });
});
