// A mistake as a value, and monitors that make it.
import type { HostLayout, HostReply, HostRequest, Monitor } from '../../src/machine/host-port';

/** What becomes of a request: it is made, perhaps another than it was, or a request of the mutation comes before it. */
export type Amended<M> =
  | { readonly memory: M; readonly request: HostRequest }
  | { readonly memory: M; readonly before: HostRequest };

/** A mistake as a change to the requests of a monitor that knows nothing of it. `M` is what the mistake has to remember, plain data. */
export interface Mutation<M> {
  readonly name: string;
  /** The mistake in words. */
  readonly says: string;
  readonly start: (layout: HostLayout) => M;
  /** `reply` is that to the request put before this one, if one was. */
  readonly amend: (memory: M, request: HostRequest, reply: HostReply | undefined) => Amended<M>;
}

export interface MutantState<S, M> {
  readonly monitor: S;
  readonly memory: M;
  /** The monitor's own request, which waits while one of the mutation is made. */
  readonly waiting: HostRequest | undefined;
}

/** The monitor with a mistake. */
export const mutant = <S, M>(monitor: Monitor<S>, mutation: Mutation<M>): Monitor<MutantState<S, M>> => {
  type Turn = readonly [MutantState<S, M>, HostRequest];
  const turn = (inner: S, memory: M, request: HostRequest, reply: HostReply | undefined): Turn => {
    const amended = mutation.amend(memory, request, reply);
    return 'before' in amended
      ? [{ monitor: inner, memory: amended.memory, waiting: request }, amended.before]
      : [{ monitor: inner, memory: amended.memory, waiting: undefined }, amended.request];
  };
  return {
    name: `${monitor.name}, ${mutation.name}`,
    start: (layout) => {
      const [inner, request] = monitor.start(layout);
      return turn(inner, mutation.start(layout), request, undefined);
    },
    resume: ({ monitor: inner, memory, waiting }, reply) => {
      if (waiting !== undefined) return turn(inner, memory, waiting, reply);
      const [next, request] = monitor.resume(inner, reply);
      return turn(next, memory, request, undefined);
    },
  };
};

/** What a mutation knows that acts before VM entries. */
export interface Entries {
  readonly layout: HostLayout;
  /** VM entries made, VMLAUNCH first. */
  readonly entries: number;
  /** Requests of the mutation made before the next one. */
  readonly made: number;
  /** What the monitor wrote last, by field encoding. */
  readonly fields: Readonly<Record<number, bigint>>;
}

/** Requests of the mutation before the VM entries that it chooses. */
export const beforeEntries = (
  words: Pick<Mutation<Entries>, 'name' | 'says'>,
  requests: (memory: Entries) => readonly HostRequest[],
): Mutation<Entries> => ({
  ...words,
  start: (layout) => ({ layout, entries: 0, made: 0, fields: {} }),
  amend: (memory, request) => {
    if (request.op === 'vmwrite')
      return { memory: { ...memory, fields: { ...memory.fields, [request.field]: request.value } }, request };
    if (request.op !== 'vmlaunch' && request.op !== 'vmresume') return { memory, request };
    const own = requests(memory)[memory.made];
    return own === undefined
      ? { memory: { ...memory, entries: memory.entries + 1, made: 0 }, request }
      : { memory: { ...memory, made: memory.made + 1 }, before: own };
  },
});
