import { fault, type Outcome, ok } from '../../core';
import { INVALIDATIONS, type Invalidation } from '../lessons';

/** What a student says about one reference; `undefined` where it is said not to happen. */
export interface ReferenceAnswer {
  readonly number: number;
  readonly read: { readonly address: bigint; readonly entry: bigint } | undefined;
  /** In the file, from 1. */
  readonly line: number;
}

/** An answer file, read. */
export interface Answer {
  readonly lesson: string;
  readonly seed: number;
  readonly references: readonly ReferenceAnswer[];
  readonly outcome: { readonly words: readonly string[]; readonly line: number };
  readonly mend: { readonly edit: string; readonly line: number } | undefined;
  readonly invalidation: { readonly name: Invalidation; readonly line: number } | undefined;
}

/** Why a file is no answer: the line (from 1) and what to write there. */
export interface AnswerError {
  readonly kind: 'answer';
  readonly line: number;
  readonly says: string;
}

const bad = (line: number, says: string): Outcome<never, AnswerError> =>
  fault({ kind: 'answer', line, says });

/** A number of an answer, hexadecimal with or without 0x; undefined where it is none of at most 64 bits. */
export const parseHex = (text: string): bigint | undefined =>
  /^(?:0x)?[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text.replace(/^0x/i, '')}`) : undefined;

const OUTCOMES = ['address', 'page-fault', 'ept-violation', 'ept-misconfiguration'] as const;
/** Of what begins a line, as an error shows it. */
const LONGEST_WORD = 40;
const HOW_REFERENCE =
  'write number, address and entry, as in "3 0x1c8f05000 0x8fb2e5007", or "3 - -" where nothing is read';
const HOW_OUTCOME =
  'write "outcome address 0x1234", "outcome page-fault 0x9" (error code), "outcome ept-violation 0x81" (qualification) or "outcome ept-misconfiguration"';
const MOST_LINES = 1000;

interface Draft {
  lesson?: string;
  seed?: number;
  references: ReferenceAnswer[];
  outcome?: Answer['outcome'];
  mend?: Answer['mend'];
  invalidation?: Answer['invalidation'];
}

const reference = (words: readonly string[], line: number): Outcome<ReferenceAnswer, AnswerError> => {
  const number = Number(words[0]);
  if (words.length === 1) return bad(line, `reference ${number} has no answer; ${HOW_REFERENCE}`);
  const [, at, holds, ...more] = words;
  if (more.length > 0) return bad(line, `"${more[0]}" is too much; ${HOW_REFERENCE}`);
  if (at === '-' && (holds === '-' || holds === undefined)) return ok({ number, read: undefined, line });
  const address = parseHex(at);
  const entry = holds === undefined ? undefined : parseHex(holds);
  if (address === undefined || entry === undefined)
    return bad(line, `"${address === undefined ? at : (holds ?? '')}" is no number; ${HOW_REFERENCE}`);
  return ok({ number, read: { address, entry }, line });
};

const outcome = (words: readonly string[], line: number): Outcome<Answer['outcome'], AnswerError> => {
  const [, kind, value, ...more] = words;
  const known = OUTCOMES.includes(kind as (typeof OUTCOMES)[number]);
  const wantsNumber = kind !== 'ept-misconfiguration';
  const numbered = value !== undefined && parseHex(value) !== undefined;
  if (!known || more.length > 0 || wantsNumber !== (value !== undefined) || (wantsNumber && !numbered))
    return bad(line, `"${words.slice(1).join(' ')}" is no outcome; ${HOW_OUTCOME}`);
  return ok({ words: words.slice(1), line });
};

/** Takes in one line; what is wrong with it comes back. */
const take = (draft: Draft, words: readonly string[], line: number): Outcome<null, AnswerError> => {
  const [first, second] = words;
  if (/^\d{1,3}$/.test(first)) {
    const read = reference(words, line);
    if (!read.ok) return read;
    if (draft.references.some(({ number }) => number === read.value.number))
      return bad(line, `reference ${first} is answered twice; keep one of the lines`);
    draft.references.push(read.value);
    return ok(null);
  }
  switch (first) {
    case 'lesson':
      draft.lesson = second;
      return second === undefined
        ? bad(line, 'the lesson has no name; write it as in "lesson tiny"')
        : ok(null);
    case 'seed':
      if (second === undefined || !/^\d{1,10}$/.test(second))
        return bad(line, 'no seed; write it as in "seed 1"');
      draft.seed = Number(second);
      return ok(null);
    case 'outcome': {
      const read = outcome(words, line);
      if (!read.ok) return read;
      draft.outcome = read.value;
      return ok(null);
    }
    case 'mend':
      if (second === undefined) return bad(line, 'no edit; write it as in "mend ept.l1@final=+read"');
      draft.mend = {
        edit: words
          .slice(1)
          .join('')
          .replace(/=([0-9a-f]+)(?=;|$)/gi, '=0x$1'),
        line,
      };
      return ok(null);
    case 'invalidate':
      if (!INVALIDATIONS.includes(second as Invalidation))
        return bad(line, `"${second ?? ''}" is no invalidation; write one of ${INVALIDATIONS.join(', ')}`);
      draft.invalidation = { name: second as Invalidation, line };
      return ok(null);
    default:
      return bad(line, `"${first.slice(0, LONGEST_WORD)}" begins no line of an answer; ${HOW_REFERENCE}`);
  }
};

/** Reads an answer: a line each; what follows "#" is a remark. */
export const parseAnswer = (text: string): Outcome<Answer, AnswerError> => {
  const draft: Draft = { references: [] };
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.length > MOST_LINES)
    return bad(MOST_LINES, `more than ${MOST_LINES} lines; start from what --hide prints`);
  for (const [index, whole] of lines.entries()) {
    const words = whole.replace(/#.*$/, '').trim().toLowerCase().split(/\s+/);
    if (words[0] === '') continue;
    const taken = take(draft, words, index + 1);
    if (!taken.ok) return taken;
  }
  const { lesson, seed, references, outcome: end, mend, invalidation } = draft;
  const missing =
    lesson === undefined ? 'lesson' : seed === undefined ? 'seed' : end === undefined ? 'outcome' : undefined;
  if (missing !== undefined || lesson === undefined || seed === undefined || end === undefined)
    return bad(lines.length, `no line begins with "${missing}"; start from what --hide prints`);
  return ok({ lesson, seed, references, outcome: end, mend, invalidation });
};
