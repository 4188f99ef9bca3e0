import { SYSTEM_ROWS } from '../cpu/instructions/system';
import { VMX_ROWS, type VmExit } from '../vmx';
import type { GuestInstruction } from './guest-instruction';
import type { MonitoredRunListener, PendingExit } from './monitored-progress';
import type { MonitoredRun } from './monitored-run';

/** Exits that come from what the guest meets, not from what its instruction is. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
const BY_EVENT: ReadonlySet<VmExit['reason']> = new Set([
  'exceptionOrNmi',
  'externalInterrupt',
  'tripleFault',
  'initSignal',
  'interruptWindow',
  'preemptionTimerExpired',
  'eptViolation',
  'eptMisconfiguration',
] as const);

/** System instructions that neither read nor change a resource that a monitor holds. */
const INNOCUOUS_SYSTEM: ReadonlySet<string> = new Set(['pause']);

const SENSITIVE: ReadonlySet<string> = new Set(
  [...SYSTEM_ROWS, ...VMX_ROWS]
    .map(({ mnemonic }) => mnemonic)
    .filter((mnemonic) => !INNOCUOUS_SYSTEM.has(mnemonic)),
);

/** Whether an instruction touches a resource that a monitor must hold, so that it may exit because of what it is. */
export const isSensitive = (mnemonic: string): boolean => SENSITIVE.has(mnemonic);

/** An innocuous instruction that exited because of what it is, or that the monitor executed after an exit for another reason. */
export interface NeedlessExit {
  readonly reason: string;
  readonly instruction: GuestInstruction;
  readonly count: number;
}

export interface EfficiencyResult {
  readonly holds: boolean;
  readonly needless: readonly NeedlessExit[];
  /** Guest instructions that the processor retired in non-root operation. */
  readonly direct: number;
  /** All guest instructions. */
  readonly instructions: number;
  /** `direct` / `instructions`, 1 for an empty run. */
  readonly share: number;
  /** VM exits by the name of their reason. */
  readonly exits: Readonly<Record<string, number>>;
}

const MOST_NEEDLESS = 32;

/** Counts exits and asks of each whether its instruction had to exit. */
export class Efficiency implements MonitoredRunListener {
  private readonly exits: Record<string, number> = {};
  private readonly needless = new Map<string, { readonly exit: NeedlessExit; count: number }>();
  private direct = 0;

  left(run: MonitoredRun, exit: VmExit): void {
    const { reason } = exit;
    this.exits[reason] = (this.exits[reason] ?? 0) + 1;
    this.direct += run.stay;
    if (BY_EVENT.has(reason) || (exit.reason === 'taskSwitch' && exit.source === 'gate')) return;
    this.ask(run, reason, run.machine.cpu.rip);
  }

  /** What the monitor executed must have been sensitive, or have reached outside the guest's RAM. */
  completed(run: MonitoredRun, { reason, rip, next, outsideRam }: PendingExit): void {
    // Of a task switch the instruction was looked at when it exited, in its own task.
    if (outsideRam || reason === 'taskSwitch') return;
    if (next === undefined) this.ask(run, reason, rip);
    else if (run.machine.cpu.rip !== next) this.ask(run, reason, next);
  }

  /** Notes the instruction unless it is sensitive. */
  private ask(run: MonitoredRun, reason: VmExit['reason'], rip: bigint): void {
    const instruction = run.code.at(rip);
    if (instruction !== undefined && isSensitive(instruction.mnemonic)) return;
    const key = `${reason} ${rip}`;
    const known = this.needless.get(key);
    if (known !== undefined) known.count++;
    else if (this.needless.size < MOST_NEEDLESS)
      this.needless.set(key, {
        exit: { reason, instruction: run.code.describe(rip), count: 1 },
        count: 1,
      });
  }

  /** `run` has ended or stands still. */
  result(run: MonitoredRun): EfficiencyResult {
    const instructions = run.position;
    const direct = this.direct + run.stay;
    const needless = [...this.needless.values()].map(({ exit, count }) => ({ ...exit, count }));
    return {
      holds: needless.length === 0,
      needless,
      direct,
      instructions,
      share: instructions === 0 ? 1 : direct / instructions,
      exits: { ...this.exits },
    };
  }
}
