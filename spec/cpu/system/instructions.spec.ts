import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import { SYSTEM_ROWS } from '../../../src/cpu/instructions/system';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { CR4, FLAG, SLOT } from '../../../src/cpu/slots';
import type { Virtualization } from '../../../src/cpu/virtualization';
import { GP0 } from '../faults';
import {
  asUser,
  execute,
  immediate,
  machine32,
  machine64,
  memoryAt,
  register,
  SELECTOR,
  STACK,
  type SystemProcessor,
  stackWords,
  TSS,
} from './system-processor';

const setIopl = ({ cpu }: SystemProcessor, iopl: number): void => {
  cpu.rflags = BigInt((iopl << 12) | 2);
};

it('every mnemonic has one row', () => {
  const names = SYSTEM_ROWS.map((row) => row.mnemonic);
  expect(new Set(names).size).toBe(names.length);
});

// SDM Vol. 2, instruction pages: CPL must be 0
describe('privileged instructions', () => {
  it.each(['clts', 'hlt', 'invd', 'wbinvd', 'rdmsr', 'wrmsr', 'swapgs'])('%s at CPL 3', (mnemonic) => {
    const machine = machine64();
    asUser(machine);
    expect(execute(machine, mnemonic)).toMatchObject(GP0);
  });
});

// SDM Vol. 2, CLI, STI, PUSHF, POPF, CLAC, STAC
describe('flags', () => {
  it('STI gives a shadow only when it changes IF', () => {
    const machine = machine64();
    execute(machine, 'sti');
    expect(machine.cpu.blockingBySti).toBe(true);
    machine.cpu.blockingBySti = false;
    execute(machine, 'sti');
    expect(machine.cpu.blockingBySti).toBe(false);
    execute(machine, 'cli');
    expect(machine.cpu.flag(FLAG.if)).toBe(false);
  });

  it('CLI and STI need CPL <= IOPL', () => {
    const machine = machine64();
    asUser(machine);
    expect(execute(machine, 'cli')).toMatchObject(GP0);
    setIopl(machine, 3);
    expect(execute(machine, 'sti')).toBeUndefined();
  });

  it('PUSHF hides RF; POPF loads by privilege and width', () => {
    const machine = machine64();
    const { cpu, memory } = machine;
    cpu.rflags = BigInt(FLAG.rf | FLAG.cf | 2);
    execute(machine, 'pushf', [], { operandWidth: 64 });
    expect(memory.read(STACK - 8n, 8)).toBe(3n);
    memory.write(STACK - 8n, 8, 0x3f_7fd7n);
    execute(machine, 'popf', [], { operandWidth: 64 });
    expect(cpu.rflags).toBe(BigInt(0x7fd7 | FLAG.ac | FLAG.id));
    expect(cpu.R[SLOT.rsp]).toBe(STACK);
    asUser(machine);
    cpu.rflags = 2n;
    memory.write(STACK, 8, 0x20_3202n);
    execute(machine, 'popf', [], { operandWidth: 16 });
    expect(cpu.rflags).toBe(2n);
  });

  it('STAC needs SMAP and CPL 0', () => {
    const machine = machine64();
    execute(machine, 'stac');
    expect(machine.cpu.flag(FLAG.ac)).toBe(true);
    asUser(machine);
    expect(execute(machine, 'clac')?.vector).toBe(VECTOR.ud);
    expect(execute(machine64(['-smap']), 'stac')?.vector).toBe(VECTOR.ud);
  });
});

// SDM Vol. 2, INT n/INTO/INT3/INT1, BOUND, UD
describe('software interrupts', () => {
  it.each([
    ['int', [immediate(0x80n)], { vector: 0x80, type: EVENT_TYPE.softwareInterrupt, instructionLength: 3 }],
    ['int3', [], { vector: 3, type: EVENT_TYPE.softwareException, instructionLength: 3 }],
    ['int1', [], { vector: 1, type: EVENT_TYPE.privilegedSoftwareException, instructionLength: 3 }],
    ['ud2', [], { vector: VECTOR.ud }],
  ] as const)('%s', (mnemonic, operands, event) => {
    expect(execute(machine64(), mnemonic, operands)).toMatchObject(event);
  });

  it('INTO by OF; both INTO and BOUND are unknown to 64-bit mode', () => {
    const machine = machine32();
    expect(execute(machine, 'into')).toBeUndefined();
    machine.cpu.rflags = BigInt(FLAG.of | 2);
    expect(execute(machine, 'into')).toMatchObject({ vector: VECTOR.of });
    expect(execute(machine64(), 'into')?.vector).toBe(VECTOR.ud);
  });

  it('BOUND compares signed', () => {
    const machine = machine32();
    machine.memory.write(0x2000n, 4, 0xffff_fffen);
    machine.memory.write(0x2004n, 4, 5n);
    const run = (index: bigint) => {
      machine.cpu.R[SLOT.rax] = index;
      return execute(machine, 'bound', [register(0, 32), memoryAt(0x2000n)])?.vector;
    };
    expect([run(0xffff_ffffn), run(5n), run(6n), run(0xffff_fffdn)]).toEqual([
      undefined,
      undefined,
      VECTOR.br,
      VECTOR.br,
    ]);
  });
});

// SDM Vol. 2, SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS
describe('fast system calls', () => {
  const enable = ({ cpu }: SystemProcessor): void => {
    cpu.R[SLOT.star] = 0x0013_0008_0000_0000n;
    cpu.R[SLOT.lstar] = 0xffff8000_00001000n;
    cpu.R[SLOT.fmask] = BigInt(FLAG.if | FLAG.tf);
  };

  it('SYSCALL and SYSRET', () => {
    const machine = machine64();
    const { cpu } = machine;
    enable(machine);
    asUser(machine);
    cpu.rflags = BigInt(FLAG.if | FLAG.rf | 2);
    expect(execute(machine, 'syscall')).toBeUndefined();
    expect([cpu.R[SLOT.rcx], cpu.R[SLOT.r11], cpu.nextRip, cpu.cpl]).toEqual([
      0x1003n,
      BigInt(FLAG.if | 2),
      0xffff8000_00001000n,
      0,
    ]);
    expect([cpu.rflags, cpu.W[2 * SLOT.cs], cpu.W[2 * SLOT.ss]]).toEqual([2n, 0x08, 0x10]);
    expect(execute(machine, 'sysret', [], { operandWidth: 64 })).toBeUndefined();
    expect([cpu.cpl, cpu.nextRip, cpu.W[2 * SLOT.cs], cpu.W[2 * SLOT.ss]]).toEqual([3, 0x1003n, 0x23, 0x1b]);
    expect([cpu.mode64, cpu.flag(FLAG.if)]).toEqual([true, true]);
  });

  it('SYSRET to compatibility mode; a non-canonical RCX; SCE off', () => {
    const machine = machine64();
    const { cpu } = machine;
    enable(machine);
    cpu.R[SLOT.rcx] = 0x8000_0000_1234n;
    expect(execute(machine, 'sysret', [], { operandWidth: 64 })).toMatchObject(GP0);
    expect(execute(machine, 'sysret')).toBeUndefined();
    expect([cpu.codeSize, cpu.nextRip, cpu.W[2 * SLOT.cs]]).toEqual([32, 0x1234n, 0x13]);
    const off = machine64();
    off.cpu.R[SLOT.efer] &= ~1n;
    expect(execute(off, 'syscall')?.vector).toBe(VECTOR.ud);
    expect(execute(machine32(), 'syscall')?.vector).toBe(VECTOR.ud);
  });

  it('SYSENTER and SYSEXIT', () => {
    const machine = machine64();
    const { cpu } = machine;
    expect(execute(machine, 'sysenter')).toMatchObject(GP0);
    cpu.R[SLOT.sysenterCs] = 0x08n;
    cpu.R[SLOT.sysenterEsp] = 0xffff8000_00002000n;
    cpu.R[SLOT.sysenterEip] = 0xffff8000_00001000n;
    asUser(machine);
    cpu.rflags = BigInt(FLAG.if | 2);
    expect(execute(machine, 'sysenter')).toBeUndefined();
    expect([cpu.cpl, cpu.nextRip, cpu.R[SLOT.rsp], cpu.rflags]).toEqual([
      0,
      0xffff8000_00001000n,
      0xffff8000_00002000n,
      2n,
    ]);
    cpu.R[SLOT.rdx] = 0x7000n;
    cpu.R[SLOT.rcx] = 0x5000n;
    expect(execute(machine, 'sysexit', [], { operandWidth: 64 })).toBeUndefined();
    expect([cpu.cpl, cpu.W[2 * SLOT.cs], cpu.nextRip, cpu.mode64]).toEqual([3, 0x2b, 0x7000n, true]);
  });

  it('SWAPGS and the base instructions', () => {
    const machine = machine64();
    const { cpu } = machine;
    cpu.R[SLOT.gsBase] = 1n;
    cpu.R[SLOT.kernelGsBase] = 2n;
    execute(machine, 'swapgs');
    expect([cpu.R[SLOT.gsBase], cpu.R[SLOT.kernelGsBase]]).toEqual([2n, 1n]);
    expect(execute(machine, 'rdgsbase', [register(0, 64)])?.vector).toBe(VECTOR.ud);
    cpu.W[2 * SLOT.cr4] |= CR4.fsgsbase;
    expect(execute(machine, 'rdgsbase', [register(0, 64)])).toBeUndefined();
    expect(cpu.R[SLOT.rax]).toBe(2n);
    cpu.R[SLOT.rax] = 0x8000_0000_0000n;
    expect(execute(machine, 'wrfsbase', [register(0, 64)])).toMatchObject(GP0);
    expect(execute(machine, 'wrfsbase', [register(0, 32)])).toBeUndefined();
    expect(cpu.R[SLOT.fsBase]).toBe(0n);
  });
});

// SDM Vol. 2, IN, OUT, INS, OUTS; SDM Vol. 1, 19.5 Protected-Mode I/O
describe('input and output', () => {
  it('IN keeps or clears the upper bits by width', () => {
    const machine = machine64();
    const { cpu, bus } = machine;
    cpu.R[SLOT.rax] = 0xffff_ffff_ffff_ff00n;
    execute(machine, 'in', [register(0, 8), immediate(0x60n)]);
    expect(cpu.R[SLOT.rax]).toBe(0xffff_ffff_ffff_ff78n);
    cpu.R[SLOT.rdx] = 0x1_0cf8n;
    execute(machine, 'in', [register(0, 32), register(2, 16)]);
    expect(cpu.R[SLOT.rax]).toBe(0x12345678n);
    execute(machine, 'out', [register(2, 16), register(0, 16)]);
    expect(bus.log).toEqual(['in 96 1', 'in 3320 4', `out 3320 2 ${0x5678}`]);
  });

  it('a user needs IOPL or the permission map', () => {
    const machine = machine64();
    asUser(machine);
    const run = (port: bigint, width: 8 | 16) =>
      execute(machine, 'in', [register(0, width), immediate(port)])?.vector;
    machine.memory.write(TSS + 0x66n, 2, 0x68n);
    expect(run(0x60n, 8)).toBe(VECTOR.gp);
    setIopl(machine, 3);
    expect(run(0x60n, 8)).toBeUndefined();
    setIopl(machine, 0);
    machine.cpu.R[SLOT.trLimit] = 0x67n + 14n;
    machine.memory.write(TSS + 0x68n + 12n, 1, 0b1000_0000n);
    expect([run(0x60n, 8), run(0x66n, 8), run(0x67n, 8), run(0x66n, 16)]).toEqual([
      undefined,
      undefined,
      VECTOR.gp,
      VECTOR.gp,
    ]);
    expect(run(0x68n, 8)).toBe(VECTOR.gp);
  });

  const strings = (count: bigint, budget: number) => {
    const machine = machine64();
    const { cpu } = machine;
    cpu.R[SLOT.rcx] = count;
    cpu.R[SLOT.rdx] = 0x3f8n;
    cpu.R[SLOT.rdi] = cpu.R[SLOT.rsi] = 0x2ffen;
    cpu.iterationBudget = budget;
    return machine;
  };

  const repeatIns = (machine: ReturnType<typeof strings>) =>
    execute(machine, 'ins', [], { operandWidth: 8, repeat: 'rep' });

  it('REP INS transfers one element at a time and goes on where it was', () => {
    const machine = strings(2n, 5);
    const { cpu } = machine;
    const start = cpu.R[SLOT.rdi];
    repeatIns(machine);
    expect([cpu.R[SLOT.rcx], cpu.R[SLOT.rdi] - start, cpu.nextRip]).toEqual([1n, 1n, 0x1000n]);
    expect(cpu.flag(FLAG.rf)).toBe(true);
    repeatIns(machine);
    expect([cpu.R[SLOT.rcx], cpu.nextRip, cpu.flag(FLAG.rf)]).toEqual([0n, 0x1003n, false]);
  });

  it('a fault in REP INS comes before the port is read, after whole iterations', () => {
    const machine = strings(5n, 5);
    const { cpu, bus } = machine;
    machine.memory.absent.add(3n);
    expect([repeatIns(machine), repeatIns(machine)]).toEqual([undefined, undefined]);
    expect(repeatIns(machine)?.vector).toBe(VECTOR.pf);
    expect([cpu.R[SLOT.rcx], cpu.R[SLOT.rdi], bus.log.length]).toEqual([3n, 0x3000n, 2]);
  });

  it('REP with a count of zero does nothing; OUTS writes what it reads', () => {
    const none = strings(0n, 5);
    execute(none, 'outs', [], { operandWidth: 16, repeat: 'rep' });
    expect([none.bus.log, none.cpu.nextRip]).toEqual([[], 0x1003n]);
    const machine = strings(1n, 5);
    machine.memory.write(0x2ffen, 2, 0xabcdn);
    execute(machine, 'outs', [], { operandWidth: 16, repeat: 'rep' });
    expect(machine.bus.log).toEqual([`out 1016 2 ${0xabcd}`]);
  });

  it('asks with the linear address of the element', () => {
    const machine = strings(2n, 1);
    const { cpu } = machine;
    const asked: unknown[] = [];
    cpu.nonRoot = true;
    cpu.virtualization = {
      intercept: (_: unknown, __: unknown, what: unknown) => asked.push(what),
    } as unknown as Virtualization;
    execute(machine, 'outs', [], { operandWidth: 8, repeat: 'rep', segment: 4 });
    expect(asked).toEqual([
      {
        id: 'io',
        direction: 'out',
        port: 0x3f8,
        bytes: 1,
        string: true,
        repeated: true,
        immediate: false,
        segment: 4,
        address: 0x2ffen,
      },
    ]);
  });
});

describe('what only some processors have', () => {
  it.each(['monitor', 'mwait', 'rdrand', 'xgetbv', 'xsetbv', 'rsm', 'getsec', 'rdpid'])(
    '%s is undefined',
    (mnemonic) => {
      expect(execute(machine64(['-monitor', '-rdrand']), mnemonic, [register(0, 64)])?.vector).toBe(
        VECTOR.ud,
      );
    },
  );
});

// SDM Vol. 2, MONITOR, MWAIT: #GP(0) for RCX in 64-bit mode, for ECX elsewhere
describe('MONITOR and MWAIT', () => {
  it.each([
    ['monitor', 1n << 32n],
    ['mwait', (1n << 32n) | 1n],
  ])('%s: bits 63:32 of RCX count in 64-bit mode alone', (mnemonic, rcx) => {
    for (const [machine, outcome] of [
      [machine64(['+monitor']), GP0],
      [machine32(['+monitor']), undefined],
    ] as const) {
      machine.cpu.R[SLOT.miscEnable] = 1n << 18n;
      machine.cpu.R[SLOT.rcx] = rcx;
      const left = execute(machine, mnemonic);
      if (outcome === undefined) expect(left).toBeUndefined();
      else expect(left).toMatchObject(outcome);
    }
  });
});

it('HLT stops the processor after itself', () => {
  const machine = machine64();
  expect(execute(machine, 'hlt')).toBeUndefined();
  expect([machine.cpu.activity, machine.cpu.nextRip]).toEqual([ACTIVITY.hlt, 0x1003n]);
});

// SDM Vol. 2, LDS/LES/LFS/LGS/LSS, POP, PUSH
describe('segment register transfers', () => {
  it('LFS loads the register only with the segment', () => {
    const machine = machine64();
    machine.memory.write(0x2000n, 4, 0x1234n);
    machine.memory.write(0x2004n, 2, BigInt(SELECTOR.tss));
    expect(execute(machine, 'lfs', [register(1, 32), memoryAt(0x2000n, 48)])?.vector).toBe(VECTOR.gp);
    expect(machine.cpu.R[SLOT.rcx]).toBe(0n);
    machine.memory.write(0x2004n, 2, BigInt(SELECTOR.data));
    execute(machine, 'lfs', [register(1, 32), memoryAt(0x2000n, 48)]);
    expect([machine.cpu.R[SLOT.rcx], machine.cpu.W[2 * SLOT.fs]]).toEqual([0x1234n, SELECTOR.data]);
  });

  it('PUSH of a selector with 32-bit operands writes 16 bits and leaves the rest of the slot', () => {
    const machine = machine32();
    machine.memory.write(STACK - 4n, 4, 0xaaaa_aaaan);
    execute(machine, 'push_sreg', [{ kind: 'segment', number: 3 }], { operandWidth: 32 });
    expect(machine.cpu.R[SLOT.rsp]).toBe(STACK - 4n);
    expect(stackWords(machine, 1, 4)).toEqual([0xaaaa_0000n | BigInt(SELECTOR.data)]);
  });

  it('POP moves RSP only when the segment loads', () => {
    const machine = machine64();
    const { cpu } = machine;
    execute(machine, 'push_sreg', [{ kind: 'segment', number: 5 }], { operandWidth: 64 });
    expect([cpu.R[SLOT.rsp], machine.memory.read(STACK - 8n, 8)]).toEqual([
      STACK - 8n,
      BigInt(SELECTOR.data),
    ]);
    machine.memory.write(STACK - 8n, 2, BigInt(SELECTOR.beyond));
    expect(execute(machine, 'pop_sreg', [{ kind: 'segment', number: 5 }], { operandWidth: 64 })?.vector).toBe(
      VECTOR.gp,
    );
    expect(cpu.R[SLOT.rsp]).toBe(STACK - 8n);
  });
});
