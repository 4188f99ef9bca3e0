import { type Choice, ModelError, preferred } from '../core';
import type { StaleTranslation } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import { describeStale } from '../machine/describe-stale';
import type { Monitor } from '../machine/host-port';
import type { MachineState } from '../machine/machine-state';
import { createMonitoredMachine } from '../machine/monitored-machine';
import type { DeviceEffect } from '../platform';
import { BareRun, type SavedBareRun } from './bare-run';
import { compareObservations, type Divergence } from './compare';
import { Efficiency } from './efficiency';
import { locate, withoutResumeFlag } from './locate';
import type { MonitoredRunOptions, SavedRun } from './monitored-progress';
import { MonitoredRun } from './monitored-run';
import type { GuestEnd, Observation } from './observation';
import {
  type CriteriaReport,
  type DivergenceReport,
  divergenceReport,
  efficiencyReport,
  type Progress,
  resourceReport,
  timeReport,
} from './report';
import { ResourceControl } from './resource-control';
import { TimeRecord, withoutWaits } from './time-sources';

/** How a check goes; every option has a default. */
export interface CheckOptions {
  /** Guest instructions after which both runs are ended and compared; default no limit. */
  readonly maxInstructions?: number;
  /** How instructions run; the result is the same. */
  readonly tier?: Tier;
  /** Answers in both runs where the manual leaves something open; default what real processors do. */
  readonly choice?: Choice;
  /** Deliveries without a retired instruction between them that count as endless. */
  readonly endlessAfter?: number;
  /** Clocks (instructions, when the guest runs) after which the monitor must have the processor again, at most. */
  readonly mostLease?: number;
  /** Instructions of host and guest between two `Progress` values, at first; more while the guest makes no observations. */
  readonly slice?: number;
  /** What leaves the monitored machine: serial output and the like. */
  readonly onEffect?: (effect: DeviceEffect) => void;
}

/** Ends before an instruction that has not executed, where RF may differ. */
const BETWEEN_INSTRUCTIONS: ReadonlySet<GuestEnd['kind']> = new Set([
  'limit',
  'endless-delivery',
  'triple-fault',
] as const);

const ENDLESS_AFTER = 256;
const MOST_LEASE = 100_000_000;
const SLICE = 1_000_000;
/** How much longer a slice may become. */
const LONGEST_SLICE = 32;

/** Adds pages that only one observation changed to the other, so that a report shows both sides. */
const padded = (
  to: Observation,
  from: Observation,
  page: (guestFrame: number) => Uint8Array,
): Observation => {
  const missing = from.pages.filter(({ frame }) => !to.pages.some((own) => own.frame === frame));
  if (missing.length === 0) return to;
  const added = missing.map(({ frame }) => ({ frame, bytes: page(frame) }));
  return { ...to, pages: [...to.pages, ...added].sort((a, b) => a.frame - b.frame) };
};

/** So many stale translations of a run are told one by one. */
const MOST_STALE = 100;

/** The two runs of one check, in lockstep by batches of observations. */
class Check {
  readonly monitored: MonitoredRun;
  private readonly bare: BareRun;
  private readonly bareOptions;
  private readonly monitoredOptions: MonitoredRunOptions;
  private readonly time = new TimeRecord();
  private readonly resources: ResourceControl;
  private readonly efficiency = new Efficiency();
  private divergence: DivergenceReport | undefined;
  private slice: number;
  /** Where the slice began in which the last observation was made. */
  private anchor: SavedRun | undefined;
  private readonly stale = { bare: new Set<string>(), monitored: new Set<string>() };
  private observations = 0;
  private deviceAccesses = 0;
  private exceptions = 0;
  private interrupts = 0;
  private end: GuestEnd | undefined;

  constructor(
    guest: MachineState,
    private readonly monitor: Monitor<unknown>,
    private readonly options: CheckOptions,
  ) {
    const { tier = 'generated', endlessAfter = ENDLESS_AFTER, mostLease = MOST_LEASE } = options;
    const choice = withoutWaits(options.choice ?? preferred);
    this.slice = options.slice ?? SLICE;
    this.resources = new ResourceControl(mostLease);
    this.bareOptions = {
      tier,
      choice,
      endlessAfter,
      time: this.time,
      onStaleTranslation: (report: StaleTranslation) => this.tellStale('bare', report),
    };
    this.monitoredOptions = {
      tier,
      choice,
      endlessAfter,
      time: this.time,
      listeners: [
        this.resources,
        this.efficiency,
        { stale: (_, report) => this.tellStale('monitored', report) },
      ],
      ...(options.onEffect === undefined ? {} : { onEffect: options.onEffect }),
    };
    this.bare = new BareRun(guest, this.bareOptions);
    this.monitored = new MonitoredRun(createMonitoredMachine(guest, monitor), this.monitoredOptions);
  }

  private tellStale(run: 'bare' | 'monitored', report: StaleTranslation): void {
    const told = this.stale[run];
    told.add(`${run}: ${told.size < MOST_STALE ? describeStale(report) : 'and more'}`);
  }

  get over(): boolean {
    return this.end !== undefined || this.divergence !== undefined;
  }

  get progress(): Progress {
    const { exits } = this.efficiency.result(this.monitored);
    return {
      kind: 'progress',
      instructions: this.monitored.position,
      observations: this.observations,
      exits: Object.values(exits).reduce((sum, count) => sum + count, 0),
    };
  }

  /** Runs the monitored guest a slice further and the bare one to the same place. */
  advance(): void {
    const { monitored, options } = this;
    const from = monitored.save();
    const most = options.maxInstructions ?? Number.POSITIVE_INFINITY;
    const { slice } = this;
    if (monitored.position + slice >= most) {
      monitored.seek(most);
      if (!monitored.ended && monitored.position >= most) monitored.end({ kind: 'limit' });
    } else monitored.runSlice(slice);
    this.resources.examineChanges(monitored);
    const observations = monitored.take();
    for (const [at, observation] of observations.entries()) {
      if (this.over) break;
      this.follow(observation, at === 0 ? (this.anchor ?? from) : from);
    }
    if (observations.length > 0) this.anchor = from;
    const shortest = options.slice ?? SLICE;
    this.slice = observations.length > 0 ? shortest : Math.min(2 * slice, LONGEST_SLICE * shortest);
    this.time.forgetReplayed();
  }

  private follow(right: Observation, from: SavedRun): void {
    const before = this.bare.save();
    const left = this.bare.next(right);
    const outcome =
      right.end !== undefined && BETWEEN_INSTRUCTIONS.has(right.end.kind)
        ? compareObservations(withoutResumeFlag(left), withoutResumeFlag(right))
        : compareObservations(left, right);
    this.observations++;
    this.deviceAccesses += right.accesses.length;
    if (right.event?.kind === 'interrupt') this.interrupts++;
    else if (right.event !== undefined) this.exceptions++;
    if (outcome !== 'equal') this.part(left, right, outcome, from, before);
    else if (right.end !== undefined) this.end = right.end;
  }

  private part(
    left: Observation,
    right: Observation,
    divergence: Divergence,
    monitored: SavedRun,
    bare: SavedBareRun,
  ): void {
    const { monitoredOptions, bareOptions } = this;
    // What differs in the local APIC alone began at no instruction: both ends show it.
    const atEnd = divergence.differences.every(({ kind }) => kind === 'interrupts');
    const instruction = atEnd
      ? this.bare.code.describe(this.bare.machine.cpu.rip)
      : locate({ monitored, monitoredOptions, bare, bareOptions, left, right });
    // The last observations were equal, and a run that did not change a page since has it as it was then.
    const page = (frame: number): Uint8Array =>
      bare.progress.root.page(this.bare.memory.machineFrame(frame)).bytes;
    const a = padded(left, right, page);
    const b = padded(right, left, page);
    const shown = compareObservations(a, b);
    this.divergence = divergenceReport(left, right, shown === 'equal' ? divergence : shown, instruction);
  }

  get report(): CriteriaReport {
    const { monitored, divergence } = this;
    const end = this.end ?? divergence?.monitored.end ?? { kind: 'running' };
    const equivalent = divergence === undefined;
    const resources = resourceReport(this.resources.result, equivalent && end.kind === 'endless-delivery');
    const efficiency = efficiencyReport(this.efficiency.result(monitored));
    const stale = [...this.stale.bare, ...this.stale.monitored];
    return {
      kind: 'report',
      monitor: this.monitor.name,
      holds: equivalent && resources.holds && efficiency.holds && stale.length === 0,
      end,
      instructions: monitored.position,
      equivalence: {
        holds: equivalent,
        observations: this.observations,
        deviceAccesses: this.deviceAccesses,
        exceptions: this.exceptions,
        interrupts: this.interrupts,
        timeReads: timeReport(this.time.summary),
        ...(divergence === undefined ? {} : { divergence }),
      },
      resourceControl: resources,
      efficiency,
      staleTranslations: stale,
    };
  }
}

/**
 * Runs a guest on the bare machine and under a monitor, and checks the three criteria. `guest` is a loaded machine without VMX that has not run
 * yet. Yields progress after each slice, and the report last. Throws `ModelError` for a machine that has a monitor or has already run.
 */
export async function* checkCriteria<S>(
  guest: MachineState,
  monitor: Monitor<S>,
  options: CheckOptions = {},
): AsyncGenerator<Progress | CriteriaReport, void, undefined> {
  if (guest.monitor !== undefined) throw new ModelError('the guest of a check runs on a bare machine');
  if (guest.clock !== 0) throw new ModelError('the guest of a check has not run yet');
  const check = new Check(guest, monitor as Monitor<unknown>, options);
  for (;;) {
    check.advance();
    if (check.over) break;
    yield check.progress;
  }
  yield check.report;
}
