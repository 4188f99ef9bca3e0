// A host for the monitor to run on: it carries out requests on plain tables, and the guest is a list of exits.
import type {
  GeneralRegisters,
  HostLayout,
  HostReply,
  HostRequest,
  Monitor,
} from '../../src/machine/host-port';
import { CAPABILITY_MSRS, capabilityMsr, SKYLAKE_CAPABILITIES } from '../../src/vmx';
import { checkVmEntry } from '../../src/vmx/entry/check-vm-entry';
import { EXIT_REASONS, type ExitReason } from '../../src/vmx/exit/exit-reasons';
import { fieldOfEncoding, VmcsData, type VmcsField, type VmcsValues } from '../../src/vmx/vmcs';

const UNRESTRICTED_GUEST = 1n << 39n;
export const CAPABILITIES = {
  ...SKYLAKE_CAPABILITIES,
  ia32VmxProcbasedCtls2: SKYLAKE_CAPABILITIES.ia32VmxProcbasedCtls2! | UNRESTRICTED_GUEST,
};

const FLAT = { selector: 0x10, base: 0n, limit: 0xffffffff, accessRights: 0xc093 };
const NONE = { selector: 0, base: 0n, limit: 0, accessRights: 0x10000 };
export const GUEST_BYTES = 0x40_0000;
export const GUEST_BASE = 0x800_0000;
export const MONITOR_BASE = 0x10_0000n;

/** A guest in protected mode without paging: 4 MiB of RAM at 128 MiB of the host. */
export const LAYOUT: HostLayout = {
  portEntry: 0x8000n,
  stackTop: 0x9000n,
  cr3: 0x1000n,
  codeSelector: 0x8,
  dataSelector: 0x10,
  taskSelector: 0x18,
  taskBase: 0x3000n,
  gdtBase: 0x2000n,
  idtBase: 0x4000n,
  monitorMemory: { base: MONITOR_BASE, bytes: 0x10_0000n },
  guestMemory: [{ guest: 0, host: GUEST_BASE, bytes: GUEST_BYTES }],
  deviceMemory: [],
  guest: {
    rip: 0x10_0000n,
    rflags: 2n,
    registers: Array.from({ length: 16 }, (_, number) => (number === 4 ? 0x7000n : 0n)),
    cr0: 0x11n,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: 0xffff },
    segments: [
      FLAT,
      { ...FLAT, selector: 8, accessRights: 0xc09b },
      FLAT,
      FLAT,
      FLAT,
      FLAT,
      NONE,
      { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x8b },
    ],
  },
};

/** One exit of the guest: the registers and fields that it leaves; others stay as they were. */
export interface ScriptedExit {
  readonly reason: ExitReason;
  readonly fields?: Partial<VmcsValues>;
  readonly registers?: Readonly<Record<number, bigint>>;
}

/** What a VM entry found. */
export interface Entry {
  readonly op: 'vmlaunch' | 'vmresume';
  readonly registers: GeneralRegisters;
  readonly fields: VmcsData;
  /** Requests since the last entry. */
  readonly requests: readonly HostRequest[];
}

const done = (value = 0n, flags: { readonly cf?: boolean; readonly zf?: boolean } = {}): HostReply => ({
  kind: 'done',
  value,
  cf: flags.cf ?? false,
  zf: flags.zf ?? false,
});
const GENERAL_PROTECTION: HostReply = { kind: 'exception', vector: 13, errorCode: 0n };

export class ScriptedHost {
  readonly vmcs = new VmcsData();
  readonly bytes = new Map<number, number>();
  readonly msrs = new Map<number, bigint>([
    [0x10, 1000n],
    [0x1b, 0xfee0_0900n],
    [0x3b, 0n],
    [0x277, 0x0007_0406_0007_0406n],
    [0xc0000080, 0x500n],
  ]);
  readonly controls = new Map<number, bigint>([
    [0, 0x8000_0011n],
    [2, 0n],
    [3, 0x1000n],
    [4, 0x20n],
  ]);
  readonly debug = new Map<number, bigint>([[6, 0xffff_0ff0n]]);
  /** What IN gives, by port. */
  readonly ports = new Map<number, bigint>();
  private registers: GeneralRegisters;

  constructor(readonly layout: HostLayout = LAYOUT) {
    this.registers = layout.guest.registers;
    for (const index of Object.values(CAPABILITY_MSRS)) {
      const value = capabilityMsr(CAPABILITIES, index);
      if (value !== undefined) this.msrs.set(index, value);
    }
  }

  load(address: number, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes.get(address + i) ?? 0);
    return value;
  }

  store(address: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) this.bytes.set(address + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }

  /** Puts bytes into the guest's RAM. */
  putGuest(address: number, ...bytes: readonly number[]): void {
    for (const [i, byte] of bytes.entries()) this.bytes.set(GUEST_BASE + address + i, byte);
  }

  perform(request: HostRequest): HostReply {
    switch (request.op) {
      case 'load':
        return done(this.load(Number(request.address), request.bytes));
      case 'store':
        this.store(Number(request.address), request.bytes, request.value);
        return done();
      case 'fill':
        for (let i = 0n; i < request.count; i++)
          this.store(Number(request.address + 8n * i), 8, request.value);
        return done();
      case 'in':
        return done(this.ports.get(request.port) ?? (1n << BigInt(8 * request.bytes)) - 1n);
      case 'cpuid':
        return {
          ...done(),
          cpuid: request.leaf === 0x80000008 ? [0x3027, 0, 0, 0] : [request.leaf, 2, -1, 4],
        } as HostReply;
      case 'rdmsr': {
        const value = this.msrs.get(request.index);
        return value === undefined ? GENERAL_PROTECTION : done(value);
      }
      case 'wrmsr':
        if (!this.msrs.has(request.index)) return GENERAL_PROTECTION;
        this.msrs.set(request.index, request.value);
        return done();
      case 'mov-from-cr':
        return done(this.controls.get(request.control));
      case 'mov-to-cr':
        this.controls.set(request.control, request.value);
        return done();
      case 'mov-from-dr':
        return done(this.debug.get(request.debug) ?? 0n);
      case 'mov-to-dr':
        this.debug.set(request.debug, request.value);
        return done();
      case 'vmread': {
        const found = fieldOfEncoding(request.field);
        return found === undefined ? done(0n, { zf: true }) : done(this.vmcs.get(found.field));
      }
      case 'vmwrite': {
        const found = fieldOfEncoding(request.field);
        if (found === undefined) return done(0n, { zf: true });
        this.vmcs.set(found.field, request.value);
        return done();
      }
      default:
        return done();
    }
  }

  /** The guest runs until it exits as scripted. */
  exits({ reason, fields = {}, registers = {} }: ScriptedExit, entered: GeneralRegisters): HostReply {
    this.vmcs.set('exitReason', BigInt(EXIT_REASONS[reason].number));
    this.vmcs.set('vmEntryInterruptionInfo', this.vmcs.get('vmEntryInterruptionInfo') & 0x7fff_ffffn);
    for (const [field, value] of Object.entries(fields)) this.vmcs.set(field as VmcsField, value);
    this.registers = entered.map((value, number) => registers[number] ?? value);
    return { kind: 'vm-exit', registers: this.registers };
  }
}

/** The rules that a VM entry with this VMCS breaks. */
export const brokenRules = (entry: Entry): readonly string[] => {
  entry.fields.launched = entry.op === 'vmresume';
  return checkVmEntry(
    { vmcs: entry.fields, state: { instruction: entry.op, currentVmcs: 0x10_1000 } },
    { capabilities: CAPABILITIES, physicalAddressWidth: 39 },
  ).violations.map((rule) => rule.id);
};

export interface Outcome<S> {
  readonly entries: readonly Entry[];
  /** Reason of `halt-machine`, when the monitor ended the guest. */
  readonly halted: string | undefined;
  readonly state: S;
}

/** What may happen to the state between two host instructions; it must make no difference. */
export type Interference = <S>(state: S) => S;

/** Runs a monitor and its scripted guest until the script is over or the monitor ends the guest. */
export const play = <S>(
  monitor: Monitor<S>,
  script: readonly ScriptedExit[],
  host = new ScriptedHost(),
  interfere: Interference = (state) => state,
): Outcome<S> => {
  const entries: Entry[] = [];
  let requests: HostRequest[] = [];
  let [state, request] = monitor.start(host.layout);
  for (;;) {
    if (request.op === 'halt-machine') return { entries, halted: request.reason, state };
    let reply: HostReply;
    if (request.op === 'vmlaunch' || request.op === 'vmresume') {
      entries.push({
        op: request.op,
        registers: request.registers,
        fields: new VmcsData(host.vmcs),
        requests,
      });
      requests = [];
      const next = script[entries.length - 1];
      if (next === undefined) return { entries, halted: undefined, state };
      reply = host.exits(next, request.registers);
    } else {
      requests.push(request);
      reply = host.perform(request);
    }
    [state, request] = monitor.resume(interfere(state), reply);
  }
};
