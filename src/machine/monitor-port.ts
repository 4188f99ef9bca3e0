import { shiftRight } from '../core';
import { ERROR_CODE_VECTORS } from '../cpu/event';
import { FLAG, SLOT } from '../cpu/slots';
import type { HostReply, HostRequest } from './host-port';
import { stubOffset, VECTOR_ENTRIES, VECTOR_ENTRY_BYTES } from './host-stub';
import type { AttachedMonitor, MonitorProgress } from './machine-state';
import type { RunningMachine, StopReason } from './running-machine';

const NOTHING = 0n;
const EDX_EAX = new Set(['rdmsr', 'rdtsc']);

/** Carries a monitor's requests out, as instructions of the processor where it runs, and tells it what came of them. */
export class MonitorPort {
  private attached: AttachedMonitor | undefined;
  private progress: MonitorProgress | undefined;

  constructor(private readonly machine: RunningMachine) {}

  load(attached: AttachedMonitor | undefined): void {
    this.attached = attached;
    this.progress = attached?.progress;
    this.machine.engine.portPage = attached === undefined ? -1n : attached.layout.portEntry >> 12n;
  }

  publish(): AttachedMonitor | undefined {
    if (this.attached === undefined || this.attached.progress === this.progress) return this.attached;
    this.attached = Object.freeze({ ...this.attached, progress: this.progress });
    return this.attached;
  }

  /** The processor is at the port: the reply goes to the monitor, and its next request is carried out. */
  turn(): StopReason | undefined {
    const { monitor, layout } = this.attached!;
    const { progress } = this;
    const offset = this.machine.cpu.W[2 * SLOT.rip] & 4095;
    // A repeated instruction that is not finished goes on.
    if (progress !== undefined && offset === stubOffset(progress.request)) return this.execute();
    const [state, request] =
      progress === undefined
        ? monitor.start(layout)
        : monitor.resume(progress.state, this.reply(progress.request, offset));
    this.progress = { state, request };
    if (request.op === 'halt-machine') return { kind: 'monitor-stopped', reason: request.reason };
    const { cpu } = this.machine;
    cpu.rip = layout.portEntry + BigInt(stubOffset(request));
    this.loadOperands(request);
    return this.execute();
  }

  private execute(): StopReason | undefined {
    const stop = this.machine.engine.runHostInstruction();
    return stop === 'triple-fault' || stop === 'delivery-loop' ? { kind: stop } : undefined;
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
        for (let i = 0; i < 16; i++) if (i !== SLOT.rsp) R[i] = request.registers[i];
        return;
      default:
        return;
    }
  }

  private reply(request: HostRequest, offset: number): HostReply {
    if (offset === 0) return { kind: 'vm-exit', registers: this.registers() };
    if (offset >= VECTOR_ENTRIES) return this.exception((offset - VECTOR_ENTRIES) / VECTOR_ENTRY_BYTES);
    const { cpu } = this.machine;
    const { R, W } = cpu;
    const flags = Number(cpu.rflags & 0x41n);
    const low = R[SLOT.rax];
    const value = EDX_EAX.has(request.op) ? (R[SLOT.rdx] << 32n) | (low & 0xffff_ffffn) : low;
    const done = {
      kind: 'done',
      value: narrowed(request, value),
      cf: (flags & FLAG.cf) !== 0,
      zf: (flags & FLAG.zf) !== 0,
    } as const;
    if (request.op !== 'cpuid') return done;
    const word = (slot: number): number => W[2 * slot] >>> 0;
    return { ...done, cpuid: [word(SLOT.rax), word(SLOT.rbx), word(SLOT.rcx), word(SLOT.rdx)] };
  }

  private registers(): readonly bigint[] {
    const { R } = this.machine.cpu;
    const registers = new Array<bigint>(16);
    for (let i = 0; i < 16; i++) registers[i] = R[i];
    return registers;
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

/** The part of RAX that the instruction wrote. */
const narrowed = (request: HostRequest, value: bigint): bigint =>
  request.op === 'load' || request.op === 'in' ? BigInt.asUintN(8 * request.bytes, value) : value;
