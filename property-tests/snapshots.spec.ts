// A snapshot never changes afterwards, whatever runs from it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writtenFrames } from '../src/core';
import { type MachineState, stateHash } from '../src/machine';
import { guestMachine, guestProgram } from './arbitraries';
import { executionMutants, withOwnMemory } from './mutants/executions';
import {
  bundledGuest,
  type Execution,
  holds,
  isRefuted,
  monitored,
  mustBeEqual,
  product,
  Refutation,
  whereBuilt,
} from './theorem';

const tiers = ['oracle', 'closures', 'generated'] as const;

const staysAsItIs = (execution: Execution, place: (guest: MachineState) => MachineState) =>
  fc.property(
    guestProgram(),
    fc.nat(1000),
    fc.array(fc.record({ count: fc.nat(600), tier: fc.constantFrom(...tiers), onward: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    }),
    (program, before, runs) =>
      whereBuilt(() => {
        // A mutant may spoil what it is given: it gets nothing that other programs share.
        const snapshot = product.run(place(guestMachine(program)), { maxInstructions: before }).state;
        const frames = writtenFrames(snapshot.memory);
        const own = withOwnMemory(snapshot, frames);
        const taken = stateHash(own);
        let last = own;
        for (const { count, tier, onward } of runs)
          last = execution.run(onward ? last : own, { maxInstructions: count, tier, heat: 10 }).state;
        mustBeEqual('the snapshot before and after', taken, stateHash(own));
      }),
  );

const itself = (guest: MachineState): MachineState => guest;

/** Where a value can still be changed: the path of the first object that is not frozen. Pages and maps cannot be frozen. */
const unfrozen = (value: unknown, path: string, seen = new Set<unknown>()): string | undefined => {
  if (typeof value !== 'object' || value === null || seen.has(value)) return undefined;
  if (ArrayBuffer.isView(value) || value instanceof Map || value instanceof Set) return undefined;
  seen.add(value);
  if (!Object.isFrozen(value)) return path;
  for (const [key, part] of Object.entries(value)) {
    const found = unfrozen(part, `${path}.${key}`, seen);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** What a machine's state is made of, without what does not belong to it: the processor model, devices and monitor as code. */
const mustBeFrozen = ({ memory: _, config: __, board, monitor, ...rest }: MachineState): void => {
  const parts = {
    ...rest,
    states: board.states,
    layout: monitor?.layout,
    progress: monitor?.progress?.request,
  };
  for (const [name, part] of Object.entries(parts)) {
    const found = unfrozen(part, name);
    if (found !== undefined) throw new Refutation(`${found} is not frozen`);
  }
};

describe('a snapshot never changes afterwards', () => {
  it('on the bare machine', () => {
    holds(staysAsItIs(product, itself), 200);
  });
  it('under a monitor', () => {
    holds(staysAsItIs(product, monitored), 40);
  });
  it.each(['kernel', 'sensitive', 'halt'])('of the guest %s', (name) => {
    const states = [bundledGuest(name), monitored(bundledGuest(name))];
    for (let i = 0; i < 6; i++) states.push(product.run(states[i], { maxInstructions: 15_000 }).state);
    const hashes = states.map(stateHash);
    for (const state of states) product.run(state, { maxInstructions: 20_000, tier: 'generated' });
    expect(states.map(stateHash)).toEqual(hashes);
  });
  it('because it is frozen all the way down', () => {
    const frozen = fc.property(guestProgram(), fc.nat(800), fc.boolean(), (program, count, under) =>
      whereBuilt(() => {
        const guest = guestMachine(program);
        mustBeFrozen(product.run(under ? monitored(guest) : guest, { maxInstructions: count }).state);
      }),
    );
    holds(frozen, 60);
  });
});

describe('the theorem rejects', () => {
  it(`a run that ${executionMutants.writesSharedPages.says}`, () => {
    expect(isRefuted(staysAsItIs(executionMutants.writesSharedPages, itself), 50)).toBe(true);
  });
});
