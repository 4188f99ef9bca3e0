import { describe, expect, it } from 'vitest';
import type { Operand } from '../../../src/cpu/decode/instruction';
import { VECTOR } from '../../../src/cpu/event';
import { SEGMENT, setSegmentRaw } from '../../../src/cpu/segments';
import { CR0, CR4, EFER, SLOT } from '../../../src/cpu/slots';
import type { Virtualization } from '../../../src/cpu/virtualization';
import { GP0 } from '../faults';
import {
  asUser,
  execute,
  machine32,
  machine64,
  memoryAt,
  register,
  type SystemProcessor,
} from './system-processor';

const control = (number: number): Operand => ({ kind: 'control', number });
const debug = (number: number): Operand => ({ kind: 'debug', number });
const write = (machine: SystemProcessor, number: number, value: bigint) => {
  machine.cpu.R[SLOT.rax] = value;
  return execute(machine, 'mov_cr', [control(number), register(0, machine.cpu.mode64 ? 64 : 32)]);
};
const read = (machine: SystemProcessor, number: number): bigint => {
  execute(machine, 'mov_cr', [register(1, machine.cpu.mode64 ? 64 : 32), control(number)]);
  return machine.cpu.R[SLOT.rcx];
};
const bits = (...values: number[]): bigint => BigInt(values.reduce((all, bit) => all | bit, 0) >>> 0);
const PAGED = bits(CR0.pe, CR0.pg, CR0.ne, CR0.et);

// SDM Vol. 2, MOV—Move to/from Control Registers
describe('MOV to CR0', () => {
  it('keeps ET, drops reserved bits', () => {
    const machine = machine64();
    expect(write(machine, 0, PAGED | 0x1ff8_ffc0n)).toBeUndefined();
    expect(read(machine, 0)).toBe(PAGED);
  });

  it.each([
    ['bits 63:32', PAGED | (1n << 32n)],
    ['PG without PE', bits(CR0.pg)],
    ['NW without CD', PAGED | bits(CR0.nw)],
    ['PG 1 to 0 in 64-bit mode', bits(CR0.pe)],
  ])('#GP(0): %s', (_, value) => {
    const machine = machine64();
    const before = machine.cpu.R[SLOT.cr0];
    expect(write(machine, 0, value)).toMatchObject(GP0);
    expect(machine.cpu.R[SLOT.cr0]).toBe(before);
  });

  it('a user may not', () => {
    const machine = machine64();
    asUser(machine);
    expect(write(machine, 0, PAGED)).toMatchObject(GP0);
  });

  // SDM Vol. 3A, 10.8.5 Initializing IA-32e Mode
  it('activates IA-32e mode when LME is set, and leaves it', () => {
    const machine = machine32();
    const { cpu } = machine;
    cpu.R[SLOT.efer] = BigInt(EFER.lme);
    expect(write(machine, 0, PAGED)).toMatchObject(GP0);
    cpu.R[SLOT.cr4] = BigInt(CR4.pae);
    expect(write(machine, 0, PAGED)).toBeUndefined();
    expect([cpu.longMode, cpu.mode64]).toEqual([true, false]);
    expect(write(machine, 0, bits(CR0.pe))).toBeUndefined();
    expect(cpu.longMode).toBe(false);
  });

  it('refuses IA-32e mode with a 16-bit TSS', () => {
    const machine = machine32();
    machine.cpu.R[SLOT.efer] = BigInt(EFER.lme);
    machine.cpu.R[SLOT.cr4] = BigInt(CR4.pae);
    setSegmentRaw(machine.cpu, 'tr', { selector: 0x60, base: 0n, limit: 0x2b, rights: 0x83 });
    expect(write(machine, 0, PAGED)).toMatchObject(GP0);
  });
});

describe('MOV to CR3, CR4 and CR8', () => {
  it('CR3 is limited by the physical-address width and flushes', () => {
    const machine = machine64();
    const { flushes } = machine.memory;
    expect(write(machine, 3, 1n << 46n)).toMatchObject(GP0);
    expect(write(machine, 3, 1n << 63n)).toMatchObject(GP0);
    expect(write(machine, 3, 0x7f_ffff_f018n)).toBeUndefined();
    expect(machine.memory.flushes).toBe(flushes + 1);
  });

  it.each([
    ['PAE 1 to 0 in IA-32e mode', 0n],
    ['a reserved bit', bits(CR4.pae) | (1n << 15n)],
    ['a bit without its feature', bits(CR4.pae, CR4.cet)],
    ['bits 63:32', bits(CR4.pae) | (1n << 32n)],
  ])('CR4 #GP(0): %s', (_, value) => {
    expect(write(machine64(), 4, value)).toMatchObject(GP0);
  });

  it('CR4.VMXE follows the feature', () => {
    expect(write(machine64(), 4, bits(CR4.pae, CR4.vmxe))).toBeUndefined();
    expect(write(machine64({ vmx: false }), 4, bits(CR4.pae, CR4.vmxe))).toMatchObject(GP0);
  });

  it('CR8 is the task priority', () => {
    const machine = machine64();
    expect(write(machine, 8, 16n)).toMatchObject(GP0);
    write(machine, 8, 9n);
    expect([machine.bus.priority, read(machine, 8)]).toEqual([9, 9n]);
  });
});

// SDM Vol. 2, LMSW, SMSW, CLTS
describe('machine status word', () => {
  it('LMSW sets PE but never clears it', () => {
    const machine = machine64();
    machine.cpu.R[SLOT.rax] = 0x000en;
    execute(machine, 'lmsw', [register(0, 16)]);
    expect(machine.cpu.R[SLOT.cr0] & 0xfn).toBe(0xfn);
  });

  it('SMSW stores 16 bits in memory, all in a register; UMIP keeps users out', () => {
    const machine = machine64(['+umip']);
    const { cpu, memory } = machine;
    execute(machine, 'smsw', [register(1, 64)]);
    expect(cpu.R[SLOT.rcx]).toBe(PAGED);
    execute(machine, 'smsw', [memoryAt(0x2000n, 16)]);
    expect(memory.read(0x2000n, 4)).toBe(PAGED & 0xffffn);
    write(machine, 4, bits(CR4.pae, CR4.umip));
    asUser(machine);
    for (const row of ['smsw', 'sldt', 'str'])
      expect(execute(machine, row, [register(1, 64)])).toMatchObject(GP0);
    expect(execute(machine, 'sgdt', [memoryAt(0x2000n, 80)])).toMatchObject(GP0);
  });

  it('CLTS clears TS', () => {
    const machine = machine64();
    write(machine, 0, PAGED | bits(CR0.ts));
    execute(machine, 'clts');
    expect(machine.cpu.R[SLOT.cr0]).toBe(PAGED);
  });
});

// SDM Vol. 3C, 26.3: guest/host masks
describe('control registers in non-root operation', () => {
  it('asks before the value is checked, and merges host-owned bits', () => {
    const machine = machine64();
    const { cpu } = machine;
    const asked: unknown[] = [];
    cpu.nonRoot = true;
    cpu.virtualization = {
      intercept: (_: unknown, __: unknown, what: unknown) => asked.push(what),
      readControlRegister: () => 0x77n,
      writeControlRegister: (_: unknown, __: unknown, value: bigint) => value | PAGED,
      controlRegisterAllowed: (_: unknown, __: unknown, value: bigint) => (value & bits(CR0.ne)) !== 0n,
    } as unknown as Virtualization;
    expect(write(machine, 0, 0x8n)).toBeUndefined();
    expect(cpu.R[SLOT.cr0]).toBe(PAGED | 8n);
    expect(read(machine, 0)).toBe(0x77n);
    expect(asked).toEqual([
      { id: 'mov-to-cr', control: 0, register: 0, value: 8n },
      { id: 'mov-from-cr', control: 0, register: 1 },
    ]);
  });
});

// SDM Vol. 2, MOV—Move to/from Debug Registers
describe('MOV DR', () => {
  const set = (machine: SystemProcessor, number: number, value: bigint) => {
    machine.cpu.R[SLOT.rax] = value;
    return execute(machine, 'mov_dr', [debug(number), register(0, 64)]);
  };

  it('DR6 and DR7 keep their fixed bits and refuse bits 63:32', () => {
    const machine = machine64();
    set(machine, 6, 0n);
    set(machine, 7, 0xffffffffn);
    expect(machine.cpu.R[SLOT.dr6]).toBe(0xffff0ff0n);
    expect(machine.cpu.R[SLOT.dr7]).toBe(0xffff27ffn);
    machine.cpu.R[SLOT.dr7] = 0x400n;
    expect(set(machine, 6, 1n << 32n)).toMatchObject(GP0);
    expect(set(machine, 4, 1n << 32n)).toMatchObject(GP0);
    expect(set(machine, 3, 1n << 63n)).toBeUndefined();
  });

  it('DR4 and DR5 are DR6 and DR7 until CR4.DE', () => {
    const machine = machine64();
    set(machine, 5, 0x402n);
    expect(machine.cpu.R[SLOT.dr7]).toBe(0x402n);
    machine.cpu.W[2 * SLOT.cr4] |= CR4.de;
    expect(set(machine, 5, 0x400n)?.vector).toBe(VECTOR.ud);
  });

  it('general detect', () => {
    const machine = machine64();
    machine.cpu.R[SLOT.dr7] = 0x2400n;
    expect(set(machine, 0, 0n)).toMatchObject({ vector: VECTOR.db, debugStatus: 1 << 13 });
  });

  // SDM Vol. 3A, 6.9: the order of faults on executing an instruction is left to the processor
  it('general detect of a user: #GP, or #DB when a Choice says so', () => {
    const machine = machine64();
    asUser(machine);
    machine.cpu.R[SLOT.dr7] = 0x2400n;
    const asked: unknown[] = [];
    machine.cpu.decide = (...question) => {
      asked.push(question);
      return question[2];
    };
    expect(set(machine, 0, 0n)).toMatchObject(GP0);
    expect(asked).toEqual([['general-detect', 2n, 0n]]);
    machine.cpu.decide = () => 1n;
    expect(set(machine, 0, 0n)).toMatchObject({ vector: VECTOR.db, debugStatus: 1 << 13 });
  });
});

// SDM Vol. 2, LGDT/LIDT, SGDT, SIDT
describe('descriptor-table registers', () => {
  it('store what was loaded', () => {
    const machine = machine64();
    const { memory } = machine;
    memory.write(0x2000n, 2, 0x1fffn);
    memory.write(0x2002n, 8, 0xffff8000_12345678n);
    expect(execute(machine, 'lidt', [memoryAt(0x2000n, 80)])).toBeUndefined();
    execute(machine, 'sidt', [memoryAt(0x3000n, 80)]);
    expect([memory.read(0x3000n, 2), memory.read(0x3002n, 8)]).toEqual([0x1fffn, 0xffff8000_12345678n]);
  });

  it('a non-canonical base is refused; a 16-bit operand takes 24 bits', () => {
    const machine = machine64();
    machine.memory.write(0x2002n, 8, 0x8000_0000_0000n);
    expect(execute(machine, 'lgdt', [memoryAt(0x2000n, 80)])).toMatchObject(GP0);
    const legacy = machine32();
    legacy.memory.write(0x2002n, 4, 0x12345678n);
    execute(legacy, 'lgdt', [memoryAt(0x2000n, 48)], { operandWidth: 16 });
    expect(legacy.cpu.R[SLOT.gdtrBase]).toBe(0x345678n);
  });
});

it.each([
  ['invalidates an address that no segment reaches', 0x7fff_ffff_f000n, 1],
  ['is a NOP for one that is not canonical', 0x8000_0000_0000n, 0],
])('INVLPG touches nothing: %s', (_, address, flushed) => {
  const machine = machine64();
  setSegmentRaw(machine.cpu, SEGMENT.ds, { selector: 0, base: 0n, limit: 0, rights: 0x10000 });
  const { flushes } = machine.memory;
  expect(execute(machine, 'invlpg', [memoryAt(address, 8)])).toBeUndefined();
  expect(machine.memory.flushes).toBe(flushes + flushed);
});
