// Random guest programs under the hardware-assisted monitor are equivalent and contained, and no innocuous instruction of theirs exits.
import { describe, expect, it } from 'vitest';
import type { Monitor } from '../src/machine';
import { hardwareAssistedMonitor } from '../src/vmm/hardware-assisted';
import type { ExitReason } from '../src/vmx';
import { guestMachine, guestProgram } from './arbitraries';
import { areContained } from './contained';
import { brokenMonitors } from './mutants/monitors';
import { holdsAsync, isRefutedAsync, MONITORED } from './theorem';

const PROGRAMS = 1000;
/** Exits that the programs must reach, each 20 times or more. */
const REACHED = [
  'exceptionOrNmi',
  'externalInterrupt',
  'tripleFault',
  'interruptWindow',
  'cpuid',
  'hlt',
  'invd',
  'vmcall',
  'vmclear',
  'vmlaunch',
  'vmptrld',
  'vmptrst',
  'vmread',
  'vmresume',
  'vmwrite',
  'vmxoff',
  'vmxon',
  'invept',
  'invvpid',
  'controlRegisterAccess',
  'ioInstruction',
  'rdmsr',
  'wrmsr',
  'xsetbv',
  'eptViolation',
  'preemptionTimerExpired',
] as const satisfies readonly ExitReason[];
const LEAST = 20;

/** Exits that no guest reaches under a sound monitor: it makes no malformed EPT entry and no VM entry that fails. */
const UNREACHABLE = [
  'eptMisconfiguration',
  'entryFailureGuestState',
  'entryFailureMsrLoading',
] as const satisfies readonly ExitReason[];

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

describe('random guest programs under the hardware-assisted monitor', () => {
  it(`${PROGRAMS} are equivalent and contained, and reach every exit`, async () => {
    const exits: Partial<Record<string, number>> = {};
    const lengths: number[] = [];
    let beyond = 0;
    await holdsAsync(
      areContained(
        guestProgram(),
        guestMachine,
        () => hardwareAssistedMonitor(MONITORED) as Monitor<unknown>,
        ({ instructions, efficiency }) => {
          lengths.push(instructions);
          for (const [reason, count] of Object.entries(efficiency.exits))
            exits[reason] = (exits[reason] ?? 0) + count;
        },
        () => {
          beyond++;
        },
      ),
      PROGRAMS,
    );
    const histogram = Object.entries(exits).sort(([, a = 0], [, b = 0]) => b - a);
    console.log(
      `${lengths.length} programs, ${median(lengths)} instructions in the median, ${beyond} more beyond the monitor; exits: ` +
        histogram.map(([reason, count]) => `${reason} ${count}`).join(', '),
    );
    expect(lengths.length).toBeGreaterThanOrEqual(PROGRAMS);
    expect(beyond).toBeLessThanOrEqual(PROGRAMS / 100);
    expect(median(lengths)).toBeGreaterThanOrEqual(200);
    expect(REACHED.filter((reason) => (exits[reason] ?? 0) < LEAST)).toEqual([]);
    expect(UNREACHABLE.filter((reason) => reason in exits)).toEqual([]);
  }, 300_000);
});

describe('the theorem rejects', () => {
  const broken = brokenMonitors(MONITORED);
  it.each(Object.keys(broken) as (keyof typeof broken)[])('the monitor that %s', async (name) => {
    expect(
      await isRefutedAsync(
        areContained(guestProgram(), guestMachine, () => broken[name] as Monitor<unknown>),
        300,
      ),
    ).toBe(true);
  });
});
