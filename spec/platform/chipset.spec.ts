import { describe, expect, it } from 'vitest';
import { CLOCK_HZ } from '../../src/platform';
import { Pc } from './pc';

const config = (d: Pc, address: number, bytes: 1 | 2 | 4 = 4): number => {
  d.write('port', 0xcf8, 4, (0x8000_0000 + (address & ~3)) >>> 0);
  return d.read('port', 0xcfc + (address & 3), bytes);
};
const setConfig = (d: Pc, address: number, bytes: 1 | 2 | 4, value: number): void => {
  d.write('port', 0xcf8, 4, (0x8000_0000 + (address & ~3)) >>> 0);
  d.write('port', 0xcfc + (address & 3), bytes, value);
};
const POWER = 0x0b00;
const SECOND = CLOCK_HZ;

describe('PCI Local Bus Specification 2.1, 3.7.4.1 Configuration Mechanism #1', () => {
  const d = new Pc();
  it.each([
    ['host bridge', 0x0000, 0x1237_8086],
    ['ISA bridge', 0x0800, 0x7000_8086],
    ['power management', 0x0b00, 0x7113_8086],
    ['nothing', 0x1000, 0xffff_ffff],
    ['nothing on another bus', 0x1_0000, 0xffff_ffff],
  ])('%s', (_, address, id) => {
    expect(config(d, address)).toBe(id);
  });
  it('reads and writes parts of a register, and leaves IDs alone', () => {
    setConfig(d, 0x0860, 4, 0x0b0a_0980);
    setConfig(d, 0x0861, 1, 0x05);
    expect([config(d, 0x0860), config(d, 0x0862, 2)]).toEqual([0x0b0a_0580, 0x0b0a]);
    setConfig(d, 0x0800, 4, 0);
    expect(config(d, 0x0800)).toBe(0x7000_8086);
  });
  it('answers nothing while the address is not enabled', () => {
    d.write('port', 0xcf8, 4, 0x800);
    expect(d.read('port', 0xcfc, 4)).toBe(0xffff_ffff);
  });
});

describe('ACPI Specification 6.0, 4.8.3 Fixed Hardware Features', () => {
  it('has its registers at 0x600 without firmware, and where firmware puts them', () => {
    expect(new Pc().read('port', 0x604, 2)).toBe(1);
    const d = new Pc({ firmware: 65_536 });
    expect(d.read('port', 0x604, 2)).toBe(0xffff);
    setConfig(d, POWER + 0x40, 4, 0xb001);
    setConfig(d, POWER + 0x80, 1, 1);
    expect(d.read('port', 0xb004, 2)).toBe(0);
    d.outb(0xb2, 0xf1);
    expect(d.read('port', 0xb004, 2)).toBe(1);
  });
  it('has a timer of 3.579545 MHz', () => {
    const d = new Pc();
    d.now = 2 * SECOND;
    expect(d.read('port', 0x608, 4)).toBe(7_159_090);
  });
  it('raises the SCI for the alarm clock', () => {
    const d = new Pc().initialize();
    d.write('port', 0x602, 2, 0x400);
    d.outb(0x70, 11);
    d.outb(0x71, 0x12);
    d.until(SECOND);
    expect([d.take(), d.take()]).toEqual([0x28, -1]);
    d.outb(0xa0, 0x20);
    d.outb(0x20, 0x20);
    expect([d.take(), d.read('port', 0x600, 2)]).toEqual([0x29, 0x400]);
  });
  it('switches off, and sleeps until the alarm clock wakes it', () => {
    const d = new Pc();
    d.write('port', 0x604, 2, 0x2000);
    d.write('port', 0x602, 2, 0x400);
    d.write('port', 0x604, 2, 0x2400);
    expect(d.effects).toEqual([{ kind: 'power-off' }, { kind: 'sleep' }]);
    d.effects = [];
    d.outb(0x70, 11);
    d.outb(0x71, 0x12);
    d.until(SECOND);
    expect(d.effects).toEqual([{ kind: 'reset', cause: 'wake' }]);
    expect(d.read('port', 0x600, 2)).toBe(0x8400);
  });
});

describe('the 8042', () => {
  it('tests itself and the keyboard', () => {
    const d = new Pc();
    d.outb(0x64, 0xaa);
    expect([d.inb(0x64) & 1, d.inb(0x60), d.inb(0x64) & 1]).toEqual([1, 0x55, 0]);
    d.outb(0x64, 0xab);
    expect(d.inb(0x60)).toBe(0);
  });
  it('keeps the command byte and the A20 gate', () => {
    const d = new Pc();
    d.outb(0x64, 0x60);
    d.outb(0x60, 0x45);
    d.outb(0x64, 0x20);
    expect(d.inb(0x60)).toBe(0x45);
    d.outb(0x64, 0xd1);
    d.outb(0x60, 0xdd);
    d.outb(0x64, 0xd0);
    expect(d.inb(0x60)).toBe(0xdd);
  });
  it('brings the answers of the keyboard at IRQ1, each with an edge', () => {
    const d = new Pc().initialize();
    d.outb(0x64, 0x60);
    d.outb(0x60, 0x41);
    d.outb(0x60, 0xff);
    const answers = [0, 1].map(() => {
      const taken = [d.take(), d.inb(0x60)];
      d.outb(0x20, 0x20);
      return taken;
    });
    expect(answers).toEqual([
      [0x21, 0xfa],
      [0x21, 0xaa],
    ]);
    expect(d.pending).toBe(-1);
  });
  it('resets by a pulse and by the output port', () => {
    const d = new Pc();
    d.outb(0x64, 0xff);
    expect(d.effects).toEqual([]);
    d.outb(0x64, 0xfe);
    d.outb(0x64, 0xd1);
    d.outb(0x60, 0xfe);
    expect(d.effects).toEqual(Array(2).fill({ kind: 'reset', cause: 'software' }));
  });
});

describe('the test device of kvm-unit-tests', () => {
  it('echoes words, halves and bytes', () => {
    const d = new Pc();
    d.write('port', 0xe0, 4, 0x8765_4321);
    expect([d.read('port', 0xe0, 4), d.read('port', 0xe0, 2), d.inb(0xe3)]).toEqual([
      0x8765_4321, 0x4321, 0x87,
    ]);
    d.outb(0xe1, 0xff);
    expect(d.read('port', 0xe0, 4)).toBe(0x8765_ff21);
    expect(d.inb(0xe9)).toBe(0xff);
  });
  it('has memory at 0xFF000000', () => {
    const d = new Pc();
    d.write('memory', 0xff00_0010, 4, 0x1234_5678);
    d.write('memory', 0xff00_0011, 1, 0xff);
    expect(d.read('memory', 0xff00_0010, 4)).toBe(0x1234_ff78);
    expect(d.read('memory', 0xff00_fffc, 4)).toBe(0);
  });
});
