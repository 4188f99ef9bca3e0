import { createMonitoredMachine, run } from '../src/machine';
import { minimalVmcallMonitor } from '../src/vmm/minimal';
import { vmcallGuest } from './guests';
import { atLeast, expect, type Row, repeated, timed } from './measure';

const RCX = 1;
/** Host and guest instructions of the monitor's start-up and of some round trips, which are not measured. */
const WARM_UP = 20_000;
/** Instructions that the shorter loop retires a round trip, so that a run ends before the guest does. */
const LEAST_INSTRUCTIONS = 5;

/** Round trips a second: VMCALL exits, the monitor moves RIP behind it, VMRESUME. */
const roundTrips = (count: number, checksReason: boolean): number => {
  const host = createMonitoredMachine(vmcallGuest(count), minimalVmcallMonitor({ checksReason }));
  const { state } = run(host, { maxInstructions: WARM_UP });
  const maxInstructions = checksReason ? Number.MAX_SAFE_INTEGER : LEAST_INSTRUCTIONS * count - 2 * WARM_UP;
  const { seconds, result } = timed(() => run(state, { maxInstructions }));
  const left = Number(result.state.processors[0].registers[RCX]);
  const { stop } = result;
  expect(
    checksReason ? stop.kind === 'monitor-stopped' && stop.reason === 'exit hlt' && left === 0 : left > 0,
    `the VMCALL guest ended with ${JSON.stringify(stop)} and ${left} calls to go`,
  );
  return (Number(state.processors[0].registers[RCX]) - left) / seconds;
};

/** EPT on; the monitor's requests run as host instructions through the port. */
export const vmcallRoundTrip: Row = async ({ smoke, runs }) => {
  const count = smoke ? 20_000 : 200_000;
  const row = 'VMCALL round trip, EPT on';
  const unit = 'trips/s';
  return [
    {
      row,
      variant: 'monitor reads the exit reason',
      unit,
      target: atLeast(500_000),
      runs: repeated(runs, () => roundTrips(count, true)),
    },
    {
      row,
      variant: 'monitor takes every exit for VMCALL',
      unit,
      target: undefined,
      runs: repeated(runs, () => roundTrips(count, false)),
    },
  ];
};
