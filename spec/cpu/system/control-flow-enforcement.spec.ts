// SDM Vol. 1, 17 Control-Flow Enforcement Technology
import { describe, expect, it } from 'vitest';
import { Unbuilt } from '../../../src/core';
import { VECTOR } from '../../../src/cpu/event';
import { readMsr, writeMsr } from '../../../src/cpu/msrs';
import { processor } from '../../../src/cpu/presets';
import { CR0, CR4, SLOT } from '../../../src/cpu/slots';
import { execute, machine64, memoryAt, register, type SystemProcessor } from './system-processor';

const U_CET = 0x6a0;
const S_CET = 0x6a2;
const PL0_SSP = 0x6a4;
const TABLE = 0x6a8;
const XSS = 0xda0;
const both = () => machine64(['+cet-ss', '+cet-ibt']);

/** MOV to CR4. */
const moveToCr4 = (machine: SystemProcessor, value: number) => {
  machine.cpu.R[SLOT.rbx] = BigInt(value);
  return execute(machine, 'mov_cr', [{ kind: 'control', number: 4 }, register(SLOT.rbx, 64)]);
};

describe('registers without enforcement', () => {
  it.each([
    ['reserved bits 9:6', U_CET, 1n << 6n],
    ['SUPPRESS with TRACKER', S_CET, 0xc00n],
    ['a bitmap base that is not canonical', S_CET, 1n << 63n],
    ['a pointer that is not aligned', PL0_SSP + 3, 0x1002n],
    ['a table that is not canonical', TABLE, 1n << 62n],
  ])('refuse %s', (_, index, value) => {
    expect(writeMsr(both().cpu, index, value)).toBe(false);
  });

  it('hold the rest', () => {
    const { cpu } = both();
    for (const [index, value] of [
      [U_CET, 0x7f00_0000_083fn],
      [S_CET, 0x2n],
      [PL0_SSP, 0x1004n],
      [PL0_SSP + 3, 0x7fff_ffff_fffcn],
      [TABLE, 0x1001n],
    ] as const) {
      expect(writeMsr(cpu, index, value), index.toString(16)).toBe(true);
      expect(readMsr(cpu, index)).toBe(value);
    }
  });

  it('bits of a half that is not announced are reserved', () => {
    expect(writeMsr(machine64(['+cet-ss']).cpu, S_CET, 8n)).toBe(false);
    expect(writeMsr(machine64(['+cet-ibt']).cpu, S_CET, 2n)).toBe(false);
    expect(readMsr(machine64(['+cet-ibt']).cpu, PL0_SSP)).toBeUndefined();
    expect(readMsr(machine64().cpu, S_CET)).toBeUndefined();
  });

  it('CR4.CET needs CR0.WP, which it then keeps', () => {
    const machine = both();
    expect(moveToCr4(machine, CR4.pae | CR4.cet)).toMatchObject({ vector: VECTOR.gp });
    machine.cpu.W[2 * SLOT.cr0] |= CR0.wp;
    expect(moveToCr4(machine, CR4.pae | CR4.cet)).toBeUndefined();
    expect(moveToCr4(machine64(), CR4.pae | CR4.cet)).toMatchObject({ vector: VECTOR.gp });
  });

  it('turning enforcement on is not built, whichever of the two comes last', () => {
    const inMsr = both();
    inMsr.cpu.W[2 * SLOT.cr0] |= CR0.wp;
    expect(moveToCr4(inMsr, CR4.pae | CR4.cet)).toBeUndefined();
    expect(writeMsr(inMsr.cpu, S_CET, 2n)).toBe(true);
    for (const index of [U_CET, S_CET]) expect(() => writeMsr(inMsr.cpu, index, 1n)).toThrow(Unbuilt);
    const inCr4 = both();
    inCr4.cpu.W[2 * SLOT.cr0] |= CR0.wp;
    expect(writeMsr(inCr4.cpu, U_CET, 4n)).toBe(true);
    expect(() => moveToCr4(inCr4, CR4.pae | CR4.cet)).toThrow(Unbuilt);
  });

  it('WRUSS is #UD until CR4.CET is 1', () => {
    const machine = both();
    const operands = [memoryAt(0x9000n), register(SLOT.rax, 64)];
    expect(execute(machine, 'wruss', operands)).toMatchObject({ vector: VECTOR.ud });
    machine.cpu.W[2 * SLOT.cr4] |= CR4.cet;
    expect(() => execute(machine, 'wruss', operands)).toThrow(Unbuilt);
  });
});

describe('13.5.9 Control-Flow Enforcement Technology (CET) State', () => {
  const AREA = 0x9000n;
  const CET_U = 0x800n;
  const CET_S = 0x1000n;

  it('two supervisor components, of 16 and 24 bytes', () => {
    const { lookup } = processor('skylake', ['+cet-ss']).cpuid;
    expect(lookup(0x0d, 1).ecx).toBe(0x1800);
    expect(lookup(0x0d, 11)).toEqual({ eax: 16, ebx: 0, ecx: 1, edx: 0 });
    expect(lookup(0x0d, 12)).toEqual({ eax: 24, ebx: 0, ecx: 1, edx: 0 });
    expect(lookup(0x0d, 0).eax & 0x1800).toBe(0);
    expect(processor('skylake').cpuid.lookup(0x0d, 1).ecx).toBe(0);
  });

  it('IA32_XSS enables them, and CPUID counts them in the compacted size', () => {
    const machine = machine64(['+cet-ss']);
    const { cpu } = machine;
    expect(writeMsr(cpu, XSS, CET_U | CET_S)).toBe(true);
    expect(writeMsr(cpu, XSS, 0x100n)).toBe(false);
    cpu.R[SLOT.rax] = 0x0dn;
    cpu.R[SLOT.rcx] = 1n;
    execute(machine, 'cpuid');
    expect(cpu.R[SLOT.rbx]).toBe(576n + 40n);
    expect(writeMsr(machine64().cpu, XSS, CET_U)).toBe(false);
  });

  const enabled = (): SystemProcessor => {
    const machine = machine64(['+cet-ss']);
    machine.cpu.W[2 * SLOT.cr4] |= CR4.osxsave;
    writeMsr(machine.cpu, XSS, CET_U | CET_S);
    machine.cpu.R[SLOT.rax] = CET_U | CET_S;
    machine.cpu.R[SLOT.rdx] = 0n;
    return machine;
  };
  const word = ({ memory }: SystemProcessor, at: bigint): bigint => memory.read(AREA + at, 8);

  it('XSAVES writes what is in use, XRSTORS loads it and initializes the rest', () => {
    const machine = enabled();
    const { cpu } = machine;
    for (const [at, value] of [0x1000n, 0x2000n, 0x3000n].entries()) writeMsr(cpu, PL0_SSP + at, value);
    execute(machine, 'xsaves', [memoryAt(AREA)]);
    expect([word(machine, 512n), word(machine, 520n)]).toEqual([CET_S, (1n << 63n) | CET_U | CET_S]);
    expect([592n, 600n, 608n].map((at) => word(machine, at))).toEqual([0x1000n, 0x2000n, 0x3000n]);
    writeMsr(cpu, PL0_SSP, 0n);
    writeMsr(cpu, PL0_SSP + 3, 0x4000n);
    expect(execute(machine, 'xrstors', [memoryAt(AREA)])).toBeUndefined();
    expect([readMsr(cpu, PL0_SSP), readMsr(cpu, PL0_SSP + 3)]).toEqual([0x1000n, 0n]);
  });

  it('a value that WRMSR would refuse is #GP, and nothing is loaded', () => {
    const machine = enabled();
    writeMsr(machine.cpu, PL0_SSP, 0x1000n);
    execute(machine, 'xsaves', [memoryAt(AREA)]);
    machine.memory.write(AREA + 600n, 8, 1n);
    writeMsr(machine.cpu, PL0_SSP, 0x8000n);
    expect(execute(machine, 'xrstors', [memoryAt(AREA)])).toMatchObject({ vector: VECTOR.gp });
    expect(readMsr(machine.cpu, PL0_SSP)).toBe(0x8000n);
  });

  it('XSAVEC and XSETBV know nothing of them', () => {
    const machine = enabled();
    execute(machine, 'xsavec', [memoryAt(AREA)]);
    expect(word(machine, 520n)).toBe(1n << 63n);
    machine.cpu.R[SLOT.rcx] = 0n;
    machine.cpu.R[SLOT.rax] = CET_U | 1n;
    expect(execute(machine, 'xsetbv')).toMatchObject({ vector: VECTOR.gp });
  });
});
