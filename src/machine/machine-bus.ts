import type { MemoryRange } from '../core';
import type { Bus } from '../cpu/bus';
import {
  acknowledge,
  acknowledgeExternal,
  advanceBoard,
  assertsA20m,
  type Board,
  cr8Of,
  type DeviceEffect,
  type DeviceTransition,
  initLocalApic,
  type LocalApicState,
  localApicOf,
  NO_EFFECTS,
  nextDeadline,
  pendingVector,
  readBus,
  readX2apic,
  requestsExternal,
  settle,
  settleTimer,
  tscDeadlineOf,
  WRITE_BACK,
  withCr8,
  withLocalApic,
  writeApicBase,
  writeBus,
  writeTscDeadline,
  writeX2apic,
  X2APIC_CURRENT_COUNT,
} from '../platform';
import { PhysicalMap } from './physical-map';

/** What an access or the passing of time did outside the machine. */
export type EffectListener = (effect: DeviceEffect) => void;

/** An access of a processor to a port or a device register, as the board saw it; memory addresses where nothing answers are none. */
export interface BusEvent {
  readonly space: 'port' | 'memory';
  readonly direction: 'read' | 'write';
  readonly address: number;
  readonly bytes: 1 | 2 | 4;
  readonly value: number;
}

/** The external controller tells its vector when it is asked. */
const UNKNOWN_VECTOR = 256;

/** The board behind the core's `Bus`; the board is a value, this holds the current one. */
export class MachineBus implements Bus {
  board!: Board;
  onEffect: EffectListener = () => {};
  onAccess: ((event: BusEvent) => void) | undefined;
  /** A register of the interrupt controller was reached inside the processor. */
  onInternal: ((register: 'CR8' | 'IA32_APIC_BASE') => void) | undefined;
  /** The processor took an interrupt from the local APIC or from the controller at LINT0. */
  onAcknowledge: ((vector: number) => void) | undefined;
  /** Clock value at which the board has something to do. */
  deadline = Number.POSITIVE_INFINITY;
  /** Number of the processor that runs: accesses come from it. */
  processor = 0;
  /** Frames below 1 MiB changed from RAM to ROM or back; `rom` show the firmware again. */
  onRemapped: (rom: readonly number[]) => void = () => {};
  assertsA20m = false;
  /** A20M# was asserted or deasserted: what was translated before holds no more. */
  onA20m: () => void = () => {};
  private readonly map = new PhysicalMap();
  // The last answer of `pendingInterrupt`, which follows from the board and the processor
  private askedBoard: Board | undefined;
  private askedProcessor = 0;
  private pending = -1;

  constructor(
    private readonly now: () => number,
    /** A device brought its deadline forward. */
    private readonly deadlineChanged: () => void,
    /** A register was read whose value depends on time. */
    private readonly timed: (byClock: number, bytes: 1 | 2 | 4) => number,
    /** An access took time. */
    private readonly elapse: (units: number) => void,
  ) {}

  load(board: Board, ram: readonly MemoryRange[]): void {
    this.board = board;
    this.map.load(board, ram);
    this.assertsA20m = assertsA20m(board);
    this.deadline = nextDeadline(board, this.now());
  }

  isRam(frame: number): boolean {
    return this.map.isRam(frame);
  }

  isMemory(frame: number): boolean {
    return this.map.isMemory(frame);
  }

  /** A reset, or an agent outside the machine, has brought the board here. */
  arrive(board: Board, effects: readonly DeviceEffect[]): void {
    this.changed(board, effects);
  }

  /** Lets time reach the devices. */
  advance(now: number): void {
    const { board, effects } = advanceBoard(this.board, now);
    this.board = board;
    for (const effect of effects) this.onEffect(effect);
    this.deadline = nextDeadline(board, now);
  }

  private read(space: 'port' | 'memory', address: number, bytes: 1 | 2 | 4): number {
    const answer = readBus(this.board, { space, address, bytes, now: this.now(), processor: this.processor });
    this.changed(answer.board, answer.effects);
    if (answer.takes > 0) this.elapse(answer.takes);
    const value = answer.timed ? this.timed(answer.value, bytes) : answer.value;
    if (answer.decoded || space === 'port')
      this.onAccess?.({ space, direction: 'read', address, bytes, value });
    return value;
  }

  private write(space: 'port' | 'memory', address: number, bytes: 1 | 2 | 4, value: number): void {
    const answer = writeBus(
      this.board,
      { space, address, bytes, now: this.now(), processor: this.processor },
      value,
    );
    if (answer.decoded || space === 'port')
      this.onAccess?.({ space, direction: 'write', address, bytes, value });
    this.changed(answer.board, answer.effects);
    if (answer.takes > 0) this.elapse(answer.takes);
  }

  private changed(board: Board, effects: readonly DeviceEffect[]): void {
    if (board !== this.board) {
      this.board = board;
      this.deadline = nextDeadline(board, this.now());
      this.deadlineChanged();
      const remapped = this.map.changed(board);
      if (remapped !== undefined) this.onRemapped(remapped.rom);
      const asserted = assertsA20m(board);
      if (asserted !== this.assertsA20m) {
        this.assertsA20m = asserted;
        this.onA20m();
      }
    }
    for (const effect of effects) this.onEffect(effect);
  }

  readMmio(address: number, bytes: 1 | 2 | 4): number {
    return this.read('memory', address, bytes);
  }

  writeMmio(address: number, bytes: 1 | 2 | 4, value: number): void {
    this.write('memory', address, bytes, value);
  }

  in(port: number, bytes: 1 | 2 | 4): number {
    return this.read('port', port, bytes);
  }

  out(port: number, bytes: 1 | 2 | 4, value: number): void {
    this.write('port', port, bytes, value);
  }

  pendingInterrupt(): number {
    const { board, processor } = this;
    if (board !== this.askedBoard || processor !== this.askedProcessor) {
      const apic = localApicOf(board, processor);
      const vector = apic === undefined ? -1 : pendingVector(apic);
      this.pending = vector < 0 && requestsExternal(board, processor) ? UNKNOWN_VECTOR : vector;
      this.askedBoard = board;
      this.askedProcessor = processor;
    }
    return this.pending;
  }

  /** Whether an interrupt is pending for a processor, whether or not it is the one that runs. */
  isRequested(processor: number): boolean {
    const apic = localApicOf(this.board, processor);
    return (apic !== undefined && pendingVector(apic) >= 0) || requestsExternal(this.board, processor);
  }

  acknowledgeInterrupt(): number {
    const apic = localApicOf(this.board, this.processor);
    const external = apic === undefined || pendingVector(apic) < 0;
    if (external && requestsExternal(this.board, this.processor)) {
      const { board, vector, effects } = acknowledgeExternal(this.board, this.now());
      this.board = board;
      this.onAcknowledge?.(vector);
      for (const effect of effects) this.onEffect(effect);
      return vector;
    }
    const { state, vector } = acknowledge(apic!);
    this.board = withLocalApic(this.board, state, this.processor);
    if (state !== apic) this.onAcknowledge?.(vector);
    return vector;
  }

  readTaskPriority(): number {
    this.onInternal?.('CR8');
    const apic = localApicOf(this.board, this.processor);
    return apic === undefined ? 0 : cr8Of(apic);
  }

  writeTaskPriority(value: number): void {
    this.onInternal?.('CR8');
    const apic = localApicOf(this.board, this.processor);
    if (apic !== undefined) this.changeApic({ state: withCr8(apic, value), effects: NO_EFFECTS });
  }

  writeBackCaches(): void {
    this.elapse(WRITE_BACK);
  }

  initialize(): void {
    const apic = localApicOf(this.board, this.processor);
    if (apic !== undefined) this.changeApic({ state: initLocalApic(apic), effects: NO_EFFECTS });
  }

  private changeApic({ state, effects }: DeviceTransition<LocalApicState>): void {
    const board = withLocalApic(this.board, state, this.processor);
    const settled = settle(board, board.devices.localApic, effects, this.now());
    this.changed(settled.board, settled.effects);
  }

  apicBaseWritten(value: bigint): boolean {
    this.onInternal?.('IA32_APIC_BASE');
    const apic = localApicOf(this.board, this.processor);
    if (apic === undefined) return true;
    const outcome = writeApicBase(apic, value);
    if (outcome.ok) this.changeApic({ state: outcome.value, effects: NO_EFFECTS });
    return outcome.ok;
  }

  readApic(index: number): bigint | undefined {
    const apic = localApicOf(this.board, this.processor);
    const value = apic === undefined ? undefined : readX2apic(apic, index, this.now());
    return index === X2APIC_CURRENT_COUNT && value !== undefined
      ? BigInt(this.timed(Number(value), 4))
      : value;
  }

  writeApic(index: number, value: bigint): boolean {
    const apic = localApicOf(this.board, this.processor);
    const after = apic === undefined ? undefined : writeX2apic(apic, index, value, this.now());
    if (after !== undefined) this.changeApic(after);
    return after !== undefined;
  }

  readTscDeadline(): bigint {
    const apic = localApicOf(this.board, this.processor);
    if (apic === undefined) return 0n;
    const settled = settleTimer(apic, this.now());
    if (settled !== apic) this.changeApic({ state: settled, effects: NO_EFFECTS });
    return tscDeadlineOf(settled);
  }

  writeTscDeadline(value: bigint, clock: number): void {
    const apic = localApicOf(this.board, this.processor);
    if (apic !== undefined)
      this.changeApic({ state: writeTscDeadline(apic, value, clock), effects: NO_EFFECTS });
  }
}
