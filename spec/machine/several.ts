import type { FeatureEdits } from '../../src/cpu/presets';
import { createMachine, type MachineState } from '../../src/machine';
import { AT, entryOf, little, pagedGuest } from '../cpu/engine/paged-guest';

/** Where the program of a processor stands, and its stack. */
export const programAt = (processor: number): number => AT.code + 0x2000 * processor;
const stackOf = (processor: number): bigint => BigInt(0x8_0000 + 0x1000 * (processor + 1));

/** Linear address at which every processor sees its local APIC. */
export const APIC = 0x1f_f000;
const APIC_ENTRY = 0xfee0_001fn;
const BOOTSTRAP = 0x100n;

export interface SeveralOptions {
  readonly seed?: number;
  /** Bytes at physical addresses. */
  readonly parts?: Readonly<Record<number, readonly number[]>>;
  /** Of the processors' features. */
  readonly edits?: Exclude<FeatureEdits, readonly string[]>;
}

/** As `pagedGuest`, with a processor for each program, all of them active. */
export const several = (
  programs: readonly (readonly number[])[],
  { seed, parts = {}, edits = {} }: SeveralOptions = {},
): MachineState => {
  const all = {
    ...parts,
    [entryOf(APIC)]: little(APIC_ENTRY, 8),
    ...Object.fromEntries(programs.map((bytes, processor) => [programAt(processor), bytes])),
  };
  const one = pagedGuest(programs[0], all, edits);
  const machine = createMachine({
    ...one.config,
    board: { processors: programs.length },
    ...(seed === undefined ? {} : { seed }),
  });
  const [first] = one.processors;
  return {
    ...machine,
    memory: one.memory,
    processors: programs.map((_, processor) => ({
      ...first,
      rip: BigInt(programAt(processor)),
      registers: first.registers.with(4, stackOf(processor)),
      modelSpecific: {
        ...first.modelSpecific,
        apicBase: (first.modelSpecific.apicBase & ~BOOTSTRAP) | (processor === 0 ? BOOTSTRAP : 0n),
      },
    })),
  };
};
