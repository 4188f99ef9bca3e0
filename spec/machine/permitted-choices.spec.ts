import { describe, expect, test } from 'vitest';
import {
  createMachine,
  loadImage,
  type MachineState,
  permittedChoices,
  processor,
  step,
} from '../../src/api';

const guest = (...code: readonly number[]): MachineState => {
  const machine = createMachine({ processor: processor('skylake'), memoryBytes: 2 ** 23 });
  const loaded = loadImage(machine, Uint8Array.from(code), { format: 'raw', mode: 'long', load: 0x10_0000 });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

const flags = (state: MachineState): bigint => state.processors[0].rflags & 0x8d5n;

describe('the choices that the next step permits', () => {
  test('one where nothing is open', () => {
    const inc = guest(0xff, 0xc0);
    const choices = [...permittedChoices(inc)];
    expect(choices).toHaveLength(1);
    expect(step(inc, choices[0])).toEqual(step(inc));
  });

  test('all values of the flags that SHL by 4 leaves undefined, the default first', () => {
    // shl eax, 4
    const shift = guest(0xc1, 0xe0, 0x04);
    const outcomes = [...permittedChoices(shift)].map((choice) => step(shift, choice).state);
    expect(flags(outcomes[0])).toBe(flags(step(shift).state));
    const defined = ~0x810n;
    expect(new Set(outcomes.map(flags))).toEqual(
      new Set([0n, 0x10n, 0x800n, 0x810n].map((open) => (flags(outcomes[0]) & defined) | open)),
    );
    expect(outcomes).toHaveLength(4);
  });

  test('a question with 2^64 answers gives the first ones at once', () => {
    // rdtsc
    const read = guest(0x0f, 0x31);
    const values: bigint[] = [];
    for (const choice of permittedChoices(read)) {
      values.push(step(read, choice).state.processors[0].registers[0]);
      if (values.length === 4) break;
    }
    expect(new Set(values).size).toBe(4);
    expect(values[0]).toBe(step(read).state.processors[0].registers[0]);
  });

  test('may be asked for twice', () => {
    const all = permittedChoices(guest(0xc1, 0xe0, 0x04));
    expect([...all]).toHaveLength(4);
    expect([...all]).toHaveLength(4);
  });
});
