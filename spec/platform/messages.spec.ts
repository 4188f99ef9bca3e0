import { describe, expect, it } from 'vitest';
import {
  acceptInterrupt,
  acknowledge,
  acknowledgeExternal,
  advanceBoard,
  createBoard,
  type Device,
  type InterruptMessage,
  localApicOf,
  pendingVector,
  requestsExternal,
  withLocalApic,
} from '../../src/platform';
import { Driver } from './bus';

const SVR = 0xf0;
const LDR = 0xd0;
const DFR = 0xe0;
const TPR = 0x80;
const EOI = 0xb0;
const LVT_LINT0 = 0x350;
const ID = 0x20;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;

const MEMORY_BYTES = 2 ** 24;
const COUNT = 4;

/** Four processors with their local APICs enabled by software; `logical` are their logical APIC IDs. */
const four = (logical: readonly number[] = [], devices: readonly Device<unknown>[] = []): Driver => {
  const d = new Driver(
    createBoard({ memoryBytes: MEMORY_BYTES, processors: COUNT, devices, omit: ['8259'] }),
  );
  for (let processor = COUNT - 1; processor >= 0; processor--) {
    d.processor = processor;
    d.setApic(SVR, 0x1ff);
    d.setApic(LDR, (logical[processor] ?? 0) << 24);
  }
  return d;
};

const pending = (d: Driver): readonly number[] =>
  Array.from({ length: COUNT }, (_, processor) => pendingVector(localApicOf(d.board, processor)!));

const send = (d: Driver, low: number, destination = 0): void => {
  d.setApic(ICR_HIGH, destination << 24);
  d.setApic(ICR_LOW, low);
};

const NONE = -1;

describe('each processor has its own local APIC', () => {
  it('with its own ID and registers at one address', () => {
    const d = four();
    const ids = [0, 1, 2, 3].map((processor) => {
      d.processor = processor;
      d.setApic(TPR, processor);
      return d.apic(ID) >>> 24;
    });
    expect(ids).toEqual([0, 1, 2, 3]);
    expect([0, 1, 2, 3].map((processor) => localApicOf(d.board, processor)!.taskPriority)).toEqual([
      0, 1, 2, 3,
    ]);
  });
});

describe('SDM Vol. 3A, 11.6.2.1 Physical Destination Mode', () => {
  it('reaches the processor with the ID', () => {
    const d = four();
    send(d, 0x31, 2);
    expect(pending(d)).toEqual([NONE, NONE, 0x31, NONE]);
  });
  it('reaches everybody with FFH, also the sender', () => {
    const d = four();
    send(d, 0x31, 0xff);
    expect(pending(d)).toEqual([0x31, 0x31, 0x31, 0x31]);
  });
  it('follows the ID that software wrote', () => {
    const d = four();
    d.processor = 3;
    d.setApic(ID, 0x0700_0000);
    send(d, 0x32, 7);
    send(d, 0x31, 3);
    expect(pending(d)).toEqual([NONE, NONE, NONE, 0x32]);
  });
});

describe('SDM Vol. 3A, 11.6.2.2 Logical Destination Mode', () => {
  it('flat: every bit of the destination names a processor', () => {
    const d = four([1, 2, 4, 8]);
    send(d, 0x0831, 0b1010);
    expect(pending(d)).toEqual([NONE, 0x31, NONE, 0x31]);
  });
  it('cluster: four bits of cluster, four of processors', () => {
    const d = four([0x11, 0x12, 0x21, 0x22]);
    for (let processor = 0; processor < COUNT; processor++) {
      d.processor = processor;
      d.setApic(DFR, 0x0fff_ffff);
    }
    send(d, 0x0831, 0x23);
    send(d, 0x0840, 0xf1);
    expect(pending(d)).toEqual([0x40, NONE, 0x40, 0x31]);
  });
});

describe('SDM Vol. 3A, 11.6.2.3 Broadcast/Self Delivery Mode', () => {
  it.each([
    [0x0004_0031, [NONE, 0x31, NONE, NONE]],
    [0x0008_0031, [0x31, 0x31, 0x31, 0x31]],
    [0x000c_0031, [0x31, NONE, 0x31, 0x31]],
  ])('ICR %x from processor 1', (low, expected) => {
    const d = four();
    d.processor = 1;
    send(d, low);
    expect(pending(d)).toEqual(expected);
  });
});

describe('SDM Vol. 3A, 11.6.2.4 Lowest Priority Delivery Mode', () => {
  it('goes to one processor, that with the lowest priority', () => {
    const d = four([1, 2, 4, 8]);
    for (const [processor, priority] of [0x40, 0x30, 0x20, 0x20].entries()) {
      d.processor = processor;
      d.setApic(TPR, priority);
    }
    send(d, 0x0991, 0b0011);
    expect(pending(d)).toEqual([NONE, 0x91, NONE, NONE]);
    send(d, 0x0992, 0b1111);
    expect(pending(d)).toEqual([NONE, 0x91, 0x92, NONE]);
  });
});

describe('SDM Vol. 3A, 11.6.1 Interrupt Command Register (ICR)', () => {
  it('NMI, INIT and startup reach the processors themselves', () => {
    const d = four();
    send(d, 0x000c_4500);
    send(d, 0x000c_4608);
    send(d, 0x0400, 2);
    const signals = d.effects.filter(({ kind }) => kind === 'signal');
    expect(signals).toEqual([
      ...[1, 2, 3].map((processor) => ({ kind: 'signal', processor, signal: 'init', vector: 0 })),
      ...[1, 2, 3].map((processor) => ({ kind: 'signal', processor, signal: 'startup', vector: 8 })),
      { kind: 'signal', processor: 2, signal: 'nmi', vector: 0 },
    ]);
    expect(pending(d)).toEqual([NONE, NONE, NONE, NONE]);
  });
});

const message = (change: Partial<InterruptMessage>): InterruptMessage => ({
  kind: 'message',
  deliveryMode: 'fixed',
  vector: 0x51,
  trigger: 'level',
  destination: { mode: 'physical', id: 1 },
  ...change,
});

/** A device that sends at clock 10, and again at every end of its interrupt while its line is up. */
const source = (first: InterruptMessage): Device<{ sent: number; ended: readonly number[] }> => ({
  name: 'source',
  ranges: [],
  reset: () => ({ sent: 0, ended: [] }),
  read: (state) => ({ state, value: 0 }),
  write: (state) => ({ state, effects: [] }),
  nextDeadline: ({ sent }) => (sent === 0 ? 10 : Number.POSITIVE_INFINITY),
  advance: (state) => ({ state: { ...state, sent: 1 }, effects: [first] }),
  endOfInterrupt: (state, vector) => ({
    state: { sent: state.sent + 1, ended: [...state.ended, vector] },
    effects: [first],
  }),
});

describe('messages of devices', () => {
  it('reach the local APICs when time makes the device send', () => {
    const d = four([], [source(message({})) as Device<unknown>]);
    const { board, effects } = advanceBoard(d.board, 10);
    d.board = board;
    expect(pending(d)).toEqual([NONE, 0x51, NONE, NONE]);
    expect(effects).toHaveLength(1);
  });
  it('are sent again at the end of a level-triggered interrupt, which the device hears of', () => {
    const d = four([], [source(message({})) as Device<unknown>]);
    d.board = advanceBoard(d.board, 10).board;
    const taken = acknowledge(localApicOf(d.board, 1)!);
    d.board = withLocalApic(d.board, taken.state, 1);
    d.processor = 1;
    d.setApic(EOI, 0);
    expect(pending(d)).toEqual([NONE, 0x51, NONE, NONE]);
    expect(d.board.states.at(-1)).toEqual({ sent: 2, ended: [0x51] });
  });
  it('give an edge-triggered interrupt no such end', () => {
    const d = four([], [source(message({})) as Device<unknown>]);
    d.board = withLocalApic(d.board, acknowledge(acceptInterrupt(localApicOf(d.board, 1)!, 0x60)).state, 1);
    d.processor = 1;
    d.setApic(EOI, 0);
    expect(d.board.states.at(-1)).toEqual({ sent: 0, ended: [] });
  });
  it('carry NMI and INIT as signals', () => {
    const d = four(
      [],
      [source(message({ deliveryMode: 'nmi', destination: { mode: 'physical', id: 3 } })) as Device<unknown>],
    );
    expect(advanceBoard(d.board, 10).effects.at(-1)).toEqual({
      kind: 'signal',
      processor: 3,
      signal: 'nmi',
      vector: 0x51,
    });
  });
});

/** An interrupt controller whose output is up until it is acknowledged. */
const controller: Device<{ up: boolean }> = {
  name: 'controller',
  ranges: [],
  reset: () => ({ up: true }),
  read: (state) => ({ state, value: 0 }),
  write: (state) => ({ state, effects: [] }),
  requestsInterrupt: ({ up }) => up,
  acknowledgeInterrupt: () => ({ state: { up: false }, vector: 0x28 }),
};

describe('SDM Vol. 3A, 11.5.1 Local Vector Table: ExtINT at LINT0', () => {
  it('reaches the processor whose entry says so, until it is acknowledged', () => {
    const d = four([], [controller as Device<unknown>]);
    expect(requestsExternal(d.board, 1)).toBe(false);
    d.processor = 1;
    d.setApic(LVT_LINT0, 0x700);
    expect([0, 1].map((processor) => requestsExternal(d.board, processor))).toEqual([false, true]);
    d.setApic(LVT_LINT0, 0x1_0700);
    expect(requestsExternal(d.board, 1)).toBe(false);
    d.setApic(LVT_LINT0, 0x700);
    const { board, vector } = acknowledgeExternal(d.board);
    expect(vector).toBe(0x28);
    expect(requestsExternal(board, 1)).toBe(false);
  });
});
