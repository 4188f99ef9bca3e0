import { describe, expect, it } from 'vitest';
import { setSegmentRaw } from '../../../src/cpu/segments';
import { ACCESS_RIGHTS, SLOT } from '../../../src/cpu/slots';
import { GP, NP, SS } from '../faults';
import {
  execute,
  GDT,
  immediate,
  machine32,
  machine64,
  SELECTOR,
  STACK,
  type SystemProcessor,
} from './system-processor';

const X = 0x80;
const CODE32 = 0x00cf_0000_0000_ffffn;

/** A descriptor at `X` with these attributes. */
const setX = ({ cpu, memory }: SystemProcessor, attributes: number, flags = CODE32): void => {
  cpu.R[SLOT.gdtrLimit] = 0x8fn;
  memory.write(GDT + BigInt(X), 8, flags | (BigInt(attributes) << 40n));
};
const frame = ({ cpu, memory }: SystemProcessor, values: readonly (bigint | number)[], bytes = 4): void => {
  cpu.R[SLOT.rsp] = STACK - BigInt(values.length * bytes);
  values.forEach((value, n) => {
    memory.write(cpu.R[SLOT.rsp] + BigInt(n * bytes), bytes, BigInt(value));
  });
};
const ret = (machine: SystemProcessor, width: 16 | 32 | 64 = 32, released?: bigint) =>
  execute(machine, 'ret_far', released === undefined ? [] : [immediate(released, 16)], {
    operandWidth: width,
  });

// SDM Vol. 3A, 5.8.6 Returning from a Called Procedure
describe('far RET', () => {
  const refused: readonly (readonly [string, number, number, object])[] = [
    ['data', 0x93, X, GP(X)],
    ['a system segment', 0x82, X, GP(X)],
    ['nonconforming code of a lower DPL', 0x9b, X | 1, GP(X)],
    ['nonconforming code of a higher DPL', 0xfb, X, GP(X)],
    ['conforming code of a DPL above the RPL', 0xff, X, GP(X)],
    ['code that is not present', 0x1b, X, NP(X)],
    ['the wrong DPL before the present flag', 0x7b, X, GP(X)],
  ];
  it.each(refused)('to %s', (_, attributes, selector, expected) => {
    for (const mnemonic of ['ret_far', 'iret']) {
      const machine = machine32();
      setX(machine, attributes);
      frame(machine, [0x7000, selector, 2, 0x5000, SELECTOR.userData]);
      const before = machine.cpu.R[SLOT.rsp];
      expect(execute(machine, mnemonic, [], { operandWidth: 32 })).toMatchObject(expected);
      expect([machine.cpu.R[SLOT.rsp], machine.cpu.W[2 * SLOT.cs]]).toEqual([before, SELECTOR.code]);
    }
  });

  it('in IA-32e mode to code with both L and D', () => {
    const machine = machine64();
    setX(machine, 0x9b, 0x00ef_0000_0000_ffffn);
    frame(machine, [0x7000, X], 8);
    expect(ret(machine, 64)).toMatchObject(GP(X));
  });

  it('to conforming code of a lower DPL runs at its RPL', () => {
    const machine = machine32();
    setX(machine, 0x9f);
    frame(machine, [0x7000, X | 3, 0x5000, SELECTOR.userData]);
    expect(ret(machine)).toBeUndefined();
    expect([machine.cpu.cpl, machine.cpu.W[2 * SLOT.cs]]).toEqual([3, X | 3]);
  });

  it('sets the accessed flags of code and stack', () => {
    const machine = machine32();
    setX(machine, 0xfa);
    machine.memory.write(GDT + BigInt(SELECTOR.userData & ~3) + 5n, 1, 0xf2n);
    frame(machine, [0x7000, X | 3, 0x5000, SELECTOR.userData]);
    expect(ret(machine)).toBeUndefined();
    const attributes = (selector: number) => machine.memory.read(GDT + BigInt(selector & ~7) + 5n, 1);
    // Before that, as a supervisor's access.
    expect([attributes(X), attributes(SELECTOR.userData)]).toEqual([0xfbn, 0xf3n]);
  });

  it.each([
    [16, 2],
    [32, 4],
    [64, 8],
  ] as const)('with %i-bit operands takes slots of that size, and releases the immediate', (width, bytes) => {
    const machine = width === 64 ? machine64() : machine32();
    frame(machine, [0x7000, SELECTOR.code, 1, 2], bytes);
    expect(ret(machine, width, BigInt(bytes))).toBeUndefined();
    expect([machine.cpu.nextRip, machine.cpu.R[SLOT.rsp]]).toEqual([0x7000n, STACK - BigInt(bytes)]);
  });

  it('a stack too short is #SS(0)', () => {
    const machine = machine32();
    frame(machine, [0x7000, SELECTOR.userCode, 0x5000, SELECTOR.userData]);
    for (const [limit, expected] of [
      [6n, SS(0)],
      [14n, SS(0)],
    ] as const) {
      machine.cpu.R[SLOT.ssLimit] = machine.cpu.R[SLOT.rsp] + limit;
      expect(ret(machine)).toMatchObject(expected);
    }
    machine.cpu.R[SLOT.ssLimit] = machine.cpu.R[SLOT.rsp] + 15n;
    expect(ret(machine)).toBeUndefined();
  });

  const offsets: readonly (readonly [string, () => SystemProcessor, bigint, number, 32 | 64])[] = [
    ['beyond the limit', machine32, 0x7000n, X, 32],
    ['not canonical', machine64, 0x8000_0000_0000n, SELECTOR.code, 64],
  ];
  it.each(offsets)('an instruction pointer %s is #GP(0)', (_, make, offset, selector, width) => {
    const machine = make();
    setX(machine, 0x9b, 0x0040_0000_0000_6fffn);
    frame(machine, [offset, selector], width / 8);
    expect(ret(machine, width)).toMatchObject(GP(0));
  });
});

// SDM Vol. 2, RET: the stack of the outer level
describe('the outer stack', () => {
  const stacks: readonly (readonly [string, number, number, object])[] = [
    ['code', 0xfb, X | 3, GP(X)],
    ['read-only', 0xf1, X | 3, GP(X)],
    ['of another RPL', 0xf3, X, GP(X)],
    ['of another DPL', 0x93, X | 3, GP(X)],
    ['not present', 0x73, X | 3, SS(X)],
    ['null', 0xf3, 3, GP(0)],
    ['beyond the table', 0xf3, 0x203, GP(0x200)],
  ];
  it.each(stacks)('%s', (_, attributes, selector, expected) => {
    for (const [make, bytes, width] of [
      [machine32, 4, 32],
      [machine64, 8, 64],
    ] as const) {
      const machine = make();
      setX(machine, attributes);
      frame(machine, [0x7000, SELECTOR.userCode, 0x5000, selector], bytes);
      expect(ret(machine, width)).toMatchObject(expected);
      expect(machine.cpu.cpl).toBe(0);
    }
  });

  // SDM Vol. 2, RET, IRET: 64-Bit Mode Exceptions
  it('null needs a 64-bit target below CPL 3, and its CPL as RPL', () => {
    const machine = machine64();
    const wide = 0x00af_0000_0000_ffffn;
    setX(machine, 0xbb, wide);
    frame(machine, [0x7000, X | 1, 0x5000, 0], 8);
    expect(ret(machine, 64)).toMatchObject(GP(0));
    frame(machine, [0x7000, X | 1, 0x5000, 1], 8);
    expect(ret(machine, 64)).toBeUndefined();
    expect([machine.cpu.cpl, machine.cpu.W[2 * SLOT.ss]]).toEqual([1, 1]);
    const same = machine64();
    frame(same, [0x7000, SELECTOR.code, 2, 0x5000, 3], 8);
    expect(execute(same, 'iret', [], { operandWidth: 64 })).toMatchObject(GP(0));
    const compatible = machine64();
    frame(compatible, [0x7000, SELECTOR.code32, 2, 0x5000, 0], 8);
    expect(execute(compatible, 'iret', [], { operandWidth: 64 })).toMatchObject(GP(0));
  });

  it('data segments: what the outer level may not use becomes null', () => {
    const machine = machine32();
    const flat = { base: 0x1000n, limit: 0xffffffff };
    setSegmentRaw(machine.cpu, 0, { selector: SELECTOR.data, ...flat, rights: 0xc093 });
    setSegmentRaw(machine.cpu, 3, { selector: SELECTOR.userData, ...flat, rights: 0xc0f3 });
    setSegmentRaw(machine.cpu, 4, { selector: SELECTOR.conforming, ...flat, rights: 0xc09f });
    setSegmentRaw(machine.cpu, 5, { selector: SELECTOR.code, ...flat, rights: 0xc09b });
    frame(machine, [0x7000, SELECTOR.userCode, 0x5000, SELECTOR.userData]);
    expect(ret(machine)).toBeUndefined();
    const kept = [0, 3, 4, 5].map(
      (n) => (machine.cpu.W[2 * (SLOT.es + n) + 1] & ACCESS_RIGHTS.unusable) === 0,
    );
    expect(kept).toEqual([false, true, true, false]);
    expect([machine.cpu.W[2 * SLOT.es], machine.cpu.W[2 * SLOT.ds]]).toEqual([0, SELECTOR.userData]);
  });
});
