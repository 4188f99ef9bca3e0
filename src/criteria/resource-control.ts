import { differingFrames, hex, type MemoryRoot } from '../core';
import { msrName } from '../cpu/msrs';
import { ia32ePaging } from '../cpu/paging-format';
import { eptPagingOf, eptRoot } from '../ept';
import type { StopReason } from '../machine/stop-reason';
import { type VmExit, Vmx } from '../vmx';
import { type EptReach, eptReach } from './ept-reach';
import type { GuestInstruction } from './guest-instruction';
import { isHostMsr } from './guest-msrs';
import { hostStructures } from './host-structures';
import type { MonitoredRunListener } from './monitored-progress';
import type { MonitoredRun } from './monitored-run';
import { type ProcessorStructure, processorStructures, StructureSignature } from './processor-structures';

const HOST_LA57 = 0x1000n;

/** What broke resource control. */
export type ResourceViolationKind =
  /** Guest execution read or wrote a host frame that is not its own. */
  | 'foreign-frame'
  /** EPT maps a frame that is not the guest's, touched or not. */
  | 'foreign-mapping'
  /** A structure of the processor or of the host lies in the guest's memory. */
  | 'exposed-structure'
  /** Guest execution reached a device without the monitor. */
  | 'device'
  /** Guest execution read or wrote a register of the host without the monitor. */
  | 'register'
  /** Nothing brings the processor back from a guest that does not exit, or not soon enough. */
  | 'no-return'
  /** The guest stopped the machine. */
  | 'lost-control';

export interface ResourceViolation {
  readonly kind: ResourceViolationKind;
  readonly says: string;
  /** The guest instruction before or at which it was seen. */
  readonly instruction?: GuestInstruction;
  /** How often. */
  readonly count: number;
}

export interface ResourceControlResult {
  readonly holds: boolean;
  readonly violations: readonly ResourceViolation[];
  /** Frames of guest memory that guest execution touched. */
  readonly framesTouched: number;
  /** Frames that the processor uses for itself, by structure. */
  readonly structures: Readonly<Record<string, number>>;
  /** Most guest instructions between a VM entry and the VM exit that followed. */
  readonly longestStay: number;
  /** Most clocks that the preemption timer left a guest at a VM entry; Infinity when it was off. */
  readonly longestLease: number;
}

const MOST_VIOLATIONS = 64;
/** Violations at which RIP is exact; a data access may come from the middle of a block. */
const AT_INSTRUCTION: ReadonlySet<ResourceViolationKind> = new Set(['device', 'register', 'lost-control']);

/** Watches a monitored run for guest execution that reaches what is not the guest's, or keeps the processor. */
export class ResourceControl implements MonitoredRunListener {
  private readonly violations = new Map<string, { violation: ResourceViolation; count: number }>();
  private readonly frames = new Set<number>();
  private structures: Record<string, number> = {};
  private longestStay = 0;
  private longestLease = 0;
  private readonly signature = new StructureSignature();
  private reach: EptReach | undefined;
  private hostTables: ReadonlySet<number> = new Set();
  private root: MemoryRoot | undefined;

  /** `longestLease`: guest clocks after which the monitor must have the processor again, at most. */
  constructor(private readonly mostLease: number) {}

  // ---- while the guest runs

  touched(run: MonitoredRun, frame: number, use: string, write: boolean): void {
    if (this.frames.has(frame)) return;
    if (run.memory.guestFrame(frame) >= 0) this.frames.add(frame);
    else
      this.violate(
        run,
        'foreign-frame',
        `${write ? 'write to' : 'read of'} host frame ${hex(frame * 4096)} (${use})`,
      );
  }

  reached(run: MonitoredRun, access: string): void {
    this.violate(run, 'device', `${access} in non-root operation`);
  }

  reachedMsr(run: MonitoredRun, index: number, access: 'read' | 'write'): void {
    const { cpu } = run.machine;
    const vmx = cpu.virtualization;
    const read = (address: number): bigint => cpu.mmu.readPhysical(address, 8);
    if (vmx instanceof Vmx && isHostMsr(vmx, read, index, access))
      this.violate(run, 'register', `${access} of the host's ${msrName(index)} in non-root operation`);
  }

  stopped(run: MonitoredRun, stop: StopReason): void {
    const why = {
      'delivery-loop': 'an endless chain of deliveries in non-root operation keeps the processor',
      stuck: 'the guest waits in non-root operation and nothing brings the monitor back',
      'triple-fault': 'the guest shut the processor down',
    } as const;
    if (stop.kind in why) this.violate(run, 'lost-control', why[stop.kind as keyof typeof why]);
  }

  entered(run: MonitoredRun): void {
    const { cpu } = run.machine;
    const lease = (cpu.virtualization?.nextDeadline(cpu) ?? Number.POSITIVE_INFINITY) - cpu.clock.now();
    if (lease > this.longestLease) this.longestLease = lease;
    if (lease > this.mostLease)
      this.violate(
        run,
        'no-return',
        lease === Number.POSITIVE_INFINITY
          ? 'VM entry without the VMX-preemption timer'
          : `the VMX-preemption timer leaves the guest ${lease} clocks`,
      );
    const vmx = cpu.virtualization;
    if (vmx instanceof Vmx && this.signature.changed(vmx)) this.examine(run);
    else this.examineChanges(run);
  }

  left(run: MonitoredRun, _exit: VmExit): void {
    if (run.stay > this.longestStay) this.longestStay = run.stay;
  }

  // ---- between slices of the run

  /** Looks at EPT and the other structures again if the monitor changed them. */
  examineChanges(run: MonitoredRun): void {
    const { reach, root } = this;
    const now = run.machine.publishMemory();
    const changed =
      reach === undefined ||
      root === undefined ||
      differingFrames(root, now).some((frame) => reach.tables.has(frame) || this.hostTables.has(frame));
    this.root = now;
    if (changed) this.examine(run);
  }

  private examine(run: MonitoredRun): void {
    const vmx = run.machine.cpu.virtualization;
    if (!(vmx instanceof Vmx) || vmx.current === undefined) return;
    const { data } = vmx.current;
    this.root = run.machine.publishMemory();
    this.structures = {};
    for (const structure of processorStructures(vmx)) this.own(run, structure);
    const { memory } = run.machine.memory;
    const levels = (data.get('hostCr4') & HOST_LA57) === 0n ? 4 : 5;
    const host = hostStructures(memory, ia32ePaging(vmx.physicalAddressWidth, true, levels), data);
    this.hostTables = host.tables;
    for (const structure of host.structures) this.keep(run, structure);
    if (!vmx.eptEnabled) {
      this.violate(run, 'foreign-mapping', "the guest runs without EPT: its addresses are the host's");
      return;
    }
    const eptp = data.get('eptPointer');
    const reach = eptReach(memory, eptPagingOf(vmx.ept, eptp, vmx.eptWalk.modeBased), eptRoot(eptp));
    this.reach = reach;
    for (const table of reach.tables) this.own(run, { name: 'EPT', address: table * 4096, bytes: 4096 });
    for (const { gpa, frame, count } of reach.leaves)
      if (!run.memory.holds(frame, count))
        this.violate(
          run,
          'foreign-mapping',
          `EPT maps guest-physical ${hex(gpa)} to ${count} host frame${count === 1 ? '' : 's'} from ${hex(frame * 4096)} on`,
        );
  }

  private own(run: MonitoredRun, structure: ProcessorStructure): void {
    const { name } = structure;
    this.structures[name] = (this.structures[name] ?? 0) + this.keep(run, structure);
  }

  /** Frames of a structure, none of which may be the guest's. */
  private keep(run: MonitoredRun, { name, address, bytes }: ProcessorStructure): number {
    const first = Math.floor(address / 4096);
    const count = Math.ceil((address + bytes) / 4096) - first;
    if (run.memory.touches(first, count))
      this.violate(run, 'exposed-structure', `${name} at ${hex(address)} lies in the guest's memory`);
    return count;
  }

  private violate(run: MonitoredRun, kind: ResourceViolationKind, says: string): void {
    const key = `${kind} ${says}`;
    const known = this.violations.get(key);
    if (known !== undefined) known.count++;
    else if (this.violations.size < MOST_VIOLATIONS) {
      const instruction = AT_INSTRUCTION.has(kind) ? run.code.describe(run.machine.cpu.rip) : undefined;
      const violation = { kind, says, count: 1, ...(instruction === undefined ? {} : { instruction }) };
      this.violations.set(key, { violation, count: 1 });
    }
  }

  get result(): ResourceControlResult {
    const violations = [...this.violations.values()].map(({ violation, count }) => ({ ...violation, count }));
    return {
      holds: violations.length === 0,
      violations,
      framesTouched: this.frames.size,
      structures: { ...this.structures },
      longestStay: this.longestStay,
      longestLease: this.longestLease,
    };
  }
}
