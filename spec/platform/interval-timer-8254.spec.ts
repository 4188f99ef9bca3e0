import { describe, expect, it } from 'vitest';
import { CLOCK_HZ, clockAt, PIT_HZ, ticksAt } from '../../src/platform';
import { Pc } from './pc';

/** The clock value at which so many ticks of the timer have passed. */
const at = (ticks: number): number => clockAt(ticks, PIT_HZ);

const program = (d: Pc, control: number, count: number): void => {
  d.outb(0x43, control);
  const port = 0x40 + (control >>> 6);
  if ((control & 0x10) !== 0) d.outb(port, count & 0xff);
  if ((control & 0x20) !== 0) d.outb(port, count >>> 8);
};
const count = (d: Pc, counter: number): number => {
  d.outb(0x43, counter << 6);
  const low = d.inb(0x40 + counter);
  return low | (d.inb(0x40 + counter) << 8);
};
const output = (d: Pc): boolean => (d.inb(0x61) & 0x20) !== 0;

describe('the machine clock and the ticks of a device', () => {
  it('agree exactly, also after years', () => {
    for (const ticks of [0, 1, 2, 1_193_181, 1_193_182, 10 ** 12 + 7]) {
      const clock = clockAt(ticks, PIT_HZ);
      expect(ticksAt(clock, PIT_HZ)).toBe(ticks);
      if (clock > 0) expect(ticksAt(clock - 1, PIT_HZ)).toBe(ticks - 1);
    }
    expect(ticksAt(2 * CLOCK_HZ, 3_579_545)).toBe(7_159_090);
  });
});

describe('8254 mode definitions, at counter 2 with its gate in port 0x61', () => {
  const gated = (): Pc => {
    const d = new Pc();
    d.outb(0x61, 1);
    return d;
  };
  it('mode 0: the output rises when the count is done, and stays', () => {
    const d = gated();
    program(d, 0xb0, 100);
    expect(output(d)).toBe(false);
    d.now = at(1);
    expect(count(d, 2)).toBe(100);
    d.now = at(41);
    expect([count(d, 2), output(d)]).toEqual([60, false]);
    d.now = at(101);
    expect([count(d, 2), output(d)]).toEqual([0, true]);
    d.now = at(102);
    expect([count(d, 2), output(d)]).toEqual([0xffff, true]);
  });
  // The first byte of a count of two stops the counting and takes the output down, the second one starts it anew.
  it('mode 0: a count of two bytes stops at the first', () => {
    const d = gated();
    program(d, 0xb0, 100);
    d.now = at(41);
    d.outb(0x42, 200);
    d.now = at(90);
    expect([count(d, 2), output(d)]).toEqual([60, false]);
    d.outb(0x61, 0);
    d.outb(0x61, 1);
    d.now = at(300);
    expect([count(d, 2), output(d)]).toEqual([60, false]);
    d.outb(0x42, 0);
    d.now = at(301);
    expect(count(d, 2)).toBe(200);
    d.now = at(501);
    expect([count(d, 2), output(d)]).toEqual([0, true]);
  });
  it('mode 0: the first byte of a count of two takes a high output down', () => {
    const d = gated();
    program(d, 0xb0, 100);
    d.now = at(111);
    expect([count(d, 2), output(d)]).toEqual([0x1_0000 - 10, true]);
    d.outb(0x42, 200);
    expect([count(d, 2), output(d)]).toEqual([0x1_0000 - 10, false]);
    d.now = at(10 ** 6);
    expect([count(d, 2), output(d)]).toEqual([0x1_0000 - 10, false]);
  });
  it('mode 4: the first byte of a count of two changes nothing', () => {
    const d = gated();
    program(d, 0xb8, 100);
    d.now = at(41);
    d.outb(0x42, 200);
    d.now = at(61);
    expect(count(d, 2)).toBe(40);
  });
  it('mode 0: the gate stops the count', () => {
    const d = gated();
    program(d, 0xb0, 100);
    d.now = at(31);
    d.outb(0x61, 0);
    d.now = at(500);
    expect([count(d, 2), output(d)]).toEqual([70, false]);
    d.outb(0x61, 1);
    d.now = at(569);
    expect(output(d)).toBe(false);
    d.now = at(570);
    expect(output(d)).toBe(true);
  });
  it('mode 1: a rising gate starts the pulse, again and again', () => {
    const d = new Pc();
    program(d, 0xb2, 10);
    expect(output(d)).toBe(true);
    d.now = at(5);
    d.outb(0x61, 1);
    d.now = at(6);
    expect(output(d)).toBe(false);
    d.outb(0x61, 0);
    d.now = at(10);
    d.outb(0x61, 1);
    d.now = at(20);
    expect(output(d)).toBe(false);
    d.now = at(21);
    expect(output(d)).toBe(true);
  });
  it('mode 2: low for one tick of each period', () => {
    const d = gated();
    program(d, 0xb4, 4);
    const seen = Array.from({ length: 9 }, (_, tick) => {
      d.now = at(tick + 1);
      return [count(d, 2), output(d)];
    });
    const period = [
      [4, true],
      [3, true],
      [2, true],
      [1, false],
    ];
    expect(seen).toEqual([...period, ...period, period[0]]);
  });
  it('mode 2: a new count takes effect at the end of the period', () => {
    const d = gated();
    program(d, 0xb4, 100);
    d.now = at(50);
    d.outb(0x42, 10);
    d.outb(0x42, 0);
    d.now = at(60);
    expect(count(d, 2)).toBe(41);
    d.now = at(103);
    expect(count(d, 2)).toBe(8);
  });
  it.each([
    [6, '111000111'],
    [5, '111001110'],
  ])('mode 3: a square wave of %i', (length, wave) => {
    const d = gated();
    program(d, 0xb6, length);
    const seen = Array.from(wave, (_, tick) => {
      d.now = at(tick + 1);
      return output(d) ? 1 : 0;
    });
    expect(seen.join('')).toBe(wave);
  });
  it('mode 3 counts by two', () => {
    const d = gated();
    program(d, 0xb6, 6);
    const seen = Array.from({ length: 7 }, (_, tick) => {
      d.now = at(tick + 1);
      return count(d, 2);
    });
    expect(seen).toEqual([6, 4, 2, 6, 4, 2, 6]);
  });
  it.each([
    ['4, by software', 0xb8, false],
    ['5, by a rising gate', 0xba, true],
  ])('mode %s: low for one tick', (_, control, gate) => {
    const d = gate ? new Pc() : gated();
    program(d, control, 3);
    if (gate) d.outb(0x61, 1);
    const seen = Array.from({ length: 6 }, (_, tick) => {
      d.now = at(tick + 1);
      return output(d) ? 1 : 0;
    });
    expect(seen.join('')).toBe('111011');
  });
  it('counts in BCD', () => {
    const d = gated();
    program(d, 0xb1, 0x0100);
    d.now = at(2);
    expect(count(d, 2)).toBe(0x99);
    d.now = at(102);
    expect(count(d, 2)).toBe(0x9999);
  });
});

describe('8254 read operations', () => {
  it('holds a latched count until both bytes are read', () => {
    const d = new Pc();
    program(d, 0x34, 0x1234);
    d.now = at(1 + 0x34);
    d.outb(0x43, 0);
    d.now = at(400);
    expect([d.inb(0x40), d.inb(0x40)]).toEqual([0x00, 0x12]);
    expect(count(d, 0)).toBe(0x1234 - 399);
  });
  it('reads back status and count of several counters', () => {
    const d = new Pc();
    program(d, 0x34, 1000);
    d.outb(0x43, 0x56);
    d.now = at(11);
    d.outb(0x43, 0xc6);
    expect([d.inb(0x40), d.inb(0x40), d.inb(0x40)]).toEqual([0xb4, 990 & 0xff, 990 >>> 8]);
    expect(d.inb(0x41)).toBe(0xd6);
  });
  it('reads one byte where the control word says so', () => {
    const d = new Pc();
    program(d, 0x14, 0x80);
    d.now = at(17);
    expect([d.inb(0x40), d.inb(0x40)]).toEqual([0x70, 0x70]);
  });
});

describe('8254 counter 0 at IRQ0', () => {
  it('interrupts once in mode 0', () => {
    const d = new Pc().initialize();
    program(d, 0x30, 1000);
    expect(d.until(at(900))).toEqual([]);
    expect(d.pending).toBe(-1);
    expect(d.until(at(5000))).toEqual([at(1001)]);
    expect(d.take()).toBe(0x20);
    d.outb(0x20, 0x20);
    expect(d.until(at(1_000_000))).toEqual([]);
  });
  it('interrupts every period in mode 2', () => {
    const d = new Pc().initialize();
    program(d, 0x34, 1000);
    const taken: number[] = [];
    for (let period = 1; period <= 3; period++) {
      d.until(at(1000 * period));
      expect(d.pending).toBe(-1);
      d.until(at(1000 * period + 1));
      taken.push(d.take());
      d.outb(0x20, 0x20);
    }
    expect(taken).toEqual([0x20, 0x20, 0x20]);
  });
  it('comes to the same state however often time is looked at', () => {
    const often = new Pc().initialize();
    const seldom = new Pc().initialize();
    for (const d of [often, seldom]) program(d, 0x36, 700);
    for (let tick = 0; tick < 5000; tick += 13) often.until(at(tick));
    often.until(at(5001));
    seldom.until(at(5001));
    expect(often.board.states).toEqual(seldom.board.states);
  });
});
