import { describe, expect, it } from 'vitest';
import { acknowledgeExternal } from '../../src/platform';
import { Pc } from './pc';

const register = (d: Pc, port: number, select: number): number => {
  d.outb(port, select);
  return d.inb(port);
};
const inService = (d: Pc, port = 0x20): number => register(d, port, 0x0b);
const requests = (d: Pc, port = 0x20): number => register(d, port, 0x0a);

describe('8259A initialization and operation command words', () => {
  it('keeps the masks', () => {
    const d = new Pc();
    d.outb(0x21, 0xfb);
    d.outb(0xa1, 0xff);
    expect([d.inb(0x21), d.inb(0xa1)]).toEqual([0xfb, 0xff]);
  });
  it('takes ICW1 to ICW4 before the next mask', () => {
    const d = new Pc();
    d.outb(0x21, 0xff);
    d.initialize();
    expect(d.inb(0x21)).toBe(0);
    d.outb(0x21, 0xee);
    expect(d.inb(0x21)).toBe(0xee);
  });
  it('expects neither ICW3 nor ICW4 where ICW1 says so', () => {
    const d = new Pc();
    d.outb(0xa0, 0x12);
    d.outb(0xa1, 0x28);
    d.outb(0xa1, 0x77);
    expect(d.inb(0xa1)).toBe(0x77);
  });
  it('interrupts nobody before it is initialized', () => {
    const d = new Pc();
    d.pulse(1);
    expect(d.pending).toBe(-1);
  });
});

describe('8259A fully nested mode', () => {
  it('gives the vectors of master and slave by priority', () => {
    const d = new Pc().initialize();
    d.pulse(7, 12, 3, 1);
    expect([d.take(), d.pending]).toEqual([0x21, -1]);
    d.outb(0x20, 0x20);
    expect(d.take()).toBe(0x2c);
    expect([inService(d), inService(d, 0xa0)]).toEqual([0x04, 0x10]);
    d.outb(0xa0, 0x20);
    d.outb(0x20, 0x20);
    expect(d.take()).toBe(0x23);
    expect(d.pending).toBe(-1);
    d.outb(0x20, 0x63);
    expect(d.take()).toBe(0x27);
  });
  it('nests a higher priority and holds back a lower one', () => {
    const d = new Pc().initialize();
    d.pulse(4);
    expect(d.take()).toBe(0x24);
    d.pulse(5);
    expect(d.pending).toBe(-1);
    d.pulse(3);
    expect(d.take()).toBe(0x23);
    expect(inService(d)).toBe(0x18);
  });
  it('serves a second interrupt of the slave after an end of interrupt at the slave alone', () => {
    const d = new Pc().initialize(0x11);
    d.pulse(9, 12);
    expect(d.take()).toBe(0x29);
    d.outb(0xa0, 0x20);
    expect(d.take()).toBe(0x2c);
  });
  it('needs both ends of interrupt without the special fully nested mode', () => {
    const d = new Pc().initialize();
    d.pulse(9, 12);
    d.take();
    d.outb(0xa0, 0x20);
    expect(d.pending).toBe(-1);
    d.outb(0x20, 0x20);
    expect(d.take()).toBe(0x2c);
  });
  it('masks', () => {
    const d = new Pc().initialize();
    d.outb(0x21, 0x02);
    d.pulse(1, 2);
    expect([d.pending, requests(d)]).toEqual([-1, 2]);
    d.outb(0x21, 0);
    expect(d.take()).toBe(0x21);
  });
});

describe('8259A triggers', () => {
  it('sees an edge once', () => {
    const d = new Pc().initialize();
    d.line(3, 1);
    expect(d.take()).toBe(0x23);
    d.outb(0x20, 0x20);
    expect(d.pending).toBe(-1);
  });
  it('forgets an edge that goes away before it is served', () => {
    const d = new Pc().initialize();
    d.line(3, 1);
    d.line(3, 0);
    expect(d.pending).toBe(-1);
  });
  it('asks again while a level-triggered line is high', () => {
    const d = new Pc().initialize();
    d.outb(0x4d0, 0xff);
    expect(d.inb(0x4d0)).toBe(0xf8);
    d.line(5, 1);
    expect(d.take()).toBe(0x25);
    d.outb(0x20, 0x20);
    expect(d.take()).toBe(0x25);
    d.line(5, 0);
    d.outb(0x20, 0x20);
    expect(d.pending).toBe(-1);
  });
  it('gives IR7 without a bit in service when the request went away (spurious)', () => {
    const d = new Pc().initialize();
    d.line(3, 1);
    expect(d.pending).toBe(0x23);
    d.line(3, 0);
    d.board = acknowledgeExternal(d.board).board;
    expect(acknowledgeExternal(d.board).vector).toBe(0x27);
    expect(inService(d)).toBe(0);
  });
});

describe('8259A modes', () => {
  it('ends by itself with automatic end of interrupt', () => {
    const d = new Pc().initialize(3);
    d.pulse(2, 4);
    expect([d.take(), inService(d)]).toEqual([0x24, 0]);
  });
  it('rotates priorities', () => {
    const d = new Pc().initialize();
    d.pulse(1, 4);
    expect(d.take()).toBe(0x21);
    d.outb(0x20, 0xa0);
    d.pulse(1);
    expect(d.take()).toBe(0x24);
    d.outb(0x20, 0xe0 | 2);
    d.outb(0x20, 0xc0 | 0);
    d.outb(0x20, 0x64);
    expect(d.take()).toBe(0x21);
  });
  it('rotates at automatic ends of interrupt', () => {
    const d = new Pc().initialize(3);
    d.outb(0x20, 0x80);
    d.pulse(0, 1);
    expect([d.take(), d.take()]).toEqual([0x20, 0x21]);
    d.pulse(0, 3);
    expect([d.take(), d.take()]).toEqual([0x23, 0x20]);
  });
  it('lets lower priorities through in special mask mode', () => {
    const d = new Pc().initialize();
    d.pulse(1);
    d.take();
    d.pulse(6);
    expect(d.pending).toBe(-1);
    d.outb(0x21, 0x02);
    d.outb(0x20, 0x68);
    expect(d.take()).toBe(0x26);
    d.outb(0x20, 0x48);
    expect(inService(d)).toBe(0x42);
  });
  it('answers a poll with the input and serves it', () => {
    const d = new Pc().initialize();
    expect(register(d, 0x20, 0x0c)).toBe(0);
    d.pulse(6);
    expect(register(d, 0x20, 0x0c)).toBe(0x86);
    expect(inService(d)).toBe(0x40);
  });
});

describe('SDM Vol. 3A, 11.5.1 Local Vector Table: LINT0 and LINT1', () => {
  const LINT0 = 0x350;
  const apic = (): Pc => {
    const d = new Pc({ omit: [] }).initialize();
    d.setApic(0xf0, 0x1ff);
    return d;
  };
  it('takes the interrupt of the 8259 pair as ExtINT', () => {
    const d = apic();
    d.pulse(1);
    expect(d.pending).toBe(-1);
    d.setApic(LINT0, 0x700);
    d.setApic(0x80, 0xf0);
    expect([d.pending, d.take()]).toEqual([0x21, 0x21]);
    expect(inService(d)).toBe(2);
  });
  it('prefers its own interrupts', () => {
    const d = apic();
    d.setApic(LINT0, 0x700);
    d.pulse(1);
    d.setApic(0x300, 0x4_0040);
    expect([d.take(), d.take()]).toEqual([0x40, 0x21]);
  });
  it('delivers the interrupt of the pair as a fixed vector or as an NMI', () => {
    const d = apic();
    d.setApic(LINT0, 0x055);
    d.pulse(1);
    expect(d.take()).toBe(0x55);
    d.setApic(LINT0, 0x400);
    d.line(1, 0);
    d.pulse(3);
    expect(d.effects).toEqual([{ kind: 'signal', signal: 'nmi', processor: 0, vector: 0 }]);
  });
});
