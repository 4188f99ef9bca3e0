// SDM Vol. 3D, Appendix C VMX Basic Exit Reasons; SDM Vol. 3C, 28.2 Recording VM-Exit Information and Updating VM-Entry Control Fields
import { describe, expect, it } from 'vitest';
import { step } from '../../../src/api';
import { EXIT_REASONS, type VmcsField } from '../../../src/api/vmx';
import { beforeLaunch, exitOf, field } from '../dynamics/whole-machine';
import { NOT_REACHED, REACHED } from './examples-exits';

const INFORMATION: readonly VmcsField[] = [
  'exitQualification',
  'guestLinearAddress',
  'guestPhysicalAddress',
  'vmExitInterruptionInfo',
  'vmExitInterruptionErrorCode',
  'idtVectoringInfo',
  'idtVectoringErrorCode',
  'vmExitInstructionLength',
  'vmExitInstructionInfo',
];
const ENTRY_FAILURE = 1n << 31n;
const reached = Object.keys(REACHED) as (keyof typeof REACHED)[];

describe('every basic exit reason', () => {
  it.each(reached)('%s', (reason) => {
    const { reports, meanwhile, ...setting } = REACHED[reason];
    const row = EXIT_REASONS[reason];
    const fails = row.kind === 'entry failure';
    const state = fails
      ? step(beforeLaunch(setting)).state
      : exitOf(setting, ...(meanwhile === undefined ? [] : [meanwhile]));
    expect(field(state, 'exitReason')).toBe(BigInt(row.number) | (fails ? ENTRY_FAILURE : 0n));
    const expected = Object.fromEntries(INFORMATION.map((name) => [name, reports[name] ?? 0n]));
    expect(Object.fromEntries(INFORMATION.map((name) => [name, field(state, name)]))).toEqual(expected);
  });

  it('with its example, or a reason why no guest program reaches it', () => {
    expect([...reached, ...Object.keys(NOT_REACHED)].sort()).toEqual(Object.keys(EXIT_REASONS).sort());
  });
});
