// Broken monitors, each by one mistake: every theorem about monitors must reject the one that concerns it.
import type { HostLayout, HostReply, HostRequest, Monitor } from '../../src/machine/host-port';
import {
  type HardwareAssistedOptions,
  hardwareAssistedMonitor,
  type MonitorState,
} from '../../src/vmm/hardware-assisted';
import { VMCS_FIELDS } from '../../src/vmx/vmcs';

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

const RCX = 1;
const VMX = 1n << 5n;

/** Breaks equivalence: the guest sees a processor with VMX. */
export const showsVmx: Mutation<{ readonly features: boolean }> = {
  name: 'shows VMX',
  says: 'CPUID leaf 1 gives ECX with bit 5 set',
  start: () => ({ features: false }),
  amend: (memory, request) => {
    if (request.op === 'cpuid') return { memory: { features: request.leaf === 1 }, request };
    if (request.op !== 'vmresume') return { memory, request };
    const { op, registers } = request;
    const shown = memory.features ? registers.with(RCX, registers[RCX] | VMX) : registers;
    return { memory: { features: false }, request: { op, registers: shown } };
  },
};

const PAGE = 4096n;
const LARGE_PAGE = 512n * PAGE;
const LARGE = 1n << 7n;
const RIGHTS = 7n;
const ATTRIBUTES = 0xfffn;

interface Frames {
  /** Host address of the last page of the guest's RAM. */
  readonly last: bigint;
  readonly monitor: bigint;
  readonly end: bigint;
}

/** Breaks resource control: the last page of the guest's RAM lies in the monitor's memory. */
export const mapsMonitorMemory: Mutation<Frames> = {
  name: 'maps its own memory',
  says: 'the EPT entry for the last page of guest RAM names the first frame of the monitor (or the large page around it)',
  start: ({ guestMemory, monitorMemory }) => {
    const { host, bytes } = guestMemory[guestMemory.length - 1];
    const first = ((monitorMemory.base + PAGE - 1n) / PAGE) * PAGE;
    const last = ((BigInt(host) + BigInt(bytes)) / PAGE - 1n) * PAGE;
    return { last, monitor: first, end: monitorMemory.base + monitorMemory.bytes };
  },
  amend: (memory, request) => {
    if (request.op !== 'store' || request.bytes !== 8) return { memory, request };
    const { address, value } = request;
    if (address < memory.monitor || address >= memory.end || (value & RIGHTS) !== RIGHTS)
      return { memory, request };
    const span = (value & LARGE) === 0n ? PAGE : LARGE_PAGE;
    if ((value & ~ATTRIBUTES) !== (memory.last / span) * span) return { memory, request };
    const wrong = (memory.monitor / span) * span;
    return { memory, request: { ...request, value: wrong | (value & ATTRIBUTES) } };
  },
};

const DIRECTION = 1n << 10n;
const RIP = VMCS_FIELDS.guestRip.encoding;
const RFLAGS = VMCS_FIELDS.guestRflags.encoding;

/** Breaks equivalence: string instructions run the wrong way after an emulated instruction. */
export const losesDirection: Mutation<'nothing' | 'emulated' | 'reading' | 'written'> = {
  name: 'loses DF',
  says: 'bit 10 of guest RFLAGS is cleared after an instruction that the monitor completed',
  start: () => 'nothing',
  amend: (memory, request, reply) => {
    if (request.op === 'vmwrite' && request.field === RIP) return { memory: 'emulated', request };
    if (request.op !== 'vmresume' || memory === 'nothing') return { memory, request };
    if (memory === 'emulated') return { memory: 'reading', before: { op: 'vmread', field: RFLAGS } };
    if (memory === 'written' || reply?.kind !== 'done') return { memory: 'nothing', request };
    const value = reply.value & ~DIRECTION;
    return { memory: 'written', before: { op: 'vmwrite', field: RFLAGS, value } };
  },
};

type HardwareAssistedMutant<M> = Monitor<MutantState<MonitorState, M>>;

/** The hardware-assisted monitor with each mistake. */
export const brokenMonitors = (options: HardwareAssistedOptions = {}) => {
  const broken = <M>(mutation: Mutation<M>): HardwareAssistedMutant<M> =>
    mutant(hardwareAssistedMonitor(options), mutation);
  return {
    showsVmx: broken(showsVmx),
    mapsMonitorMemory: broken(mapsMonitorMemory),
    losesDirection: broken(losesDirection),
  } as const;
};
