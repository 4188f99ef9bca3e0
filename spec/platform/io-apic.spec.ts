import { describe, expect, it } from 'vitest';
import { Pc } from './pc';

const get = (d: Pc, register: number): number => {
  d.write('memory', 0xfec0_0000, 4, register);
  return d.read('memory', 0xfec0_0010, 4);
};
const set = (d: Pc, register: number, value: number): void => {
  d.write('memory', 0xfec0_0000, 4, register);
  d.write('memory', 0xfec0_0010, 4, value);
};
const pc = (): Pc => {
  const d = new Pc({ omit: [] });
  d.setApic(0xf0, 0x1ff);
  d.setApic(0xd0, 0x0100_0000);
  return d;
};
/** Writes a redirection entry: its low word, and the destination. */
const redirect = (d: Pc, pin: number, low: number, destination = 0): void => {
  set(d, 0x11 + 2 * pin, (destination << 24) >>> 0);
  set(d, 0x10 + 2 * pin, low);
};
const eoi = (d: Pc): void => d.setApic(0xb0, 0);

const LEVEL = 0x8000;
const LOW = 0x2000;
const MASK = 0x1_0000;
const REMOTE_IRR = 0x4000;

describe('82093AA register description', () => {
  it('has a version with 24 entries, an ID that the arbitration ID follows, and masked entries', () => {
    const d = pc();
    set(d, 0, 0xffff_ffff);
    set(d, 1, 0);
    set(d, 2, 0);
    expect([get(d, 0), get(d, 1), get(d, 2)]).toEqual([0x0f00_0000, 0x0017_0011, 0x0f00_0000]);
    expect([get(d, 0x10), get(d, 0x3e), get(d, 0x40)]).toEqual([MASK, MASK, 0]);
  });
  it('keeps delivery status and remote IRR from software', () => {
    const d = pc();
    set(d, 0x12, 0xffff_ffff);
    set(d, 0x13, 0xffff_ffff);
    expect([get(d, 0x12), get(d, 0x13)]).toEqual([0x1_afff, 0xff00_0000]);
  });
});

describe('82093AA interrupts', () => {
  it('delivers an edge once, IRQ0 at input 2', () => {
    const d = pc();
    redirect(d, 14, 0x76);
    redirect(d, 2, 0x40);
    d.pulse(14, 0);
    expect(d.take()).toBe(0x76);
    eoi(d);
    expect(d.take()).toBe(0x40);
    eoi(d);
    expect(d.pending).toBe(-1);
  });
  it('loses an edge while the entry is masked', () => {
    const d = pc();
    redirect(d, 5, MASK | 0x50);
    d.pulse(5);
    redirect(d, 5, 0x50);
    expect(d.pending).toBe(-1);
  });
  it('delivers a level again after its EOI while the line is high', () => {
    const d = pc();
    redirect(d, 17, LEVEL | 0x51);
    d.line(17, 1);
    expect(d.take()).toBe(0x51);
    expect(get(d, 0x10 + 34) & REMOTE_IRR).toBe(REMOTE_IRR);
    expect(d.pending).toBe(-1);
    eoi(d);
    expect(d.take()).toBe(0x51);
    d.line(17, 0);
    eoi(d);
    expect([d.pending, get(d, 0x10 + 34)]).toEqual([-1, LEVEL | 0x51]);
  });
  it('delivers a level when its entry is unmasked', () => {
    const d = pc();
    redirect(d, 17, MASK | LEVEL | 0x51);
    d.line(17, 1);
    expect(d.pending).toBe(-1);
    redirect(d, 17, LEVEL | 0x51);
    expect(d.take()).toBe(0x51);
  });
  it('takes an active-low input the other way round', () => {
    const d = pc();
    d.line(18, 1);
    redirect(d, 18, LEVEL | LOW | 0x52);
    expect(d.pending).toBe(-1);
    d.line(18, 0);
    expect(d.take()).toBe(0x52);
  });
  it('forgets remote IRR when the entry becomes edge-triggered', () => {
    const d = pc();
    redirect(d, 17, LEVEL | 0x51);
    d.line(17, 1);
    d.take();
    redirect(d, 17, 0x51);
    redirect(d, 17, MASK | LEVEL | 0x51);
    expect(get(d, 0x10 + 34) & REMOTE_IRR).toBe(0);
  });
  it('addresses physically, logically, everybody and nobody', () => {
    const d = pc();
    for (const [low, destination, vector] of [
      [0x61, 3, -1],
      [0x62, 0, 0x62],
      [0x863, 2, -1],
      [0x864, 1, 0x64],
      [0x165, 0xff, 0x65],
    ] as const) {
      redirect(d, 6, low, destination);
      d.pulse(6);
      expect(d.pending).toBe(vector);
      if (vector >= 0) d.take();
      eoi(d);
    }
  });
  it('signals NMI and INIT', () => {
    const d = pc();
    for (const low of [0x400, 0x500]) {
      redirect(d, 6, low);
      d.pulse(6);
    }
    expect(d.effects.flatMap((effect) => (effect.kind === 'signal' ? [effect.signal] : []))).toEqual([
      'nmi',
      'init',
    ]);
  });
  it('passes the 8259 pair as ExtINT at input 0', () => {
    const d = pc().initialize();
    redirect(d, 0, 0x700);
    d.pulse(4);
    expect(d.take()).toBe(0x24);
  });
});
