import type { Width } from '../../core';
import type { ProcessorDraft } from '../processor-draft';
import type { PureResult } from './builder';

/** The results of a pure operation, of `width` bits each; those that the manual leaves undefined as the Choice decides, one question each. */
export const chosenResults = (
  cpu: ProcessorDraft,
  { results, undefinedResults }: Extract<PureResult, { readonly flags: number }>,
  width: Width,
): readonly bigint[] =>
  undefinedResults === true
    ? results.map((usual) => cpu.decide('undefined-result', 1n << BigInt(width), usual))
    : results;
