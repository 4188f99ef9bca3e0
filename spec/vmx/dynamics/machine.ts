import { EMPTY_MEMORY, MemoryDraft } from '../../../src/core';
import type { Bus } from '../../../src/cpu/bus';
import { decode } from '../../../src/cpu/decode';
import type { InterruptionEvent } from '../../../src/cpu/event';
import { boundaryEvent, deliver } from '../../../src/cpu/events';
import { EXTENDED_ROWS } from '../../../src/cpu/instructions/extended';
import { SYSTEM_ROWS } from '../../../src/cpu/instructions/system';
import type { Mmu } from '../../../src/cpu/mmu';
import { type FeatureEdits, processor, resetProcessor } from '../../../src/cpu/presets';
import { LEFT, ProcessorDraft } from '../../../src/cpu/processor-draft';
import { CR0, CR4, EFER, SLOT } from '../../../src/cpu/slots';
import { TableReader } from '../../../src/ept';
import {
  CONTROLS,
  type Control,
  REGION,
  SKYLAKE_CAPABILITIES,
  VMCS_FIELDS,
  VMX_ROWS,
  type VmcsField,
  type VmExit,
  Vmx,
  type VmxCapabilities,
  type VmxOptions,
} from '../../../src/vmx';
import { AT, CODE, GUEST } from './guest';

export { AT, CODE } from './guest';

const REVISION = 4n;

/** Memory without paging of its own; in non-root operation every access goes through `translateGuestPhysical`. */
export class FlatMemory implements Mmu {
  a20m = false;
  // One element at a time.
  fill = (): number => 0;
  copy = (): number => 0;

  cpu!: ProcessorDraft;
  flushes = 0;
  contextChanges = 0;
  /** Pages whose linear accesses are page faults. */
  readonly absent = new Set<number>();

  constructor(readonly draft: MemoryDraft) {}

  private physical(linear: bigint, write: boolean, fetch: boolean): number {
    const { cpu } = this;
    if (this.absent.has(Number(linear >> 12n))) cpu.raise(14, write ? 2 : 0, linear);
    const address = Number(linear);
    if (!cpu.nonRoot) return address;
    const access = {
      read: !write && !fetch,
      write,
      fetch,
      linear,
      pagingStructure: false,
      linearRights: 7,
      update: false,
    };
    return cpu.virtualization!.translateGuestPhysical(cpu, address, access);
  }
  read(linear: bigint, bytes: number): bigint {
    return this.readPhysical(this.physical(linear, false, false), bytes);
  }
  write(linear: bigint, bytes: number, value: bigint): void {
    this.writePhysical(this.physical(linear, true, false), bytes, value);
  }
  probeWrite(linear: bigint): void {
    this.physical(linear, true, false);
  }
  monitor = (linear: bigint): number => Number(linear);
  fetch(linear: bigint) {
    const at = this.physical(linear, false, true);
    return { bytes: this.draft.page(Math.floor(at / 4096)).bytes, offset: at & 4095 };
  }
  readPhysical(address: number, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--)
      value =
        (value << 8n) | BigInt(this.draft.page(Math.floor((address + i) / 4096)).bytes[(address + i) & 4095]);
    return value;
  }
  writePhysical(address: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++)
      this.draft.ownedPage(Math.floor((address + i) / 4096)).bytes[(address + i) & 4095] = Number(
        (value >> BigInt(8 * i)) & 0xffn,
      );
  }
  setEntryFlags(address: number, flags: number): void {
    this.writePhysical(address, 4, this.readPhysical(address, 4) | BigInt(flags));
  }
  readPdpte(address: number): bigint {
    const { cpu } = this;
    const access = {
      read: true,
      write: false,
      fetch: false,
      linear: undefined,
      pagingStructure: false,
      linearRights: 7,
      update: false,
    };
    const at = cpu.nonRoot ? cpu.virtualization!.translateGuestPhysical(cpu, address, access) : address;
    return this.readPhysical(at, 8);
  }
  flush(): void {
    this.flushes++;
  }
  invalidate(): void {
    this.flush();
  }
  forget(): void {}
  contextChanged(): void {
    this.contextChanges++;
  }
}

export class QuietBus implements Bus {
  assertsA20m = false;
  pending = -1;
  readonly acknowledged: number[] = [];
  isRam = () => true;
  isMemory = () => true;
  readMmio = () => 0;
  writeMmio = () => {};
  in = () => 0;
  out = () => {};
  pendingInterrupt = () => this.pending;
  acknowledgeInterrupt(): number {
    const vector = this.pending;
    this.acknowledged.push(vector);
    this.pending = -1;
    return vector;
  }
  readTaskPriority = () => 0;
  writeTaskPriority = () => {};
  writeBackCaches = () => {};
  initialize = () => {};
  apicBaseWritten = () => true;
  readApic = () => undefined;
  writeApic = () => false;
  readTscDeadline = () => 0n;
  writeTscDeadline = () => {};
}

const ROWS = new Map([...SYSTEM_ROWS, ...EXTENDED_ROWS, ...VMX_ROWS].map((row) => [row.mnemonic, row]));

/** How an instruction ended: retired when both are undefined. */
export interface Ended {
  readonly interruption: InterruptionEvent | undefined;
  readonly exit: VmExit | undefined;
}

export class VmxMachine {
  readonly memory: FlatMemory;
  readonly bus = new QuietBus();
  readonly cpu: ProcessorDraft;
  readonly vmx: Vmx;
  now = 0;

  constructor(
    capabilities: VmxCapabilities = SKYLAKE_CAPABILITIES,
    options: Partial<VmxOptions> = {},
    draft = new MemoryDraft(EMPTY_MEMORY),
    edits: FeatureEdits = [],
    memory = new FlatMemory(draft),
  ) {
    this.memory = memory;
    const preset = processor('skylake', edits);
    this.cpu = new ProcessorDraft(
      this.bus,
      this.memory,
      preset.cpuid,
      { now: () => this.now },
      (_, __, preferred) => preferred,
    );
    this.memory.cpu = this.cpu;
    resetProcessor(this.cpu);
    this.vmx = new Vmx({
      capabilities,
      physicalAddressWidth: 39,
      linearAddressWidth: 48,
      tables: new TableReader((frame) => draft.page(frame)),
      ...options,
    });
    this.cpu.virtualization = this.vmx;
    this.host();
    for (const region of [AT.vmxon, AT.vmcs, AT.otherVmcs]) this.memory.writePhysical(region, 4, REVISION);
  }

  /** 64-bit mode at CPL 0 with VMX allowed and enabled. */
  host(): void {
    const { R, W } = this.cpu;
    R[SLOT.cr0] = BigInt((CR0.pe | CR0.et | CR0.ne | CR0.pg) >>> 0);
    R[SLOT.cr4] = BigInt(CR4.pae | CR4.vmxe);
    R[SLOT.efer] = BigInt(EFER.lme | EFER.lma);
    R[SLOT.featureControl] = 5n;
    R[SLOT.rsp] = BigInt(AT.hostStack);
    this.cpu.rip = BigInt(AT.hostCode);
    W[2 * SLOT.cs] = 8;
    W[2 * SLOT.cs + 1] = 0xa09b;
    for (const segment of [SLOT.ss, SLOT.ds, SLOT.es]) {
      W[2 * segment] = 16;
      W[2 * segment + 1] = 0xc093;
    }
    for (let n = 0; n < 6; n++) {
      R[SLOT.esBase + n] = 0n;
      R[SLOT.esLimit + n] = 0xffff_ffffn;
    }
  }

  /** Decodes and executes one instruction at RIP; exits are carried out, exceptions are left to the caller. */
  execute(...bytes: number[]): Ended {
    const { cpu } = this;
    const decoded = decode(Uint8Array.from([...bytes, ...Array(16 - bytes.length).fill(0)]), cpu.codeSize);
    if (decoded.kind !== 'instruction') throw new Error(decoded.kind);
    const { instruction } = decoded;
    cpu.interruption = undefined;
    cpu.exit = undefined;
    cpu.nextRip = cpu.rip + BigInt(instruction.length);
    this.now++;
    try {
      ROWS.get(instruction.mnemonic)!.execute(cpu, instruction);
    } catch (left) {
      if (left !== LEFT) throw left;
      return this.left();
    }
    // A row may also return with an exit.
    if (cpu.exit !== undefined) return this.left();
    cpu.rip = cpu.nextRip;
    return { interruption: undefined, exit: undefined };
  }

  private left(): Ended {
    const { cpu } = this;
    const exit = cpu.exit as VmExit | undefined;
    const interruption = cpu.interruption;
    if (exit !== undefined) cpu.virtualization!.performExit(cpu, exit, undefined);
    return { interruption, exit };
  }

  /** What happens before the next instruction; an event is delivered. */
  boundary(): Ended {
    try {
      const event = boundaryEvent(this.cpu);
      if (event !== undefined) deliver(this.cpu, event);
      return { interruption: event, exit: undefined };
    } catch (left) {
      if (left !== LEFT) throw left;
      return this.left();
    }
  }

  /** Runs an instruction whose memory operand is [RAX], at the operand area with a 64-bit value in it. */
  withPointer(pointer: bigint | number, ...bytes: number[]): Ended {
    this.memory.writePhysical(AT.operand, 8, BigInt.asUintN(64, BigInt(pointer)));
    this.cpu.R[SLOT.rax] = BigInt(AT.operand);
    return this.execute(...bytes);
  }

  get flags(): 'succeed' | 'invalid' | 'valid' | 'other' {
    const status = Number(this.cpu.rflags & 0x8d5n);
    return status === 0 ? 'succeed' : status === 1 ? 'invalid' : status === 0x40 ? 'valid' : 'other';
  }
  get error(): number {
    return Number(this.field('vmInstructionError'));
  }
  field(name: VmcsField): bigint {
    return this.vmx.current!.data.get(name);
  }
  set(values: Partial<Record<VmcsField, bigint | number>>): this {
    for (const [name, value] of Object.entries(values)) this.vmwrite(name as VmcsField, BigInt(value));
    return this;
  }
  /** Through the instruction, so that what it does is what everything else rests on. */
  vmwrite(name: VmcsField, value: bigint): void {
    this.cpu.R[SLOT.rax] = BigInt(VMCS_FIELDS[name].encoding);
    this.cpu.R[SLOT.rbx] = value;
    this.execute(...CODE.vmwrite);
    if (this.flags !== 'succeed') throw new Error(`VMWRITE of ${name}: ${this.flags}`);
  }
  control(...controls: Control[]): this {
    for (const control of controls) {
      const { field, bit } = CONTROLS[control];
      this.vmwrite(field, this.field(field) | (1n << BigInt(bit)));
    }
    return this;
  }

  on(): this {
    this.withPointer(AT.vmxon, ...CODE.vmxon);
    return this;
  }
  /** VMXON, VMCLEAR, VMPTRLD and the fields of a 64-bit guest that enters. */
  ready(values: Partial<Record<VmcsField, bigint | number>> = {}): this {
    this.on();
    this.withPointer(AT.vmcs, ...CODE.vmclear);
    this.withPointer(AT.vmcs, ...CODE.vmptrld);
    this.set({ ...GUEST, ...values });
    this.cpu.rip = BigInt(AT.hostCode);
    return this;
  }
  launch(): Ended {
    return this.execute(...CODE.vmlaunch);
  }
  resume(): Ended {
    return this.execute(...CODE.vmresume);
  }
  abortIndicator(): number {
    return Number(this.memory.readPhysical(AT.vmcs + REGION.abortIndicator, 4));
  }
  /** A 64-bit interrupt gate of the guest. */
  gate(vector: number, offset: number, rights = 0x8e): void {
    const low =
      BigInt(offset & 0xffff) | (8n << 16n) | (BigInt(rights) << 40n) | (BigInt(offset >>> 16) << 48n);
    this.memory.writePhysical(AT.guestIdt + 16 * vector, 8, low);
  }
}

/** A machine whose guest runs; its GDT holds 64-bit code at 8 and data at 16. */
export const inGuest = (
  controls: readonly Control[] = [],
  values: Partial<Record<VmcsField, bigint | number>> = {},
  machine: VmxMachine = new VmxMachine(),
): VmxMachine => {
  machine.memory.writePhysical(AT.guestGdt + 8, 8, 0x00af_9b00_0000_ffffn);
  machine.memory.writePhysical(AT.guestGdt + 16, 8, 0x00cf_9300_0000_ffffn);
  machine.ready(values).control(...controls);
  const ended = machine.launch();
  if (ended.interruption !== undefined || machine.flags !== 'succeed')
    throw new Error(`VMLAUNCH: ${machine.flags} ${machine.error}`);
  return machine;
};
