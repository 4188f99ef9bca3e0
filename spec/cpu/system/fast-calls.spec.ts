import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { SEGMENT, segmentRaw, setSegmentRaw } from '../../../src/cpu/segments';
import { CR0, FLAG, SLOT } from '../../../src/cpu/slots';
import { GP0, UD } from '../faults';
import { asUser, execute, machine32, machine64, SELECTOR, type SystemProcessor } from './system-processor';

const ENTRY = 0xffff8000_00001000n;
const ENTRY_STACK = 0xffff8000_00002000n;

/** The MSRs of SYSENTER and SYSCALL. */
const enable = (machine: SystemProcessor, sysenterCs = 0x08n): SystemProcessor => {
  const { R } = machine.cpu;
  R[SLOT.sysenterCs] = sysenterCs;
  R[SLOT.sysenterEsp] = ENTRY_STACK;
  R[SLOT.sysenterEip] = ENTRY;
  R[SLOT.star] = 0x0013_0008_0000_0000n;
  R[SLOT.lstar] = ENTRY;
  R[SLOT.fmask] = 0n;
  return machine;
};
const user = (machine: SystemProcessor): SystemProcessor => {
  asUser(machine);
  return machine;
};
const inCompatibilityMode = (machine: SystemProcessor): SystemProcessor => {
  const rights = (segmentRaw(machine.cpu, SEGMENT.cs).rights & ~0x2000) | 0x4000;
  setSegmentRaw(machine.cpu, SEGMENT.cs, { ...segmentRaw(machine.cpu, SEGMENT.cs), rights });
  return machine;
};
const outsideProtectedMode = (machine: SystemProcessor): SystemProcessor => {
  machine.cpu.R[SLOT.cr0] = BigInt(CR0.et);
  return machine;
};
const inVirtual8086Mode = (machine: SystemProcessor): SystemProcessor => {
  asUser(machine);
  machine.cpu.rflags = BigInt(FLAG.vm | FLAG.if | 2);
  return machine;
};
const flat = ({ cpu }: SystemProcessor, segment: 1 | 2) => {
  const { selector, base, limit, rights } = segmentRaw(cpu, segment);
  return { selector, base, limit, rights };
};

// SDM Vol. 3A, 5.8.7 Performing Fast Calls to System Procedures with the SYSENTER and SYSEXIT Instructions
describe('SYSENTER', () => {
  it('in legacy mode goes to 32-bit code with fixed flat segments', () => {
    const machine = user(enable(machine32(), 0x0bn));
    machine.cpu.rflags = BigInt(FLAG.if | FLAG.cf | FLAG.nt | 2);
    expect(execute(machine, 'sysenter')).toBeUndefined();
    expect(flat(machine, 1)).toEqual({ selector: 0x08, base: 0n, limit: 0xffffffff, rights: 0xc09b });
    expect(flat(machine, 2)).toEqual({ selector: 0x10, base: 0n, limit: 0xffffffff, rights: 0xc093 });
    const { cpu } = machine;
    expect([cpu.nextRip, cpu.R[SLOT.rsp], cpu.cpl]).toEqual([0x1000n, 0x2000n, 0]);
    expect(cpu.rflags).toBe(BigInt(FLAG.cf | FLAG.nt | 2));
  });

  it('from compatibility mode goes to 64-bit code', () => {
    const machine = inCompatibilityMode(user(enable(machine64())));
    expect(execute(machine, 'sysenter')).toBeUndefined();
    expect([machine.cpu.mode64, machine.cpu.nextRip, machine.cpu.R[SLOT.rsp]]).toEqual([
      true,
      ENTRY,
      ENTRY_STACK,
    ]);
    expect(flat(machine, 1).rights).toBe(0xa09b);
  });

  it('from virtual-8086 mode leaves it', () => {
    const machine = inVirtual8086Mode(enable(machine32()));
    expect(execute(machine, 'sysenter')).toBeUndefined();
    expect([machine.cpu.virtual8086, machine.cpu.flag(FLAG.if), machine.cpu.cpl]).toEqual([false, false, 0]);
  });

  it('reads no descriptor', () => {
    const machine = user(enable(machine32()));
    machine.cpu.R[SLOT.gdtrLimit] = 0n;
    expect(execute(machine, 'sysenter')).toBeUndefined();
  });

  it.each([
    ['with a null IA32_SYSENTER_CS', () => enable(machine32(), 3n)],
    ['with a null IA32_SYSENTER_CS in IA-32e mode', () => enable(machine64(), 0n)],
  ] as const)('%s is #GP(0)', (_, make) => {
    expect(execute(make(), 'sysenter')).toMatchObject(GP0);
  });

  it('in real-address mode is #GP without an error code', () => {
    const left = execute(outsideProtectedMode(enable(machine32())), 'sysenter');
    expect([left?.vector, left?.errorCode]).toEqual([GP0.vector, undefined]);
  });
});

describe('SYSEXIT', () => {
  const exit = (machine: SystemProcessor, operandWidth: 32 | 64 = 32) => {
    machine.cpu.R[SLOT.rdx] = 0x1_0000_7000n;
    machine.cpu.R[SLOT.rcx] = 0x1_0000_5000n;
    return execute(machine, 'sysexit', [], { operandWidth });
  };

  it('to 32-bit code: 32 bits of EDX and ECX, CS 16 and SS 24 above', () => {
    for (const make of [machine32, machine64]) {
      const machine = enable(make());
      expect(exit(machine)).toBeUndefined();
      expect(flat(machine, 1)).toEqual({ selector: 0x1b, base: 0n, limit: 0xffffffff, rights: 0xc0fb });
      expect(flat(machine, 2)).toEqual({ selector: 0x23, base: 0n, limit: 0xffffffff, rights: 0xc0f3 });
      expect([machine.cpu.nextRip, machine.cpu.R[SLOT.rsp]]).toEqual([0x7000n, 0x5000n]);
    }
  });

  it('with REX.W to 64-bit code: CS 32 and SS 40 above', () => {
    const machine = enable(machine64());
    expect(exit(machine, 64)).toBeUndefined();
    expect([flat(machine, 1).selector, flat(machine, 2).selector]).toEqual([0x2b, 0x33]);
    expect([machine.cpu.nextRip, machine.cpu.R[SLOT.rsp]]).toEqual([0x1_0000_7000n, 0x1_0000_5000n]);
  });

  it.each([
    ['of a user', () => user(enable(machine64()))],
    ['in virtual-8086 mode', () => inVirtual8086Mode(enable(machine32()))],
    ['with a null IA32_SYSENTER_CS', () => enable(machine32(), 0n)],
  ] as const)('%s is #GP(0)', (_, make) => {
    expect(exit(make())).toMatchObject(GP0);
  });

  it('in real-address mode is #GP without an error code', () => {
    const left = exit(outsideProtectedMode(enable(machine32())));
    expect([left?.vector, left?.errorCode]).toEqual([GP0.vector, undefined]);
  });

  it.each([SLOT.rcx, SLOT.rdx])('with REX.W a non-canonical register is #GP(0)', (slot) => {
    const machine = enable(machine64());
    machine.cpu.R[SLOT.rcx] = machine.cpu.R[SLOT.rdx] = 0x5000n;
    machine.cpu.R[slot] = 0x8000_0000_0000n;
    expect(execute(machine, 'sysexit', [], { operandWidth: 64 })).toMatchObject(GP0);
    expect(execute(machine, 'sysexit')).toBeUndefined();
  });
});

// SDM Vol. 3A, 5.8.8 Fast System Calls in 64-Bit Mode
describe('SYSCALL and SYSRET', () => {
  it.each([
    ['legacy mode', () => user(machine32())],
    ['compatibility mode', () => inCompatibilityMode(user(machine64()))],
    ['virtual-8086 mode', () => inVirtual8086Mode(machine32())],
    ['real-address mode', () => outsideProtectedMode(machine32())],
  ] as const)('in %s are #UD, as on Intel processors', (_, make) => {
    for (const mnemonic of ['syscall', 'sysret'])
      expect(execute(enable(make()), mnemonic), mnemonic).toMatchObject(UD);
  });

  it('need IA32_EFER.SCE, also before the CPL is looked at', () => {
    for (const mnemonic of ['syscall', 'sysret']) {
      const machine = user(enable(machine64()));
      machine.cpu.R[SLOT.efer] &= ~1n;
      expect(execute(machine, mnemonic)).toMatchObject(UD);
    }
  });

  it('SYSRET of a user is #GP(0)', () => {
    expect(execute(user(enable(machine64())), 'sysret', [], { operandWidth: 64 })).toMatchObject(GP0);
  });

  it('load fixed segments, whatever the descriptors say', () => {
    const machine = user(enable(machine64()));
    machine.cpu.R[SLOT.gdtrLimit] = 0n;
    expect(execute(machine, 'syscall')).toBeUndefined();
    expect(flat(machine, 1)).toEqual({ selector: 0x08, base: 0n, limit: 0xffffffff, rights: 0xa09b });
    expect(flat(machine, 2)).toEqual({ selector: 0x10, base: 0n, limit: 0xffffffff, rights: 0xc093 });
    expect(execute(machine, 'sysret', [], { operandWidth: 64 })).toBeUndefined();
    expect(flat(machine, 1)).toEqual({ selector: 0x23, base: 0n, limit: 0xffffffff, rights: 0xa0fb });
    expect(flat(machine, 2)).toEqual({ selector: 0x1b, base: 0n, limit: 0xffffffff, rights: 0xc0f3 });
  });

  it('SYSRET drops VM and RF and the reserved flags of R11', () => {
    const machine = enable(machine64());
    machine.cpu.R[SLOT.r11] = 0xffff_ffffn;
    expect(execute(machine, 'sysret', [], { operandWidth: 64 })).toBeUndefined();
    expect(machine.cpu.rflags).toBe(0x3c7fd7n);
  });

  // SDM Vol. 2, SYSCALL: RPL is cleared in CS, SS is STAR[47:32] + 8 as it is; SYSRET: both are 3
  it('RPL of the selectors that STAR gives', () => {
    const machine = enable(machine64());
    machine.cpu.R[SLOT.star] = 0x0012_000b_0000_0000n;
    expect(execute(machine, 'syscall')).toBeUndefined();
    expect([flat(machine, 1).selector, flat(machine, 2).selector]).toEqual([0x08, 0x13]);
    expect(machine.cpu.cpl).toBe(0);
    expect(execute(machine, 'sysret', [], { operandWidth: 64 })).toBeUndefined();
    expect([flat(machine, 1).selector, flat(machine, 2).selector]).toEqual([0x23, 0x1b]);
  });

  it('SYSCALL masks flags and clears RF', () => {
    const machine = enable(machine64());
    machine.cpu.R[SLOT.fmask] = 0xffff_ffffn;
    machine.cpu.rflags = BigInt(FLAG.ac | FLAG.id | FLAG.if | FLAG.rf | FLAG.cf | 2);
    expect(execute(machine, 'syscall')).toBeUndefined();
    expect(machine.cpu.rflags).toBe(2n);
    expect(machine.cpu.R[SLOT.r11]).toBe(BigInt(FLAG.ac | FLAG.id | FLAG.if | FLAG.cf | 2));
  });
});

// SDM Vol. 2, SGDT, SIDT, SLDT, SMSW, STR; CR4.UMIP
describe('user-mode instruction prevention', () => {
  const stores = ['sgdt', 'sidt', 'sldt', 'str', 'smsw'] as const;
  const memory = {
    kind: 'memory',
    segment: 3,
    base: -1,
    index: -1,
    scale: 0,
    displacement: 0x2000n,
    addressWidth: 32,
    width: 16,
  } as const;
  const run = (machine: SystemProcessor, mnemonic: string) => {
    setSegmentRaw(machine.cpu, SEGMENT.ds, { ...segmentRaw(machine.cpu, SEGMENT.ds), rights: 0xc0f3 });
    return execute(machine, mnemonic, [memory]);
  };

  it.each(stores)('%s: CPL 0 always, others until CR4.UMIP', (mnemonic) => {
    for (const make of [machine32, machine64])
      for (const umip of [0n, 0x800n])
        for (const at of [(machine: SystemProcessor) => machine, user]) {
          const machine = at(make({ umip: true }));
          machine.cpu.R[SLOT.cr4] |= umip;
          const left = run(machine, mnemonic);
          if (umip !== 0n && machine.cpu.cpl === 3) expect(left).toMatchObject(GP0);
          else expect(left).toBeUndefined();
        }
  });

  it.each(stores)('%s outside protected mode', (mnemonic) => {
    const known = !['sldt', 'str'].includes(mnemonic);
    const left = run(outsideProtectedMode(machine32()), mnemonic);
    if (known) expect(left).toBeUndefined();
    else expect(left).toMatchObject(UD);
    const virtual = inVirtual8086Mode(machine32({ umip: true }));
    virtual.cpu.R[SLOT.cr4] |= 0x800n;
    expect(run(virtual, mnemonic)).toMatchObject(known ? GP0 : UD);
  });

  it('the fault comes before that of the memory operand', () => {
    const machine = user(machine64({ umip: true }));
    machine.cpu.R[SLOT.cr4] |= 0x800n;
    machine.memory.absent.add(2n);
    expect(run(machine, 'sgdt')).toMatchObject(GP0);
    machine.cpu.R[SLOT.cr4] &= ~0x800n;
    expect(run(machine, 'sgdt')).toMatchObject({ vector: VECTOR.pf });
  });

  it('SLDT and STR show the selectors', () => {
    const machine = machine64();
    expect(run(machine, 'str')).toBeUndefined();
    expect(machine.memory.read(0x2000n, 2)).toBe(BigInt(SELECTOR.tss));
  });
});
