// SDM Vol. 3A, 6.9 Priority Among Simultaneous Exceptions and Interrupts; SDM Vol. 3C, 26.2 Other Causes of VM Exits, 26.5.2 Monitor Trap Flag
import { describe, expect, it } from 'vitest';
import { type ArchitecturalEvent, run, step } from '../../../src/api';
import { EXIT_REASONS } from '../../../src/api/vmx';
import { exitOf, field, launched, type Setting, TABLES, withHidden, words } from '../dynamics/whole-machine';

const INJECT = 0x8000_0000;
const HANDLER = 0x5000;
const IF = 0x202;
/** In a page of its own. */
const GUEST_CODE = 0x20_0000n;
const HLT = 0xf4;

/** What is pending at the instruction boundary after VM entry, and what shows that it came first. */
interface Pending extends Setting {
  readonly shows: string;
}

/** From the highest to the lowest priority. */
const RANKS: Readonly<Record<string, Pending>> = {
  INIT: { hidden: { initPending: true }, shows: 'exit initSignal' },
  'pending MTF VM exit': {
    fields: { vmEntryInterruptionInfo: INJECT + 0x700 },
    shows: 'exit monitorTrapFlag',
  },
  'debug trap': { fields: { guestPendingDebugExceptions: 0x1002 }, shows: 'vector 1, status 2' },
  'VMX-preemption timer': { controls: ['activateVmxPreemptionTimer'], shows: 'exit preemptionTimerExpired' },
  'NMI window': {
    controls: ['nmiExiting', 'virtualNmis', 'nmiWindowExiting'],
    shows: 'exit nmiWindow',
  },
  NMI: { controls: ['nmiExiting'], hidden: { nmiPending: true }, shows: 'exit by vector 2' },
  'interrupt window': {
    controls: ['interruptWindowExiting'],
    fields: { guestRflags: IF },
    shows: 'exit interruptWindow',
  },
  'external interrupt': { fields: { guestRflags: IF }, interrupt: 0x51, shows: 'vector 81' },
  'code breakpoint': {
    controls: ['loadDebugControls'],
    fields: { guestDr7: 0x401 },
    debug: { dr0: GUEST_CODE },
    shows: 'vector 1, status 1',
  },
  'fault of the fetch': {
    fields: { exceptionBitmap: 1 << 14 },
    memory: { [TABLES + 0x2008]: words(0n) },
    shows: 'exit by vector 14',
  },
};
const names = Object.keys(RANKS);

const shown = (event: ArchitecturalEvent): string | undefined => {
  switch (event.kind) {
    case 'vm-exit':
      return event.exit.reason === 'exceptionOrNmi'
        ? `exit by vector ${event.exit.event.vector}`
        : `exit ${event.exit.reason}`;
    case 'delivered': {
      const { vector, debugStatus } = event.event;
      return debugStatus === undefined ? `vector ${vector}` : `vector ${vector}, status ${debugStatus}`;
    }
    default:
      return undefined;
  }
};

/** All of them at once, except what one alone may say. */
const together = (...pending: readonly Pending[]): Setting => ({
  handlers: { 1: HANDLER, 2: HANDLER, 81: HANDLER },
  controls: pending.flatMap(({ controls = [] }) => controls),
  fields: Object.assign({ guestRip: GUEST_CODE }, ...pending.map(({ fields }) => fields)),
  hidden: Object.assign({}, ...pending.map(({ hidden }) => hidden)),
  debug: Object.assign({}, ...pending.map(({ debug }) => debug)),
  memory: Object.assign({ [Number(GUEST_CODE)]: [HLT] }, ...pending.map(({ memory }) => memory)),
  ...pending.reduce((all, { interrupt }) => (interrupt === undefined ? all : { interrupt }), {}),
});

/** The first thing that happens after VM entry. */
const first = (...pending: readonly Pending[]): string | undefined => {
  const { hidden = {}, ...setting } = together(...pending);
  let state = launched(setting, withHidden(hidden));
  for (let steps = 0; steps < 3; steps++) {
    const next = step(state);
    const event = next.events.map(shown).find((one) => one !== undefined);
    if (event !== undefined) return event;
    state = next.state;
  }
  return undefined;
};

describe('6.9 at an instruction boundary in VMX non-root operation', () => {
  it.each(names)('%s', (name) => {
    expect(first(RANKS[name])).toBe(RANKS[name].shows);
  });

  const pairs = names.flatMap((higher, rank) =>
    names.slice(rank + 1).map((lower) => [higher, lower] as const),
  );
  it.each(pairs)('%s before %s', (higher, lower) => {
    expect(first(RANKS[higher], RANKS[lower])).toBe(RANKS[higher].shows);
    expect(first(RANKS[lower], RANKS[higher])).toBe(RANKS[higher].shows);
  });
});

// SDM Vol. 3C, 27.6 Event Injection
describe('what comes after the event that VM entry injects, before its handler', () => {
  it.each([
    ['VMX-preemption timer', EXIT_REASONS.preemptionTimerExpired],
    ['NMI window', EXIT_REASONS.nmiWindow],
    ['INIT', EXIT_REASONS.initSignal],
  ])('%s', (name, reason) => {
    const { hidden = {}, ...setting } = together(RANKS[name], {
      fields: { vmEntryInterruptionInfo: INJECT + 0x306 },
      shows: '',
    });
    const handlers = { ...setting.handlers, 6: HANDLER };
    const state = exitOf({ ...setting, handlers }, withHidden(hidden));
    expect(field(state, 'exitReason')).toBe(BigInt(reason.number));
    expect(field(state, 'guestRip')).toBe(BigInt(HANDLER));
    expect(field(state, 'idtVectoringInfo')).toBe(0n);
  });
});

// SDM Vol. 3C, 25.4.2 Guest Non-Register State; 27.7.2 Activity State
describe('what comes through in an inactive state', () => {
  const HALTED = { name: 'HLT', guestActivityState: 1 };
  const SHUTDOWN = { name: 'shutdown', guestActivityState: 2 };
  const WAITS = { name: 'wait-for-SIPI', guestActivityState: 3 };
  const sipi: Pending = { hidden: { startupVector: 0x9f }, shows: 'exit sipi' };
  const comes = {
    INIT: [HALTED, SHUTDOWN],
    'pending MTF VM exit': [HALTED],
    'debug trap': [HALTED],
    'VMX-preemption timer': [HALTED, SHUTDOWN],
    'NMI window': [HALTED, SHUTDOWN],
    NMI: [HALTED, SHUTDOWN],
    'interrupt window': [HALTED],
    'external interrupt': [HALTED],
    'code breakpoint': [],
  } as Readonly<Record<string, readonly (typeof HALTED)[]>>;
  const rows = Object.entries(comes).flatMap(([name, states]) =>
    [HALTED, SHUTDOWN, WAITS]
      // A rule of VM entry keeps the injection of a pending MTF VM exit from other states.
      .filter((state) => name !== 'pending MTF VM exit' || state === HALTED)
      .map((state) => [name, states.includes(state) ? 'comes' : 'does not come', state.name, state] as const),
  );

  it.each(rows)('%s %s in %s', (name, outcome, _, { guestActivityState }) => {
    const pending = RANKS[name];
    const inactive = { ...pending, fields: { ...pending.fields, guestActivityState } };
    expect(first(inactive)).toBe(outcome === 'comes' ? pending.shows : undefined);
  });

  it.each([
    ['wait-for-SIPI', 3, 'exit sipi'],
    ['HLT', 1, undefined],
  ])('a startup IPI in %s', (_, guestActivityState, shows) => {
    expect(first({ ...sipi, fields: { guestActivityState } })).toBe(shows);
  });

  it.each([
    ['shutdown', 2, 'stuck'],
    ['wait-for-SIPI', 3, 'stuck'],
  ])(
    'time passes in %s until the preemption timer expires, or nothing comes',
    (_, guestActivityState, nothing) => {
      const fields = { guestActivityState, vmxPreemptionTimerValue: 1000 };
      expect(run(launched({ fields })).stop.kind).toBe(nothing);
      const { state } = run(launched({ fields, controls: ['activateVmxPreemptionTimer'] }), {
        maxInstructions: 1,
      });
      expect(state.processors[0].nonRoot).toBe(guestActivityState === 3);
      expect(state.clock > 1000).toBe(guestActivityState === 2);
    },
  );
});
