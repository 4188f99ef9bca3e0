import { describe, expect, it } from 'vitest';
import { CLOCK_HZ } from '../../src/platform';
import { Pc } from './pc';

const get = (d: Pc, register: number): number => {
  d.outb(0x70, register);
  return d.inb(0x71);
};
const set = (d: Pc, register: number, value: number): void => {
  d.outb(0x70, register);
  d.outb(0x71, value);
};
/** Year, month, day, hours, minutes, seconds as the registers show them. */
const time = (d: Pc): readonly number[] => [9, 8, 7, 4, 2, 0].map((register) => get(d, register));
const SECOND = CLOCK_HZ;
/** 2031-12-31 23:59:58, a Wednesday. */
const date = Date.UTC(2031, 11, 31, 23, 59, 58) / 1000;

describe('MC146818 time, calendar and alarm', () => {
  it('shows the configured date in BCD and goes on with the clock', () => {
    const d = new Pc({ date });
    expect([...time(d), get(d, 6), get(d, 0x32)]).toEqual([0x31, 0x12, 0x31, 0x23, 0x59, 0x58, 4, 0x20]);
    d.now = 2 * SECOND;
    expect([...time(d), get(d, 6)]).toEqual([0x32, 0x01, 0x01, 0, 0, 0, 5]);
  });
  it('shows it in binary and in 12 hours', () => {
    const d = new Pc({ date });
    set(d, 11, 0x06);
    expect(time(d)).toEqual([31, 12, 31, 23, 59, 58]);
    set(d, 11, 0x00);
    expect(get(d, 4)).toBe(0x91);
  });
  it('stands still while software sets it, and starts from what was set', () => {
    const d = new Pc({ date });
    set(d, 11, 0x82);
    d.now = 5 * SECOND;
    expect(get(d, 0)).toBe(0x58);
    set(d, 0, 0x10);
    set(d, 2, 0x20);
    set(d, 11, 0x02);
    d.now = 8 * SECOND;
    expect([get(d, 2), get(d, 0)]).toEqual([0x20, 0x13]);
  });
  it('announces an update 244 microseconds before it', () => {
    const d = new Pc();
    const progress = (clock: number): number => {
      d.now = clock;
      return get(d, 10) & 0x80;
    };
    expect([SECOND - 750_000, SECOND - 700_000, SECOND].map(progress)).toEqual([0, 0x80, 0]);
  });
  it('has no register C flag left once it was read, valid RAM, and memory that a reset leaves', () => {
    const d = new Pc();
    d.now = SECOND;
    expect([get(d, 12), get(d, 12), get(d, 13)]).toEqual([0x50, 0, 0x80]);
    set(d, 0x40, 0x77);
    expect(get(d, 0x40)).toBe(0x77);
  });
  it('tells the size of memory where firmware looks for it', () => {
    const d = new Pc({ memoryBytes: 5 * 2 ** 30, processors: 4 });
    const word = (at: number): number => get(d, at) | (get(d, at + 1) << 8);
    expect([word(0x15), word(0x17), word(0x34)]).toEqual([640, 0xffff, (0xc000_0000 - 2 ** 24) / 65_536]);
    expect(word(0x5b) | (get(d, 0x5d) << 16)).toBe(0x8000);
    expect(get(d, 0x5f)).toBe(3);
  });
});

describe('MC146818 interrupts at IRQ8', () => {
  const pc = (): Pc => new Pc({ date }).initialize();
  const end = (d: Pc): void => {
    d.outb(0xa0, 0x20);
    d.outb(0x20, 0x20);
  };
  it('periodic, at the rate of register A', () => {
    const d = pc();
    set(d, 10, 0x2f);
    set(d, 11, 0x42);
    expect(d.until(SECOND)).toEqual([SECOND / 2]);
    expect([d.take(), get(d, 12)]).toEqual([0x28, 0xd0]);
    end(d);
    expect(d.until(2 * SECOND)).toEqual([1.5 * SECOND]);
  });
  it('after each update', () => {
    const d = pc();
    set(d, 11, 0x12);
    expect(d.until(SECOND)).toEqual([SECOND]);
    expect([d.take(), get(d, 12)]).toEqual([0x28, 0xd0]);
  });
  it('at the alarm, whose fields may match anything', () => {
    const d = pc();
    set(d, 1, 0x05);
    set(d, 3, 0xff);
    set(d, 5, 0x00);
    set(d, 11, 0x22);
    expect(d.until(100 * SECOND)).toEqual([7 * SECOND]);
    expect([d.take(), get(d, 12) & 0xa0]).toEqual([0x28, 0xa0]);
  });
  it('not while nothing is enabled', () => {
    expect(pc().until(1000 * SECOND)).toEqual([]);
  });
});
