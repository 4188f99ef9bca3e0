// Broken monitors, each by one mistake: every theorem about monitors must reject the one that concerns it.
import type { HostLayout, HostRequest, Monitor } from '../../src/machine/host-port';
import {
  type HardwareAssistedOptions,
  hardwareAssistedMonitor,
  type MonitorState,
} from '../../src/vmm/hardware-assisted';
import { VMCS_FIELDS } from '../../src/vmx/vmcs';
import { beforeEntries, type Entries, type MutantState, type Mutation, mutant } from './mutation';

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

/** The VM entry, of many, for which a structure is elsewhere. */
const MOVED_ENTRY = 2;
const MSR_BITMAP = VMCS_FIELDS.msrBitmapAddress.encoding;
const EPTP = VMCS_FIELDS.eptPointer.encoding;

/** A field names `address` for one VM entry and then again what the monitor wrote. */
const movedOnce = (memory: Entries, field: number, address: bigint): readonly HostRequest[] => {
  if (memory.entries === MOVED_ENTRY) return [{ op: 'vmwrite', field, value: address }];
  return memory.entries === MOVED_ENTRY + 1 ? [{ op: 'vmwrite', field, value: memory.fields[field] }] : [];
};

/** Breaks resource control: for a while the guest can write the MSR bitmaps. */
export const movesMsrBitmap: Mutation<Entries> = beforeEntries(
  {
    name: 'moves the MSR bitmaps',
    says: 'for one VM entry the MSR-bitmap address is that of the last page of guest RAM',
  },
  (memory) => {
    const { host, bytes } = memory.layout.guestMemory[memory.layout.guestMemory.length - 1];
    return movedOnce(memory, MSR_BITMAP, BigInt(host + bytes) - PAGE);
  },
);

const GIB_PAGE = 1n << 30n;
const WRITE_BACK_LARGE = 0xb7n;
const EPTP_OF_4_LEVELS = 0x1en;

/** Breaks resource control: for a while EPT maps a whole GiB, where the guest's RAM is less. */
export const switchesEpt: Mutation<Entries> = beforeEntries(
  {
    name: 'switches EPT',
    says: 'for one VM entry the EPTP names tables that map 1 GiB from the first byte of guest RAM in the host on',
  },
  (memory) => {
    const { monitorMemory, guestMemory } = memory.layout;
    const pointers = ((monitorMemory.base + monitorMemory.bytes) / PAGE - 1n) * PAGE;
    const root = pointers - PAGE;
    if (memory.entries !== 0) return movedOnce(memory, EPTP, root | EPTP_OF_4_LEVELS);
    const leaf = (BigInt(guestMemory[0].host) / GIB_PAGE) * GIB_PAGE;
    return [
      { op: 'store', address: root, bytes: 8, value: pointers | RIGHTS },
      { op: 'store', address: pointers, bytes: 8, value: leaf | WRITE_BACK_LARGE },
    ];
  },
);

const READABLE = [0x10n, 0x1bn];

/** Breaks resource control: the guest reads a register of the host. */
export const passesMsr: Mutation<Entries> = beforeEntries(
  {
    name: 'passes an MSR too many',
    says: 'beside the time-stamp counter the MSR bitmap lets the guest read IA32_APIC_BASE',
  },
  ({ entries, fields }) => {
    const value = READABLE.reduce((word, msr) => word & ~(1n << msr), 0xffff_ffff_ffff_ffffn);
    return entries === 0 ? [{ op: 'store', address: fields[MSR_BITMAP], bytes: 8, value }] : [];
  },
);

const ENTRY_INFORMATION = VMCS_FIELDS.vmEntryInterruptionInfo.encoding;
const VALID_EXTERNAL_INTERRUPT = 1n << 23n;
const KEPT = 2;

/** Breaks equivalence: interrupts that were acknowledged never arrive. */
export const dropsInterrupts: Mutation<number> = {
  name: 'drops interrupts',
  says: 'every second injection of an external interrupt is left out',
  start: () => 0,
  amend: (memory, request) => {
    const injects =
      request.op === 'vmwrite' &&
      request.field === ENTRY_INFORMATION &&
      request.value >> 8n === VALID_EXTERNAL_INTERRUPT;
    if (!injects) return { memory, request };
    const dropped = (memory + 1) % KEPT === 0;
    return { memory: memory + 1, request: dropped ? { ...request, value: 0n } : request };
  },
};

interface Doubling {
  /** Interruption information of the last interrupt that the monitor injected; undefined when it has been injected again. */
  readonly injected: bigint | undefined;
  /** Requests of the mutation made before the VM entry to come. */
  readonly made: number;
}
const INTERRUPTIBILITY = VMCS_FIELDS.guestInterruptibilityState.encoding;
const IF = 1n << 9n;

/** Breaks equivalence: one interrupt of the timer arrives twice. */
export const doublesInterrupts: Mutation<Doubling> = {
  name: 'doubles interrupts',
  says: 'an external interrupt is injected again as soon as the guest can take one',
  start: () => ({ injected: undefined, made: 0 }),
  amend: (memory, request, reply) => {
    const { injected, made } = memory;
    if (request.op === 'vmwrite' && request.field === ENTRY_INFORMATION) {
      const isInterrupt = request.value >> 8n === VALID_EXTERNAL_INTERRUPT;
      return { memory: { injected: isInterrupt ? request.value : undefined, made: -1 }, request };
    }
    if (request.op !== 'vmresume' || injected === undefined) return { memory, request };
    if (made < 0) return { memory: { injected, made: 0 }, request };
    const value = reply?.kind === 'done' ? reply.value : 0n;
    const next = { injected, made: made + 1 };
    if (made === 0) return { memory: next, before: { op: 'vmread', field: RFLAGS } };
    if (made === 1 && (value & IF) !== 0n)
      return { memory: next, before: { op: 'vmread', field: INTERRUPTIBILITY } };
    if (made === 2 && value === 0n)
      return { memory: next, before: { op: 'vmwrite', field: ENTRY_INFORMATION, value: injected } };
    return { memory: { injected: made === 3 ? undefined : injected, made: 0 }, request };
  },
};

/** Breaks resource control: the guest can write the host's interrupt descriptors. */
export const exposesHostIdt: Mutation<HostLayout> = {
  name: 'exposes the IDT of the host',
  says: 'HOST_IDTR_BASE is the address of the last page of guest RAM',
  start: (layout) => layout,
  amend: (layout, request) => {
    if (request.op !== 'vmwrite' || request.field !== VMCS_FIELDS.hostIdtrBase.encoding)
      return { memory: layout, request };
    const { host, bytes } = layout.guestMemory[layout.guestMemory.length - 1];
    return { memory: layout, request: { ...request, value: BigInt(host + bytes) - PAGE } };
  },
};

interface Executing {
  readonly layout: HostLayout;
  readonly made: number;
  readonly rip: bigint;
}
const NOP = 0x90n;

/** Breaks efficiency: the monitor executes what the processor could have executed. Guests whose linear addresses are physical ones. */
export const executesNops: Mutation<Executing> = {
  name: 'executes NOPs',
  says: 'a NOP at which the guest would go on is left out',
  start: (layout) => ({ layout, made: 0, rip: 0n }),
  amend: (memory, request, reply) => {
    const { layout, made } = memory;
    if (request.op !== 'vmresume') return { memory, request };
    const value = reply?.kind === 'done' ? reply.value : 0n;
    const { host, guest } = layout.guestMemory[0];
    if (made === 0) return { memory: { ...memory, made: 1 }, before: { op: 'vmread', field: RIP } };
    if (made === 1) {
      const address = value + BigInt(host - guest);
      return { memory: { layout, made: 2, rip: value }, before: { op: 'load', address, bytes: 1 } };
    }
    if (made === 2 && (value & 0xffn) === NOP)
      return {
        memory: { ...memory, made: 3 },
        before: { op: 'vmwrite', field: RIP, value: memory.rip + 1n },
      };
    return { memory: { ...memory, made: 0 }, request };
  },
};

/** Breaks resource control: a VMCS that is active lies in guest RAM, in the place of one that was not current either. */
export const swapsVmcs: Mutation<Entries & { readonly main: bigint | undefined }> = {
  name: 'swaps VMCSs',
  says: 'a second VMCS is active from the first VM entry on; before the third it is cleared, and one in guest RAM made active',
  start: (layout) => ({ layout, entries: 0, made: 0, fields: {}, main: undefined }),
  amend: (memory, request, reply) => {
    const { layout, entries, made, main } = memory;
    if (request.op === 'vmptrld' && main === undefined)
      return { memory: { ...memory, main: request.operand }, request };
    if ((request.op !== 'vmlaunch' && request.op !== 'vmresume') || main === undefined)
      return { memory, request };
    const end = layout.monitorMemory.base + layout.monitorMemory.bytes;
    const operand = end - 2n * PAGE;
    const { host, bytes } = layout.guestMemory[layout.guestMemory.length - 1];
    const place = entries === 0 ? end - PAGE : BigInt(host + bytes) - PAGE;
    const revision = reply?.kind === 'done' ? reply.value & 0x7fff_ffffn : 0n;
    const activate: readonly HostRequest[] = [
      { op: 'rdmsr', index: 0x480 },
      { op: 'store', address: place, bytes: 4, value: revision },
      { op: 'store', address: operand, bytes: 8, value: place },
      { op: 'vmclear', operand },
      { op: 'vmptrld', operand },
      { op: 'vmptrld', operand: main },
    ];
    const own =
      entries === 0
        ? activate
        : entries === MOVED_ENTRY
          ? [{ op: 'vmclear', operand } as const, ...activate]
          : [];
    const next = own[made];
    return next === undefined
      ? { memory: { ...memory, entries: entries + 1, made: 0 }, request }
      : { memory: { ...memory, made: made + 1 }, before: next };
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
    movesMsrBitmap: broken(movesMsrBitmap),
    switchesEpt: broken(switchesEpt),
    passesMsr: broken(passesMsr),
    dropsInterrupts: broken(dropsInterrupts),
    doublesInterrupts: broken(doublesInterrupts),
    exposesHostIdt: broken(exposesHostIdt),
    swapsVmcs: broken(swapsVmcs),
    executesNops: broken(executesNops),
  } as const;
};
