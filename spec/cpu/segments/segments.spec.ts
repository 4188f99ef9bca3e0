import { describe, expect, it } from 'vitest';
import type { SegmentNumber } from '../../../src/cpu/decode/instruction';
import { VECTOR } from '../../../src/cpu/event';
import { segmentValue } from '../../../src/cpu/segments';
import { ACCESS_RIGHTS, SLOT } from '../../../src/cpu/slots';
import { asUser, execute, GDT, machine32, machine64, register, SELECTOR } from '../system/system-processor';

const DS = 3;
const SS = 2;
const FS = 4;
type Machine = ReturnType<typeof machine64>;

const load = (machine: Machine, segment: SegmentNumber, selector: number) => {
  machine.cpu.R[SLOT.rax] = BigInt(selector);
  return execute(machine, 'mov_sreg', [{ kind: 'segment', number: segment }, register(0, 16)]);
};

// SDM Vol. 3A, 3.4.5 Segment Descriptors
describe('descriptors', () => {
  it('base, limit and rights', () => {
    expect(segmentValue(8, 0x12cf_9b34_5678_ffffn)).toEqual({
      selector: 8,
      base: 0x12345678n,
      limit: 0xffffffff,
      rights: 0xc09b,
    });
    expect(segmentValue(8, 0x0040_9200_0000_1234n)).toMatchObject({ limit: 0x1234, rights: 0x4092 });
  });
});

// SDM Vol. 2, MOV: Protected Mode Exceptions; SDM Vol. 3A, 5.6 and 5.7
describe('segment loads', () => {
  const rows: readonly (readonly [string, SegmentNumber, number, number, number])[] = [
    ['DS beyond the table', DS, SELECTOR.beyond, VECTOR.gp, SELECTOR.beyond],
    ['DS from an absent LDT', DS, 0x0c, VECTOR.gp, 0x0c],
    ['DS with a TSS', DS, SELECTOR.tss, VECTOR.gp, SELECTOR.tss],
    ['DS not present', DS, SELECTOR.absent, VECTOR.np, SELECTOR.absent],
    ['SS read-only', SS, SELECTOR.readOnly, VECTOR.gp, SELECTOR.readOnly],
    ['SS with another RPL', SS, SELECTOR.data | 3, VECTOR.gp, SELECTOR.data],
    ['SS of another DPL', SS, SELECTOR.userData & ~3, VECTOR.gp, SELECTOR.userData & ~3],
    ['SS not present', SS, SELECTOR.absent, VECTOR.ss, SELECTOR.absent],
    ['SS with code', SS, SELECTOR.code, VECTOR.gp, SELECTOR.code],
  ];
  it.each(rows)('%s', (_, segment, selector, vector, errorCode) => {
    for (const make of [machine32, machine64]) {
      const machine = make();
      const before = machine.cpu.R.slice();
      expect(load(machine, segment, selector)).toMatchObject({ vector, errorCode });
      expect(machine.cpu.W[2 * (SLOT.es + segment)]).toBe(SELECTOR.data);
      expect(machine.cpu.R[SLOT.cs]).toBe(before[SLOT.cs]);
    }
  });

  it('a user cannot load a system data segment', () => {
    const machine = machine64();
    asUser(machine);
    expect(load(machine, DS, SELECTOR.data | 3)).toMatchObject({
      vector: VECTOR.gp,
      errorCode: SELECTOR.data,
    });
    expect(load(machine, DS, SELECTOR.conforming | 3)).toBeUndefined();
  });

  it('sets the accessed bit in memory, once', () => {
    const machine = machine64();
    const { cpu, memory } = machine;
    memory.write(GDT + BigInt(SELECTOR.data) + 5n, 1, 0x92n);
    expect(load(machine, FS, SELECTOR.data)).toBeUndefined();
    expect(memory.read(GDT + BigInt(SELECTOR.data) + 5n, 1)).toBe(0x93n);
    expect(cpu.W[2 * SLOT.fs + 1]).toBe(0xc093);
    memory.readOnly.add(GDT >> 12n);
    expect(load(machine, FS, SELECTOR.data)).toBeUndefined();
  });

  it('a null selector makes a data register unusable and clears its base', () => {
    const machine = machine64();
    machine.cpu.R[SLOT.fsBase] = 0x1234n;
    expect(load(machine, FS, 3)).toBeUndefined();
    expect(machine.cpu.W[2 * SLOT.fs + 1] & ACCESS_RIGHTS.unusable).not.toBe(0);
    expect(machine.cpu.R[SLOT.fsBase]).toBe(0n);
  });

  it('a null SS is for 64-bit mode below CPL 3, with the CPL as RPL', () => {
    expect(load(machine32(), SS, 0)).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
    const machine = machine64();
    expect(load(machine, SS, 1)).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
    expect(load(machine, SS, 0)).toBeUndefined();
    expect(machine.cpu.cpl).toBe(0);
    asUser(machine);
    expect(load(machine, SS, 3)).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
  });

  it('MOV SS gives a shadow, LSS and MOV DS none', () => {
    const machine = machine64();
    load(machine, DS, SELECTOR.data);
    expect(machine.cpu.blockingByMovSs).toBe(false);
    load(machine, SS, SELECTOR.data);
    expect(machine.cpu.blockingByMovSs).toBe(true);
  });

  it('MOV to CS is undefined', () => {
    expect(load(machine64(), 1, SELECTOR.code)?.vector).toBe(VECTOR.ud);
  });
});

// SDM Vol. 2, LLDT, LTR
describe('LDTR and TR', () => {
  const run = (machine: Machine, mnemonic: string, selector: number) => {
    machine.cpu.R[SLOT.rax] = BigInt(selector);
    return execute(machine, mnemonic, [register(0, 16)]);
  };

  it('LTR reads 16 bytes in IA-32e mode and marks the TSS busy', () => {
    const machine = machine64();
    const { cpu, memory } = machine;
    memory.write(GDT + BigInt(SELECTOR.tss) + 8n, 8, 0xffff8000n);
    expect(run(machine, 'ltr', SELECTOR.tss)).toBeUndefined();
    expect(cpu.R[SLOT.trBase]).toBe(0xffff8000_00030000n);
    expect(cpu.W[2 * SLOT.tr + 1] & 15).toBe(11);
    expect(run(machine, 'ltr', SELECTOR.tss)).toMatchObject({ vector: VECTOR.gp, errorCode: SELECTOR.tss });
  });

  it('LTR refuses null, the LDT and other types', () => {
    for (const [selector, errorCode] of [
      [0, 0],
      [0x64, 0x64],
      [SELECTOR.data, SELECTOR.data],
      [SELECTOR.ldt, SELECTOR.ldt],
    ])
      expect(run(machine64(), 'ltr', selector)).toMatchObject({ vector: VECTOR.gp, errorCode });
  });

  it('LLDT with null makes LDTR unusable; selectors then come from the LDT', () => {
    const machine = machine32();
    machine.memory.write(0x80008n, 8, 0x00cf_9200_0000_ffffn);
    expect(run(machine, 'lldt', SELECTOR.ldt)).toBeUndefined();
    machine.cpu.R[SLOT.ldtrBase] = 0x80000n;
    expect(load(machine, DS, 0x0c)).toBeUndefined();
    expect(run(machine, 'lldt', 3)).toBeUndefined();
    expect(load(machine, DS, 0x0c)?.vector).toBe(VECTOR.gp);
  });

  it('a user may not, and real mode does not know them', () => {
    const machine = machine64();
    asUser(machine);
    expect(run(machine, 'ltr', SELECTOR.tss)).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
    machine.cpu.R[SLOT.cr0] = 0n;
    machine.cpu.R[SLOT.efer] = 0n;
    expect(run(machine, 'ltr', SELECTOR.tss)?.vector).toBe(VECTOR.ud);
  });
});

// SDM Vol. 2, LAR, LSL, VERR, VERW, ARPL
describe('examining descriptors', () => {
  const zero = (machine: Machine): boolean => (machine.cpu.rflags & 0x40n) !== 0n;
  it.each([
    ['lar', SELECTOR.data, 0x00cf9300n],
    ['lar', SELECTOR.tss, 0x00008900n],
    ['lsl', SELECTOR.data, 0xffffffffn],
    ['lsl', SELECTOR.tss, 0x67n],
  ] as const)('%s %i', (mnemonic, selector, result) => {
    const machine = machine64();
    machine.cpu.R[SLOT.rcx] = BigInt(selector);
    execute(machine, mnemonic, [register(0, 32), register(1, 16)]);
    expect(zero(machine)).toBe(true);
    expect(machine.cpu.R[SLOT.rax]).toBe(result);
  });

  it.each([
    ['lar', 0],
    ['lar', SELECTOR.beyond],
    ['lsl', 0],
    ['verr', SELECTOR.tss],
    ['verw', SELECTOR.readOnly],
    ['verw', SELECTOR.code],
  ] as const)('%s %i clears ZF', (mnemonic, selector) => {
    const machine = machine64();
    machine.cpu.rflags = 0x42n;
    machine.cpu.R[SLOT.rax] = BigInt(selector);
    const operand = register(0, 16);
    execute(machine, mnemonic, mnemonic.startsWith('l') ? [register(1, 32), operand] : [operand]);
    expect(zero(machine)).toBe(false);
  });

  it('ARPL raises RPL', () => {
    const machine = machine32();
    machine.cpu.R[SLOT.rax] = 0x20n;
    machine.cpu.R[SLOT.rcx] = 0x3n;
    execute(machine, 'arpl', [register(0, 16), register(1, 16)]);
    expect([machine.cpu.R[SLOT.rax], zero(machine)]).toEqual([0x23n, true]);
  });
});
