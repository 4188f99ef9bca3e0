import type { HostReply, HostRequest } from '../../machine/host-port';
import { failureOf, type Program, type Step } from './program';

/** A program under way: what the state says of it, made alive. */
export interface Running<A> {
  readonly program: Program<A>;
  readonly step: Step;
}

/** How far a program has come: plain data. */
export interface Progress {
  /** Every reply that the program has seen or will see: all of an `ask`, the last of a `tell`. */
  readonly replies: readonly HostReply[];
  /** Requests of the step under way that were carried out. */
  readonly position: number;
}

/** The program continues, has ended with a result, or has to give up. */
export type Advance<A> =
  | { readonly kind: 'running'; readonly running: Running<A>; readonly progress: Progress }
  | { readonly kind: 'ended'; readonly result: A }
  | { readonly kind: 'halted'; readonly reason: string };

const entriesOf = (step: Step): number => (step.kind === 'ask' ? step.requests.length : 1);

const advanced = <A>(
  program: Program<A>,
  seen: readonly HostReply[],
  replies: readonly HostReply[],
): Advance<A> => {
  const next = program.next(seen);
  if (next.done) return { kind: 'ended', result: next.value };
  if (next.value.kind === 'halt') return { kind: 'halted', reason: next.value.reason };
  return { kind: 'running', running: { program, step: next.value }, progress: { replies, position: 0 } };
};

/** Starts a program; `replies` are those that are not for itself. */
export const started = <A>(program: Program<A>, replies: readonly HostReply[]): Advance<A> =>
  advanced(program, [], replies);

/** The program as it stood, from its replies; the first `skipped` are not for itself. */
export const replayed = <A>(program: Program<A>, progress: Progress, skipped: number): Running<A> => {
  const { replies } = progress;
  let next = program.next([]);
  for (let at = skipped; ; ) {
    const step = next.value as Step;
    const count = entriesOf(step);
    if (step.kind === 'halt' || at + count > replies.length) return { program, step };
    next = program.next(replies.slice(at, at + count));
    at += count;
  }
};

/** The request that a step waits for. */
export const requestOf = (step: Step, position: number): HostRequest =>
  step.kind === 'halt' ? { op: 'halt-machine', reason: step.reason } : step.requests[position];

/** What a reply does to a program. */
export const advance = <A>(running: Running<A>, progress: Progress, reply: HostReply): Advance<A> => {
  const { program, step } = running;
  if (step.kind === 'halt') return { kind: 'halted', reason: step.reason };
  const { requests } = step;
  const position = progress.position + 1;
  if (step.kind === 'tell') {
    const failure = failureOf(requests[progress.position], reply);
    if (failure !== undefined) return { kind: 'halted', reason: failure };
    if (position < requests.length)
      return { kind: 'running', running, progress: { replies: progress.replies, position } };
    return advanced(program, [reply], [...progress.replies, reply]);
  }
  const replies = [...progress.replies, reply];
  if (position < requests.length) return { kind: 'running', running, progress: { replies, position } };
  return advanced(program, replies.slice(-position), replies);
};
