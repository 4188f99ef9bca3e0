import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { SEGMENT, setSegmentRaw } from '../../../src/cpu/segments';
import { CR0, FLAG, SLOT } from '../../../src/cpu/slots';
import {
  asUser,
  execute,
  KERNEL_STACK,
  machine32,
  memoryAt,
  register,
  SELECTOR,
  STACK,
  type SystemProcessor,
  setGate,
  TSS,
} from './system-processor';

const AC = { vector: VECTOR.ac, errorCode: 0 };

/** A user with CR0.AM and RFLAGS.AC, whose data segments it may use. */
const checked = (): SystemProcessor => {
  const machine = machine32();
  asUser(machine);
  const { cpu } = machine;
  for (const segment of [SEGMENT.ds, SEGMENT.es])
    setSegmentRaw(cpu, segment, { selector: SELECTOR.userData, base: 0n, limit: 0xffffffff, rights: 0xc0f3 });
  cpu.W[2 * SLOT.cr0] |= CR0.am;
  cpu.rflags = BigInt(FLAG.ac | 2);
  return machine;
};
const far = (machine: SystemProcessor, at: bigint, width: number): SystemProcessor => {
  const bytes = width / 8;
  machine.memory.write(at, bytes, 0x7000n);
  machine.memory.write(at + BigInt(bytes), 2, BigInt(SELECTOR.userCode));
  return machine;
};

// SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 17 Alignment Check Exception
describe('alignment of what system instructions reach', () => {
  const operands: readonly (readonly [string, string, bigint, boolean])[] = [
    ['a far pointer of 32 bits', 'jmp_far', 0x2004n, false],
    ['a far pointer of 32 bits', 'jmp_far', 0x2002n, true],
    ['LDS', 'lds', 0x2002n, true],
    ['BOUND', 'bound', 0x2002n, true],
    ['a selector', 'verr', 0x2001n, true],
    ['a selector', 'verr', 0x2002n, false],
    ['LAR', 'lar', 0x2001n, true],
    // A word and a doubleword: the best place is 2 above a multiple of 4.
    ['SGDT', 'sgdt', 0x2002n, false],
    ['SGDT', 'sgdt', 0x2004n, true],
    ['SMSW', 'smsw', 0x2001n, true],
  ];
  it.each(operands)('%s: %s at %i', (_, mnemonic, at, faults) => {
    const machine = far(checked(), at, 32);
    const memory = memoryAt(at, 48);
    const withRegister = ['lds', 'bound', 'lar'].includes(mnemonic);
    const left = execute(machine, mnemonic, withRegister ? [register(0, 32), memory] : [memory]);
    if (faults) expect(left).toMatchObject(AC);
    else expect(left?.vector).not.toBe(VECTOR.ac);
  });

  const onStack: readonly (readonly [string, string, 16 | 32, bigint])[] = [
    ['far CALL', 'call_far', 32, 2n],
    ['far RET', 'ret_far', 32, 2n],
    ['IRET', 'iret', 32, 2n],
    ['far RET of 16 bits', 'ret_far', 16, 1n],
    ['PUSHF', 'pushf', 32, 1n],
    ['POPF', 'popf', 32, 2n],
  ];
  it.each(onStack)('%s on a stack that is not aligned', (_, mnemonic, operandWidth, off) => {
    const run = (pointer: bigint) => {
      const machine = far(checked(), 0x2000n, 32);
      far(machine, pointer, operandWidth);
      machine.cpu.R[SLOT.rsp] = pointer;
      machine.memory.write(pointer + 4n, 4, BigInt(SELECTOR.userCode));
      machine.memory.write(pointer + 8n, 4, 2n);
      const to = mnemonic === 'call_far' ? [memoryAt(0x2000n, 48)] : [];
      return execute(machine, mnemonic, to, { operandWidth });
    };
    expect(run(STACK + off)).toMatchObject(AC);
    expect(run(STACK)?.vector).not.toBe(VECTOR.ac);
  });

  it('needs CPL 3, CR0.AM and RFLAGS.AC', () => {
    const at = memoryAt(0x2001n, 16);
    const without: readonly ((machine: SystemProcessor) => void)[] = [
      ({ cpu }) => {
        cpu.W[2 * SLOT.cr0] &= ~CR0.am;
      },
      ({ cpu }) => {
        cpu.rflags = 2n;
      },
      ...[0, 1, 2].map((cpl) => ({ cpu }: SystemProcessor) => {
        setSegmentRaw(cpu, SEGMENT.ss, {
          selector: SELECTOR.data | cpl,
          base: 0n,
          limit: 0xffffffff,
          rights: 0xc093 | (cpl << 5),
        });
      }),
    ];
    expect(execute(checked(), 'verr', [at])).toMatchObject(AC);
    for (const change of without) {
      const machine = checked();
      change(machine);
      expect(execute(machine, 'verr', [at])).toBeUndefined();
    }
  });

  it('is not for descriptor tables and the TSS', () => {
    const machine = checked();
    const { cpu, memory } = machine;
    cpu.R[SLOT.gdtrBase] += 1n;
    for (let n = 0x7fn; n >= 0n; n--)
      memory.put(cpu.R[SLOT.gdtrBase] + n, memory.get(cpu.R[SLOT.gdtrBase] + n - 1n));
    cpu.R[SLOT.trBase] = TSS + 1n;
    memory.write(TSS + 5n, 4, KERNEL_STACK, { implicit: true });
    memory.write(TSS + 9n, 2, BigInt(SELECTOR.data), { implicit: true });
    setGate(machine, 0x40, { rights: 0xee });
    expect(deliver(cpu, { vector: 0x40, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 })).toBe(
      'delivered',
    );
    expect(cpu.rip).toBe(0x9000n);
  });

  it('of a delivery: the stack of CPL 3 is checked, that of an inner level is not', () => {
    const interrupt = {
      vector: 0x40,
      type: EVENT_TYPE.softwareInterrupt,
      instructionLength: 2,
    } as const;
    const same = checked();
    same.cpu.R[SLOT.rsp] = STACK + 2n;
    setGate(same, 0x40, { selector: SELECTOR.userCode, rights: 0xee });
    setGate(same, VECTOR.ac, { rights: 0xee, offset: 0xa000n });
    expect(deliver(same.cpu, interrupt)).toBe('delivered');
    expect(same.cpu.rip).toBe(0xa000n);
    const inner = checked();
    inner.memory.write(TSS + 4n, 4, KERNEL_STACK + 2n, { implicit: true });
    setGate(inner, 0x40, { rights: 0xee });
    expect(deliver(inner.cpu, interrupt)).toBe('delivered');
    expect([inner.cpu.rip, inner.cpu.R[SLOT.rsp]]).toEqual([0x9000n, KERNEL_STACK + 2n - 20n]);
  });
});
