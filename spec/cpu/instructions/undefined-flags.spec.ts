import { describe, expect, test } from 'vitest';
import { FLAG, SLOT } from '../../../src/cpu/slots';
import { bytesOf, dataProcessor, execute } from './data-processor';

const { cf, pf, af, zf, sf, of } = FLAG;

/** The flags that a Choice may set freely, by running with the lowest and the highest answer. */
const undefinedFlags = (code: string, count: bigint, mode: 32 | 64 = 64): number => {
  const outcomes = [0n, -1n].map((answer) => {
    const { cpu } = dataProcessor(mode, (alternatives) => BigInt.asUintN(6, answer) & (alternatives - 1n));
    cpu.asksUndefinedFlags = true;
    for (const slot of [SLOT.rax, SLOT.rbx, SLOT.rdx]) cpu.R[slot] = 0n;
    Object.assign(cpu.R, { [SLOT.rax]: 0x1234n, [SLOT.rbx]: 0x567n, [SLOT.rcx]: count });
    execute(cpu, bytesOf(code));
    return Number(cpu.rflags);
  });
  return outcomes[0] ^ outcomes[1];
};

describe('SDM Vol. 1, Appendix A EFLAGS Cross-Reference: undefined flags', () => {
  test.each([
    ['add rax, rbx', '4801d8', 0n, 0],
    ['and rax, rbx', '4821d8', 0n, af],
    ['test rax, rbx', '4885d8', 0n, af],
    ['not rax', '48f7d0', 0n, 0],
    ['shl rax, 1', '48d1e0', 0n, af],
    ['shl rax, 2', '48c1e002', 0n, af | of],
    ['shl rax, cl with 0', '48d3e0', 64n, 0],
    ['shl al, cl beyond the width', 'd2e0', 9n, af | of | cf],
    ['sar al, cl beyond the width', 'd2f8', 9n, af | of],
    ['rol rax, cl with 1', '48d3c0', 1n, 0],
    ['rol rax, cl with 2', '48d3c0', 2n, of],
    ['rcl al, cl with 9', 'd2d0', 9n, of],
    ['shld rax, rbx, cl with 1', '480fa5d8', 1n, af],
    ['shld ax, bx, cl with 17', '660fa5d8', 17n, cf | pf | af | zf | sf | of],
    ['bt rax, 3', '480fbae003', 0n, of | sf | af | pf],
    ['bt rax, rbx', '480fa3d8', 0n, of | sf | af | pf],
    ['bsf rax, rbx', '480fbcc3', 0n, cf | of | sf | af | pf],
    ['popcnt rax, rbx', 'f3480fb8c3', 0n, 0],
    ['tzcnt rax, rbx', 'f3480fbcc3', 0n, of | sf | af | pf],
    ['mul rbx', '48f7e3', 0n, sf | zf | af | pf],
    ['imul rax, rbx', '480fafc3', 0n, sf | zf | af | pf],
    ['div rbx', '48f7f3', 0n, cf | pf | af | zf | sf | of],
    ['xadd rax, rbx', '480fc1d8', 0n, 0],
    ['blsr rax, rbx', 'c4e2f8f3cb', 0n, af | pf],
    ['pext rax, rbx, rcx', 'c4e2e2f5c1', 0n, 0],
    ['shr al, cl beyond the width', 'd2e8', 9n, af | of | cf],
    ['shrd ax, bx, cl with 17', '660fadd8', 17n, cf | pf | af | zf | sf | of],
    ['lzcnt rax, rbx', 'f3480fbdc3', 0n, of | sf | af | pf],
    ['bsr rax, rbx', '480fbdc3', 0n, cf | of | sf | af | pf],
    ['imul rbx', '48f7eb', 0n, sf | zf | af | pf],
    ['idiv rbx', '48f7fb', 0n, cf | pf | af | zf | sf | of],
    ['andn rax, rbx, rcx', 'c4e2e0f2c1', 0n, af | pf],
    ['bextr rax, rbx, rcx', 'c4e2f0f7c3', 0n, af | sf | pf],
    ['bzhi rax, rbx, rcx', 'c4e2f0f5c3', 0n, af | pf],
  ])('%s', (_, code, count, mask) => {
    expect(undefinedFlags(code, count)).toBe(mask);
  });

  test.each([
    ['aaa', '37', of | sf | zf | pf],
    ['aas', '3f', of | sf | zf | pf],
    ['aam', 'd40a', of | af | cf],
    ['aad', 'd50a', of | af | cf],
    ['daa', '27', of],
    ['das', '2f', of],
  ])('%s', (_, code, mask) => {
    expect(undefinedFlags(code, 0n, 32)).toBe(mask);
  });

  test('asked only on demand, preferred is what is done without', () => {
    const asked: bigint[] = [];
    const { cpu } = dataProcessor(64, (alternatives, preferred) => {
      asked.push(alternatives, preferred);
      return preferred;
    });
    cpu.R[SLOT.rax] = 0x4000_0000_0000_0001n;
    execute(cpu, bytesOf('48c1e002'));
    expect(asked).toEqual([]);
    const flags = cpu.rflags;
    cpu.asksUndefinedFlags = true;
    cpu.R[SLOT.rax] = 0x4000_0000_0000_0001n;
    execute(cpu, bytesOf('48c1e002'));
    expect(asked).toEqual([4n, 2n]);
    expect(cpu.rflags).toBe(flags);
  });
});
