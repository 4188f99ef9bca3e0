// run(n) equals n steps, and run(a) then run(b) equals run(a + b).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MachineState, stateHash } from '../src/machine';
import { guestMachine, guestProgram } from './arbitraries';
import { executionMutants } from './mutants/executions';
import {
  afterSteps,
  bundledGuest,
  type Execution,
  holds,
  isRefuted,
  monitored,
  mustAgree,
  product,
  whereBuilt,
} from './theorem';

const runEqualsSteps = (execution: Execution, place: (guest: MachineState) => MachineState, most: number) =>
  fc.property(guestProgram(), fc.nat(most), fc.nat(200), (program, before, count) =>
    whereBuilt(() => {
      const start = execution.run(place(guestMachine(program)), { maxInstructions: before });
      if (start.stop.kind !== 'limit') return;
      const { state } = start;
      const inSteps = afterSteps(execution, state, count);
      mustAgree(
        `run(${count}) and ${count} steps`,
        execution.run(state, { maxInstructions: count }).state,
        inSteps,
      );
    }),
  );

const runsAdd = (execution: Execution, place: (guest: MachineState) => MachineState, most: number) =>
  fc.property(guestProgram(), fc.nat(most), fc.nat(most), (program, a, b) =>
    whereBuilt(() => splitAgrees(execution, place(guestMachine(program)), a, b)),
  );

const splitAgrees = ({ run }: Execution, state: MachineState, a: number, b: number): void => {
  const whole = run(state, { maxInstructions: a + b, tier: 'generated', heat: 20 });
  const first = run(state, { maxInstructions: a, tier: 'closures' });
  const second =
    first.stop.kind === 'limit' ? run(first.state, { maxInstructions: b, tier: 'oracle' }) : first;
  mustAgree(`run(${a}) then run(${b}), and run(${a + b})`, whole.state, second.state);
};

const itself = (guest: MachineState): MachineState => guest;

describe('run(n) equals n times step', () => {
  it('of random programs on the bare machine', () => {
    holds(runEqualsSteps(product, itself, 800), 300);
  });
  it('of random programs under a monitor', () => {
    holds(runEqualsSteps(product, monitored, 1500), 100);
  });
});

describe('run(a) then run(b) equals run(a + b), in whatever tiers', () => {
  it('of random programs on the bare machine', () => {
    holds(runsAdd(product, itself, 700), 300);
  });
  it('of random programs under a monitor', () => {
    holds(runsAdd(product, monitored, 1500), 100);
  });
  it.each(['kernel', 'sensitive', 'halt'])('of the guest %s, bare and monitored', (name) => {
    const guest = bundledGuest(name);
    const whole = fc.property(
      fc.constantFrom(guest, monitored(guest)),
      fc.nat(60_000),
      fc.nat(20_000),
      (state, a, b) => splitAgrees(product, state, a, b),
    );
    holds(whole, 16);
  });
  it.each(['kernel', 'sensitive', 'halt'])('of the guest %s in single steps from somewhere', (name) => {
    const guest = bundledGuest(name);
    const stepped = fc.property(
      fc.constantFrom(guest, monitored(guest)),
      fc.nat(60_000),
      fc.nat(1000),
      (state, at, n) => {
        const from = product.run(state, { maxInstructions: at });
        if (from.stop.kind !== 'limit') return;
        const run = product.run(from.state, { maxInstructions: n }).state;
        const steps = afterSteps(product, from.state, n);
        mustAgree(`run(${n}) and ${n} steps`, run, steps);
        expect(stateHash(run)).toBe(stateHash(steps));
      },
    );
    holds(stepped, 12);
  });
});

describe('the theorems reject', () => {
  const { losesCarry, losesShadow, stopsEarly, forgetsModifications } = executionMutants;
  it.each([losesCarry, losesShadow])('a step that $says', (mutant) => {
    expect(isRefuted(runEqualsSteps(mutant, itself, 300), 2000)).toBe(true);
  });
  it.each([stopsEarly, forgetsModifications])('a run that $says', (mutant) => {
    expect(isRefuted(runEqualsSteps(mutant, itself, 300), 2000)).toBe(true);
  });
  it('a run that stops early, by its splits', () => {
    expect(isRefuted(runsAdd(stopsEarly, itself, 300), 50)).toBe(true);
  });
});
