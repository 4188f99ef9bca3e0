import { Bench, type FnOptions } from 'tinybench';
import { MemoryDraft, type MemoryRange, preferred } from '../src/core';
import { giveBack, type MachineState, ramRanges, takeIdleMachine } from '../src/machine';
import { rawGuest } from './guests';
import { atMost, type Effort, expect, type Measure, type Row, type Target } from './measure';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const PAGE = 4096;
/** Pages that hold something: all of 64 MiB, every 64th of 4 GiB, so that every table of the memory trie is there. */
const WRITTEN_PAGES = (64 * MIB) / PAGE;
/** Odd, so that going on by it reaches all pages, far from each other. */
const STRIDE = 4099;
/** again: inc eax; jmp again */
const LOOP = [0xff, 0xc0, 0xeb, 0xfc];

const frameAt = (ram: readonly MemoryRange[], index: number): number => {
  let before = 0;
  for (const { base, bytes } of ram) {
    const pages = bytes / PAGE;
    if (index < before + pages) return base / PAGE + index - before;
    before += pages;
  }
  throw new Error(`no frame ${index}`);
};

const framesOf = (memoryBytes: number): readonly number[] =>
  Array.from({ length: WRITTEN_PAGES }, (_, page) =>
    frameAt(ramRanges(memoryBytes), page * (memoryBytes / PAGE / WRITTEN_PAGES)),
  );

const populated = (memoryBytes: number, frames: readonly number[]): MachineState => {
  const machine = rawGuest(LOOP, 'long', memoryBytes);
  const draft = new MemoryDraft(machine.memory);
  // The last word: no page of the guest's code has anything there.
  for (const frame of frames) draft.ownedPage(frame).words[PAGE / 4 - 1] = frame;
  return Object.freeze({ ...machine, memory: draft.publish() });
};

interface Work {
  readonly name: string;
  readonly target: Target;
  readonly before: () => void;
  readonly work: () => void;
}

/** The work that is measured, on one machine that keeps running. */
const worksOn = (start: MachineState, frames: readonly number[]) => {
  const machine = takeIdleMachine(start.config, 'closures', start);
  machine.load(start);
  let state = start;
  let fork = new MemoryDraft(start.memory);
  let next = 0;
  const publish = (): void => {
    state = machine.publish();
  };
  const write = (): void => {
    next = (next + STRIDE) % WRITTEN_PAGES;
    machine.memory.writePhysical(frames[next] * PAGE, 8, BigInt(next));
  };
  const works: readonly Work[] = [
    {
      name: 'snapshot',
      target: atMost(1.5),
      before: () => {
        machine.run(1, preferred);
      },
      work: publish,
    },
    {
      name: 'fork of the state',
      target: atMost(1.5),
      before: () => {},
      work: () => {
        fork = new MemoryDraft(state.memory);
      },
    },
    { name: 'first write to a shared page', target: atMost(6), before: publish, work: write },
  ];
  const check = (): void => {
    publish();
    const frame = frames[next];
    const kept = state.memory.page(frame).bytes.slice();
    fork = new MemoryDraft(state.memory);
    fork.ownedPage(frame).words.fill(-1);
    machine.memory.writePhysical(frame * PAGE, 8, 0x1234n);
    const after = machine.publish().memory.page(frame);
    expect(
      state.memory.page(frame).bytes.every((byte, at) => byte === kept[at]) && after.words[0] === 0x1234,
      'a write reached a published state',
    );
    expect(after.words[PAGE / 4 - 1] === frame, 'a write lost the rest of its page');
  };
  return { works, check, release: () => giveBack(machine) };
};

/** Medians of single calls, in microseconds. */
const medians = async (works: readonly Work[], { smoke }: Effort): Promise<readonly number[]> => {
  const bench = new Bench({ time: smoke ? 1 : 10, warmupTime: smoke ? 1 : 10, throws: true });
  for (const { name, work, before } of works)
    bench.add(name, work, { beforeEach: before } satisfies FnOptions);
  await bench.run();
  return bench.tasks.map(({ result }) => {
    if (!('latency' in result)) throw new Error('a measurement was not completed');
    return result.latency.p50 * 1000;
  });
};

const ofSize = async (size: string, memoryBytes: number, effort: Effort): Promise<readonly Measure[]> => {
  const frames = framesOf(memoryBytes);
  const { works, check, release } = worksOn(populated(memoryBytes, frames), frames);
  const runs: (readonly number[])[] = [];
  for (let run = 0; run < effort.runs; run++) runs.push(await medians(works, effort));
  check();
  release();
  return works.map(({ name, target }, index) => ({
    row: name,
    variant: `${size} of memory`,
    unit: 'us',
    target,
    runs: runs.map((figures) => figures[index]),
  }));
};

/** The same at both sizes: nothing is proportional to memory. */
export const snapshotAndFork: Row = async (effort) => {
  const small = await ofSize('64 MiB', 64 * MIB, effort);
  const large = await ofSize('4 GiB', 4 * GIB, effort);
  return small.flatMap((measure, index) => [measure, large[index]]);
};
