import { describe, expect, it } from 'vitest';
import { byteString, createBoard, FW_CFG_SELECTORS } from '../../src/platform';
import { Driver } from './bus';

const MEMORY = { memoryBytes: 64 * 2 ** 20 };
const driver = (config: Partial<Parameters<typeof createBoard>[0]> = {}): Driver =>
  new Driver(createBoard({ ...MEMORY, ...config }));

describe('PC16550D 8.0 Registers', () => {
  const RBR = 0x3f8;
  const IER = 0x3f9;
  const IIR = 0x3fa;
  const LCR = 0x3fb;
  const MCR = 0x3fc;
  const LSR = 0x3fd;
  const MSR = 0x3fe;

  it('sends every byte as an effect, with the transmitter always empty', () => {
    const d = driver();
    for (const char of 'hi') {
      expect(d.inb(LSR)).toBe(0x60);
      d.outb(RBR, char.charCodeAt(0));
    }
    expect(d.effects).toEqual([
      { kind: 'serial', byte: 0x68 },
      { kind: 'serial', byte: 0x69 },
    ]);
  });
  it('receives the configured input byte by byte', () => {
    const d = driver({ serialInput: 'ok' });
    expect(d.inb(LSR)).toBe(0x61);
    expect([d.inb(RBR), d.inb(RBR), d.inb(RBR)]).toEqual([0x6f, 0x6b, 0]);
    expect(d.inb(LSR)).toBe(0x60);
  });
  it('shows the divisor latch while LCR bit 7 is set', () => {
    const d = driver();
    d.outb(IER, 0x05);
    d.outb(LCR, 0x83);
    d.outb(RBR, 0x34);
    d.outb(IER, 0x12);
    expect([d.inb(RBR), d.inb(IER)]).toEqual([0x34, 0x12]);
    d.outb(LCR, 0x03);
    expect(d.inb(IER)).toBe(0x05);
    expect(d.effects).toEqual([]);
  });
  it('identifies the transmitter-empty interrupt once', () => {
    const d = driver();
    expect(d.inb(IIR)).toBe(1);
    d.outb(IER, 0x02);
    expect([d.inb(IIR), d.inb(IIR)]).toEqual([2, 1]);
    d.outb(RBR, 0);
    expect(d.inb(IIR)).toBe(2);
  });
  it('shows enabled FIFOs in IIR bits 7:6', () => {
    const d = driver({ serialInput: 'x' });
    d.outb(IER, 0x01);
    d.outb(IIR, 0x07);
    expect(d.inb(IIR)).toBe(0xc4);
    d.inb(RBR);
    expect(d.inb(IIR)).toBe(0xc1);
  });
  it('loops bytes and modem lines back, and reports an overrun', () => {
    const d = driver();
    d.outb(MCR, 0x1a);
    expect(d.inb(MSR) & 0xf0).toBe(0x90);
    d.outb(RBR, 0x55);
    d.outb(RBR, 0x66);
    expect(d.inb(LSR)).toBe(0x63);
    expect(d.inb(LSR)).toBe(0x61);
    expect(d.inb(RBR)).toBe(0x55);
    expect(d.effects).toEqual([]);
  });
  it('has a scratch register, and takes wide accesses as bytes', () => {
    const d = driver();
    d.write('port', 0x3fe, 2, 0xa500);
    expect(d.read('port', 0x3fe, 2)).toBe(0xa5b0);
    d.write('port', RBR, 2, 0x0141);
    expect(d.effects).toEqual([{ kind: 'serial', byte: 0x41 }]);
    expect(d.inb(IER)).toBe(1);
  });
});

describe('debug exit', () => {
  it('ends the run with the code written', () => {
    const d = driver();
    d.write('port', 0xf4, 4, 0xffff_ffff);
    d.outb(0xf4, 3);
    d.outb(0xf5, 9);
    expect(d.effects).toEqual([
      { kind: 'exit', code: 0xffff_ffff },
      { kind: 'exit', code: 3 },
    ]);
    expect(d.read('port', 0xf4, 4)).toBe(0);
  });
});

describe('QEMU Firmware Configuration (fw_cfg) Device', () => {
  const take = (d: Driver, selector: number, bytes: number): number[] => {
    d.outw(0x510, selector);
    return Array.from({ length: bytes }, () => d.inb(0x511));
  };
  const initrd = byteString(Uint8Array.of(1, 2, 255));
  const d = driver({
    processors: 2,
    commandLine: { address: 0x2_0000, text: 'a=b' },
    initrd: { address: 0x100_0000, data: initrd },
  });
  it.each([
    ['signature', [0x51, 0x45, 0x4d, 0x55, 0]],
    ['id', [1, 0, 0, 0]],
    ['ramSize', [0, 0, 0, 4, 0, 0, 0, 0]],
    ['processors', [2, 0]],
    ['maximumProcessors', [2, 0]],
    ['commandLineAddress', [0, 0, 2, 0]],
    ['commandLineSize', [4, 0, 0, 0]],
    ['commandLineData', [0x61, 0x3d, 0x62, 0]],
    ['initrdAddress', [0, 0, 0, 1]],
    ['initrdSize', [3, 0, 0, 0]],
    ['initrdData', [1, 2, 255, 0]],
    ['fileDirectory', [0, 0, 0, 2, 0, 0, 0, 4, 0, 0x20, 0, 0, 0x65, 0x74, 0x63, 0x2f]],
    ['firstFile', [0xff, 0xff, 0xff, 0xff, 0]],
  ] as const)('answers %s', (name, expected) => {
    expect(take(d, FW_CFG_SELECTORS[name], expected.length)).toEqual(expected);
  });
  it('reads zeros for an unknown selector', () => {
    expect(take(d, 0x1234, 3)).toEqual([0, 0, 0]);
  });
  it('starts again when a selector is written', () => {
    expect(take(d, 0, 1)).toEqual([0x51]);
    expect(take(d, 0, 1)).toEqual([0x51]);
  });
});
