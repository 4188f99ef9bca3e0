import { describe, expect, test } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { FLAG, SLOT } from '../../../src/cpu/slots';
import { bytesOf, type DataProcessor, dataProcessor, execute } from './data-processor';

const REP_MOVSB = bytesOf('f3a4');
const REP_STOSQ = bytesOf('f348ab');
const REPE_CMPSB = bytesOf('f3a6');
const REPNE_SCASB = bytesOf('f2ae');
const START = 0x40_0000n;

const prepared = (count: bigint, budget: number, mode: 32 | 64 = 64): DataProcessor => {
  const processor = dataProcessor(mode);
  const { cpu, memory } = processor;
  cpu.rip = START;
  cpu.iterationBudget = budget;
  cpu.R[SLOT.rcx] = count;
  cpu.R[SLOT.rsi] = 0x1000n;
  cpu.R[SLOT.rdi] = 0x2000n;
  memory.load(0x1000n, bytesOf('0102030405060708090a0b0c0d0e0f10'));
  return processor;
};
const registers = ({ cpu }: DataProcessor): readonly bigint[] =>
  [SLOT.rcx, SLOT.rsi, SLOT.rdi, SLOT.rip].map((slot) => cpu.R[slot]);

describe('SDM Vol. 2, REP/REPE/REPZ/REPNE/REPNZ', () => {
  test('all at once: one instruction, n - 1 further iterations', () => {
    const processor = prepared(16n, 100);
    expect(execute(processor.cpu, REP_MOVSB)).toBe(true);
    expect(registers(processor)).toEqual([0n, 0x1010n, 0x2010n, START + 2n]);
    expect(processor.cpu.extraRetired).toBe(15);
    expect(processor.memory.dump(0x2000n, 16)).toEqual(processor.memory.dump(0x1000n, 16));
  });
  test('the budget stops between iterations, at the instruction, with RF', () => {
    const processor = prepared(16n, 5);
    expect(execute(processor.cpu, REP_MOVSB)).toBe(true);
    expect(registers(processor)).toEqual([11n, 0x1005n, 0x2005n, START]);
    expect(processor.cpu.extraRetired).toBe(4);
    expect(processor.cpu.flag(FLAG.rf)).toBe(true);
    processor.cpu.iterationBudget = 11;
    execute(processor.cpu, REP_MOVSB);
    expect(registers(processor)).toEqual([0n, 0x1010n, 0x2010n, START + 2n]);
    expect(processor.cpu.flag(FLAG.rf)).toBe(false);
  });
  test('a count of zero touches nothing', () => {
    const processor = prepared(0n, 5);
    processor.memory.absent.add(2n);
    expect(execute(processor.cpu, REP_STOSQ)).toBe(true);
    expect(registers(processor)).toEqual([0n, 0x1000n, 0x2000n, START + 3n]);
    expect(processor.cpu.extraRetired).toBe(0);
  });
  test('a fault leaves the registers after the iterations before it', () => {
    const processor = prepared(16n, 100);
    processor.cpu.R[SLOT.rdi] = 0x2ff0n;
    processor.memory.readOnly.add(3n);
    expect(execute(processor.cpu, REP_STOSQ)).toBe(false);
    expect(processor.cpu.interruption).toMatchObject({ vector: VECTOR.pf, errorCode: 3, address: 0x3000n });
    expect(registers(processor)).toEqual([14n, 0x1000n, 0x3000n, START]);
    expect(processor.cpu.extraRetired).toBe(2);
  });
  test('steps of one iteration and one long run agree, flags too', () => {
    for (const code of [REP_MOVSB, REP_STOSQ, REPE_CMPSB, REPNE_SCASB]) {
      const long = prepared(9n, 100);
      const stepped = prepared(9n, 1);
      for (const { cpu, memory } of [long, stepped]) {
        memory.load(0x2000n, bytesOf('010203040506ff0809'));
        cpu.R[SLOT.rax] = 5n;
        cpu.rflags = 0x8d7n;
      }
      execute(long.cpu, code);
      for (let steps = 0; stepped.cpu.rip === START; steps++) {
        if (steps > 20) throw new Error('no end');
        execute(stepped.cpu, code);
      }
      expect(registers(stepped)).toEqual(registers(long));
      expect(stepped.cpu.rflags).toBe(long.cpu.rflags);
    }
  });
  test('a faulting comparison keeps the flags of before the instruction', () => {
    const processor = prepared(16n, 100);
    processor.cpu.rflags = 0x8d7n;
    processor.cpu.R[SLOT.rdi] = 0x2ffen;
    processor.cpu.R[SLOT.rsi] = 0x2ffen;
    processor.memory.absent.add(3n);
    expect(execute(processor.cpu, REPE_CMPSB)).toBe(false);
    expect(processor.cpu.rflags).toBe(0x8d7n);
    expect(registers(processor)).toEqual([14n, 0x3000n, 0x3000n, START]);
  });
});

describe('SDM Vol. 1, 7.3.9 String Operations', () => {
  test('32-bit addresses in 64-bit mode clear the upper halves', () => {
    const processor = prepared(0xffff_ffff_0000_0002n, 100);
    processor.cpu.R[SLOT.rdi] = 0xffff_ffff_0000_2000n;
    execute(processor.cpu, bytesOf('67f3a4'));
    expect(registers(processor)).toEqual([0n, 0x1002n, 0x2002n, START + 3n]);
  });
  test('16-bit addresses keep them and wrap around', () => {
    const processor = prepared(0xabc_0002n, 100, 32);
    processor.cpu.R[SLOT.rdi] = 0x1_ffffn;
    execute(processor.cpu, bytesOf('67f3aa'));
    expect(registers(processor)).toEqual([0xabc_0000n, 0x1000n, 0x1_0001n, START + 3n]);
  });
  test('the override moves the source, never the destination', () => {
    const processor = prepared(1n, 100, 32);
    const { cpu, memory } = processor;
    cpu.R[SLOT.fsBase] = 0x8n;
    cpu.R[SLOT.esBase] = 0x100n;
    execute(cpu, bytesOf('64a5'));
    expect(memory.read(0x2100n, 4)).toBe(0x0c0b0a09n);
  });
  test('DF goes downwards', () => {
    const processor = prepared(2n, 100);
    processor.cpu.rflags = BigInt(FLAG.df);
    processor.cpu.R[SLOT.rsi] = 0x1008n;
    execute(processor.cpu, bytesOf('f348a5'));
    expect(registers(processor)).toEqual([0n, 0xff8n, 0x1ff0n, START + 3n]);
    expect(processor.memory.dump(0x2000n, 1)[0]).toBe(9);
  });
});
