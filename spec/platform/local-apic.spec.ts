import { describe, expect, it } from 'vitest';
import {
  acceptInterrupt,
  apicBaseOf,
  cr8Of,
  createBoard,
  createLocalApic,
  initLocalApic,
  isAddressed,
  type LocalApicState,
  pendingVector,
  processorPriority,
  readBus,
  withCr8,
  withLocalApic,
  writeApicBase,
} from '../../src/platform';
import { Driver } from './bus';

const ID = 0x20;
const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ISR = 0x100;
const IRR = 0x200;
const ESR = 0x280;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const LVT_LINT0 = 0x350;
const LVT_ERROR = 0x370;

const driver = (): Driver => new Driver(createBoard({ memoryBytes: 2 ** 24 }));
const enabled = (): Driver => {
  const d = driver();
  d.setApic(SVR, 0x1ff);
  return d;
};
const change = (d: Driver, transition: (state: LocalApicState) => LocalApicState): void => {
  d.board = withLocalApic(d.board, transition(d.localApic));
};
const accept = (d: Driver, vector: number, trigger: 'edge' | 'level' = 'edge'): void =>
  change(d, (state) => acceptInterrupt(state, vector, trigger));

describe('SDM Vol. 3A, 11.4.1 The Local APIC Block Diagram', () => {
  it('gives part of a register for a narrow read and reports it', () => {
    const d = driver();
    expect(d.read('memory', 0xfee0_0031, 1)).toBe(0);
    expect(d.read('memory', 0xfee0_0032, 2)).toBe(5);
    expect(d.effects).toHaveLength(2);
    expect(d.effects[0]).toMatchObject({ kind: 'undefined', device: 'local-apic' });
  });
  it('ignores and reports a narrow write', () => {
    const d = driver();
    d.write('memory', 0xfee0_0080, 1, 0x20);
    expect(d.apic(TPR)).toBe(0);
    expect(d.effects).toMatchObject([{ kind: 'undefined' }]);
  });
  it('ignores writes to read-only registers', () => {
    const d = driver();
    d.setApic(0x30, 0);
    d.setApic(PPR, 0xff);
    expect([d.apic(0x30), d.apic(PPR)]).toEqual([0x0005_0014, 0]);
  });
});

describe('SDM Vol. 3A, 11.4.3 Enabling or Disabling the Local APIC', () => {
  it('is enabled with the bootstrap flag after power-up', () => {
    expect(apicBaseOf(driver().localApic)).toBe(0xfee0_0900n);
  });
  it('loses registers and page when IA32_APIC_BASE bit 11 is cleared', () => {
    const d = enabled();
    d.setApic(TPR, 0x30);
    const off = writeApicBase(d.localApic, 0xfee0_0100n);
    if (!off.ok) throw new Error(off.fault.says);
    d.board = withLocalApic(d.board, off.value);
    expect(readBus(d.board, { space: 'memory', address: 0xfee0_0020, bytes: 4, now: 0 })).toMatchObject({
      decoded: false,
      value: 0xffff_ffff,
    });
    expect(pendingVector(acceptInterrupt(off.value, 0x40))).toBe(-1);
    const on = writeApicBase(off.value, 0xfee0_0900n);
    expect(on).toEqual({ ok: true, value: driver().localApic });
  });
  it.each([0xfee0_0901n, 0xfee0_0a00n, 0xfee0_0d00n, 1n << 52n])('refuses reserved bits of %x', (value) => {
    expect(writeApicBase(driver().localApic, value)).toMatchObject({
      ok: false,
      fault: { kind: 'general-protection' },
    });
  });
});

describe('SDM Vol. 3A, 11.4.5 Relocating the Local APIC Registers', () => {
  it('moves the page and keeps the registers', () => {
    const d = enabled();
    const moved = writeApicBase(d.localApic, 0x1000_0900n);
    if (!moved.ok) throw new Error(moved.fault.says);
    d.board = withLocalApic(d.board, moved.value);
    expect(d.read('memory', 0x1000_00f0, 4)).toBe(0x1ff);
    expect(d.apic(SVR)).toBe(0xffff_ffff);
  });
});

describe('SDM Vol. 3A, 11.4.6 Local APIC ID', () => {
  it('stands in bits 31:24 and can be written', () => {
    const d = driver();
    d.setApic(ID, 0x0712_3456);
    expect(d.apic(ID)).toBe(0x0700_0000);
  });
});

describe('SDM Vol. 3A, 11.4.7 Local APIC State', () => {
  it('11.4.7.1 after power-up: masked entries, spurious vector FFH, flat model', () => {
    const d = driver();
    expect([SVR, DFR, LDR, TPR, ESR, 0x380, 0x390].map((offset) => d.apic(offset))).toEqual([
      0xff, 0xffff_ffff, 0, 0, 0, 0, 0,
    ]);
    for (let offset = 0x320; offset <= 0x370; offset += 0x10) expect(d.apic(offset)).toBe(0x1_0000);
  });
  it('11.4.7.2 software disabled: entries stay masked, requests are held, IPIs can be sent', () => {
    const d = enabled();
    d.setApic(LVT_LINT0, 0x700);
    accept(d, 0x50);
    d.setApic(SVR, 0xff);
    expect(d.apic(LVT_LINT0)).toBe(0x1_0700);
    d.setApic(LVT_LINT0, 0x700);
    expect(d.apic(LVT_LINT0)).toBe(0x1_0700);
    expect(d.apic(IRR + 0x20)).toBe(1 << 16);
    expect(pendingVector(d.localApic)).toBe(-1);
    d.setApic(ICR_LOW, 0x000c_0430);
    expect(d.effects).toMatchObject([{ kind: 'ipi', deliveryMode: 'nmi' }]);
    d.setApic(SVR, 0x1ff);
    expect(pendingVector(d.localApic)).toBe(0x50);
  });
  it('11.4.7.3 after an INIT: registers reset, ID and base stay', () => {
    const d = enabled();
    d.setApic(ID, 0x0500_0000);
    accept(d, 0x50);
    const after = initLocalApic(d.localApic);
    expect(after).toEqual({ ...createLocalApic(after.options), id: 5 });
  });
});

describe('SDM Vol. 3A, 11.5.1 Local Vector Table', () => {
  it.each([
    [0x320, 0x3_00ff],
    [0x330, 0x1_07ff],
    [0x340, 0x1_07ff],
    [0x350, 0x1_a7ff],
    [0x360, 0x1_a7ff],
    [0x370, 0x1_00ff],
  ])('entry %x keeps its defined bits', (offset, bits) => {
    const d = enabled();
    d.setApic(offset, 0xffff_ffff);
    expect(d.apic(offset)).toBe(bits);
  });
});

describe('SDM Vol. 3A, 11.5.3 Error Handling', () => {
  it('reports a reserved register at the next write to ESR', () => {
    const d = enabled();
    expect(d.apic(0x3f0)).toBe(0);
    d.setApic(0x2f0, 1);
    expect(d.apic(ESR)).toBe(0);
    d.setApic(ESR, 0);
    expect(d.apic(ESR)).toBe(0x80);
    d.setApic(ESR, 0);
    expect(d.apic(ESR)).toBe(0);
  });
  it('reports illegal vectors: sent, received, and both for a self IPI', () => {
    const d = enabled();
    const errors = (): number => {
      d.setApic(ESR, 0);
      return d.apic(ESR);
    };
    d.setApic(ICR_LOW, 0x000c_000f);
    expect(errors()).toBe(0x20);
    accept(d, 0x0f);
    expect(errors()).toBe(0x40);
    d.setApic(ICR_LOW, 0x0004_0001);
    expect(errors()).toBe(0x60);
    expect(pendingVector(d.localApic)).toBe(-1);
    expect(d.effects).toEqual([]);
  });
  it('raises the error interrupt for the first error, and again after ESR was written', () => {
    const d = enabled();
    d.setApic(LVT_ERROR, 0x41);
    d.apic(0x3f0);
    expect(d.acknowledge()).toBe(0x41);
    d.setApic(EOI, 0);
    d.apic(0x3f0);
    expect(pendingVector(d.localApic)).toBe(-1);
    d.setApic(ESR, 0);
    d.apic(0x3f0);
    expect(pendingVector(d.localApic)).toBe(0x41);
  });
});

describe('SDM Vol. 3A, 11.6.1 Interrupt Command Register (ICR)', () => {
  it('delivers a self IPI at once, with the delivery status idle', () => {
    const d = enabled();
    d.setApic(ICR_LOW, 0x0004_10fe);
    expect(d.apic(ICR_LOW)).toBe(0x0004_00fe);
    expect(pendingVector(d.localApic)).toBe(0xfe);
    expect(d.effects).toEqual([]);
  });
  it('delivers to all including self', () => {
    const d = enabled();
    d.setApic(ICR_LOW, 0x0008_0060);
    expect(pendingVector(d.localApic)).toBe(0x60);
    expect(d.effects).toMatchObject([{ kind: 'ipi', deliveryMode: 'fixed', sender: 0, shorthand: 'all' }]);
  });
  it('completes INIT and SIPI to others on a board with one processor', () => {
    const d = enabled();
    d.setApic(ICR_LOW, 0x000c_4500);
    d.setApic(ICR_LOW, 0x000c_4608);
    expect(d.apic(ICR_LOW) & 0x1000).toBe(0);
    expect(d.effects).toMatchObject([
      { deliveryMode: 'init', shorthand: 'others' },
      { deliveryMode: 'startup', vector: 8 },
    ]);
  });
  it('ignores INIT level de-assert, and reports what is invalid', () => {
    const d = enabled();
    d.setApic(ICR_LOW, 0x0008_8500);
    expect(d.effects).toMatchObject([{ kind: 'undefined' }]);
    d.setApic(ICR_LOW, 0x000c_8500);
    expect(d.effects).toHaveLength(1);
    d.setApic(ICR_LOW, 0x0004_0400);
    d.setApic(ICR_LOW, 0x0000_0340);
    expect(d.effects.map(({ kind }) => kind)).toEqual(['undefined', 'undefined', 'undefined']);
  });
});

describe('SDM Vol. 3A, 11.6.2 Determining IPI Destination', () => {
  it('11.6.2.1 physical: by ID or broadcast', () => {
    const d = enabled();
    d.setApic(ICR_HIGH, 0x0100_0000);
    d.setApic(ICR_LOW, 0x31);
    expect(d.effects).toMatchObject([{ destination: { mode: 'physical', id: 1 } }]);
    expect(pendingVector(d.localApic)).toBe(-1);
    d.setApic(ICR_HIGH, 0xff00_0000);
    d.setApic(ICR_LOW, 0x31);
    expect(pendingVector(d.localApic)).toBe(0x31);
  });
  it('11.6.2.2 logical: flat and cluster model', () => {
    const d = enabled();
    d.setApic(LDR, 0x1200_0000);
    expect(isAddressed(d.localApic, { mode: 'logical', id: 0x02 })).toBe(true);
    expect(isAddressed(d.localApic, { mode: 'logical', id: 0x0c })).toBe(false);
    d.setApic(DFR, 0);
    expect(d.apic(DFR)).toBe(0x0fff_ffff);
    expect(isAddressed(d.localApic, { mode: 'logical', id: 0x13 })).toBe(true);
    expect(isAddressed(d.localApic, { mode: 'logical', id: 0x22 })).toBe(false);
    expect(isAddressed(d.localApic, { mode: 'logical', id: 0xf2 })).toBe(true);
    expect(isAddressed(d.localApic, { mode: 'logical', id: 0x11 })).toBe(false);
  });
});

describe('SDM Vol. 3A, 11.8.3.1 Task and Processor Priorities', () => {
  it('takes the higher of TPR and the interrupt in service', () => {
    const d = enabled();
    accept(d, 0x53);
    d.acknowledge();
    for (const [tpr, ppr] of [
      [0x00, 0x50],
      [0x4f, 0x50],
      [0x57, 0x57],
      [0x61, 0x61],
    ] as const) {
      d.setApic(TPR, tpr);
      expect(d.apic(PPR)).toBe(ppr);
      expect(processorPriority(d.localApic)).toBe(ppr);
    }
  });
});

describe('SDM Vol. 3A, 11.8.4 Interrupt Acceptance for Fixed Interrupts', () => {
  it('delivers the highest vector whose class is above the priority', () => {
    const d = enabled();
    accept(d, 0x31);
    accept(d, 0x4f);
    expect(d.acknowledge()).toBe(0x4f);
    expect([d.apic(ISR + 0x20), d.apic(IRR + 0x20), d.apic(IRR + 0x10)]).toEqual([1 << 15, 0, 1 << 17]);
    expect(pendingVector(d.localApic)).toBe(-1);
    accept(d, 0x40);
    expect(pendingVector(d.localApic)).toBe(-1);
    accept(d, 0x50);
    expect(pendingVector(d.localApic)).toBe(0x50);
  });
  it('does not deliver at or below the task-priority class', () => {
    const d = enabled();
    d.setApic(TPR, 0x50);
    accept(d, 0x5f);
    expect(pendingVector(d.localApic)).toBe(-1);
    d.setApic(TPR, 0x4f);
    expect(pendingVector(d.localApic)).toBe(0x5f);
  });
  it('keeps bit 31 of a word unsigned', () => {
    const d = enabled();
    accept(d, 0xff);
    expect(d.apic(IRR + 0x70)).toBe(0x8000_0000);
    expect(d.acknowledge()).toBe(0xff);
  });
});

describe('SDM Vol. 3A, 11.8.5 Signaling Interrupt Servicing Completion', () => {
  it('ends the highest interrupt in service; level-triggered ones are broadcast', () => {
    const d = enabled();
    accept(d, 0x40, 'level');
    d.acknowledge();
    accept(d, 0x60);
    d.acknowledge();
    d.setApic(EOI, 0);
    expect(d.effects).toEqual([]);
    d.setApic(EOI, 0);
    expect(d.effects).toEqual([{ kind: 'end-of-interrupt', vector: 0x40 }]);
    const before = d.board;
    d.setApic(EOI, 0);
    expect(d.board).toBe(before);
  });
});

describe('SDM Vol. 3A, 11.8.6 Task Priority in IA-32e Mode', () => {
  it('CR8 is TPR bits 7:4, and a write clears the rest', () => {
    const d = enabled();
    d.setApic(TPR, 0x7a);
    expect(cr8Of(d.localApic)).toBe(7);
    change(d, (state) => withCr8(state, 3));
    expect(d.apic(TPR)).toBe(0x30);
  });
});

describe('SDM Vol. 3A, 11.9 Spurious Interrupt', () => {
  it('answers an acknowledge without a deliverable request', () => {
    const d = enabled();
    d.setApic(SVR, 0x1ef);
    accept(d, 0x55);
    d.setApic(TPR, 0x50);
    expect(d.acknowledge()).toBe(0xef);
    expect(d.apic(ISR + 0x20)).toBe(0);
  });
});
