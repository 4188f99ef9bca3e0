import {
  acknowledge,
  type Board,
  type BusAccess,
  type DeviceEffect,
  type LocalApicState,
  localApicOf,
  readBus,
  withLocalApic,
  writeBus,
} from '../../src/platform';

/** A board that a spec drives step by step; keeps the last board and every effect. */
export class Driver {
  effects: DeviceEffect[] = [];
  now = 0;
  /** The processor that makes the accesses. */
  processor = 0;

  constructor(public board: Board) {}

  private access(space: BusAccess['space'], address: number, bytes: BusAccess['bytes']): BusAccess {
    return { space, address, bytes, now: this.now, processor: this.processor };
  }

  read(space: BusAccess['space'], address: number, bytes: BusAccess['bytes']): number {
    const answer = readBus(this.board, this.access(space, address, bytes));
    this.board = answer.board;
    this.effects.push(...answer.effects);
    return answer.value;
  }

  write(space: BusAccess['space'], address: number, bytes: BusAccess['bytes'], value: number): void {
    const answer = writeBus(this.board, this.access(space, address, bytes), value);
    this.board = answer.board;
    this.effects.push(...answer.effects);
  }

  inb = (port: number): number => this.read('port', port, 1);
  outb = (port: number, value: number): void => this.write('port', port, 1, value);
  outw = (port: number, value: number): void => this.write('port', port, 2, value);

  apic(offset: number): number {
    return this.read('memory', 0xfee0_0000 + offset, 4);
  }

  setApic(offset: number, value: number): void {
    this.write('memory', 0xfee0_0000 + offset, 4, value);
  }

  get localApic(): LocalApicState {
    const state = localApicOf(this.board, this.processor);
    if (state === undefined) throw new Error('no local APIC');
    return state;
  }

  /** The vector that the processor takes from the local APIC. */
  acknowledge(): number {
    const { state, vector } = acknowledge(this.localApic);
    this.board = withLocalApic(this.board, state, this.processor);
    return vector;
  }
}
