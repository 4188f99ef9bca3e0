// SDM Vol. 3A, 4.1.2 Paging-Mode Enabling, 4.4.1 PDPTE Registers, 4.10.4.1 Operations that Invalidate TLBs
import { describe, expect, it } from 'vitest';
import type { Operand } from '../../../src/cpu/decode/instruction';
import { SEGMENT, setSegmentRaw } from '../../../src/cpu/segments';
import { CR0, CR4, EFER, PDPTE_REGISTERS, SLOT } from '../../../src/cpu/slots';
import { GP0 } from '../faults';
import { execute, machine32, machine64, register, type SystemProcessor } from '../system/system-processor';

const TABLE = 0x8000n;

const control = (number: number): Operand => ({ kind: 'control', number });
const write = (machine: SystemProcessor, number: number, value: bigint | number) => {
  machine.cpu.R[SLOT.rax] = BigInt.asUintN(64, BigInt(value));
  return execute(machine, 'mov_cr', [control(number), register(0, machine.cpu.mode64 ? 64 : 32)]);
};
const bits = (...values: readonly number[]): bigint =>
  BigInt(values.reduce((all, bit) => all | bit, 0) >>> 0);
const registersOf = ({ cpu }: SystemProcessor): readonly bigint[] =>
  PDPTE_REGISTERS.map((name) => cpu.R[SLOT[name]]);
const writeTable = ({ memory }: SystemProcessor, ...entries: readonly bigint[]): void =>
  entries.forEach((entry, index) => {
    memory.write(TABLE + BigInt(8 * index), 8, entry);
  });

const PAGED = bits(CR0.pe, CR0.pg, CR0.ne, CR0.et);
const UNPAGED = bits(CR0.pe, CR0.ne, CR0.et);
const GOOD = [0x1001n, 0n, 0x1e6n, 0x7f_ffff_fe19n] as const;
/** Bit 5 of the last one is reserved. */
const BAD = [0x1001n, 0n, 0n, 0x2021n] as const;

/** Protected mode without paging, CR3 at a table of PDPTEs. */
const beforePae = (entries: readonly bigint[], cr4 = CR4.pae): SystemProcessor => {
  const machine = machine32();
  writeTable(machine, ...entries);
  machine.cpu.R[SLOT.cr3] = TABLE;
  machine.cpu.R[SLOT.cr4] = BigInt(cr4);
  return machine;
};
const inPae = (): SystemProcessor => {
  const machine = beforePae(GOOD);
  expect(write(machine, 0, PAGED)).toBeUndefined();
  return machine;
};

describe('MOV to CR0 and the paging mode', () => {
  it('32-bit paging: nothing is loaded, IA32_EFER.LMA stays 0, everything is dropped', () => {
    const machine = machine32();
    const { flushes } = machine.memory;
    expect(write(machine, 0, PAGED)).toBeUndefined();
    expect([machine.cpu.paging, machine.cpu.longMode, machine.cpu.paePaging]).toEqual([true, false, false]);
    expect(machine.memory.flushes).toBe(flushes + 1);
    expect(write(machine, 0, UNPAGED)).toBeUndefined();
    expect(machine.memory.flushes).toBe(flushes + 2);
  });

  it('PAE paging loads the PDPTE registers', () => {
    const machine = inPae();
    expect(machine.cpu.paePaging).toBe(true);
    expect(registersOf(machine)).toEqual(GOOD);
  });

  it('#GP(0) for a reserved bit in a PDPTE that is present; nothing changes', () => {
    const machine = beforePae(BAD);
    expect(write(machine, 0, PAGED)).toMatchObject(GP0);
    expect(machine.cpu.R[SLOT.cr0]).toBe(UNPAGED);
    expect(registersOf(machine)).toEqual([0n, 0n, 0n, 0n]);
  });

  it.each([
    ['CD', PAGED | bits(CR0.cd), true],
    ['NW and CD', PAGED | bits(CR0.cd, CR0.nw), true],
    ['WP', PAGED | bits(CR0.wp), false],
    ['TS', PAGED | bits(CR0.ts), false],
    ['nothing', PAGED, false],
  ])('in PAE paging a change of %s loads them again or not', (_, value, loads) => {
    const machine = inPae();
    writeTable(machine, 0n, 0x5001n, 0n, 0n);
    expect(write(machine, 0, value)).toBeUndefined();
    expect(registersOf(machine)).toEqual(loads ? [0n, 0x5001n, 0n, 0n] : GOOD);
    writeTable(machine, ...BAD);
    const again = write(machine, 0, loads ? PAGED : value);
    if (loads) expect(again).toMatchObject(GP0);
    else expect(again).toBeUndefined();
  });

  it('IA-32e mode loads none', () => {
    const machine = beforePae(BAD);
    machine.cpu.R[SLOT.efer] = BigInt(EFER.lme);
    expect(write(machine, 0, PAGED)).toBeUndefined();
    expect([machine.cpu.longMode, machine.cpu.paePaging]).toEqual([true, false]);
    expect(registersOf(machine)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('#GP(0) for IA-32e mode without PAE, and from a segment with CS.L', () => {
    const machine = machine32();
    machine.cpu.R[SLOT.efer] = BigInt(EFER.lme);
    expect(write(machine, 0, PAGED)).toMatchObject(GP0);
    machine.cpu.R[SLOT.cr4] = BigInt(CR4.pae);
    setSegmentRaw(machine.cpu, SEGMENT.cs, { selector: 8, base: 0n, limit: 0xffff_ffff, rights: 0xa09b });
    expect(write(machine, 0, PAGED)).toMatchObject(GP0);
  });

  it('#GP(0) for leaving paging while CR4.PCIDE is 1', () => {
    const machine = machine64(['+pcid']);
    expect(write(machine, 4, bits(CR4.pae, CR4.pcide))).toBeUndefined();
    setSegmentRaw(machine.cpu, SEGMENT.cs, { selector: 8, base: 0n, limit: 0xffff_ffff, rights: 0xc09b });
    expect(write(machine, 0, UNPAGED)).toMatchObject(GP0);
    expect(write(machine, 4, bits(CR4.pae))).toBeUndefined();
    expect(write(machine, 0, UNPAGED)).toBeUndefined();
    expect(machine.cpu.longMode).toBe(false);
  });
});

describe('MOV to CR3', () => {
  it('in PAE paging loads the PDPTE registers; #GP(0) for a reserved bit, and CR3 stays', () => {
    const machine = inPae();
    writeTable(machine, 0x9001n, 0x9001n, 0n, 0n);
    expect(registersOf(machine)).toEqual(GOOD);
    expect(write(machine, 3, TABLE | 0x1fn)).toBeUndefined();
    expect([machine.cpu.R[SLOT.cr3], registersOf(machine)]).toEqual([
      TABLE | 0x1fn,
      [0x9001n, 0x9001n, 0n, 0n],
    ]);
    writeTable(machine, ...BAD);
    expect(write(machine, 3, TABLE)).toMatchObject(GP0);
    expect(machine.cpu.R[SLOT.cr3]).toBe(TABLE | 0x1fn);
  });

  it('elsewhere reads no table', () => {
    const machine = beforePae(BAD);
    expect(write(machine, 3, TABLE)).toBeUndefined();
    machine.cpu.R[SLOT.cr4] = 0n;
    expect(write(machine, 0, PAGED)).toBeUndefined();
    expect(write(machine, 3, TABLE)).toBeUndefined();
    expect(registersOf(machine)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('with CR4.PCIDE bit 63 is never stored, and keeps what is cached', () => {
    const machine = machine64(['+pcid']);
    write(machine, 4, bits(CR4.pae, CR4.pcide));
    const { flushes } = machine.memory;
    expect(write(machine, 3, (1n << 63n) | 0x5123n)).toBeUndefined();
    expect([machine.cpu.R[SLOT.cr3], machine.memory.flushes]).toEqual([0x5123n, flushes]);
    expect(write(machine, 3, 0x5123n)).toBeUndefined();
    expect(machine.memory.flushes).toBe(flushes + 1);
    for (const bit of [46n, 60n, 61n, 62n]) expect(write(machine, 3, 1n << bit)).toMatchObject(GP0);
  });
});

describe('MOV to CR4', () => {
  it.each([
    ['PAE', 0, CR4.pae],
    ['PGE', CR4.pae, CR4.pae | CR4.pge],
    ['PSE', CR4.pae, CR4.pae | CR4.pse],
    ['SMEP', CR4.pae, CR4.pae | CR4.smep],
  ])('a change of %s that leaves PAE paging in use loads the PDPTE registers', (_, from, to) => {
    const machine = beforePae(GOOD, from);
    expect(write(machine, 0, PAGED)).toBeUndefined();
    writeTable(machine, ...BAD);
    expect(write(machine, 4, to)).toMatchObject(GP0);
    expect(machine.cpu.R[SLOT.cr4]).toBe(BigInt(from));
    writeTable(machine, 0x7001n, 0n, 0n, 0n);
    expect(write(machine, 4, to)).toBeUndefined();
    expect(registersOf(machine)).toEqual([0x7001n, 0n, 0n, 0n]);
  });

  it.each([
    ['SMAP', CR4.pae | CR4.smap],
    ['TSD', CR4.pae | CR4.tsd],
    ['PAE, cleared', 0],
  ])('a change of %s loads none', (_, value) => {
    const machine = inPae();
    writeTable(machine, ...BAD);
    expect(write(machine, 4, value)).toBeUndefined();
    expect(registersOf(machine)).toEqual(GOOD);
  });

  it('#GP(0): PAE cleared or LA57 changed in IA-32e mode', () => {
    const machine = machine64(['+la57']);
    expect(write(machine, 4, 0)).toMatchObject(GP0);
    expect(write(machine, 4, bits(CR4.pae, CR4.la57))).toMatchObject(GP0);
    const legacy = machine32(['+la57']);
    expect(write(legacy, 4, bits(CR4.la57))).toBeUndefined();
    expect(write(machine32(), 4, bits(CR4.la57))).toMatchObject(GP0);
  });

  it('#GP(0): PCIDE set outside IA-32e mode, or with CR3[11:0] not 0', () => {
    expect(write(machine32(['+pcid']), 4, bits(CR4.pae, CR4.pcide))).toMatchObject(GP0);
    const machine = machine64(['+pcid']);
    machine.cpu.R[SLOT.cr3] = 0x1001n;
    expect(write(machine, 4, bits(CR4.pae, CR4.pcide))).toMatchObject(GP0);
    machine.cpu.R[SLOT.cr3] = 0x1000n;
    expect(write(machine, 4, bits(CR4.pae, CR4.pcide))).toBeUndefined();
  });

  it.each([
    ['la57', CR4.la57],
    ['pcid', CR4.pcide],
    ['smep', CR4.smep],
    ['smap', CR4.smap],
    ['pku', CR4.pke],
    ['pks', CR4.pks],
    ['pse', CR4.pse],
    ['pge', CR4.pge],
  ])('the bit of %s is reserved without the feature', (feature, bit) => {
    const without = machine32([`-${feature}`]);
    expect(write(without, 4, bits(bit))).toMatchObject(GP0);
    const machine = bit === CR4.pcide ? machine64([`+${feature}`]) : machine32([`+${feature}`]);
    expect(write(machine, 4, bits(bit, machine.cpu.longMode ? CR4.pae : 0))).toBeUndefined();
  });

  it.each([
    ['PGE', CR4.pge],
    ['PSE', CR4.pse],
    ['SMEP', CR4.smep],
    ['PCIDE', CR4.pcide],
  ])('a change of %s drops what is cached', (_, bit) => {
    const machine = machine64(['+pcid']);
    for (const value of [bits(CR4.pae, bit), bits(CR4.pae)]) {
      const { flushes } = machine.memory;
      expect(write(machine, 4, value)).toBeUndefined();
      expect(machine.memory.flushes).toBe(flushes + 1);
    }
  });
});
