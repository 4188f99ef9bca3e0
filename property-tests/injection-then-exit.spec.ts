// VM entry that injects an event of any type, then VM exit before the handler executes anything: the frame, and field by field what is saved.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AT, beforeLaunch, field, gate64, type Setting } from '../spec/vmx/dynamics/whole-machine';
import { type MachineState, step } from '../src/api';
import { FIELD_NAMES, type VmcsField } from '../src/api/vmx';
import { holds, isRefuted, mustBeEqual } from './theorem';

const HANDLER = AT.guestCode + 0x100;
const IF = 0x200n;
/** Vectors of exceptions that push an error code. SDM Vol. 3A, 6.15 Exception and Interrupt Reference */
const WITH_CODE = [8, 10, 11, 12, 13, 14, 17];
const FLAGS_FREE = [0, 2, 4, 6, 7, 9, 10, 11, 12, 13, 14, 16, 18, 21].map((bit) => 1n << BigInt(bit));

/** Type, vectors and instruction length of what may be injected. SDM Vol. 3C, 25.8.3 VM-Entry Controls for Event Injection */
const EVENTS = {
  'external interrupt': { type: 0, vectors: [16, 32, 255], length: 0 },
  NMI: { type: 2, vectors: [2], length: 0 },
  'hardware exception': { type: 3, vectors: [0, 1, 4, 6, 7, 12, 13, 14, 16, 17, 19], length: 0 },
  'software interrupt': { type: 4, vectors: [0, 13, 128, 255], length: 2 },
  'privileged software exception': { type: 5, vectors: [1], length: 1 },
  'software exception': { type: 6, vectors: [3, 4], length: 1 },
} as const;
const NMI = EVENTS.NMI.type;
const HARDWARE = EVENTS['hardware exception'].type;

interface Injection {
  readonly event: { readonly type: number; readonly length: number };
  readonly vector: number;
  readonly code: number;
  readonly flags: bigint;
  readonly rsp: number;
  readonly interruptibility: number;
  readonly isHalted: boolean;
  readonly virtualNmis: boolean;
  readonly isTrapGate: boolean;
}

const injections: fc.Arbitrary<Injection> = fc.constantFrom(...Object.values(EVENTS)).chain((event) =>
  fc.record({
    event: fc.constant(event),
    vector: fc.constantFrom<number>(...event.vectors),
    code: fc.nat(0xffff),
    flags: fc.subarray(FLAGS_FREE).map((chosen) => chosen.reduce((word, bit) => word | bit, 0n)),
    rsp: fc.integer({ min: AT.guestStack - 100, max: AT.guestStack }),
    interruptibility: fc.constantFrom(0, 1, 2, 8, 9),
    isHalted: fc.boolean(),
    virtualNmis: fc.boolean(),
    isTrapGate: fc.boolean(),
  }),
);

const pushesCode = ({ event: { type }, vector }: Injection): boolean =>
  type === HARDWARE && WITH_CODE.includes(vector);

/** The guest-state area that VM entry accepts with the event. SDM Vol. 3C, 27.3.1.4 Checks on Guest RIP, RFLAGS, and SSP; 27.3.1.5 */
const stateFor = ({ event: { type }, vector, interruptibility, flags, ...made }: Injection) => {
  const unblocked = type === 0 || type === NMI;
  let blocking = unblocked ? interruptibility & 8 : interruptibility;
  if (type === NMI && made.virtualNmis) blocking = 0;
  const wakes = unblocked || (type === HARDWARE && vector === 1);
  return {
    blocking,
    rflags: 2n | flags | (type === 0 || (blocking & 1) !== 0 ? IF : 0n),
    activity: made.isHalted && wakes && (blocking & 3) === 0 ? 1 : 0,
  };
};

const settingOf = (one: Injection): Setting => {
  const { blocking, rflags, activity } = stateFor(one);
  const { event, vector, code, rsp, virtualNmis, isTrapGate } = one;
  return {
    controls: [
      'activateVmxPreemptionTimer',
      ...(virtualNmis ? (['nmiExiting', 'virtualNmis'] as const) : []),
    ],
    fields: {
      guestRflags: rflags,
      guestRsp: rsp,
      guestInterruptibilityState: blocking,
      guestActivityState: activity,
      vmEntryInterruptionInfo: 0x8000_0000 + (pushesCode(one) ? 0x800 : 0) + event.type * 256 + vector,
      vmEntryExceptionErrorCode: code,
      vmEntryInstructionLength: event.length,
    },
    memory: { [AT.guestIdt + 16 * vector]: gate64(HANDLER, isTrapGate ? 0x8f : 0x8e) },
  };
};

type Prediction = (one: Injection, of: (name: VmcsField) => bigint) => bigint;
const WORD = 8n;
/** TF, NT, VM and RF. */
const CLEARED = 0x3_4100n;

const FIELDS: Partial<Record<VmcsField, Prediction>> = {
  guestRip: () => BigInt(HANDLER),
  guestRsp: (one, of) => (of('guestRsp') & ~15n) - (pushesCode(one) ? 6n : 5n) * WORD,
  guestRflags: ({ isTrapGate }, of) => of('guestRflags') & ~(isTrapGate ? CLEARED : CLEARED | IF),
  // SDM Vol. 3C, 27.7.1 Interruptibility State, 27.7.2 Activity State
  guestInterruptibilityState: ({ event: { type } }, of) =>
    type === NMI ? 8n : of('guestInterruptibilityState') & 8n,
  guestActivityState: () => 0n,
  exitReason: () => 52n,
  vmEntryInterruptionInfo: (_, of) => of('vmEntryInterruptionInfo') & 0x7fff_ffffn,
};

const afterExit = (setting: Setting): readonly [MachineState, MachineState] => {
  const from = beforeLaunch(setting);
  let { state } = step(from);
  for (let steps = 0; state.processors[0].nonRoot && steps < 3; steps++) ({ state } = step(state));
  return [from, state];
};

const asPredicted = (predictions: typeof FIELDS, lengthCounts = true) =>
  fc.property(injections, (one) => {
    const [from, state] = afterExit(settingOf(one));
    const of = (name: VmcsField): bigint => field(from, name);
    for (const name of FIELD_NAMES)
      mustBeEqual(name, field(state, name), predictions[name]?.(one, of) ?? of(name));
    const top = Number(FIELDS.guestRsp!(one, of));
    const words = [...new BigUint64Array(Uint8Array.from(state.memory.read(top, 48)).buffer)];
    const rip = of('guestRip') + (lengthCounts ? of('vmEntryInstructionLength') : 0n);
    const frame = [rip, 8n, of('guestRflags'), of('guestRsp'), 16n];
    const expected = pushesCode(one) ? [of('vmEntryExceptionErrorCode'), ...frame] : frame;
    mustBeEqual('frame', words.slice(0, expected.length), expected);
  });
const numRuns = Number(process.env.VTMODEL_RUNS ?? 200);

describe('VM entry that injects an event, then VM exit', () => {
  it('gives the frame, and field by field what the steps of the manual predict', () => {
    holds(asPredicted(FIELDS), numRuns);
  });

  it.each(Object.keys(FIELDS) as VmcsField[])('is refuted where %s stays as it was', (name) => {
    const { [name]: _, ...others } = FIELDS;
    expect(isRefuted(asPredicted(others), numRuns)).toBe(true);
  });

  it('is refuted where the instruction length is not added to the pushed RIP', () => {
    expect(isRefuted(asPredicted(FIELDS, false), numRuns)).toBe(true);
  });
});
