// Broken executions, each by one mistake, made around the product: every theorem about runs and steps must reject those that concern it.
import { MemoryDraft, PAGE_BYTES } from '../../src/core';
import { type MachineState, type RunOptions, type RunResult, run, step } from '../../src/machine';
import type { Execution } from '../theorem';

export interface ExecutionMutant extends Execution {
  /** The mistake in words. */
  readonly says: string;
}

type Processor = MachineState['processors'][number];

const withProcessor = (state: MachineState, change: (processor: Processor) => Processor): MachineState => ({
  ...state,
  processors: [change(state.processors[0])],
});

const losesCarry: ExecutionMutant = {
  says: 'loses CF',
  run,
  step: (state, choice) => {
    const { state: next, events } = step(state, choice);
    return { state: withProcessor(next, (cpu) => ({ ...cpu, rflags: cpu.rflags & ~1n })), events };
  },
};

const losesShadow: ExecutionMutant = {
  says: 'loses the shadow of STI and MOV SS',
  run,
  step: (state, choice) => {
    const { state: next, events } = step(state, choice);
    const bared = (cpu: Processor): Processor => ({
      ...cpu,
      hidden: { ...cpu.hidden, blockingBySti: false, blockingByMovSs: false },
    });
    return { state: withProcessor(next, bared), events };
  },
};

const MANY = 100;

const stopsEarly: ExecutionMutant = {
  says: 'retires one instruction less than asked when it is asked for many',
  run: (state, options = {}) => {
    const { maxInstructions: asked } = options;
    return asked === undefined || asked < MANY
      ? run(state, options)
      : run(state, { ...options, maxInstructions: asked - 1 });
  },
  step,
};

const LONGEST = 15;
const IDENTITY_MAPPED = 2n << 20n;

/** Runs instruction by instruction with the code that stood in each page when it was first entered. */
const withOldCode = (state: MachineState, options: RunOptions): RunResult => {
  const seen = new Map<number, Uint8Array>();
  let now = state;
  let retired = 0;
  const most = options.maxInstructions ?? Number.MAX_SAFE_INTEGER;
  for (;;) {
    const { rip } = now.processors[0];
    const at = Number(rip);
    const present = now.memory.read(at, LONGEST);
    const page = at - (at % PAGE_BYTES);
    if (rip < IDENTITY_MAPPED && !seen.has(page)) seen.set(page, now.memory.read(page, PAGE_BYTES + LONGEST));
    const old = seen.get(page)?.subarray(at - page, at - page + LONGEST) ?? present;
    const stale = old.some((byte, i) => byte !== present[i]);
    const before = stale ? { ...now, memory: now.memory.write(at, old) } : now;
    const result = run(before, { ...options, maxInstructions: Math.min(1, most - retired) });
    now = stale ? { ...result.state, memory: result.state.memory.write(at, present) } : result.state;
    retired += result.retired;
    if (result.stop.kind !== 'limit' || retired >= most) return { state: now, stop: result.stop, retired };
  }
};

const forgetsModifications: ExecutionMutant = {
  says: 'goes on with code that was overwritten',
  run: (state, options = {}) => withOldCode(state, options),
  step,
};

/** The machine with memory of its own, which shares no page: a mutant may spoil it. */
export const withOwnMemory = (state: MachineState, frames: readonly number[]): MachineState => {
  const draft = new MemoryDraft(state.memory);
  for (const frame of frames) draft.ownedPage(frame);
  return { ...state, memory: draft.publish() };
};

/** Only for states from `withOwnMemory`: it spoils its argument. */
const writesSharedPages: ExecutionMutant = {
  says: 'writes pages in place that a snapshot shares',
  run: (state, options) => {
    const result = run(state, options);
    for (let frame = 0; frame < state.config.memoryBytes / 4096; frame++) {
      const before = state.memory.page(frame);
      const after = result.state.memory.page(frame);
      if (before !== after && before.owner !== null) before.bytes.set(after.bytes);
    }
    return result;
  },
  step,
};

/** Keeps a register from the run before. */
const remembers = (): ExecutionMutant => {
  let kept: bigint | undefined;
  return {
    says: 'takes a register from the run before',
    run: (state, options) => {
      const start =
        kept === undefined
          ? state
          : withProcessor(state, (cpu) => ({ ...cpu, registers: cpu.registers.with(2, kept!) }));
      const result = run(start, options);
      [, , kept] = result.state.processors[0].registers;
      return result;
    },
    step,
  };
};

/** Asks its own clock where the choice should be asked by place and number. */
const countsQuestions = (): ExecutionMutant => {
  let asked = 0;
  return {
    says: 'numbers the questions to the choice over all runs',
    run: (state, options = {}) => {
      const { choice } = options;
      return choice === undefined
        ? run(state, options)
        : run(state, { ...options, choice: (question) => choice({ ...question, occurrence: asked++ }) });
    },
    step,
  };
};

const losesAdjust: ExecutionMutant = {
  says: 'computes AF wrong in the generated tier',
  run: (state, options) => {
    const result = run(state, options);
    if (options?.tier !== 'generated') return result;
    return {
      ...result,
      state: withProcessor(result.state, (cpu) => ({ ...cpu, rflags: cpu.rflags ^ 0x10n })),
    };
  },
  step,
};

const FARTHER = 0x1000;

/** Moves the limits of the data segments by a distance, where they are not 4 GiB. */
const withLimits = (state: MachineState, distance: number): MachineState =>
  withProcessor(state, (cpu) => {
    const moved = (['es', 'ss', 'ds', 'fs'] as const).map((name) => {
      const segment = cpu.segments[name];
      return [name, segment.limit > 0xff_ffff ? segment : { ...segment, limit: segment.limit + distance }];
    });
    return { ...cpu, segments: { ...cpu.segments, ...Object.fromEntries(moved) } };
  });

const forgetsLimits: ExecutionMutant = {
  says: 'lets accesses beyond the limits of segments pass in the generated tier',
  run: (state, options) => {
    if (options?.tier !== 'generated') return run(state, options);
    const result = run(withLimits(state, FARTHER), options);
    return { ...result, state: withLimits(result.state, -FARTHER) };
  },
  step,
};

export const executionMutants = {
  forgetsLimits,
  losesCarry,
  losesShadow,
  stopsEarly,
  forgetsModifications,
  writesSharedPages,
  losesAdjust,
  remembers,
  countsQuestions,
} as const;
