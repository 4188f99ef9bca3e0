import { bitfield } from '../../core';
import type { GeneralRegisters, HostReply, HostRequest, Monitor } from '../../machine/host-port';
import { EXIT_REASON_FIELD, EXIT_REASONS, exitReasonOf } from '../../vmx/exit/exit-reasons';
import { VMCS_FIELDS } from '../../vmx/vmcs/fields';
import { hardwareAssistedMonitor, type MonitorState } from '../hardware-assisted';

/** What is chosen about the minimal monitor. */
export interface MinimalOptions {
  /** Reads the exit reason and ends at any exit but VMCALL; without it every exit is taken for VMCALL. On when left out. */
  readonly checksReason?: boolean;
}

/** Between two host instructions: the start-up of the full monitor, then one step of the loop. */
export type MinimalState =
  | { readonly step: 'starting'; readonly starting: MonitorState }
  | {
      readonly step: 'guest-running' | 'reason' | 'rip' | 'moved' | 'ended';
      readonly registers: GeneralRegisters;
      readonly ending: string;
    };

type Turn = readonly [MinimalState, HostRequest];

const VMCALL_LENGTH = 3n;
const VMCALL = BigInt(EXIT_REASONS.vmcall.number);
const REASON = bitfield(EXIT_REASON_FIELD);
const READ_REASON: HostRequest = { op: 'vmread', field: VMCS_FIELDS.exitReason.encoding };
const READ_RIP: HostRequest = { op: 'vmread', field: VMCS_FIELDS.guestRip.encoding };
const RIP = VMCS_FIELDS.guestRip.encoding;

const at = (
  step: 'guest-running' | 'reason' | 'rip' | 'moved',
  registers: GeneralRegisters,
  request: HostRequest,
): Turn => [{ step, registers, ending: '' }, request];

const ended = (reason: string): Turn => [
  { step: 'ended', registers: [], ending: reason },
  { op: 'halt-machine', reason },
];

/**
 * The least monitor there is, to measure round trips: it starts a guest and moves RIP behind each VMCALL. Four requests an exit with VMRESUME,
 * three without a look at the reason.
 */
export const minimalVmcallMonitor = ({ checksReason = true }: MinimalOptions = {}): Monitor<MinimalState> => {
  const full = hardwareAssistedMonitor({ preemptionTimerPeriod: 0 });

  const beginning = ([starting, request]: readonly [MonitorState, HostRequest]): Turn =>
    request.op === 'vmlaunch'
      ? at('guest-running', request.registers, request)
      : [{ step: 'starting', starting }, request];

  return {
    name: 'minimal-vmcall',
    start: (layout) => beginning(full.start(layout)),
    resume: (state: MinimalState, reply: HostReply): Turn => {
      switch (state.step) {
        case 'starting':
          return beginning(full.resume(state.starting, reply));
        case 'guest-running':
          if (reply.kind !== 'vm-exit') return ended('VM entry failed');
          return checksReason
            ? at('reason', reply.registers, READ_REASON)
            : at('rip', reply.registers, READ_RIP);
        case 'reason': {
          if (reply.kind !== 'done') return ended('VMREAD failed');
          if (reply.value === VMCALL) return at('rip', state.registers, READ_RIP);
          const number = Number(REASON.get(reply.value, 'basicReason'));
          return ended(`exit ${exitReasonOf(number) ?? number}`);
        }
        case 'rip':
          if (reply.kind !== 'done') return ended('VMREAD failed');
          return at('moved', state.registers, {
            op: 'vmwrite',
            field: RIP,
            value: reply.value + VMCALL_LENGTH,
          });
        case 'moved':
          return at('guest-running', state.registers, { op: 'vmresume', registers: state.registers });
        case 'ended':
          return ended(state.ending);
      }
    },
  };
};
