import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { SLOT } from '../../../src/cpu/slots';
import {
  asUser,
  KERNEL_STACK,
  machine32,
  SELECTOR,
  STACK,
  setGate,
  stackWords,
  TSS,
} from '../system/system-processor';

const interrupt = { vector: 0x40, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 } as const;

// SDM Vol. 3A, 6.12.1 Exception- or Interrupt-Handler Procedures
describe('delivery in 32-bit protected mode', () => {
  it('pushes EFLAGS, CS and EIP at the same level', () => {
    const machine = machine32();
    setGate(machine, 0x40);
    expect(deliver(machine.cpu, interrupt)).toBe('delivered');
    expect(stackWords(machine, 3, 4)).toEqual([0x1002n, BigInt(SELECTOR.code), 2n]);
    expect(machine.cpu.R[SLOT.rsp]).toBe(STACK - 12n);
  });

  it('takes the inner stack from the TSS and pushes the old one', () => {
    const machine = machine32();
    asUser(machine);
    setGate(machine, 0x40, { rights: 0xee });
    expect(deliver(machine.cpu, interrupt)).toBe('delivered');
    expect(stackWords(machine, 5, 4)).toEqual([
      0x1002n,
      BigInt(SELECTOR.userCode),
      2n,
      STACK,
      BigInt(SELECTOR.userData),
    ]);
    expect(machine.cpu.R[SLOT.rsp]).toBe(KERNEL_STACK - 20n);
    expect(machine.cpu.W[2 * SLOT.ss]).toBe(SELECTOR.data);
    expect(machine.cpu.cpl).toBe(0);
  });

  // SDM Vol. 3A, 3.5.1: addresses in the tables have 32 bits outside IA-32e mode
  it('tables and TSS go on at 0 beyond 4 GiB', () => {
    const machine = machine32();
    const { cpu, memory } = machine;
    asUser(machine);
    cpu.R[SLOT.idtrBase] = 0xffff_ff00n;
    cpu.R[SLOT.trBase] = 0xffff_fffcn;
    const gate = 0x0000_ee00_0008_9000n;
    memory.write(0x100n, 8, gate);
    memory.write(0n, 4, KERNEL_STACK);
    memory.write(4n, 2, BigInt(SELECTOR.data));
    expect(deliver(cpu, interrupt)).toBe('delivered');
    expect([cpu.rip, cpu.R[SLOT.rsp]]).toEqual([0x9000n, KERNEL_STACK - 20n]);
  });

  it('a 16-bit gate pushes words and takes 16 bits of its offset', () => {
    const machine = machine32();
    setGate(machine, 0x40, { rights: 0x86, offset: 0x12349000n });
    deliver(machine.cpu, interrupt);
    expect(stackWords(machine, 3, 2)).toEqual([0x1002n, BigInt(SELECTOR.code), 2n]);
    expect(machine.cpu.rip).toBe(0x9000n);
  });

  const stacks: readonly (readonly [string, number, number, number])[] = [
    ['null', 0, VECTOR.ts, 0],
    ['beyond the table', SELECTOR.beyond, VECTOR.ts, SELECTOR.beyond],
    ['wrong RPL', SELECTOR.data | 1, VECTOR.ts, SELECTOR.data],
    ['wrong DPL', SELECTOR.userData & ~3, VECTOR.ts, SELECTOR.userData & ~3],
    ['read-only', SELECTOR.readOnly, VECTOR.ts, SELECTOR.readOnly],
    ['not present', SELECTOR.absent, VECTOR.ss, SELECTOR.absent],
  ];
  it.each(stacks)('inner stack selector %s', (_, selector, vector, errorCode) => {
    const machine = machine32();
    asUser(machine);
    setGate(machine, 0x40, { rights: 0xee });
    // The handlers of the faults run at CPL 3, so that they need no inner stack.
    for (const fault of [VECTOR.ts, VECTOR.ss])
      setGate(machine, fault, { selector: SELECTOR.userCode, rights: 0xee, offset: BigInt(0x9000 + fault) });
    machine.memory.write(TSS + 8n, 2, BigInt(selector));
    expect(deliver(machine.cpu, interrupt)).toBe('delivered');
    expect(machine.cpu.rip).toBe(BigInt(0x9000 + vector));
    expect(stackWords(machine, 1, 4)[0]).toBe(BigInt(errorCode));
  });
});
