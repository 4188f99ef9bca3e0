import { mixed } from '../core';

/** Which processor runs: slices of whole instructions, whose lengths a seed decides. Memory is sequentially consistent. */
export interface Turn {
  /** Number of the processor that runs. */
  readonly processor: number;
  /** Machine clock at which its slice ends; `Infinity` where there is no other processor. */
  readonly until: number;
}

/** The turn of the only processor of a machine. */
export const ONLY_TURN: Turn = Object.freeze({ processor: 0, until: Number.POSITIVE_INFINITY });

/** At power-up the bootstrap processor is the one that can run. */
export const FIRST_TURN: Turn = Object.freeze({ processor: 0, until: 0 });

/** 32 bits that depend on a seed (32 bits) and a machine clock, and on nothing else. */
const drawn = (seed: number, clock: number): number =>
  mixed(mixed(mixed(seed) ^ (clock % 2 ** 32)) ^ Math.floor(clock / 2 ** 32));

/** Slices have up to 2 to this power instructions; each power of 2 is as frequent as the others. */
const LONGEST_POWER = 11;

/** Instructions of the slice that begins at a machine clock, at least 1. */
export const sliceLength = (seed: number, clock: number): number => {
  const bits = drawn(seed, clock);
  return 1 + ((bits >>> 8) & ((1 << (bits % (LONGEST_POWER + 1))) - 1));
};

/** One of the candidates (at least one), whose slice begins at a machine clock. */
export const chosen = (seed: number, clock: number, candidates: readonly number[]): number =>
  candidates[drawn(~seed, clock) % candidates.length];
