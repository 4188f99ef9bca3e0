// SDM Vol. 3A, 11.4.1 The Local APIC Block Diagram (register address map)
import { type Draft, produce } from 'immer';
import { type DeviceTransition, NO_EFFECTS } from '../device';
import { writeCommandLow } from './command';
import { endOfInterrupt, processorPriority, withTaskPriority } from './priority';
import {
  isSoftwareEnabled,
  type LocalApicState,
  LVT_ENTRIES,
  LVT_MASKED,
  type LvtEntry,
  SOFTWARE_ENABLE,
} from './state';
import {
  currentCount,
  settleTimer,
  writeDivideConfiguration,
  writeInitialCount,
  writeLvtTimer,
} from './timer';

/** A 32-bit register: a missing `write` makes it read-only (writes are ignored). */
export interface ApicRegister {
  readonly name: string;
  readonly read: (state: LocalApicState, now: number) => number;
  readonly write?: (state: LocalApicState, value: number, now: number) => DeviceTransition<LocalApicState>;
}

/** Version 14H with six LVT entries, no suppression of EOI broadcasts. SDM Vol. 3A, 11.4.8 Local APIC Version Register */
const APIC_VERSION = 0x0005_0014;

/** The writable bits of LVT entries other than the timer. SDM Vol. 3A, 11.5.1 Local Vector Table */
export const LVT_WRITABLE: Readonly<Record<Exclude<LvtEntry, 'timer'>, number>> = {
  thermal: 0x1_07ff,
  performance: 0x1_07ff,
  lint0: 0x1_a7ff,
  lint1: 0x1_a7ff,
  error: 0x1_00ff,
};

/** Delivery status and remote IRR: writes are ignored. */
export const LVT_READ_ONLY = 0x5000;

const quiet = (state: LocalApicState): DeviceTransition<LocalApicState> => ({ state, effects: NO_EFFECTS });

const edit =
  (change: (draft: Draft<LocalApicState>, value: number) => void) =>
  (state: LocalApicState, value: number): DeviceTransition<LocalApicState> =>
    quiet(
      produce(state, (draft) => {
        change(draft, value);
      }),
    );

// A software-disabled APIC keeps every entry masked.
const forcedMask = (state: LocalApicState): number => (isSoftwareEnabled(state) ? 0 : LVT_MASKED);

const lvtEntry = (entry: Exclude<LvtEntry, 'timer'>): ApicRegister => ({
  name: `LVT ${entry}`,
  read: (state) => state.lvt[entry],
  write: (state, value) =>
    quiet(
      produce(state, (draft) => {
        draft.lvt[entry] = (value & LVT_WRITABLE[entry]) | forcedMask(state);
      }),
    ),
});

const timerEntry: ApicRegister = {
  name: 'LVT timer',
  read: (state) => state.lvt.timer,
  write: (state, value, now) => {
    const writable = state.options.tscDeadline ? 0x7_00ff : 0x3_00ff;
    return quiet(writeLvtTimer(state, (value & writable) | forcedMask(state), now));
  },
};

// SDM Vol. 3A, 11.4.7.2 Local APIC State After It Has Been Software Disabled
const writeSpurious = (
  state: LocalApicState,
  value: number,
  now: number,
): DeviceTransition<LocalApicState> => {
  const disables = (value & SOFTWARE_ENABLE) === 0;
  return quiet(
    produce(disables ? settleTimer(state, now) : state, (draft) => {
      draft.spurious = value & 0x3ff;
      if (disables) for (const entry of LVT_ENTRIES) draft.lvt[entry] |= LVT_MASKED;
    }),
  );
};

// SDM Vol. 3A, 11.8.5 Signaling Interrupt Servicing Completion
const writeEoi = (state: LocalApicState): DeviceTransition<LocalApicState> => {
  const ended = endOfInterrupt(state);
  return {
    state: ended.state,
    effects: ended.level ? [{ kind: 'end-of-interrupt', vector: ended.vector }] : NO_EFFECTS,
  };
};

const zero = (): number => 0;

const vectorSet = (
  first: number,
  name: string,
  field: 'inService' | 'triggerMode' | 'requested',
): readonly (readonly [number, ApicRegister])[] =>
  Array.from({ length: 8 }, (_, word) => [
    first + 16 * word,
    { name: `${name} ${32 * word + 31}:${32 * word}`, read: (state: LocalApicState) => state[field][word] },
  ]);

/** Every register by its offset in the page; an offset that is not here is reserved. */
export const APIC_REGISTERS: ReadonlyMap<number, ApicRegister> = new Map<number, ApicRegister>([
  [
    0x020,
    {
      name: 'local APIC ID',
      read: (state) => (state.id << 24) >>> 0,
      write: edit((draft, value) => {
        draft.id = value >>> 24;
      }),
    },
  ],
  [0x030, { name: 'version', read: () => APIC_VERSION }],
  [
    0x080,
    {
      name: 'task priority',
      read: (state) => state.taskPriority,
      write: (state, value) => quiet(withTaskPriority(state, value & 0xff)),
    },
  ],
  [0x090, { name: 'arbitration priority', read: zero }],
  [0x0a0, { name: 'processor priority', read: processorPriority }],
  [0x0b0, { name: 'EOI', read: zero, write: writeEoi }],
  [0x0c0, { name: 'remote read', read: zero }],
  [
    0x0d0,
    {
      name: 'logical destination',
      read: (state) => state.logicalDestination,
      write: edit((draft, value) => {
        draft.logicalDestination = (value & 0xff00_0000) >>> 0;
      }),
    },
  ],
  [
    0x0e0,
    {
      name: 'destination format',
      read: (state) => state.destinationFormat,
      write: edit((draft, value) => {
        draft.destinationFormat = (value | 0x0fff_ffff) >>> 0;
      }),
    },
  ],
  [0x0f0, { name: 'spurious-interrupt vector', read: (state) => state.spurious, write: writeSpurious }],
  ...vectorSet(0x100, 'ISR', 'inService'),
  ...vectorSet(0x180, 'TMR', 'triggerMode'),
  ...vectorSet(0x200, 'IRR', 'requested'),
  [
    0x280,
    {
      name: 'error status',
      read: (state) => state.errorStatus,
      write: edit((draft) => {
        draft.errorStatus = draft.pendingErrors;
        draft.pendingErrors = 0;
      }),
    },
  ],
  [0x300, { name: 'interrupt command 31:0', read: (state) => state.commandLow, write: writeCommandLow }],
  [
    0x310,
    {
      name: 'interrupt command 63:32',
      read: (state) => state.commandHigh,
      write: edit((draft, value) => {
        draft.commandHigh = (value & 0xff00_0000) >>> 0;
      }),
    },
  ],
  [0x320, timerEntry],
  [0x330, lvtEntry('thermal')],
  [0x340, lvtEntry('performance')],
  [0x350, lvtEntry('lint0')],
  [0x360, lvtEntry('lint1')],
  [0x370, lvtEntry('error')],
  [
    0x380,
    {
      name: 'initial count',
      read: (state) => state.initialCount,
      write: (state, value, now) => quiet(writeInitialCount(state, value, now)),
    },
  ],
  [0x390, { name: 'current count', read: currentCount }],
  [
    0x3e0,
    {
      name: 'divide configuration',
      read: (state) => state.divideConfiguration,
      write: (state, value, now) => quiet(writeDivideConfiguration(state, value, now)),
    },
  ],
]);
