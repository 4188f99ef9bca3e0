// VM entry and VM exit with nothing executed in between: field by field, register by register, what the manual's steps predict.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AT, beforeLaunch, field, type Setting } from '../spec/vmx/dynamics/whole-machine';
import { type MachineState, step } from '../src/api';
import { type Control, FIELD_NAMES, type VmcsField } from '../src/api/vmx';
import { entryThenExit } from './arbitraries/entry-then-exit';
import { brokenRoundTrips, type Step } from './mutants/round-trips';
import { type Before, FIELDS, HOST, type Predictions } from './predictions/entry-then-exit';
import { holds, isRefuted, mustBeEqual } from './theorem';

const MOST_STEPS = 4;
/** VM entry and the exit that follows; the states before and after. */
const roundTrip = (
  chosen: Setting,
  execute: Step,
): { readonly before: Before; readonly state: MachineState; readonly from: MachineState } => {
  const from = beforeLaunch(chosen);
  let { state } = execute(from);
  for (let steps = 0; state.processors[0].nonRoot && steps < MOST_STEPS; steps++)
    ({ state } = execute(state));
  const of = (name: VmcsField): bigint => field(from, name);
  const has = (control: Control): boolean => chosen.controls!.includes(control);
  const reason = of('vmEntryInterruptionInfo') === 0n ? 52n : 37n;
  const isNew = chosen.processor!.name === 'everything';
  const before = { of, has, host: from.processors[0], reason, hostPaging: chosen.host!, isNew };
  return { before, state, from };
};

const areas = ({ memory }: MachineState): readonly bigint[] => [
  ...new BigUint64Array(Uint8Array.from(memory.read(AT.msrArea, 48)).buffer),
];

const asPredicted = (predictions: Predictions, execute: Step = step) =>
  fc.property(entryThenExit, (chosen) => {
    const { before, state, from } = roundTrip(chosen, execute);
    for (const name of FIELD_NAMES)
      mustBeEqual(name, field(state, name), (predictions[name] ?? (({ of }) => of(name)))(before));
    const [cpu] = state.processors;
    for (const [name, [place, predicted]] of Object.entries(HOST))
      mustBeEqual(`${name} of the host`, place(cpu), predicted(before));
    const [entry, entered, store, , exit, loadedOnExit] = areas(from);
    mustBeEqual('MSR areas', areas(state), [entry, entered, store, entered, exit, loadedOnExit]);
    mustBeEqual('MSR loaded on exit', cpu.modelSpecific.kernelGsBase, loadedOnExit);
  });
const numRuns = Number(process.env.VTMODEL_RUNS ?? 200);

describe('VM entry, then VM exit with nothing executed', () => {
  it('gives field by field, and leaves the host place by place, as the steps of the manual predict', () => {
    holds(asPredicted(FIELDS), numRuns);
  });

  it('the guests are of every mode, under hosts of every paging, on both processors', () => {
    const kinds = fc.sample(entryThenExit, 300).map(({ host, processor, fields, controls }) => {
      const mode = controls!.includes('ia32eModeGuest')
        ? '64'
        : (BigInt(fields!.guestRflags!) & 0x2_0000n) !== 0n
          ? 'v8086'
          : (BigInt(fields!.guestCr0!) & 1n) === 0n
            ? 'real'
            : `cr4.pae ${(BigInt(fields!.guestCr4!) >> 5n) & 1n}`;
      return `${processor!.name} ${host} ${mode}`;
    });
    expect(new Set(kinds).size).toBe(2 * (1 + 3 + 2 + 3 + 3));
  });

  it.each(Object.keys(FIELDS) as VmcsField[])('is refuted where %s stays as it was', (name) => {
    const { [name]: _, ...others } = FIELDS;
    expect(isRefuted(asPredicted(others), numRuns)).toBe(true);
  });

  it.each(Object.entries(brokenRoundTrips))('is refuted by an exit that %s', (_, broken) => {
    expect(isRefuted(asPredicted(FIELDS, broken), numRuns)).toBe(true);
  });
});
