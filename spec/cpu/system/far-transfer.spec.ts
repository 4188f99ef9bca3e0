import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { ACCESS_RIGHTS, FLAG, SLOT } from '../../../src/cpu/slots';
import { GP } from '../faults';
import {
  asUser,
  execute,
  immediate,
  machine32,
  machine64,
  memoryAt,
  SELECTOR,
  STACK,
  type SystemProcessor,
  stackWords,
} from './system-processor';

const POINTER = 0x2000n;
const point = ({ memory }: SystemProcessor, selector: number, offset: bigint, bytes = 4): void => {
  memory.write(POINTER, bytes, offset);
  memory.write(POINTER + BigInt(bytes), 2, BigInt(selector));
};
const jump = (machine: SystemProcessor, selector: number, offset = 0x7000n) => {
  point(machine, selector, offset);
  return execute(machine, 'jmp_far', [memoryAt(POINTER, 48)]);
};
const frame = ({ cpu, memory }: SystemProcessor, values: readonly (bigint | number)[], bytes = 8): void => {
  cpu.R[SLOT.rsp] = STACK - BigInt(values.length * bytes);
  values.forEach((value, n) => {
    memory.write(cpu.R[SLOT.rsp] + BigInt(n * bytes), bytes, BigInt(value));
  });
};

// SDM Vol. 2, JMP, CALL: far forms
describe('far JMP and CALL', () => {
  it('goes from 64-bit to compatibility mode and back', () => {
    const machine = machine64();
    const { cpu } = machine;
    expect(jump(machine, SELECTOR.code32)).toBeUndefined();
    expect([cpu.mode64, cpu.codeSize, cpu.nextRip]).toEqual([false, 32, 0x7000n]);
    const far = { kind: 'far', selector: SELECTOR.code, offset: 0x8000 } as const;
    expect(execute(machine, 'jmp_far', [far])).toBeUndefined();
    expect([cpu.mode64, cpu.nextRip]).toEqual([true, 0x8000n]);
  });

  const rows: readonly (readonly [string, number, object])[] = [
    ['null', 0, GP(0)],
    ['beyond the table', SELECTOR.beyond, GP(SELECTOR.beyond)],
    ['data', SELECTOR.data, GP(SELECTOR.data)],
    ['outer code', SELECTOR.userCode, GP(SELECTOR.userCode & ~3)],
    ['RPL above CPL', SELECTOR.code | 3, GP(SELECTOR.code)],
    ['not present', SELECTOR.absentCode, { vector: VECTOR.np, errorCode: SELECTOR.absentCode }],
    ['a TSS', SELECTOR.tss, GP(SELECTOR.tss)],
    ['an LDT', SELECTOR.ldt, GP(SELECTOR.ldt)],
  ];
  it.each(rows)('selector %s', (_, selector, expected) => {
    expect(jump(machine64(), selector)).toMatchObject(expected);
  });

  it('a non-canonical or too far target', () => {
    const machine = machine64();
    point(machine, SELECTOR.code, 0x8000_0000_0000n, 8);
    expect(execute(machine, 'jmp_far', [memoryAt(POINTER, 80)], { operandWidth: 64 })).toMatchObject(GP(0));
  });

  it('CALL pushes CS and the next RIP; RET takes them back', () => {
    const machine = machine64();
    const { cpu } = machine;
    point(machine, SELECTOR.conforming, 0x7000n, 8);
    execute(machine, 'call_far', [memoryAt(POINTER, 80)], { operandWidth: 64 });
    expect(stackWords(machine, 2)).toEqual([0x1003n, BigInt(SELECTOR.code)]);
    cpu.rip = 0x7000n;
    expect(execute(machine, 'ret_far', [], { operandWidth: 64 })).toBeUndefined();
    expect([cpu.nextRip, cpu.R[SLOT.rsp]]).toEqual([0x1003n, STACK]);
  });

  it('a CALL whose second push faults has pushed nothing', () => {
    const machine = machine64();
    machine.cpu.R[SLOT.rsp] = STACK + 4n;
    machine.memory.absent.add((STACK - 1n) >> 12n);
    point(machine, SELECTOR.code, 0x7000n);
    expect(execute(machine, 'call_far', [memoryAt(POINTER, 48)])?.vector).toBe(VECTOR.pf);
    expect(machine.memory.pages.has(STACK >> 12n)).toBe(false);
    expect(machine.cpu.R[SLOT.rsp]).toBe(STACK + 4n);
  });
});

// SDM Vol. 2, RET: to an outer privilege level
describe('far RET to an outer level', () => {
  it('loads SS:RSP, releases the immediate twice and drops privileged data segments', () => {
    const machine = machine64();
    const { cpu } = machine;
    frame(machine, [0x7000n, SELECTOR.userCode, 0, 0x5000n, SELECTOR.userData]);
    expect(execute(machine, 'ret_far', [immediate(8n, 16)], { operandWidth: 64 })).toBeUndefined();
    expect([cpu.cpl, cpu.R[SLOT.rsp], cpu.nextRip]).toEqual([3, 0x5008n, 0x7000n]);
    expect(cpu.W[2 * SLOT.ds + 1] & ACCESS_RIGHTS.unusable).not.toBe(0);
  });

  it('a null SS needs a 64-bit target below CPL 3', () => {
    const machine = machine64();
    frame(machine, [0x7000n, SELECTOR.userCode, 0x5000n, 3]);
    expect(execute(machine, 'ret_far', [], { operandWidth: 64 })).toMatchObject(GP(0));
  });

  it('never inward', () => {
    const machine = machine64();
    asUser(machine);
    frame(machine, [0x7000n, SELECTOR.code]);
    expect(execute(machine, 'ret_far', [], { operandWidth: 64 })).toMatchObject(GP(SELECTOR.code));
  });
});

// SDM Vol. 2, IRET/IRETD/IRETQ
describe('IRET', () => {
  const iret = (machine: SystemProcessor, width: 16 | 32 | 64 = 64) =>
    execute(machine, 'iret', [], { operandWidth: width });

  it('in 64-bit mode always pops SS:RSP, a null SS too', () => {
    const machine = machine64();
    const { cpu } = machine;
    frame(machine, [0x7000n, SELECTOR.code, 0x10202n, 0x5555n, 0]);
    expect(iret(machine)).toBeUndefined();
    expect([cpu.nextRip, cpu.R[SLOT.rsp], cpu.cpl]).toEqual([0x7000n, 0x5555n, 0]);
    expect(cpu.rflags).toBe(0x10202n);
    expect(cpu.W[2 * SLOT.ss + 1] & ACCESS_RIGHTS.unusable).not.toBe(0);
  });

  it('returns to a 32-bit user', () => {
    const machine = machine64();
    const { cpu } = machine;
    frame(machine, [0x7000n, SELECTOR.userCode32, 0x3202n, 0x5000n, SELECTOR.userData]);
    expect(iret(machine)).toBeUndefined();
    expect([cpu.cpl, cpu.codeSize]).toEqual([3, 32]);
    expect(cpu.flag(FLAG.if)).toBe(true);
    expect(cpu.rflags & BigInt(FLAG.iopl)).toBe(0x3000n);
  });

  it('a user changes neither IOPL nor IF', () => {
    const machine = machine64();
    asUser(machine);
    frame(machine, [0x7000n, SELECTOR.userCode, 0x3302n, 0x5000n, SELECTOR.userData]);
    expect(iret(machine)).toBeUndefined();
    expect(machine.cpu.rflags).toBe(0x102n);
  });

  it('unblocks NMIs even when it faults', () => {
    const machine = machine64();
    const { cpu } = machine;
    cpu.blockingByNmi = true;
    frame(machine, [0x7000n, 0, 2n, 0x5000n, 0]);
    expect(iret(machine)).toMatchObject(GP(0));
    expect([cpu.blockingByNmi, cpu.nmiUnblocked]).toEqual([false, true]);
    expect(cpu.R[SLOT.rsp]).toBe(STACK - 40n);
  });

  it('NT is #GP(0) in IA-32e mode', () => {
    const machine = machine64();
    machine.cpu.rflags = BigInt(FLAG.nt | 2);
    expect(iret(machine)).toMatchObject(GP(0));
  });

  it('in protected mode pops three values at the same level, five outward', () => {
    const machine = machine32();
    const { cpu } = machine;
    frame(machine, [0x7000n, SELECTOR.code, 0x202n], 4);
    expect(iret(machine, 32)).toBeUndefined();
    expect([cpu.R[SLOT.rsp], cpu.nextRip]).toEqual([STACK, 0x7000n]);
    frame(machine, [0x7000n, SELECTOR.userCode, 0x202n, 0x5000n, SELECTOR.userData], 4);
    expect(iret(machine, 32)).toBeUndefined();
    expect([cpu.R[SLOT.rsp], cpu.cpl]).toEqual([0x5000n, 3]);
  });

  const stacks: readonly (readonly [string, number, object])[] = [
    ['null', 3, GP(0)],
    ['wrong RPL', SELECTOR.userData & ~3, GP(SELECTOR.userData & ~3)],
    ['wrong DPL', SELECTOR.data | 3, GP(SELECTOR.data)],
    ['not writable', SELECTOR.readOnly | 3, GP(SELECTOR.readOnly)],
    ['beyond the table', SELECTOR.beyond | 3, GP(SELECTOR.beyond)],
  ];
  it.each(stacks)('outer SS %s', (_, selector, expected) => {
    const machine = machine64();
    const before = machine.cpu.W[2 * SLOT.cs];
    frame(machine, [0x7000n, SELECTOR.userCode, 2n, 0x5000n, selector]);
    expect(iret(machine)).toMatchObject(expected);
    expect(machine.cpu.W[2 * SLOT.cs]).toBe(before);
  });
});
