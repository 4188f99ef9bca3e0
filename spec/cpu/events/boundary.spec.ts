import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import {
  beginInstruction,
  boundaryEvent,
  dataBreakpoint,
  endInstruction,
  ioBreakpoint,
  needsBoundaryWork,
} from '../../../src/cpu/events';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { CR4, FLAG, SLOT } from '../../../src/cpu/slots';
import type { Virtualization } from '../../../src/cpu/virtualization';
import { machine64 } from '../system/system-processor';

const BS = 1 << 14;
const NOP = { mnemonic: 'nop', addressWidth: 64 } as const;

// SDM Vol. 3A, 6.9 Priority Among Simultaneous Exceptions and Interrupts
describe('instruction boundary', () => {
  it('takes traps, then NMI, then the interrupt, then the code breakpoint', () => {
    const { cpu, bus } = machine64();
    cpu.rflags = BigInt(FLAG.if | 2);
    cpu.pendingDebug = BS;
    cpu.nmiPending = true;
    bus.pending = 0x31;
    cpu.R[SLOT.dr1] = cpu.rip;
    cpu.R[SLOT.dr7] = 0x404n;
    expect(boundaryEvent(cpu)).toMatchObject({ vector: VECTOR.db, debugStatus: BS });
    expect(boundaryEvent(cpu)).toMatchObject({ vector: VECTOR.nmi, type: EVENT_TYPE.nmi });
    expect(boundaryEvent(cpu)).toEqual({ vector: 0x31, type: EVENT_TYPE.externalInterrupt });
    expect(boundaryEvent(cpu)).toMatchObject({ vector: VECTOR.db, debugStatus: 2 });
  });

  it('the trap of a task switch comes before an INIT, which comes before all else', () => {
    const { cpu, bus } = machine64();
    cpu.pendingDebug = 1 << 15;
    cpu.initPending = true;
    cpu.nmiPending = true;
    expect(boundaryEvent(cpu)).toMatchObject({ vector: VECTOR.db, debugStatus: 1 << 15 });
    expect(boundaryEvent(cpu)).toBeUndefined();
    expect([bus.log, cpu.nmiPending]).toEqual([['init'], false]);
  });

  it('RF suppresses a code breakpoint once', () => {
    const { cpu } = machine64();
    cpu.R[SLOT.dr0] = cpu.rip;
    cpu.R[SLOT.dr7] = 0x402n;
    cpu.rflags = BigInt(FLAG.rf | 2);
    expect(boundaryEvent(cpu)).toBeUndefined();
    expect(cpu.flag(FLAG.rf)).toBe(false);
    expect(boundaryEvent(cpu)?.vector).toBe(VECTOR.db);
  });

  it('no interrupt while IF is 0, in a shadow, or while waiting for a startup IPI', () => {
    const { cpu, bus } = machine64();
    bus.pending = 0x31;
    expect(boundaryEvent(cpu)).toBeUndefined();
    cpu.rflags = BigInt(FLAG.if | 2);
    cpu.blockingBySti = true;
    expect(boundaryEvent(cpu)).toBeUndefined();
    cpu.blockingBySti = false;
    cpu.activity = ACTIVITY.waitForSipi;
    expect(boundaryEvent(cpu)).toBeUndefined();
    cpu.activity = ACTIVITY.hlt;
    expect(boundaryEvent(cpu)?.vector).toBe(0x31);
  });

  it('a blocked NMI stays pending; MOV SS holds NMI and #DB', () => {
    const { cpu } = machine64();
    cpu.nmiPending = true;
    cpu.blockingByNmi = true;
    expect(boundaryEvent(cpu)).toBeUndefined();
    cpu.blockingByNmi = false;
    cpu.blockingByMovSs = true;
    cpu.pendingDebug = BS;
    expect(boundaryEvent(cpu)).toBeUndefined();
    expect([cpu.nmiPending, cpu.pendingDebug]).toEqual([true, BS]);
  });

  it('in non-root operation an interrupt is asked for whatever IF says', () => {
    const { cpu, bus } = machine64();
    const asked: string[] = [];
    cpu.nonRoot = true;
    cpu.virtualization = {
      instructionBoundary: (_: unknown, before: string) => asked.push(before),
      interceptExternalInterrupt: () => asked.push('external'),
    } as unknown as Virtualization;
    bus.pending = 0x31;
    expect(boundaryEvent(cpu)).toBeUndefined();
    expect(asked).toEqual(['debug-trap', 'nmi', 'interrupt', 'external']);
  });
});

// SDM Vol. 3B, 18.3.1.4 Single-Step Exception Condition
describe('what an instruction leaves behind', () => {
  it('TF gives a trap after the instruction; shadows end', () => {
    const { cpu } = machine64();
    cpu.rflags = BigInt(FLAG.tf | 2);
    cpu.blockingBySti = true;
    beginInstruction(cpu);
    cpu.rflags = 2n;
    endInstruction(cpu, NOP);
    expect([cpu.pendingDebug, cpu.blockingBySti]).toEqual([BS, false]);
  });

  it('a shadow set by the instruction outlives it, and MOV SS drops its own trap', () => {
    const { cpu } = machine64();
    cpu.rflags = BigInt(FLAG.tf | 2);
    beginInstruction(cpu);
    cpu.blockingByMovSs = true;
    endInstruction(cpu, NOP);
    expect([cpu.pendingDebug, cpu.blockingByMovSs]).toEqual([0, true]);
    beginInstruction(cpu);
    endInstruction(cpu, NOP);
    expect([cpu.pendingDebug, cpu.blockingByMovSs]).toEqual([BS, false]);
  });

  it('says when boundaries must be looked at', () => {
    const { cpu, bus } = machine64();
    expect(needsBoundaryWork(cpu)).toBe(false);
    bus.pending = 0x31;
    expect(needsBoundaryWork(cpu)).toBe(false);
    cpu.rflags = BigInt(FLAG.if | 2);
    expect(needsBoundaryWork(cpu)).toBe(true);
    bus.pending = -1;
    cpu.R[SLOT.dr7] = 0x401n;
    expect(needsBoundaryWork(cpu)).toBe(true);
  });
});

// SDM Vol. 3B, 18.2.5 Breakpoint Field Recognition
describe('data and I/O breakpoints', () => {
  it.each([
    ['write inside an aligned 8-byte range', 0x00090402n, 0x1003n, 0x1007n, 1, 'write', 1],
    ['write that reaches into it', 0x00090402n, 0x1000n, 0xffen, 4, 'write', 1],
    ['write after it', 0x00090402n, 0x1000n, 0x1008n, 4, 'write', 0],
    ['read of a write breakpoint', 0x00090402n, 0x1000n, 0x1000n, 4, 'read', 0],
    ['read of a read-write breakpoint', 0x000b0402n, 0x1000n, 0x1000n, 4, 'read', 1],
    ['disabled', 0x00090400n, 0x1000n, 0x1000n, 4, 'write', 0],
  ] as const)('%s', (_, dr7, dr0, linear, bytes, kind, found) => {
    const { cpu } = machine64();
    cpu.R[SLOT.dr0] = dr0;
    cpu.R[SLOT.dr7] = dr7;
    dataBreakpoint(cpu, linear, bytes, kind);
    expect(cpu.pendingDebug & 15).toBe(found);
  });

  it('ports only with CR4.DE', () => {
    const { cpu } = machine64();
    cpu.R[SLOT.dr2] = 0x80n;
    cpu.R[SLOT.dr7] = 0x02000410n;
    ioBreakpoint(cpu, 0x80, 1);
    expect(cpu.pendingDebug).toBe(0);
    cpu.W[2 * SLOT.cr4] |= CR4.de;
    ioBreakpoint(cpu, 0x80, 1);
    expect(cpu.pendingDebug).toBe(0x1004);
  });
});
