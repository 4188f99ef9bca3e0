import { createMonitoredMachine, run } from '../src/machine';
import { minimalVmcallMonitor } from '../src/vmm/minimal';
import { vmcallGuest } from './guests';
import { atLeast, expect, type Measure, repeated, type Row, timed } from './measure';

/** A round trip: VMCALL exits, the monitor moves RIP behind it, VMRESUME. */
const roundTrips = (count: number, checksReason: boolean): number => {
  const host = createMonitoredMachine(vmcallGuest(count), minimalVmcallMonitor({ checksReason }));
  // Start-up and the first round trips are not measured.
  const begun = run(host, { maxInstructions: 20_000 });
  const before = begun.state.processors[0].registers[1];
  const { seconds, result } = timed(() => run(begun.state, { maxInstructions: 6 * count }));
  const done = Number(before - result.state.processors[0].registers[1]);
  expect(
    checksReason
      ? result.stop.kind === 'monitor-stopped' && result.stop.reason === 'exit hlt' && done > 0
      : done > 0 && done <= count,
    `the VMCALL guest ended with ${JSON.stringify(result.stop)} after ${done} round trips`,
  );
  return done / seconds;
};

/** EPT on; the monitor's requests run as host instructions through the port. */
export const vmcallRoundTrip: Row = async ({ smoke, runs }) => {
  const count = smoke ? 2_000 : 100_000;
  const measure = (variant: string, checksReason: boolean): Measure => ({
    row: 'VMCALL round trip',
    variant,
    unit: 'trips/s',
    target: checksReason ? atLeast(200_000) : undefined,
    runs: repeated(smoke ? 1 : runs, () => roundTrips(count, checksReason)),
  });
  return smoke ? [measure('monitor checks the reason', true)] : [measure('monitor checks the reason', true)];
};
