import { EMPTY_MEMORY, gpa, gva, hpa, MemoryDraft, type MemoryRoot } from '../src/core';
import { COMMON_EPT, EptTables, NESTED_END, nestedWalk, TableReader, walk } from '../src/ept';
import {
  createMonitoredMachine,
  giveBack,
  type MachineConfig,
  type MachineState,
  run,
  takeIdleMachine,
} from '../src/machine';
import { minimalVmcallMonitor } from '../src/vmm/minimal';
import { rawGuest } from './guests';
import { atLeast, expect, type Measure, type Row, repeated, timed } from './measure';

const REFERENCES = 24;
const PAGE = 4096;
const PAGES = 512;
const PRESENT_WRITE = 3;
/** Guest page tables, one for each level: they map the first 512 pages to themselves. */
const TABLES = 0x20_0000;
const GUEST_BYTES = TABLES + 4 * PAGE;
/** Where the guest's memory stands in the host, and the EPT tables. */
const HOST = 2 ** 32;
const EPT_TABLES = hpa(0x100_0000);

const withGuestTables = (memory: MemoryRoot, guestMemory: number): MemoryRoot => {
  const draft = new MemoryDraft(memory);
  const entry = (address: number, frame: number): void => {
    draft.ownedPage((guestMemory + address - (address % PAGE)) / PAGE).words[(address % PAGE) >> 2] =
      frame * PAGE + PRESENT_WRITE;
  };
  for (let table = 0; table < 3; table++) entry(TABLES + table * PAGE, TABLES / PAGE + table + 1);
  for (let page = 0; page < PAGES; page++) entry(TABLES + 3 * PAGE + page * 8, page);
  return draft.publish();
};

/** Goes through the pages, `count` walks in all; what `translate` must give is the host frame. */
const walksOver = (translate: (low: number) => number, firstFrame: number) => (count: number) => {
  let wrong = 0;
  for (let i = 0; i < count; i++) {
    const page = (i * 7) & (PAGES - 1);
    if (translate(page * PAGE + 0x123) !== firstFrame + page) wrong++;
  }
  expect(wrong === 0, `${wrong} of ${count} walks led to another frame`);
};

/** 4-KiB pages in the guest's tables and in EPT. */
const smallPages = (): ((count: number) => void) => {
  const ept = new EptTables(withGuestTables(EMPTY_MEMORY, HOST), EPT_TABLES).mapRange(
    { gpa: gpa(0), hpa: hpa(HOST), size: '4K' },
    GUEST_BYTES,
  );
  const memory = ept.publish();
  const { references, outcome } = walk({
    memory,
    address: gva(0x5123n),
    cr3: BigInt(TABLES),
    eptp: ept.eptp,
  });
  expect(references.length === REFERENCES && outcome.ok, `a walk of ${references.length} references`);
  const both = nestedWalk(ept.eptp, new TableReader((frame) => memory.page(frame)), COMMON_EPT);
  const translate = (low: number): number =>
    both.run(TABLES, low, 0) === NESTED_END.mapped ? both.frame : -1;
  return walksOver(translate, HOST / PAGE);
};

/** jmp $ */
const LOOP = [0xeb, 0xfe];
const TO_THE_GUEST = 20_000;

/** A guest with these tables in non-root operation; the monitor maps it by 2-MiB pages. */
const runningGuest = (caches: NonNullable<MachineConfig['caches']>): MachineState => {
  const guest = rawGuest(LOOP);
  const [processor] = guest.processors;
  const withTables: MachineState = {
    ...guest,
    config: { ...guest.config, caches },
    memory: withGuestTables(guest.memory, 0),
    processors: [{ ...processor, control: { ...processor.control, cr3: BigInt(TABLES) } }],
  };
  const { state } = run(createMonitoredMachine(withTables, minimalVmcallMonitor()), {
    maxInstructions: TO_THE_GUEST,
  });
  expect(state.processors[0].nonRoot, 'the guest does not run');
  return state;
};

/** Guest paging behind EPT, as non-root operation walks it. */
export const nestedWalks: Row = async ({ smoke, runs }) => {
  const count = smoke ? 20_000 : 500_000;
  const figures = (walks: (count: number) => void): readonly number[] =>
    repeated(runs, () => count / timed(() => walks(count)).seconds);
  const measure = (variant: string, promised: boolean, walks: (count: number) => void): Measure => ({
    row: 'two-dimensional walk',
    variant,
    unit: 'walks/s',
    target: promised ? atLeast(1_000_000) : undefined,
    runs: figures(walks),
  });
  const bare = measure(`${REFERENCES} references`, true, smallPages());
  const inEngine = engineWalks({ kind: 'none' }, (translate) =>
    measure('in the engine, 19 references (EPT 2M), with checks', false, walksOver(translate, HOST / PAGE)),
  );
  return [bare, inEngine];
};

/** What a machine under way translates as on a miss of the fast arrays. */
const engineWalks = (
  caches: NonNullable<MachineConfig['caches']>,
  of: (translate: (low: number) => number) => Measure,
): Measure => {
  const state = runningGuest(caches);
  const machine = takeIdleMachine(state.config, 'closures', state);
  machine.load(state);
  const found = of((low) => machine.memory.translate(low, 0, false, false, false));
  giveBack(machine);
  return found;
};

/** The same pages again and again under the policy `keep-all`. */
export const cachedTranslations: Row = async ({ smoke, runs }) => {
  const count = smoke ? 50_000 : 5_000_000;
  return [
    engineWalks({ kind: 'keep-all' }, (translate) => {
      const walks = walksOver(translate, HOST / PAGE);
      walks(2 * PAGES);
      return {
        row: 'cached translation',
        variant: 'combined mappings of 512 pages, with checks',
        unit: 'translations/s',
        target: atLeast(20_000_000),
        runs: repeated(runs, () => count / timed(() => walks(count)).seconds),
      };
    }),
  ];
};
