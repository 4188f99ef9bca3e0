import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { ACCESS_RIGHTS, SLOT } from '../../../src/cpu/slots';
import { GP, NP, SS, TS } from '../faults';
import {
  asUser,
  execute,
  GDT,
  KERNEL_STACK,
  machine32,
  machine64,
  memoryAt,
  SELECTOR,
  STACK,
  type SystemProcessor,
  stackWords,
  TSS,
} from './system-processor';

const POINTER = 0x2000n;
const GATE = 0x80;
const BEYOND_GATE = 0x1f8;
const TYPE = { gate16: 4, gate: 12 } as const;

interface GateSet {
  readonly selector?: number;
  readonly offset?: bigint;
  readonly type?: number;
  readonly dpl?: number;
  readonly present?: boolean;
  readonly parameters?: number;
  /** Type field of the upper half. */
  readonly upperType?: bigint;
}

/** Writes a call gate in the format of the mode at `GATE`. */
const setCallGate = ({ cpu, memory }: SystemProcessor, set: GateSet = {}): void => {
  const { selector = SELECTOR.code, offset = 0x7000n, type = TYPE.gate, dpl = 3 } = set;
  const { present = true, parameters = 0, upperType = 0n } = set;
  cpu.R[SLOT.gdtrLimit] = 0x1ffn;
  const attributes = type | (dpl << 5) | (present ? 0x80 : 0);
  const low =
    (offset & 0xffffn) |
    (BigInt(selector) << 16n) |
    (BigInt(parameters) << 32n) |
    (BigInt(attributes) << 40n) |
    (((offset >> 16n) & 0xffffn) << 48n);
  memory.write(GDT + BigInt(GATE), 8, low);
  if (cpu.longMode) memory.write(GDT + BigInt(GATE) + 8n, 8, (offset >> 32n) | (upperType << 40n));
};
const setDescriptor = ({ memory }: SystemProcessor, selector: number, raw: bigint): void =>
  memory.write(GDT + BigInt(selector & ~7), 8, raw);

const far =
  (mnemonic: 'call_far' | 'jmp_far') =>
  (machine: SystemProcessor, selector: number = GATE) => {
    machine.memory.write(POINTER, 4, 0xdeadbeefn);
    machine.memory.write(POINTER + 4n, 2, BigInt(selector));
    return execute(machine, mnemonic, [memoryAt(POINTER, 48)]);
  };
const call = far('call_far');
const jump = far('jmp_far');

const user32 = (): SystemProcessor => {
  const machine = machine32();
  asUser(machine);
  return machine;
};
const user64 = (): SystemProcessor => {
  const machine = machine64();
  asUser(machine);
  return machine;
};

// SDM Vol. 3A, 5.8.4 Accessing a Code Segment Through a Call Gate
describe('call gates at the same level', () => {
  it('CALL pushes CS and EIP by the size of the gate, whatever the offset of the pointer', () => {
    for (const [type, bytes] of [
      [TYPE.gate, 4],
      [TYPE.gate16, 2],
    ] as const) {
      const machine = machine32();
      setCallGate(machine, { type, offset: 0x1_7000n, parameters: 5 });
      expect(call(machine)).toBeUndefined();
      expect(stackWords(machine, 2, bytes)).toEqual([0x1003n, BigInt(SELECTOR.code)]);
      expect(machine.cpu.R[SLOT.rsp]).toBe(STACK - BigInt(2 * bytes));
      expect(machine.cpu.nextRip).toBe(type === TYPE.gate ? 0x17000n : 0x7000n);
      expect(machine.cpu.W[2 * SLOT.cs]).toBe(SELECTOR.code);
    }
  });

  it('a 64-bit gate pushes 8 bytes, also from compatibility mode', () => {
    const machine = machine64();
    setCallGate(machine, { offset: 0xffff8000_00007000n });
    const compatible = { kind: 'far', selector: SELECTOR.code32, offset: 0x1000 } as const;
    expect(execute(machine, 'jmp_far', [compatible])).toBeUndefined();
    expect(machine.cpu.mode64).toBe(false);
    expect(call(machine)).toBeUndefined();
    expect(stackWords(machine, 2)).toEqual([0x1003n, BigInt(SELECTOR.code32)]);
    expect([machine.cpu.mode64, machine.cpu.nextRip]).toEqual([true, 0xffff8000_00007000n]);
  });

  it('JMP pushes nothing', () => {
    const machine = machine32();
    setCallGate(machine);
    expect(jump(machine)).toBeUndefined();
    expect([machine.cpu.R[SLOT.rsp], machine.cpu.nextRip]).toEqual([STACK, 0x7000n]);
  });

  it('conforming code keeps the CPL of the caller', () => {
    for (const go of [call, jump]) {
      const machine = user32();
      setCallGate(machine, { selector: SELECTOR.conforming });
      expect(go(machine)).toBeUndefined();
      expect(machine.cpu.cpl).toBe(3);
      expect(machine.cpu.W[2 * SLOT.cs]).toBe(SELECTOR.conforming | 3);
    }
  });

  it('the RPL of the selector in the gate does not matter', () => {
    const machine = machine32();
    setCallGate(machine, { selector: SELECTOR.code | 3 });
    expect(call(machine)).toBeUndefined();
    expect(machine.cpu.W[2 * SLOT.cs]).toBe(SELECTOR.code);
  });

  it('a stack without room is #SS(0), before the target is looked at', () => {
    const machine = machine32();
    setCallGate(machine, { offset: 0x1_0000_0000n - 1n });
    machine.cpu.R[SLOT.ssLimit] = 0x100n;
    expect(call(machine)).toMatchObject(SS(0));
  });
});

// SDM Vol. 3A, 5.8.5 Stack Switching
describe('call gates to an inner level', () => {
  it.each([0, 1, 31])('copies %i parameters', (parameters) => {
    for (const [type, bytes] of [
      [TYPE.gate, 4],
      [TYPE.gate16, 2],
    ] as const) {
      const machine = user32();
      setCallGate(machine, { type, parameters });
      for (let n = 0; n < 40; n++) machine.memory.write(STACK + BigInt(n * bytes), bytes, BigInt(100 + n));
      expect(call(machine)).toBeUndefined();
      expect(stackWords(machine, parameters + 4, bytes)).toEqual([
        0x1003n,
        BigInt(SELECTOR.userCode),
        ...Array.from({ length: parameters }, (_, n) => BigInt(100 + n)),
        STACK & (bytes === 2 ? 0xffffn : 0xffffffffn),
        BigInt(SELECTOR.userData),
      ]);
      const { cpu } = machine;
      expect(cpu.R[SLOT.rsp]).toBe(KERNEL_STACK - BigInt((parameters + 4) * bytes));
      expect([cpu.cpl, cpu.W[2 * SLOT.cs], cpu.W[2 * SLOT.ss]]).toEqual([0, SELECTOR.code, SELECTOR.data]);
    }
  });

  it('and RET n goes back and releases them from both stacks', () => {
    const machine = user32();
    const { cpu } = machine;
    setCallGate(machine, { parameters: 2 });
    call(machine);
    expect(execute(machine, 'ret_far', [{ kind: 'immediate', value: 8n, width: 16 }])).toBeUndefined();
    expect([cpu.cpl, cpu.R[SLOT.rsp], cpu.nextRip]).toEqual([3, STACK + 8n, 0x1003n]);
    expect(cpu.W[2 * SLOT.ss]).toBe(SELECTOR.userData);
  });

  it('a 16-bit TSS gives SP0 and SS0', () => {
    const machine = user32();
    const { cpu, memory } = machine;
    setCallGate(machine);
    cpu.W[2 * SLOT.tr + 1] = 0x83;
    memory.write(TSS + 2n, 2, 0x8000n);
    memory.write(TSS + 4n, 2, BigInt(SELECTOR.data));
    expect(call(machine)).toBeUndefined();
    expect([cpu.R[SLOT.rsp], cpu.W[2 * SLOT.ss]]).toEqual([0x8000n - 16n, SELECTOR.data]);
  });

  it('a 16-bit new stack wraps its pointer', () => {
    const machine = user32();
    setCallGate(machine);
    // Base 500000H, limit FFFFH, B = 0.
    setDescriptor(machine, SELECTOR.data, 0x0000_9350_0000_ffffn);
    machine.memory.write(TSS + 4n, 4, 0x0n);
    expect(call(machine)).toBeUndefined();
    expect(machine.cpu.R[SLOT.rsp]).toBe(0xfff0n);
    expect(machine.memory.read(0x50fff0n, 4)).toBe(0x1003n);
  });

  it('in IA-32e mode takes RSP0, unaligned, with a null SS of the new CPL', () => {
    const machine = user64();
    const { cpu, memory } = machine;
    setCallGate(machine);
    memory.write(TSS + 4n, 8, KERNEL_STACK + 4n);
    expect(call(machine)).toBeUndefined();
    expect(cpu.R[SLOT.rsp]).toBe(KERNEL_STACK + 4n - 32n);
    expect(stackWords(machine, 4)).toEqual([
      0x1003n,
      BigInt(SELECTOR.userCode),
      STACK,
      BigInt(SELECTOR.userData),
    ]);
    expect([cpu.cpl, cpu.W[2 * SLOT.ss]]).toEqual([0, 0]);
    expect(cpu.W[2 * SLOT.ss + 1] & ACCESS_RIGHTS.unusable).not.toBe(0);
  });

  it('to level 1 the null SS has RPL 1', () => {
    const machine = user64();
    machine.memory.write(TSS + 12n, 8, 0x70000n);
    setCallGate(machine, { selector: 0x90 });
    setDescriptor(machine, 0x90, 0x00af_bb00_0000_ffffn);
    expect(call(machine)).toBeUndefined();
    expect([machine.cpu.cpl, machine.cpu.W[2 * SLOT.ss]]).toEqual([1, 1]);
    expect(machine.cpu.R[SLOT.rsp]).toBe(0x70000n - 32n);
  });

  it('JMP does not go inward', () => {
    const machine = user32();
    setCallGate(machine);
    expect(jump(machine)).toMatchObject(GP(SELECTOR.code));
  });
});

type Row = readonly [string, GateSet, object];

// SDM Vol. 2, CALL: Protected Mode Exceptions
describe('faults of a call gate', () => {
  const gates: readonly Row[] = [
    ['a gate of DPL 2 for a user', { dpl: 2 }, GP(GATE)],
    ['a gate that is not present', { present: false }, NP(GATE)],
    ['the DPL before the present flag', { dpl: 0, present: false }, GP(GATE)],
    ['a null code selector', { selector: 3 }, GP(0)],
    ['a code selector beyond the table', { selector: BEYOND_GATE + 0x10 }, GP(BEYOND_GATE + 0x10)],
    ['data', { selector: SELECTOR.data }, GP(SELECTOR.data)],
    ['a TSS', { selector: SELECTOR.tss }, GP(SELECTOR.tss)],
    ['code that is not present', { selector: SELECTOR.absentCode }, NP(SELECTOR.absentCode)],
  ];
  it.each(gates)('%s', (_, set, expected) => {
    for (const make of [user32, user64])
      for (const go of [call, jump]) {
        const machine = make();
        setCallGate(machine, set);
        const { cpu } = machine;
        const before = cpu.R.slice();
        // JMP refuses inner code first.
        const target = go === jump && set.selector === SELECTOR.absentCode;
        expect(go(machine)).toMatchObject(target ? GP(SELECTOR.absentCode) : expected);
        expect(cpu.R[SLOT.cs]).toBe(before[SLOT.cs]);
        expect(cpu.R[SLOT.rsp]).toBe(STACK);
      }
  });

  it('the RPL of the selector of the gate counts like the CPL', () => {
    const machine = machine32();
    setCallGate(machine, { dpl: 2 });
    expect(call(machine, GATE | 3)).toMatchObject(GP(GATE));
    expect(call(machine, GATE | 2)).toBeUndefined();
  });

  it('outer code is #GP of the code selector', () => {
    const machine = machine32();
    setCallGate(machine, { selector: SELECTOR.userCode });
    expect(call(machine)).toMatchObject(GP(SELECTOR.userCode & ~3));
  });

  it('a target beyond the limit, or not canonical', () => {
    const machine = user32();
    setDescriptor(machine, SELECTOR.code, 0x0040_9b00_0000_6fffn);
    setCallGate(machine);
    expect(call(machine)).toMatchObject(GP(0));
    expect(jump(machine)).toMatchObject(GP(SELECTOR.code));
    const wide = user64();
    setCallGate(wide, { offset: 0x8000_0000_0000n });
    expect(call(wide)).toMatchObject(GP(0));
    expect(wide.cpu.cpl).toBe(3);
  });

  // SDM Vol. 3A, 5.8.3.1 IA-32e Mode Call Gates
  const long: readonly Row[] = [
    ['a type in the upper half', { upperType: 1n }, GP(GATE)],
    ['a 16-bit gate', { type: TYPE.gate16 }, GP(GATE)],
    ['32-bit code', { selector: SELECTOR.code32 }, GP(SELECTOR.code32)],
    ['a task gate', { type: 5 }, GP(GATE)],
    ['an interrupt gate', { type: 14 }, GP(GATE)],
  ];
  it.each(long)('in IA-32e mode %s', (_, set, expected) => {
    for (const go of [call, jump]) {
      const machine = machine64();
      setCallGate(machine, set);
      expect(go(machine)).toMatchObject(expected);
    }
  });

  it('in IA-32e mode a gate is 16 bytes long, and its code has not both L and D', () => {
    const machine = machine64();
    setCallGate(machine);
    machine.cpu.R[SLOT.gdtrLimit] = BigInt(GATE + 14);
    expect(call(machine)).toMatchObject(GP(GATE));
    setCallGate(machine);
    setDescriptor(machine, SELECTOR.code, 0x00ef_9b00_0000_ffffn);
    expect(call(machine)).toMatchObject(GP(SELECTOR.code));
  });

  it('in legacy mode reserved and gate types of the IDT are refused', () => {
    for (const type of [0, 2, 6, 7, 8, 10, 13, 14, 15]) {
      const machine = machine32();
      setCallGate(machine, { type });
      expect(call(machine), `type ${type}`).toMatchObject(GP(GATE));
    }
  });
});

// SDM Vol. 2, CALL: the inner stack
describe('the inner stack of a call gate', () => {
  const stacks: readonly (readonly [string, number, object])[] = [
    ['null', 0, TS(0)],
    ['beyond the table', SELECTOR.beyond, TS(SELECTOR.beyond)],
    ['wrong RPL', SELECTOR.data | 1, TS(SELECTOR.data)],
    ['wrong DPL', SELECTOR.userData & ~3, TS(SELECTOR.userData & ~3)],
    ['read-only', SELECTOR.readOnly, TS(SELECTOR.readOnly)],
    ['code', SELECTOR.code, TS(SELECTOR.code)],
    ['not present', SELECTOR.absent, SS(SELECTOR.absent)],
  ];
  it.each(stacks)('%s', (_, selector, expected) => {
    const machine = user32();
    setCallGate(machine);
    machine.memory.write(TSS + 8n, 2, BigInt(selector));
    expect(call(machine)).toMatchObject(expected);
    expect([machine.cpu.cpl, machine.cpu.R[SLOT.rsp]]).toEqual([3, STACK]);
  });

  it.each([
    ['32-bit', user32, 0x8b, 8, 9],
    ['16-bit', user32, 0x83, 4, 5],
    ['64-bit', user64, 0x8b, 10, 11],
  ] as const)('a %s TSS that ends too early is #TS of TR', (_, make, rights, tooSmall, enough) => {
    const machine = make();
    setCallGate(machine);
    machine.cpu.W[2 * SLOT.tr + 1] = rights;
    machine.memory.write(TSS + 2n, 2, 0x8000n);
    machine.memory.write(TSS + 4n, 4, rights === 0x83 ? BigInt(SELECTOR.data) : KERNEL_STACK);
    machine.cpu.R[SLOT.trLimit] = BigInt(tooSmall);
    expect(call(machine)).toMatchObject(TS(SELECTOR.tss));
    machine.cpu.R[SLOT.trLimit] = BigInt(enough);
    expect(call(machine)).toBeUndefined();
  });

  it('without room for the parameters is #SS of the new selector', () => {
    const machine = user32();
    setCallGate(machine, { parameters: 4 });
    machine.memory.write(TSS + 4n, 4, 31n);
    expect(call(machine)).toMatchObject(SS(SELECTOR.data));
    machine.memory.write(TSS + 4n, 4, 32n);
    expect(call(machine)).toBeUndefined();
  });

  it('that is not canonical is #SS(0)', () => {
    const machine = user64();
    setCallGate(machine);
    machine.memory.write(TSS + 4n, 8, 0x8000_0000_0008n);
    expect(call(machine)).toMatchObject(SS(0));
  });

  it('a page that is absent is #PF of a supervisor write, and nothing has changed', () => {
    const machine = user32();
    setCallGate(machine);
    machine.memory.absent.add((KERNEL_STACK - 1n) >> 12n);
    expect(call(machine)).toMatchObject({ vector: VECTOR.pf, errorCode: 2 });
    expect(machine.cpu.cpl).toBe(3);
  });

  it('parameters beyond the limit of the old stack are #SS(0)', () => {
    const machine = user32();
    setCallGate(machine, { parameters: 2 });
    machine.cpu.R[SLOT.ssLimit] = STACK + 6n;
    expect(call(machine)).toMatchObject(SS(0));
    machine.cpu.R[SLOT.ssLimit] = STACK + 7n;
    expect(call(machine)).toBeUndefined();
  });
});

// SDM Vol. 2, CALL: direct calls check the stack before the target
describe('direct far CALL', () => {
  it('a full stack comes before a target beyond the limit', () => {
    const machine = machine32();
    setDescriptor(machine, SELECTOR.code, 0x0040_9b00_0000_0fffn);
    expect(call(machine, SELECTOR.code)).toMatchObject(GP(0));
    machine.cpu.R[SLOT.ssLimit] = 0x100n;
    expect(call(machine, SELECTOR.code)).toMatchObject(SS(0));
  });

  it('to compatibility mode takes 32 bits of a 64-bit offset', () => {
    const machine = machine64();
    machine.memory.write(POINTER, 8, 0x1_0000_7000n);
    machine.memory.write(POINTER + 8n, 2, BigInt(SELECTOR.code32));
    expect(execute(machine, 'jmp_far', [memoryAt(POINTER, 80)], { operandWidth: 64 })).toBeUndefined();
    expect(machine.cpu.nextRip).toBe(0x7000n);
  });
});
