// SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation
import { describe, expect, it } from 'vitest';
import { EXIT_REASONS, type VmcsField } from '../../../src/api/vmx';
import { exitOf, field } from '../dynamics/whole-machine';
import { BEHAVIOUR } from './behaviour-examples';
import { UNCHANGED } from './examples-unchanged';

const EVERY_EXCEPTION = 0xffff_ffff;
const VALID = 1n << 31n;

describe.each(Object.entries({ ...BEHAVIOUR, ...UNCHANGED }))('%s', (_, examples) => {
  it.each(Object.entries(examples))('%s', (__, { exit, vector, values = {}, fields, ...shown }) => {
    const bitmap = vector === undefined ? {} : { exceptionBitmap: EVERY_EXCEPTION };
    const state = exitOf({ ...shown, fields: { ...bitmap, ...fields } });
    const [{ registers, control, modelSpecific, debug }] = state.processors;
    expect(field(state, 'exitReason')).toBe(BigInt(EXIT_REASONS[exit].number));
    if (vector !== undefined) {
      const information = field(state, 'vmExitInterruptionInfo');
      expect([information & VALID, information & 0xffn]).toEqual([VALID, BigInt(vector)]);
    }
    for (const [name, value] of Object.entries(values))
      expect(field(state, name as VmcsField), name).toBe(value);
    for (const [number, value] of Object.entries(shown.general ?? {}))
      expect(registers[Number(number)], `register ${number}`).toBe(value);
    expect(control).toMatchObject(shown.control ?? {});
    expect(modelSpecific).toMatchObject(shown.modelSpecific ?? {});
    expect(debug).toMatchObject(shown.breakpoints ?? {});
  });
});
