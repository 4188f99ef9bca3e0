// Accessed and dirty flags for EPT and page-modification logging under random guest programs: no tier misses a flag or logs in another order, a page
// whose dirty flag is 0 is as it was, the log holds the dirty pages once, and the guest notices nothing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Gpa, gpa, hpa, type MemoryRoot } from '../src/core';
import { EPT_ENTRY, EptTables } from '../src/ept';
import { createMonitoredMachine, type MachineState, run, step } from '../src/machine';
import { hardwareAssistedMonitor } from '../src/vmm/hardware-assisted';
import { CONTROLS, type Control, fieldIndex, type VmcsField, type VmxState } from '../src/vmx';
import { type GuestProgram, guestMachine, guestProgram } from './arbitraries';
import { mutant } from './mutants/mutation';
import { holds, isRefuted, MONITORED, mustAgree, mustBeEqual, whereBuilt } from './theorem';

const PAGE = 4096;
const MOST = 4000;
const HEAT = 3;
const LOG_BYTES = PAGE;
/** The end of the monitor's memory is its own to give away: tables of 4-KiB pages, then the log. */
const STRUCTURES = 0x10_0000;
const LAST_LOG_ENTRY = 511n;
const ALL = EPT_ENTRY.read | EPT_ENTRY.write | EPT_ENTRY.execute;
const ACCESSED_DIRTY = 0x40n;

interface Place {
  readonly state: MachineState;
  readonly tables: EptTables;
  readonly log: number;
}

/** The monitor, which emulates INS and writes for the guest, with the host pages that it stores to. */
const recording = mutant(hardwareAssistedMonitor(MONITORED), {
  name: 'records where it stores',
  says: 'nothing is changed',
  start: (): readonly number[] => [],
  amend: (pages, request) => {
    if (request.op !== 'store') return { memory: pages, request };
    const page = Number(request.address) - (Number(request.address) % PAGE);
    return { memory: pages.includes(page) ? pages : [...pages, page], request };
  },
});

/** A machine at its first VM entry. */
const atEntry = (guest: MachineState): MachineState => {
  let state = createMonitoredMachine(guest, recording);
  while (state.monitor?.progress?.request.op !== 'vmlaunch') state = step(state).state;
  return state;
};

const withFields = (
  state: MachineState,
  memory: MemoryRoot,
  fields: Partial<Record<VmcsField, bigint>>,
): MachineState => {
  const [processor] = state.processors;
  const vmx = processor.virtualization as VmxState;
  const [vmcs] = vmx.active;
  const words = vmcs.words.map(
    (word, index) =>
      Object.entries(fields).find(([name]) => fieldIndex(name as VmcsField) === index)?.[1] ?? word,
  );
  const virtualization: VmxState = { ...vmx, active: [{ ...vmcs, words }] };
  return { ...state, memory, processors: [{ ...processor, virtualization }] };
};

const bit = (control: Control): bigint => 1n << BigInt(CONTROLS[control].bit);

/** The guest in 4-KiB pages with flags, a log, or mode-based execute control, as asked for. */
const placed = (guest: MachineState, eptpBits: bigint, controls: readonly Control[]): Place => {
  const state = atEntry(guest);
  const { monitorMemory, guestMemory } = state.monitor!.layout;
  const log = Number(monitorMemory.base + monitorMemory.bytes) - LOG_BYTES;
  const tables = new EptTables(state.memory, hpa(log + LOG_BYTES - STRUCTURES));
  for (const { guest: from, host, bytes } of guestMemory)
    for (let at = 0; at + PAGE <= bytes; at += PAGE)
      tables.map({ gpa: gpa(from + at), hpa: hpa(host + at), rights: ALL });
  const [vmcs] = (state.processors[0].virtualization as VmxState).active;
  const secondary = vmcs.words[fieldIndex('secondaryProcBasedControls')];
  return {
    tables,
    log,
    state: withFields(state, tables.publish(), {
      eptPointer: tables.eptp | eptpBits,
      secondaryProcBasedControls: controls.reduce((word, control) => word | bit(control), secondary),
      pmlAddress: BigInt(log),
      pmlIndex: LAST_LOG_ENTRY,
    }),
  };
};

const word = (memory: MemoryRoot, at: number): number =>
  memory.page(Math.floor(at / PAGE)).words[(at % PAGE) >> 2];

const dirtyPages = ({ tables, state }: Place, { memory, monitor }: MachineState): readonly Gpa[] => {
  const { memory: stored } = monitor!.progress!.state as { readonly memory: readonly number[] };
  const dirty: Gpa[] = [];
  const changed: Gpa[] = [];
  for (const { guest: from, host, bytes } of state.monitor!.layout.guestMemory)
    for (let at = 0; at + PAGE <= bytes; at += PAGE) {
      const address = gpa(from + at);
      const isDirty = (word(memory, tables.entryAddress(address, 1)) & EPT_ENTRY.dirty) !== 0;
      if (isDirty) dirty.push(address);
      const frame = (host + at) / PAGE;
      const before = state.memory.page(frame);
      const after = memory.page(frame);
      if (isDirty || before === after || stored.includes(host + at)) continue;
      if (before.words.some((value, index) => value !== after.words[index])) changed.push(address);
    }
  mustBeEqual('pages that changed without a dirty flag', changed, []);
  return dirty;
};

const logged = ({ log }: Place, memory: MemoryRoot, state: MachineState): readonly number[] => {
  const [vmcs] = (state.processors[0].virtualization as VmxState).active;
  const index = Number(vmcs.words[fieldIndex('pmlIndex')]);
  return Array.from({ length: Number(LAST_LOG_ENTRY) - index }, (_, i) =>
    word(memory, log + 8 * (Number(LAST_LOG_ENTRY) - i)),
  );
};

const tiersAgree = (place: Place) => {
  const [oracle, closures, generated] = (['oracle', 'closures', 'generated'] as const).map((tier) =>
    run(place.state, { maxInstructions: MOST, tier, heat: HEAT }),
  );
  mustAgree('oracle and closures', oracle.state, closures.state);
  mustAgree('oracle and generated', oracle.state, generated.state);
  return generated;
};

/** What of a machine does not depend on its EPT: the processor but its VMCSs, and where it stands. */
const ofGuest = ({ state, stop, retired }: ReturnType<typeof run>) => {
  const [{ virtualization: _, ...processor }] = state.processors;
  return { processor, stop, retired };
};

/** Whether the entry of each page is dirty, guest page by guest page. */
const entries = ({ tables, state: { monitor } }: Place): readonly number[] =>
  monitor!.layout.guestMemory.flatMap(({ guest: from, bytes }) =>
    Array.from({ length: Math.floor(bytes / PAGE) }, (_, page) =>
      tables.entryAddress(gpa(from + page * PAGE), 1),
    ),
  );
const isDirty = ({ memory }: MachineState, at: number): boolean => (word(memory, at) & EPT_ENTRY.dirty) !== 0;
const flipped = (state: MachineState, at: number | undefined): MachineState =>
  at === undefined
    ? state
    : {
        ...state,
        memory: state.memory.write(
          at,
          new Uint8Array(Int32Array.of(word(state.memory, at) ^ EPT_ENTRY.dirty).buffer),
        ),
      };
const indexed = (state: MachineState, more: bigint): MachineState => {
  const [vmcs] = (state.processors[0].virtualization as VmxState).active;
  return withFields(state, state.memory, { pmlIndex: vmcs.words[fieldIndex('pmlIndex')] + more });
};

type Spoil = (state: MachineState, place: Place) => MachineState;
/** What flags and log are after a run that does one thing otherwise. SDM Vol. 3C, 29.3.5 Accessed and Dirty Flags for EPT, 29.3.6 Page-Modification Logging */
const spoiled: Readonly<Record<string, Spoil>> = {
  'sets no dirty flag for the first page': (state, place) =>
    flipped(
      state,
      entries(place).find((at) => isDirty(state, at)),
    ),
  'sets a dirty flag where nothing was written': (state, place) =>
    flipped(
      state,
      entries(place).find((at) => !isDirty(state, at)),
    ),
  'logs one page too many': (state) => indexed(state, -1n),
  'does not log the last page': (state) => indexed(state, 1n),
};

/** `seen` is told the pages that a program made dirty. */
const asTheManualSays = (spoil: Spoil, seen: (dirty: readonly Gpa[]) => void = () => {}) =>
  fc.property(guestProgram(), (program: GuestProgram) =>
    whereBuilt(() => {
      const guest = guestMachine(program);
      const place = placed(guest, ACCESSED_DIRTY, ['enablePml']);
      const ended = tiersAgree(place);
      const state = spoil(ended.state, place);
      const dirty = dirtyPages(place, state);
      const log = logged(place, state.memory, state);
      mustBeEqual(
        'dirty pages, and logged ones',
        dirty,
        log.toSorted((a, b) => a - b),
      );
      const plain = run(placed(guest, 0n, []).state, { maxInstructions: MOST });
      mustBeEqual('with and without flags', ofGuest(ended), ofGuest(plain));
      seen(dirty);
    }),
  );

describe('accessed and dirty flags for EPT', () => {
  it('of random guest programs: flags, log and guest are the same in all tiers, and complete', () => {
    let most = 0;
    const theorem = asTheManualSays(
      (state) => state,
      (dirty) => {
        most = Math.max(most, dirty.length);
      },
    );
    holds(theorem, 25);
    expect(most).toBeGreaterThan(4);
  });

  it.each(Object.entries(spoiled))('is refuted by a processor that %s', (_, spoil) => {
    expect(isRefuted(asTheManualSays(spoil), 25)).toBe(true);
  });
});
