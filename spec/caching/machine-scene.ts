import { createMachine, type MachineConfig, type MachineState, processor, step } from '../../src/api';
import type { StaleTranslation } from '../../src/api/caches';
import {
  revisionIdentifier,
  VmcsData,
  type VmcsField,
  type VmxState,
  vmxCapabilities,
} from '../../src/api/vmx';
import {
  type Choice,
  choiceAt,
  high32,
  type MemoryRoot,
  PAGE_BYTES,
  seededWord,
  shiftRight,
} from '../../src/core';
import { memoryDifference } from '../../src/machine';
import {
  EFER,
  EFER_LMA,
  type FailingInstruction,
  frameName,
  KEEPS,
  Scene,
  type SceneContext,
  type SceneWorld,
} from './scene';
import { APPARATUS, BASE_MEMORY, EPT_TABLES, FIRST_TABLE, type Program, programAt } from './scene-memory';
import { type Act, type Cpu, CR4_VMXE, isGuest, placed, placeOf, type VmcsFields } from './scene-processor';

type Policy = NonNullable<MachineConfig['caches']>;
/** An act in the context of the scene unless it has one. */
type OwnAct = Omit<Act, 'context'> & Partial<Pick<Act, 'context'>>;

interface MachineWorld extends SceneWorld {
  state: MachineState;
  readonly choice: Choice;
  readonly processors: MachineScene[];
  hostRoot: bigint;
  speculates: boolean;
  readonly reports: StaleTranslation[];
}

const MODEL = processor('everything');
/** Two logical processors of the scene, and the agent that stores to memory. */
const AGENT = 2;
const BLANK = createMachine({ processor: MODEL, memoryBytes: 1 << 29, board: { processors: AGENT + 1 } });
const IA32_EFER = 0xc000_0080n;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
const VM_FAIL = 0x41n;
/** The descriptor of the next TSS in the GDT, and its busy bit. */
const NEXT_TASK = 32;
const BUSY = 2n << 40n;
const { regions, descriptors, frames } = APPARATUS;

const word = (value: bigint): Uint8Array =>
  new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer);
const blankState = (caches: Policy): MachineState => ({
  ...BLANK,
  config: { ...BLANK.config, caches },
  memory: [regions.vmxon, regions.vmcs].reduce(
    (memory, frame) =>
      memory.write(frame * PAGE_BYTES, word(BigInt(revisionIdentifier(vmxCapabilities(MODEL))))),
    BASE_MEMORY,
  ),
});

/** A scene on a machine: what accesses memory or invalidates is an executed instruction; `become` changes registers from outside. */
export class MachineScene extends Scene {
  declare protected readonly world: MachineWorld;
  private readonly number: number;
  private marker = 0;
  private entryFields: VmcsFields = {};

  static under(policy: Policy, start: SceneContext = { cr3: 0n }): MachineScene {
    const seed = policy.kind === 'adversarial' ? policy.seed : 0;
    const world: MachineWorld = {
      state: blankState(policy.kind === 'adversarial' ? { ...policy, seed: 0 } : policy),
      // One machine for all seeds.
      choice: choiceAt(
        ['speculative-fill', 'spurious-fault'],
        ({ occurrence, alternatives }) => seededWord(BigInt(seed), occurrence) % alternatives,
      ),
      nextTable: FIRST_TABLE,
      nextEpt: EPT_TABLES.first,
      processors: [],
      hostRoot: 0n,
      speculates: false,
      reports: [],
      get memory(): MemoryRoot {
        return this.state.memory;
      },
      set memory(memory: MemoryRoot) {
        this.state = { ...this.state, memory };
      },
    };
    const scene = new MachineScene(start, world);
    world.hostRoot = scene.newRootOf(4);
    return scene;
  }

  private constructor(now: SceneContext, world: MachineWorld) {
    super(now, world);
    this.number = world.processors.push(this) - 1;
  }

  get other(): MachineScene {
    const { world } = this;
    return world.processors.find((one) => one !== this) ?? new MachineScene(this.now, world);
  }

  /** Whether something depends on what the processor does by itself. */
  get speculates(): boolean {
    return this.world.speculates;
  }

  /** The uses of stale translations so far, on all processors. */
  get reports(): readonly StaleTranslation[] {
    return this.world.reports;
  }

  // Accesses

  private reached(act: OwnAct, frame: () => number): string {
    return this.frames(act, () => [frame()]);
  }
  private frames(act: OwnAct, frames: () => readonly number[]): string {
    const events = this.perform(act);
    for (const event of events) {
      if (event.kind === 'delivered' && event.event.vector === PAGE_FAULT) return '#PF';
      if (event.kind === 'delivered') return `#${event.event.vector}`;
      if (event.kind !== 'vm-exit') continue;
      if (event.exit.reason === 'eptViolation') return 'violation';
      if (event.exit.reason === 'eptMisconfiguration') return 'misconfiguration';
      if (event.exit.reason === 'exceptionOrNmi' && event.exit.event.vector === PAGE_FAULT) return '#PF';
      return event.exit.reason;
    }
    return frames().map(frameName).join(' ');
  }
  private get eax(): number {
    return Number(this.cpu.registers[0] & 0xffff_ffffn);
  }
  read = (linear: bigint): string =>
    this.reached({ program: 'read', registers: { 3: linear + 1n } }, () => this.eax);
  fetch = (linear: bigint): string => this.reached({ program: 'read', rip: linear }, () => this.eax);
  readAcross(linear: bigint): string {
    const registers = { 3: linear + BigInt(PAGE_BYTES - 4) };
    const act: OwnAct = { program: 'read8', registers };
    // The frame ends with its number, the next one has it in bits 31:8 of its first bytes.
    return this.frames(act, () => {
      const value = this.cpu.registers[0];
      return [Number(value & 0xffff_ffffn), high32(value) >>> 8];
    });
  }
  write = (linear: bigint): string => {
    const before = this.memory;
    const marker = ++this.marker;
    const registers = { 0: BigInt(marker), 3: linear + 8n };
    return this.reached({ program: 'write', registers }, () => {
      for (const { frame } of memoryDifference(before, this.memory))
        if (this.entry(frame * PAGE_BYTES + 8) === BigInt(marker)) return frame;
      throw new Error('a write went nowhere');
    });
  };
  /** Its policy speculates, or does not. */
  speculate(): this {
    this.world.speculates = true;
    return this;
  }
  store(at: number, value: bigint): this {
    // Its linear addresses are physical ones.
    const rip = BigInt(frames.code * PAGE_BYTES + programAt('store'));
    const context = { cr3: APPARATUS.agentRoot };
    const registers = { 0: BigInt.asUintN(64, value), 3: BigInt(at) };
    const events = this.step(AGENT, this.placed({ program: 'store', rip, context, registers }, AGENT));
    if (events.length > 0) throw new Error(`a store to 0x${at.toString(16)}: ${events[0].kind}`);
    return this;
  }

  // Instructions

  /** One instruction that ends well. */
  private execute(act: OwnAct): ReturnType<MachineScene['perform']> {
    const events = this.perform(act);
    for (const event of events) {
      if (event.kind === 'delivered') throw new Error(`${act.program}: exception ${event.event.vector}`);
      const isWanted = act.program === 'vmcall' || act.program === 'vmresume';
      if (event.kind === 'vm-exit' && !isWanted)
        throw new Error(`${act.program}: VM exit ${event.exit.reason}`);
      if (event.kind === 'stopped') throw new Error(`${act.program}: ${event.stop.kind}`);
    }
    return events;
  }
  /** In VMX root operation, perhaps of the host behind a guest. */
  private asHost(program: Program, registers: Readonly<Record<number, bigint>> = {}): void {
    this.execute({ program, registers, context: this.hostContext, vmx: this.now });
    if ((this.cpu.rflags & VM_FAIL) !== 0n) throw new Error(`${program}: VMfail`);
  }
  private get hostContext(): SceneContext {
    if (!isGuest(this.now)) return this.now;
    return this.host ?? { cr3: this.world.hostRoot };
  }
  /** 16 bytes at the address that RAX gets. */
  private operand(low: bigint, high = 0n): Readonly<Record<number, bigint>> {
    this.put(frames.stack * PAGE_BYTES, low);
    this.put(frames.stack * PAGE_BYTES + 8, high);
    return { 0: placeOf('stack', this.now) };
  }

  invlpg(linear: bigint): this {
    this.execute({ program: 'invlpg', registers: { 3: linear } });
    return this;
  }
  invpcid(type: 0 | 1 | 2 | 3, { pcid = 0, address = 0n }: { pcid?: number; address?: bigint } = {}): this {
    this.execute({
      program: 'invpcid',
      registers: { ...this.operand(BigInt(pcid), address), 1: BigInt(type) },
    });
    return this;
  }
  invept(type: 1 | 2, eptp = this.now.eptp ?? 0n): this {
    this.asHost('invept', { ...this.operand(eptp), 1: BigInt(type) });
    return this;
  }
  invvpid(
    type: 0 | 1 | 2 | 3,
    { vpid = this.now.vpid ?? 0, address = 0n }: { vpid?: number; address?: bigint } = {},
  ): this {
    this.asHost('invvpid', { ...this.operand(BigInt(vpid), address), 1: BigInt(type) });
    return this;
  }
  vmx(...instructions: readonly ('vmxoff' | 'vmxon' | 'vmclear' | 'vmptrld')[]): this {
    for (const program of instructions) {
      const region = program === 'vmxon' ? regions.vmxon : regions.vmcs;
      this.asHost(program, this.operand(BigInt(region * PAGE_BYTES)));
    }
    return this;
  }
  wrmsr(index: number, value: bigint): this {
    const registers = { 0: value & 0xffff_ffffn, 1: BigInt(index), 2: shiftRight(value, 32n) };
    this.execute({ program: 'wrmsr', registers });
    return this;
  }
  returnFromSmm(): this {
    throw new Error('SMM is not built');
  }
  reset(): this {
    throw new Error('a machine without firmware stops at RESET');
  }
  failing(program: FailingInstruction): this {
    const asHost = program === 'invept' || program === 'invvpid';
    // A type that there is not; a reserved bit of CR3.
    const registers = program === 'movCr3' ? { 0: 1n << 62n } : { ...this.operand(0n), 1: 7n };
    const host = { context: this.hostContext, vmx: this.now };
    const events = this.perform({ program, registers, ...(asHost ? host : {}) });
    const fails = asHost
      ? (this.cpu.rflags & VM_FAIL) !== 0n
      : events.some((event) => event.kind === 'delivered' && event.event.vector === GENERAL_PROTECTION);
    if (!fails) throw new Error(`${program} succeeds`);
    return this;
  }
  private load(program: 'movCr0' | 'movCr3' | 'movCr4', source: bigint, value = source): void {
    this.execute({ program, registers: { 0: source } });
    const register = program.slice(3).toLowerCase() as 'cr0' | 'cr3' | 'cr4';
    if (this.cpu.control[register] !== value) throw new Error(`${program}: another value`);
  }
  protected writeCr0(value: bigint): void {
    this.load('movCr0', value);
  }
  protected writeCr3(value: bigint): void {
    this.load('movCr3', value, value & ~KEEPS);
  }
  protected writeCr4(value: bigint): void {
    this.load('movCr4', value | CR4_VMXE);
  }
  protected writeEfer(value: bigint): void {
    // LMA is no bit to write.
    const registers = { 0: value & ~EFER_LMA, 1: IA32_EFER, 2: 0n };
    this.execute({ program: 'wrmsr', registers });
  }
  protected switchTask(cr3: bigint): void {
    const tss = frames.descriptors * PAGE_BYTES + descriptors.nextTss;
    const here = BigInt.asUintN(32, placeOf('code', this.now));
    // CR3 and EIP; EFLAGS; ES and CS, SS and DS.
    this.put(tss + 24, cr3 << 32n);
    this.put(tss + 32, here | (2n << 32n));
    for (const [offset, selectors] of [
      [72, 16n | (24n << 32n)],
      [80, 16n | (16n << 32n)],
    ] as const)
      this.put(tss + offset, selectors);
    const next = frames.descriptors * PAGE_BYTES + descriptors.gdt + NEXT_TASK;
    this.put(next, this.entry(next) & ~BUSY);
    this.execute({ program: 'taskSwitch' });
  }
  protected vmEntry(guest: SceneContext): void {
    const events = this.execute({ program: 'vmresume', vmx: guest });
    if (events.some(({ kind }) => kind === 'vm-entry')) return;
    throw new Error(
      `VM entry fails: error ${this.field('vmInstructionError')}, exit ${this.field('exitReason')}, ${this.field('exitQualification')}`,
    );
  }
  protected vmEntryLoadingEfer(guest: SceneContext): void {
    const area = regions.msrArea * PAGE_BYTES;
    this.put(area, IA32_EFER);
    this.put(area + 8, guest.efer ?? EFER);
    this.entryFields = { vmEntryMsrLoadCount: 1, vmEntryMsrLoadAddress: area };
    this.vmEntry({ ...guest, efer: this.now.efer ?? EFER });
    this.entryFields = {};
  }
  protected vmExit(): void {
    this.execute({ program: 'vmcall' });
  }
  protected switchEptp(eptp: bigint): void {
    this.put(regions.eptpList * PAGE_BYTES, eptp);
    this.execute({ program: 'vmfunc', registers: { 0: 0n, 1: 0n } });
  }

  // The processor

  get cpu(): Cpu {
    return this.world.state.processors[this.number];
  }
  private field(name: VmcsField): bigint {
    const data = new VmcsData();
    (this.cpu.virtualization as VmxState).active[0].words.forEach((value, n) => {
      data.words[n] = value;
    });
    return data.get(name);
  }

  /** The processor about to act. */
  private placed(act: OwnAct = { program: 'read' }, number = this.number): Cpu {
    const cpu = this.world.state.processors[number];
    const vmcs = { host: this.hostContext, fields: this.entryFields };
    return placed(cpu, { context: this.now, ...act }, vmcs);
  }
  private perform(act: OwnAct) {
    return this.step(this.number, this.placed(act));
  }
  private step(number: number, cpu: Cpu) {
    const { world } = this;
    const processors = world.state.processors.map((one, n) =>
      n === number ? cpu : (world.processors[n]?.placed() ?? one),
    );
    const turn = { processor: number, until: Number.POSITIVE_INFINITY };
    const { state, events } = step({ ...world.state, processors, turn }, world.choice);
    world.state = state;
    for (const event of events) if (event.kind === 'stale-translation') world.reports.push(event.report);
    return events;
  }
}
