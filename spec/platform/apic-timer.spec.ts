import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import {
  advanceBoard,
  createBoard,
  expiries,
  nextDeadline,
  pendingVector,
  tscDeadlineOf,
  withLocalApic,
  writeTscDeadline,
} from '../../src/platform';
import { Driver } from './bus';

const LVT_TIMER = 0x320;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;
const VECTOR = 0x40;
const MASKED = 0x1_0000;
const PERIODIC = 0x2_0000;
const TSC_DEADLINE = 0x4_0000;
const BY_ONE = 0xb;

const driver = (config: Partial<Parameters<typeof createBoard>[0]> = {}): Driver => {
  const d = new Driver(createBoard({ memoryBytes: 2 ** 24, ...config }));
  d.setApic(0xf0, 0x1ff);
  d.setApic(DIVIDE, BY_ONE);
  return d;
};
const advance = (d: Driver, now: number): void => {
  d.now = now;
  d.board = advanceBoard(d.board, now).board;
};
const take = (d: Driver): number => {
  const vector = d.acknowledge();
  d.setApic(0xb0, 0);
  return vector;
};

describe('SDM Vol. 3A, 11.5.4 APIC Timer', () => {
  it.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])('divide configuration %x makes a tick of %i clock units', (configuration, divisor) => {
    const d = driver();
    d.setApic(DIVIDE, configuration);
    d.setApic(LVT_TIMER, VECTOR);
    d.setApic(INITIAL, 10);
    expect(nextDeadline(d.board, 0)).toBe(10 * divisor);
    d.now = 3 * divisor - 1;
    expect(d.apic(CURRENT)).toBe(8);
  });
  it('one-shot: counts down once', () => {
    const d = driver();
    d.setApic(LVT_TIMER, VECTOR);
    d.now = 100;
    d.setApic(INITIAL, 50);
    expect(nextDeadline(d.board, 100)).toBe(150);
    advance(d, 149);
    expect([d.apic(CURRENT), pendingVector(d.localApic)]).toEqual([1, -1]);
    advance(d, 150);
    expect([d.apic(CURRENT), pendingVector(d.localApic)]).toEqual([0, VECTOR]);
    expect(nextDeadline(d.board, 150)).toBe(Number.POSITIVE_INFINITY);
    expect(d.apic(INITIAL)).toBe(50);
  });
  it('periodic: reloads, without drift when time jumps', () => {
    const d = driver();
    d.setApic(LVT_TIMER, PERIODIC | VECTOR);
    d.setApic(INITIAL, 100);
    advance(d, 350);
    expect(take(d)).toBe(VECTOR);
    expect(pendingVector(d.localApic)).toBe(-1);
    expect(d.apic(CURRENT)).toBe(50);
    expect(nextDeadline(d.board, 350)).toBe(400);
  });
  it('writing 0 to the initial count stops it', () => {
    const d = driver();
    d.setApic(LVT_TIMER, VECTOR);
    d.setApic(INITIAL, 50);
    d.setApic(INITIAL, 0);
    expect(nextDeadline(d.board, 0)).toBe(Number.POSITIVE_INFINITY);
  });
  it('goes on counting while masked, and an expiry then is lost', () => {
    const d = driver();
    d.setApic(LVT_TIMER, MASKED | VECTOR);
    d.setApic(INITIAL, 50);
    expect(nextDeadline(d.board, 0)).toBe(Number.POSITIVE_INFINITY);
    d.now = 30;
    expect(d.apic(CURRENT)).toBe(20);
    advance(d, 60);
    d.setApic(LVT_TIMER, VECTOR);
    expect(pendingVector(d.localApic)).toBe(-1);
    expect([d.apic(CURRENT), nextDeadline(d.board, 60)]).toEqual([0, Number.POSITIVE_INFINITY]);
  });
  it('a change between one-shot and periodic lets the count go on', () => {
    const d = driver();
    d.setApic(LVT_TIMER, VECTOR);
    d.setApic(INITIAL, 100);
    d.now = 60;
    d.setApic(LVT_TIMER, PERIODIC | VECTOR);
    expect(d.apic(CURRENT)).toBe(40);
    advance(d, 100);
    expect([take(d), d.apic(CURRENT)]).toEqual([VECTOR, 100]);
  });
  it('a change of the divisor lets the count go on', () => {
    const d = driver();
    d.setApic(LVT_TIMER, VECTOR);
    d.setApic(INITIAL, 100);
    d.now = 60;
    d.setApic(DIVIDE, 0);
    expect([d.apic(CURRENT), nextDeadline(d.board, 60)]).toEqual([40, 140]);
  });
  test.prop([
    fc.integer({ min: 1, max: 1000 }),
    fc.boolean(),
    fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 30 }),
  ])('advancing in steps is advancing at once', (count, periodic, steps) => {
    const start = driver();
    start.setApic(LVT_TIMER, (periodic ? PERIODIC : 0) | VECTOR);
    start.setApic(INITIAL, count);
    const stepped = new Driver(start.board);
    let now = 0;
    for (const step of steps) {
      now += step;
      advance(stepped, now);
    }
    const jumped = new Driver(start.board);
    advance(jumped, now);
    expect(stepped.localApic).toEqual(jumped.localApic);
  });
});

describe('SDM Vol. 3A, 11.5.4.1 TSC-Deadline Mode', () => {
  const armed = (): Driver => {
    const d = driver({ tscDeadline: true });
    d.setApic(LVT_TIMER, TSC_DEADLINE | VECTOR);
    d.board = withLocalApic(d.board, writeTscDeadline(d.localApic, 1_000n, 500));
    return d;
  };
  it('fires when the clock gets there and reads 0 after', () => {
    const d = armed();
    expect([nextDeadline(d.board, 0), tscDeadlineOf(d.localApic)]).toEqual([500, 1_000n]);
    advance(d, 500);
    expect([pendingVector(d.localApic), tscDeadlineOf(d.localApic)]).toEqual([VECTOR, 0n]);
  });
  it('ignores the initial count, and the current count reads 0', () => {
    const d = armed();
    d.setApic(INITIAL, 7);
    expect([d.apic(INITIAL), d.apic(CURRENT)]).toEqual([0, 0]);
  });
  it('is disarmed by 0 and by a change of mode', () => {
    const d = armed();
    expect(tscDeadlineOf(writeTscDeadline(d.localApic, 0n, 0))).toBe(0n);
    d.setApic(LVT_TIMER, VECTOR);
    expect(tscDeadlineOf(d.localApic)).toBe(0n);
    expect(nextDeadline(d.board, 0)).toBe(Number.POSITIVE_INFINITY);
  });
  it('is not offered by default', () => {
    const d = driver();
    d.setApic(LVT_TIMER, TSC_DEADLINE | VECTOR);
    expect(d.apic(LVT_TIMER)).toBe(VECTOR);
    expect(tscDeadlineOf(writeTscDeadline(d.localApic, 5n, 5))).toBe(0n);
  });
});

describe('external time', () => {
  it('stands still by itself, and comes when it is brought', () => {
    const d = driver({ timer: 'external' });
    d.setApic(LVT_TIMER, PERIODIC | VECTOR);
    d.setApic(INITIAL, 100);
    expect(nextDeadline(d.board, 0)).toBe(Number.POSITIVE_INFINITY);
    advance(d, 1000);
    expect(pendingVector(d.localApic)).toBe(-1);
    d.now = 1010;
    expect(d.apic(CURRENT)).toBe(100);
    const [first, second] = [...expiries(d.board)];
    d.board = first.board;
    expect([pendingVector(d.localApic), d.apic(CURRENT)]).toEqual([VECTOR, 100]);
    d.board = second.board;
    d.setApic(INITIAL, 50);
    expect(d.apic(CURRENT)).toBe(50);
  });
});
