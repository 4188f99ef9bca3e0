import { hex } from '../../core';
import type { HostLayout, HostReply, HostRequest, Monitor } from '../../machine/host-port';
import { type Advance, advance, type Progress, type Running, replayed, requestOf, started } from './driver';
import { respond } from './exits/responses';
import type { GuestRecord, HardwareAssistedOptions, Setting } from './guest';
import { halt, type Program, vmread } from './program';
import { startUp } from './start-up';

/** What the monitor is doing. */
export type MonitorActivity = 'starting' | 'guest-running' | 'responding' | 'halted';

/**
 * The monitor between two host instructions: plain data, all of it. What it was about to do follows from the activity, what it knew at the last VM entry
 * and the replies since.
 */
export interface MonitorState extends Setting, Progress {
  readonly activity: MonitorActivity;
  /** As of the last VM entry; `undefined` before the first. */
  readonly guest: GuestRecord | undefined;
  /** Why the guest was ended; empty while it was not. */
  readonly ending: string;
}

/** How a program of the monitor ends: with a VM entry. */
interface Entry {
  readonly guest: GuestRecord;
  readonly request: HostRequest;
}

function* launch(setting: Setting): Program<Entry> {
  const guest = yield* startUp(setting);
  return { guest, request: { op: 'vmlaunch', registers: setting.layout.guest.registers } };
}

/** From the reply to a VM entry to the next VM entry. */
function* goOn(setting: Setting, guest: GuestRecord, reply: HostReply): Program<Entry> {
  if (reply.kind === 'exception') return yield* halt(`VM entry raised exception ${reply.vector}`);
  if (reply.kind !== 'vm-exit') {
    if (reply.kind !== 'done' || reply.cf) return yield* halt('VM entry without a current VMCS');
    const [error] = yield* vmread('vmInstructionError');
    return yield* halt(`VM entry failed with error ${hex(error)}`);
  }
  const { layout, options } = setting;
  const exit = yield* respond({ layout, options, guest, registers: reply.registers });
  return { guest: exit.guest, request: { op: 'vmresume', registers: exit.registers } };
}

/** The program under way, from its beginning. */
const programOf = (state: MonitorState): Program<Entry> =>
  state.guest === undefined ? launch(state) : goOn(state, state.guest, state.replies[0]);

type Turn = readonly [MonitorState, HostRequest];

/**
 * A monitor that runs one unmodified guest with VMX, EPT and unrestricted guest; its devices are the guest's.
 * It ends the machine (`halt-machine`) when the guest does what it cannot run, and says what that was.
 */
export const hardwareAssistedMonitor = (options: HardwareAssistedOptions = {}): Monitor<MonitorState> => {
  // The program that belongs to the state given out last: any other state gets its own, by replay.
  let alive: { readonly state: MonitorState; readonly running: Running<Entry> } | undefined;

  const turned = (state: MonitorState, next: Advance<Entry>): Turn => {
    alive = undefined;
    const { layout, options: chosen } = state;
    switch (next.kind) {
      case 'running': {
        const { replies, position } = next.progress;
        const { activity, guest, ending } = state;
        const after: MonitorState = { layout, options: chosen, activity, guest, ending, replies, position };
        alive = { state: after, running: next.running };
        return [after, requestOf(next.running.step, position)];
      }
      case 'ended': {
        const { guest, request } = next.result;
        return [
          { layout, options: chosen, activity: 'guest-running', guest, ending: '', replies: [], position: 0 },
          request,
        ];
      }
      case 'halted': {
        const { reason } = next;
        const request: HostRequest = { op: 'halt-machine', reason };
        return [{ ...state, activity: 'halted', ending: reason, replies: [], position: 0 }, request];
      }
    }
  };

  return {
    name: 'hardware-assisted',
    start: (layout: HostLayout): Turn => {
      const state: MonitorState = {
        layout,
        options,
        activity: 'starting',
        guest: undefined,
        ending: '',
        replies: [],
        position: 0,
      };
      return turned(state, started(programOf(state), []));
    },
    resume: (state: MonitorState, reply: HostReply): Turn => {
      switch (state.activity) {
        case 'halted':
          return [state, { op: 'halt-machine', reason: state.ending }];
        case 'guest-running': {
          const responding: MonitorState = {
            ...state,
            activity: 'responding',
            replies: [reply],
            position: 0,
          };
          return turned(responding, started(programOf(responding), responding.replies));
        }
        default: {
          const running =
            alive?.state === state
              ? alive.running
              : replayed(programOf(state), state, state.activity === 'responding' ? 1 : 0);
          return turned(state, advance(running, state, reply));
        }
      }
    },
  };
};
