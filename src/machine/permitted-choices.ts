import { type Choice, type ChoiceQuestion, type ChoiceSite, choiceAt, preferred } from '../core';
import type { MachineState } from './machine-state';
import { step } from './step';

interface Answer {
  readonly question: ChoiceQuestion;
  readonly answer: bigint;
}

const key = ({ site, occurrence }: Pick<ChoiceQuestion, 'site' | 'occurrence'>): string =>
  `${site} ${occurrence}`;

/** Gives the recorded answers, and the preferred one to every other question. */
const answering = (answers: readonly Answer[]): Choice => {
  if (answers.length === 0) return preferred;
  const known = new Map(answers.map(({ question, answer }) => [key(question), answer]));
  const sites: readonly ChoiceSite[] = [...new Set(answers.map(({ question }) => question.site))];
  return choiceAt(sites, (question) => known.get(key(question)) ?? question.preferred);
};

/** What the next step asks when the first questions are answered so, and the rest as preferred. */
const askedBy = (state: MachineState, first: readonly Answer[]): readonly Answer[] => {
  const asked: Answer[] = [];
  step(
    state,
    choiceAt(undefined, (question) => {
      const answer = first[asked.length]?.answer ?? question.preferred;
      asked.push({ question, answer });
      return answer;
    }),
  );
  return asked;
};

function* from(state: MachineState, first: readonly Answer[]): Generator<Choice> {
  const asked = askedBy(state, first);
  yield answering(asked);
  for (let at = asked.length - 1; at >= first.length; at--) {
    const { question } = asked[at];
    for (let answer = 0n; answer < question.alternatives; answer++)
      if (answer !== question.preferred) yield* from(state, [...asked.slice(0, at), { question, answer }]);
  }
}

/**
 * Every way in which the manual permits the next step to go: one `Choice` for each combination of answers, what real processors do first. The
 * next states are `step(state, choice).state`. Made as they are asked for, since a question may have 2^64 answers (RDTSC, RDRAND). Throws `Unbuilt` where `step` does.
 */
export const permittedChoices = (state: MachineState): Iterable<Choice> => ({
  [Symbol.iterator]: () => from(state, []),
});
