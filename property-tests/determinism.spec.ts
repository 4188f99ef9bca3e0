// Two runs from one state agree bit for bit, and forks do not disturb each other.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Choice } from '../src/core';
import type { MachineState } from '../src/machine';
import { guestMachine, guestProgram } from './arbitraries';
import { executionMutants } from './mutants/executions';
import {
  bundledGuest,
  type Execution,
  holds,
  isRefuted,
  monitored,
  mustAgree,
  mustBeEqual,
  product,
  whereBuilt,
} from './theorem';

const itself = (guest: MachineState): MachineState => guest;

const MULTIPLIER = 0x9e37_79b9_7f4a_7c15n;

/** An answer to every question, by its place and number alone. */
const choiceOf =
  (seed: number): Choice =>
  ({ site, occurrence, alternatives, preferred }) => {
    if (site !== 'time-stamp' && site !== 'timer-count') return preferred;
    const mixed = BigInt.asUintN(
      64,
      (BigInt(seed) + BigInt(occurrence) * 7919n + BigInt(site.length)) * MULTIPLIER,
    );
    return (mixed >> 11n) % alternatives;
  };

const runsAgree = (execution: Execution, place: (guest: MachineState) => MachineState) =>
  fc.property(guestProgram(), guestProgram(), fc.nat(1200), fc.nat(), (program, other, count, seed) =>
    whereBuilt(() => {
      const state = place(guestMachine(program));
      const options = { maxInstructions: count, choice: choiceOf(seed) };
      const first = execution.run(state, options);
      // Whoever ran before on the engines must leave nothing behind.
      execution.run(guestMachine(other), { maxInstructions: 300 });
      const second = execution.run(state, options);
      mustAgree('two runs from one state', first.state, second.state);
      mustBeEqual('their ends', [first.stop, first.retired], [second.stop, second.retired]);
    }),
  );

/** Two forks run in turns, by slices; each must end where it ends alone. */
const forksApart = ({ run }: Execution, place: (guest: MachineState) => MachineState) =>
  fc.property(
    guestProgram(),
    fc.nat(600),
    fc.array(fc.nat(120), { minLength: 1, maxLength: 6 }),
    fc.nat(255),
    (program, before, slices, value) =>
      whereBuilt(() => {
        const start = run(place(guestMachine(program)), { maxInstructions: before });
        if (start.stop.kind !== 'limit') return;
        const left = start.state;
        const [cpu] = left.processors;
        const right: MachineState = Object.freeze({
          ...left,
          processors: [{ ...cpu, registers: cpu.registers.with(3, BigInt(value)) }],
        });
        const alone = [left, right].map((fork) => inSlices(run, fork, slices));
        let forks = [left, right];
        for (const maxInstructions of slices)
          forks = forks.map((fork) => run(fork, { maxInstructions }).state);
        for (const [i, fork] of forks.entries()) mustAgree(`fork ${i} in company and alone`, fork, alone[i]);
      }),
  );

const inSlices = (run: Execution['run'], state: MachineState, slices: readonly number[]): MachineState =>
  slices.reduce((now, maxInstructions) => run(now, { maxInstructions }).state, state);

describe('two runs from one state agree bit for bit', () => {
  it('on the bare machine, whatever a choice answers', () => {
    holds(runsAgree(product, itself), 250);
  });
  it('under a monitor', () => {
    holds(runsAgree(product, monitored), 60);
  });
  it.each(['kernel', 'sensitive', 'halt'])('of the guest %s', (name) => {
    const guest = bundledGuest(name);
    for (const state of [guest, monitored(guest)]) {
      const runs = [0, 1].map(() => product.run(state, { maxInstructions: 100_000 }));
      mustAgree('two runs', runs[0].state, runs[1].state);
    }
  });
});

describe('forks do not disturb each other', () => {
  it('on the bare machine', () => {
    holds(forksApart(product, itself), 200);
  });
  it('under a monitor', () => {
    holds(forksApart(product, monitored), 40);
  });
});

describe('the theorems reject', () => {
  const { remembers, countsQuestions } = executionMutants;
  it('a run that takes a register from the run before', () => {
    expect(isRefuted(runsAgree(remembers(), itself), 50)).toBe(true);
    expect(isRefuted(forksApart(remembers(), itself), 50)).toBe(true);
  });
  it('a run that numbers the questions to the choice over all runs', () => {
    expect(isRefuted(runsAgree(countsQuestions(), itself), 200)).toBe(true);
  });
});
