import { describe, expect, it } from 'vitest';
import {
  advanceBoard,
  createBoard,
  type Device,
  deviceMemory,
  deviceState,
  nextDeadline,
  readBus,
  withDeviceState,
  writeBus,
} from '../../src/platform';
import { Driver } from './bus';

const MEMORY = { memoryBytes: 64 * 2 ** 20 };
const at = (port: number, bytes: 1 | 2 | 4 = 1) => ({ space: 'port', address: port, bytes, now: 0 }) as const;

/** A user's device: a counter that ticks every 10 instructions and shows its count at port 0x600. */
const counter: Device<{ count: number; next: number }> = {
  name: 'counter',
  ranges: [
    { space: 'port', first: 0x600, last: 0x603 },
    { space: 'memory', first: 0xd000_0000, last: 0xd000_0fff },
  ],
  reset: () => ({ count: 0, next: 10 }),
  read: (state) => ({ state, value: state.count }),
  write: (state, _access, value) => ({ state: { ...state, count: value }, effects: [] }),
  nextDeadline: (state) => state.next,
  advance: (state, now) => {
    const ticks = Math.floor((now - state.next) / 10) + 1;
    return { state: { count: state.count + ticks, next: state.next + 10 * ticks }, effects: [] };
  },
};

describe('accesses that no device decodes', () => {
  const board = createBoard(MEMORY);
  it('read all ones of their width', () => {
    expect(readBus(board, at(0x300))).toMatchObject({ value: 0xff, decoded: false });
    expect(readBus(board, at(0x300, 2))).toMatchObject({ value: 0xffff, decoded: false });
    expect(readBus(board, at(0x300, 4))).toMatchObject({ value: 0xffff_ffff, decoded: false });
    expect(readBus(board, at(0x300)).board).toBe(board);
  });
  it('write nothing', () => {
    expect(writeBus(board, at(0x300, 4), 1)).toEqual({ board, effects: [], decoded: false, takes: 0 });
  });
  it('are split where they cross the end of a range', () => {
    const driver = new Driver(board);
    driver.outb(0x3ff, 0x5a);
    const answer = readBus(driver.board, at(0x3ff, 2));
    expect(answer).toMatchObject({ value: 0xff5a, decoded: true });
  });
});

describe('a board is a value', () => {
  it('keeps the older board when a device changes', () => {
    const before = createBoard(MEMORY);
    const after = writeBus(before, at(0x3ff), 7).board;
    expect(readBus(before, at(0x3ff)).value).toBe(0);
    expect(readBus(after, at(0x3ff)).value).toBe(7);
    expect(Object.isFrozen(after.states)).toBe(true);
  });
  it('is the same object when nothing changes', () => {
    const board = createBoard(MEMORY);
    expect(readBus(board, at(0x3fd)).board).toBe(board);
    expect(writeBus(board, at(0x3ff), 0).board).toBe(board);
    expect(advanceBoard(board, 1000).board).toBe(board);
  });
});

describe("the user's own devices", () => {
  const board = createBoard({ ...MEMORY, devices: [counter] });
  it('answer on ports and in memory', () => {
    const driver = new Driver(board);
    driver.write('memory', 0xd000_0000, 4, 99);
    expect(driver.read('port', 0x600, 4)).toBe(99);
  });
  it('live in time', () => {
    expect(nextDeadline(board, 0)).toBe(10);
    const later = advanceBoard(board, 35).board;
    expect(deviceState(later, 'counter')).toEqual({ count: 3, next: 40 });
  });
  it('may replace an omitted standard device', () => {
    const serial: Device<null> = {
      name: 'my-serial',
      ranges: [{ space: 'port', first: 0x3f8, last: 0x3ff }],
      reset: () => null,
      read: (state) => ({ state, value: 0x42 }),
      write: (state) => ({ state, effects: [] }),
    };
    const custom = createBoard({ ...MEMORY, omit: ['uart-16550'], devices: [serial] });
    expect(readBus(custom, at(0x3f8)).value).toBe(0x42);
    expect(() => createBoard({ ...MEMORY, devices: [serial] })).toThrow(
      'devices uart-16550 and my-serial both claim port 1016',
    );
  });
  it('are named once', () => {
    expect(() => createBoard({ ...MEMORY, devices: [counter, counter] })).toThrow('named counter');
  });
  it('can be given another state', () => {
    const changed = withDeviceState(board, 'counter', { count: 5, next: 10 });
    expect(readBus(changed, at(0x600)).value).toBe(5);
    expect(() => withDeviceState(board, 'nothing', 0)).toThrow('no device nothing');
  });
});

describe('device memory', () => {
  it('lists what is decoded now', () => {
    expect(deviceMemory(createBoard({ ...MEMORY, devices: [counter] })).map(({ first }) => first)).toEqual([
      0xd000_0000, 0xfec0_0000, 0xff00_0000, 0xfee0_0000,
    ]);
  });
});
