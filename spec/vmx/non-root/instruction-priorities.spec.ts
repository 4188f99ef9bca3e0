// SDM Vol. 3C, 26.1.1 Relative Priority of Faults and VM Exits
import { describe, expect, it } from 'vitest';
import { exitOf, fields, TABLES, words } from '../dynamics/whole-machine';
import { COMPETITIONS, type Competition, STAGES } from './examples-priorities';
import { MODE_COMPETITIONS } from './examples-priorities-modes';

const VALID = 1n << 31n;
const ALL_EXCEPTIONS = { exceptionBitmap: 0xffff_ffffn };

/** What comes first: every exception exits, so that both show in the exit. */
const comesFirst = ({ first: _, ...setting }: Competition): Competition['first'] => {
  const state = exitOf({ ...setting, fields: { ...ALL_EXCEPTIONS, ...setting.fields } });
  const { exitReason, vmExitInterruptionInfo } = fields(state, 'exitReason', 'vmExitInterruptionInfo');
  if (exitReason !== 0n) return { exit: Number(exitReason) };
  expect(vmExitInterruptionInfo & VALID).toBe(VALID);
  return { fault: Number(vmExitInterruptionInfo & 0xffn) };
};

describe('26.1.1 faults and the VM exit of one instruction', () => {
  it.each(Object.entries(COMPETITIONS))('%s', (_, competition) => {
    expect(comesFirst(competition)).toEqual(competition.first);
  });
});

describe('26.1.1 in other modes than 64-bit mode', () => {
  it.each(Object.entries(MODE_COMPETITIONS))('%s', (_, competition) => {
    expect(comesFirst(competition)).toEqual(competition.first);
  });
});

describe('fetch, decoding, execution', () => {
  it.each(Object.entries(STAGES))('%s', (_, competition) => {
    const absent = { [TABLES + 0x2008]: words(0n) };
    expect(comesFirst({ ...competition, memory: { ...competition.memory, ...absent } })).toEqual(
      competition.first,
    );
  });
});
