import { shiftRight } from '../../core';
import type { ProcessorDraft } from '../processor-draft';

/** The bits of `word` at the set positions of `mask`, gathered to the right; `scatter` is the inverse. */
const gather = (word: number, mask: number): bigint => {
  let gathered = 0n;
  let at = 0n;
  for (let bit = 1; bit <= mask; bit <<= 1) {
    if ((mask & bit) === 0) continue;
    if ((word & bit) !== 0) gathered |= 1n << at;
    at += 1n;
  }
  return gathered;
};

const scatter = (gathered: bigint, mask: number): number => {
  let word = 0;
  let rest = gathered;
  for (let bit = 1; bit <= mask; bit <<= 1)
    if ((mask & bit) !== 0) {
      if ((rest & 1n) === 1n) word |= bit;
      rest = shiftRight(rest, 1n);
    }
  return word;
};

/** `flags` with those of `mask` as the Choice decides; one question for all combinations, preferred is what `flags` holds. */
export const chosenFlags = (cpu: ProcessorDraft, flags: number, mask: number): number => {
  const alternatives = gather(mask, mask) + 1n;
  const chosen = cpu.decide('undefined-flags', alternatives, gather(flags, mask));
  return (flags & ~mask) | scatter(chosen, mask);
};
