// SDM Vol. 3B, 20.2 Architectural Performance Monitoring
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { readMsr, writeMsr } from '../../../src/cpu/msrs';
import { processor } from '../../../src/cpu/presets';
import { SLOT } from '../../../src/cpu/slots';
import { execute, machine64 } from './system-processor';

const PMC0 = 0xc1;
const PERFEVTSEL0 = 0x186;
const GLOBAL_CTRL = 0x38f;

describe('version 2', () => {
  it('announces four counters of 48 bits, and none of the seven events', () => {
    expect(processor('skylake', ['+perfmon']).cpuid.lookup(0x0a, 0)).toEqual({
      eax: 0x07300402,
      ebx: 0x7f,
      ecx: 0,
      edx: 0,
    });
    expect(processor('skylake').cpuid.lookup(0x0a, 0).eax).toBe(0);
    expect(processor('pentium').features.has('perfmon')).toBe(false);
  });

  it('a counter keeps the low 32 bits that were written, sign-extended, and RDPMC reads it', () => {
    const machine = machine64(['+perfmon']);
    const { cpu } = machine;
    expect(writeMsr(cpu, PMC0 + 3, 0x1234_8000_0000n)).toBe(true);
    expect(readMsr(cpu, PMC0 + 3)).toBe(0xffff_8000_0000n);
    cpu.R[SLOT.rcx] = 3n;
    execute(machine, 'rdpmc');
    expect([cpu.R[SLOT.rdx], cpu.R[SLOT.rax]]).toEqual([0xffffn, 0x8000_0000n]);
    cpu.R[SLOT.rcx] = 4n;
    expect(execute(machine, 'rdpmc')?.vector).toBe(VECTOR.gp);
    expect(readMsr(cpu, PMC0 + 4)).toBeUndefined();
  });

  it('event selects have no AnyThread, and there are no fixed counters', () => {
    const { cpu } = machine64(['+perfmon']);
    expect(writeMsr(cpu, PERFEVTSEL0, 0xffdf_ffffn)).toBe(true);
    expect(writeMsr(cpu, PERFEVTSEL0, 1n << 21n)).toBe(false);
    expect(writeMsr(cpu, 0x38d, 1n)).toBe(false);
    expect(readMsr(cpu, 0x309)).toBeUndefined();
  });

  it('after reset all counters are enabled globally; other bits do not exist', () => {
    const { cpu } = machine64(['+perfmon']);
    expect(readMsr(cpu, GLOBAL_CTRL)).toBe(0xfn);
    expect(writeMsr(cpu, GLOBAL_CTRL, 5n)).toBe(true);
    for (const bit of [4n, 32n]) expect(writeMsr(cpu, GLOBAL_CTRL, 1n << bit)).toBe(false);
    expect(readMsr(cpu, GLOBAL_CTRL)).toBe(5n);
    expect(readMsr(machine64().cpu, GLOBAL_CTRL)).toBeUndefined();
  });

  it('nothing overflows; MISC_ENABLE says that monitoring is available', () => {
    const { cpu } = machine64(['+perfmon']);
    expect(readMsr(cpu, 0x38e)).toBe(0n);
    expect(writeMsr(cpu, 0x38e, 0n)).toBe(false);
    expect(writeMsr(cpu, 0x390, (1n << 63n) | 0xfn)).toBe(true);
    expect(writeMsr(cpu, 0x390, 1n << 32n)).toBe(false);
    expect(readMsr(cpu, 0x1a0)! & 0x80n).toBe(0x80n);
    expect(readMsr(machine64().cpu, 0x1a0)! & 0x80n).toBe(0n);
  });
});
