import { high32, low32, shiftRight } from '../core';
import type { EngineStop, HostPort } from '../cpu/engine/engine';
import { ERROR_CODE_VECTORS } from '../cpu/event';
import { FLAG, SLOT } from '../cpu/slots';
import { statusFlagsOf } from '../cpu/status-flags';
import type { GeneralRegisters, HostReply, HostRequest } from './host-port';
import { stubOffset, VECTOR_ENTRIES, VECTOR_ENTRY_BYTES } from './host-stub';
import type { AttachedMonitor, MonitorProgress } from './machine-state';
import type { RunningMachine } from './running-machine';
import type { StopReason } from './stop-reason';

const NOTHING = 0n;
const RSP = SLOT.rsp;

/** The general-purpose registers as they were when the monitor was given them, and as it knows them. */
class GivenRegisters {
  private readonly words = new BigUint64Array(16);
  private readonly halves = new Int32Array(this.words.buffer);
  private values: GeneralRegisters = Array.from(this.words);

  /** The registers as a value; those that did not change since the last time are the same objects. */
  take(R: BigUint64Array, W: Int32Array): GeneralRegisters {
    const { halves, words, values } = this;
    let next: bigint[] | undefined;
    for (let i = 0; i < 16; i++) {
      if (halves[2 * i] === W[2 * i] && halves[2 * i + 1] === W[2 * i + 1]) continue;
      next ??= values.slice();
      next[i] = R[i];
      words[i] = R[i];
    }
    this.values = next ?? values;
    return this.values;
  }

  /** Loads all registers but RSP. */
  load(R: BigUint64Array, registers: GeneralRegisters): void {
    if (registers === this.values) {
      const { words } = this;
      for (let i = 0; i < RSP; i++) R[i] = words[i];
      for (let i = RSP + 1; i < 16; i++) R[i] = words[i];
    } else for (let i = 0; i < 16; i++) if (i !== RSP) R[i] = registers[i];
  }
}

/** Frozen only when it is published: not at every VM exit. The state in it is the monitor's. */
const frozen = (progress: MonitorProgress): MonitorProgress => {
  const { request } = progress;
  if ('registers' in request) Object.freeze(request.registers);
  Object.freeze(request);
  return Object.freeze(progress);
};

/** Carries a monitor's requests out, as instructions of the processor where it runs, and tells it what came of them. */
export class MonitorPort implements HostPort {
  low = 0;
  high = 0;
  /** Why the run ends, when `turn` says that the engine stops at the port. */
  stop: StopReason | undefined;
  private attached: AttachedMonitor | undefined;
  // How far the monitor is, and whether that was published; no request before it is started
  private state: unknown;
  private request: HostRequest | undefined;
  private isPublished = true;
  /** Where the instruction of the request under way stands in the page of the port. */
  private stub = 0;
  private readonly given = new GivenRegisters();

  constructor(private readonly machine: RunningMachine) {}

  /** Whether a monitor runs on the processor. */
  get isAttached(): boolean {
    return this.attached !== undefined;
  }

  load(attached: AttachedMonitor | undefined): void {
    this.attached = attached;
    this.state = attached?.progress?.state;
    this.request = attached?.progress?.request;
    this.isPublished = true;
    this.stub = this.request === undefined ? 0 : stubOffset(this.request);
    this.machine.engine.hostPort = attached === undefined ? undefined : this;
    if (attached === undefined) return;
    this.low = low32(attached.layout.portEntry) & -4096;
    this.high = high32(attached.layout.portEntry);
  }

  publish(): AttachedMonitor | undefined {
    const { attached, state, request } = this;
    if (attached === undefined || request === undefined || this.isPublished) return attached;
    this.isPublished = true;
    this.attached = Object.freeze({ ...attached, progress: frozen({ state, request }) });
    return this.attached;
  }

  /** The processor is at the port: the reply goes to the monitor, and its next request is carried out. */
  turn(): EngineStop | undefined {
    const { monitor, layout } = this.attached!;
    const { cpu } = this.machine;
    const { W } = cpu;
    const offset = W[2 * SLOT.rip] & 4095;
    // A repeated instruction that is not finished goes on.
    if (this.request !== undefined && offset === this.stub) return this.machine.engine.runHostInstruction();
    const [state, request] =
      this.request === undefined
        ? monitor.start(layout)
        : monitor.resume(this.state, this.reply(this.request, offset));
    this.state = state;
    this.request = request;
    this.isPublished = false;
    if (request.op === 'halt-machine') {
      this.stop = { kind: 'monitor-stopped', reason: request.reason };
      return 'host-port';
    }
    this.stub = stubOffset(request);
    // The port is one page.
    W[2 * SLOT.rip] = (W[2 * SLOT.rip] & -4096) | this.stub;
    this.loadOperands(request);
    return this.machine.engine.runHostInstruction();
  }

  private loadOperands(request: HostRequest): void {
    const { R } = this.machine.cpu;
    switch (request.op) {
      case 'load':
        R[SLOT.rdx] = request.address;
        return;
      case 'store':
        R[SLOT.rdx] = request.address;
        R[SLOT.rax] = request.value;
        return;
      case 'fill':
        R[SLOT.rdi] = request.address;
        R[SLOT.rcx] = request.count;
        R[SLOT.rax] = request.value;
        return;
      case 'in':
        R[SLOT.rdx] = BigInt(request.port);
        R[SLOT.rax] = NOTHING;
        return;
      case 'out':
        R[SLOT.rdx] = BigInt(request.port);
        R[SLOT.rax] = BigInt(request.value >>> 0);
        return;
      case 'cpuid':
        R[SLOT.rax] = BigInt(request.leaf >>> 0);
        R[SLOT.rcx] = BigInt(request.subleaf >>> 0);
        return;
      case 'rdmsr':
        R[SLOT.rcx] = BigInt(request.index >>> 0);
        return;
      case 'wrmsr':
      case 'xsetbv':
        R[SLOT.rcx] = BigInt(request.index >>> 0);
        R[SLOT.rax] = request.value & 0xffff_ffffn;
        R[SLOT.rdx] = shiftRight(request.value, 32n);
        return;
      case 'mov-to-cr':
      case 'mov-to-dr':
        R[SLOT.rax] = request.value;
        return;
      case 'vmxon':
      case 'vmclear':
      case 'vmptrld':
      case 'vmptrst':
        R[SLOT.rdx] = request.operand;
        return;
      case 'vmread':
        R[SLOT.rdx] = BigInt(request.field);
        return;
      case 'vmwrite':
        R[SLOT.rdx] = BigInt(request.field);
        R[SLOT.rax] = request.value;
        return;
      case 'invept':
      case 'invvpid':
        R[SLOT.rax] = BigInt(request.type);
        R[SLOT.rdx] = request.operand;
        return;
      case 'vmlaunch':
      case 'vmresume':
      case 'vmcall':
        this.given.load(R, request.registers);
        return;
      default:
        return;
    }
  }

  private reply(request: HostRequest, offset: number): HostReply {
    const { R, W } = this.machine.cpu;
    if (offset === 0) return { kind: 'vm-exit', registers: this.given.take(R, W) };
    if (offset >= VECTOR_ENTRIES) return this.exception((offset - VECTOR_ENTRIES) / VECTOR_ENTRY_BYTES);
    const flags = statusFlagsOf(W);
    const cf = (flags & FLAG.cf) !== 0;
    const zf = (flags & FLAG.zf) !== 0;
    const value = result(request, R);
    if (request.op !== 'cpuid') return { kind: 'done', value, cf, zf };
    const word = (slot: number): number => W[2 * slot] >>> 0;
    const cpuid = [word(SLOT.rax), word(SLOT.rbx), word(SLOT.rcx), word(SLOT.rdx)] as const;
    return { kind: 'done', value, cf, zf, cpuid };
  }

  /** Takes the frame that the delivery pushed off the stack again. */
  private exception(vector: number): HostReply {
    const { cpu } = this.machine;
    const { mmu } = cpu;
    let frame = cpu.R[SLOT.rsp];
    let errorCode: bigint | undefined;
    if (ERROR_CODE_VECTORS.has(vector)) {
      errorCode = mmu.read(frame, 8, { implicit: true });
      frame += 8n;
    }
    cpu.rflags = mmu.read(frame + 16n, 8, { implicit: true });
    cpu.R[SLOT.rsp] = mmu.read(frame + 24n, 8, { implicit: true });
    return { kind: 'exception', vector, errorCode };
  }
}

/** What the instruction wrote of RAX, or EDX:EAX. */
const result = (request: HostRequest, R: BigUint64Array): bigint => {
  switch (request.op) {
    case 'rdmsr':
    case 'rdtsc':
      return (R[SLOT.rdx] << 32n) | BigInt.asUintN(32, R[SLOT.rax]);
    case 'load':
    case 'in':
      return BigInt.asUintN(8 * request.bytes, R[SLOT.rax]);
    default:
      return R[SLOT.rax];
  }
};
