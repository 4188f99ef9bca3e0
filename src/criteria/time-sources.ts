import { answerOf, type Choice, type ChoiceSite, choiceAt } from '../core';
import { MSR } from '../cpu/msr-index';

/** Choice sites whose answers are the time. */
export type TimeSite = Extract<ChoiceSite, 'time-stamp' | 'timer-count'>;

const TIME_SITES: readonly TimeSite[] = ['time-stamp', 'timer-count'];

export const isTimeSite = (site: ChoiceSite): site is TimeSite =>
  (TIME_SITES as readonly ChoiceSite[]).includes(site);

/** The sites of a choice, and those of time. */
export const withTimeSites = ({ sites }: Choice): readonly ChoiceSite[] | undefined =>
  sites === undefined ? undefined : [...sites, ...TIME_SITES];

/**
 * A choice by which MWAIT, UMWAIT and TPAUSE never wait: when the exits of a monitored guest would end its wait, the bare machine could not tell.
 * SDM Vol. 2, MWAIT: events of the implementation's own may end it.
 */
export const withoutWaits = (choice: Choice): Choice =>
  choiceAt(choice.sites === undefined ? undefined : [...choice.sites, 'mwait'], (question) =>
    question.site === 'mwait' ? 1n : answerOf(choice, question),
  );

/** IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST, which shows by how much software moved it: the time of the move. */
export const isTimeMsr = (index: number): boolean =>
  index === MSR.IA32_TIME_STAMP_COUNTER || index === MSR.IA32_TSC_ADJUST || index === MSR.IA32_TSC_DEADLINE;

/** Instructions that read time, as a report names them. */
export interface TimeReads {
  /** Such as `rdtsc`. */
  readonly instruction: string;
  /** Times executed. */
  readonly count: number;
  /** Where: linear addresses, ascending, at most `MOST_ADDRESSES`. */
  readonly addresses: readonly bigint[];
}

export const MOST_ADDRESSES = 32;

/** Where each queue stands. */
export type TimePlace = Readonly<Record<TimeSite, number>>;

/** The values that one run read from its time sources, for another run to read the same. */
export class TimeRecord {
  private readonly values: Record<TimeSite, bigint[]> = { 'time-stamp': [], 'timer-count': [] };
  /** Values dropped from the front. */
  private readonly dropped: Record<TimeSite, number> = { 'time-stamp': 0, 'timer-count': 0 };
  private next: Record<TimeSite, number> = { 'time-stamp': 0, 'timer-count': 0 };
  private readonly reads = new Map<string, { count: number; readonly addresses: Set<bigint> }>();

  record(site: TimeSite, value: bigint, instruction: string, address: bigint): void {
    this.values[site].push(value);
    const known = this.reads.get(instruction) ?? { count: 0, addresses: new Set() };
    known.count++;
    if (known.addresses.size < MOST_ADDRESSES) known.addresses.add(address);
    this.reads.set(instruction, known);
  }

  /** The next value; undefined when the other run has read no more. */
  replay(site: TimeSite): bigint | undefined {
    return this.values[site][this.next[site]++ - this.dropped[site]];
  }

  get place(): TimePlace {
    return { ...this.next };
  }

  returnTo(place: TimePlace): void {
    this.next = { ...place };
  }

  /** Forgets the values that were replayed. */
  forgetReplayed(): void {
    for (const site of TIME_SITES) {
      const gone = Math.min(this.next[site] - this.dropped[site], this.values[site].length);
      if (gone <= 0) continue;
      this.values[site].splice(0, gone);
      this.dropped[site] += gone;
    }
  }

  get summary(): readonly TimeReads[] {
    return [...this.reads].map(([instruction, { count, addresses }]) => ({
      instruction,
      count,
      addresses: [...addresses].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    }));
  }
}
