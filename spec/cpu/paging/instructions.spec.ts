import { describe, expect, it } from 'vitest';
import type { Operand } from '../../../src/cpu/decode/instruction';
import { VECTOR } from '../../../src/cpu/event';
import { CR4, SLOT } from '../../../src/cpu/slots';
import { GP0 } from '../faults';
import {
  asUser,
  execute,
  machine32,
  machine64,
  memoryAt,
  register,
  SELECTOR,
  type SystemProcessor,
} from '../system/system-processor';

const DESCRIPTOR = 0x2000n;
const CANONICAL_48 = 0xffff_aaaa_aaaa_aaaan;
const CANONICAL_57 = 0xffaa_aaaa_aaaa_aaaan;
const NOT_CANONICAL = 0xaaaa_aaaa_aaaa_aaaan;

const setCr4 = ({ cpu }: SystemProcessor, bits: number): void => {
  cpu.W[2 * SLOT.cr4] |= bits;
};

// SDM Vol. 2, INVPCID—Invalidate Process-Context Identifier
describe('INVPCID', () => {
  const invpcid = (machine: SystemProcessor, type: bigint, pcid: bigint, address = 0n) => {
    const { cpu, memory } = machine;
    const linear = DESCRIPTOR;
    memory.write(linear, 8, pcid);
    memory.write(linear + 8n, 8, address);
    cpu.R[SLOT.rcx] = type;
    const width = cpu.mode64 ? 64 : 32;
    const operand = { ...memoryAt(linear), addressWidth: width } as Operand;
    return execute(machine, 'invpcid', [register(1, width), operand]);
  };
  const machine = (bits = 0): SystemProcessor => {
    const made = machine64(['+invpcid', '+pcid']);
    setCr4(made, bits);
    return made;
  };

  it.each([0n, 1n, 2n, 3n])('type %s drops what is cached', (type) => {
    const made = machine(CR4.pcide);
    const { flushes } = made.memory;
    expect(invpcid(made, type, 0xfffn, CANONICAL_48)).toBeUndefined();
    expect(made.memory.flushes).toBe(flushes + 1);
  });

  it.each([
    ['a type above 3', CR4.pcide, 4n, 0n, 0n],
    ['a type of 64 bits', CR4.pcide, 1n << 32n, 0n, 0n],
    ['bits 63:12 of the descriptor', CR4.pcide, 2n, 0x1000n, 0n],
    ['type 0 with a PCID and CR4.PCIDE 0', 0, 0n, 1n, 0n],
    ['type 1 with a PCID and CR4.PCIDE 0', 0, 1n, 1n, 0n],
    ['type 0 with an address that is not canonical', CR4.pcide, 0n, 1n, CANONICAL_57],
  ])('#GP(0): %s', (_, bits, type, pcid, address) => {
    const made = machine(bits);
    const { flushes } = made.memory;
    expect(invpcid(made, type, pcid, address)).toMatchObject(GP0);
    expect(made.memory.flushes).toBe(flushes);
  });

  it('types 2 and 3 need no PCIDE, types 1 to 3 no canonical address', () => {
    for (const type of [2n, 3n]) expect(invpcid(machine(), type, 1n, NOT_CANONICAL)).toBeUndefined();
    expect(invpcid(machine(CR4.pcide), 1n, 1n, NOT_CANONICAL)).toBeUndefined();
  });

  it('outside 64-bit mode the register has 32 bits', () => {
    expect(invpcid(machine32(['+invpcid', '+pcid']), (1n << 32n) | 2n, 0n)).toBeUndefined();
  });

  it('#UD without the feature, #GP(0) for users', () => {
    expect(invpcid(machine64(['-invpcid']), 2n, 0n)?.vector).toBe(VECTOR.ud);
    const made = machine();
    asUser(made);
    expect(invpcid(made, 9n, 0n)).toMatchObject(GP0);
  });
});

// SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging: registers that hold addresses are as wide as the processor, whatever CR4.LA57 is
describe.each([
  ['with', '+la57', true],
  ['without', '-la57', false],
] as const)('%s LA57, addresses of 57 bits', (_, edit, fits) => {
  const ended = (event: ReturnType<typeof execute>): boolean => event === undefined;
  const bases = [CANONICAL_48, CANONICAL_57, NOT_CANONICAL] as const;
  const expected = [true, fits, false];

  it.each([
    ['IA32_LSTAR', 0xc000_0082n],
    ['IA32_KERNEL_GS_BASE', 0xc000_0102n],
    ['IA32_SYSENTER_EIP', 0x176n],
  ])('WRMSR of %s', (_name, index) => {
    const machine = machine64([edit]);
    const taken = bases.map((base) => {
      machine.cpu.R[SLOT.rcx] = index;
      machine.cpu.R[SLOT.rax] = base & 0xffff_ffffn;
      machine.cpu.R[SLOT.rdx] = base >> 32n;
      return ended(execute(machine, 'wrmsr'));
    });
    expect(taken).toEqual(expected);
  });

  it.each(['lgdt', 'lidt'])('%s', (mnemonic) => {
    const machine = machine64([edit]);
    const taken = bases.map((base) => {
      machine.memory.write(DESCRIPTOR + 2n, 8, base);
      return ended(execute(machine, mnemonic, [memoryAt(DESCRIPTOR, 80)]));
    });
    expect(taken).toEqual(expected);
  });

  it('LLDT', () => {
    const machine = machine64([edit]);
    const at = machine.cpu.R[SLOT.gdtrBase] + BigInt(SELECTOR.ldt);
    const taken = bases.map((base) => {
      const low = 0x0000_8200_0000_ffffn | ((base & 0xff_ffffn) << 16n) | (((base >> 24n) & 0xffn) << 56n);
      machine.memory.write(at, 8, low);
      machine.memory.write(at + 8n, 8, base >> 32n);
      machine.cpu.R[SLOT.rax] = BigInt(SELECTOR.ldt);
      return ended(execute(machine, 'lldt', [register(0, 16)]));
    });
    expect(taken).toEqual(expected);
  });

  it('WRFSBASE', () => {
    const machine = machine64([edit]);
    setCr4(machine, CR4.fsgsbase);
    const taken = bases.map((base) => {
      machine.cpu.R[SLOT.rax] = base;
      return ended(execute(machine, 'wrfsbase', [register(0, 64)]));
    });
    expect(taken).toEqual(expected);
  });
});

// SDM Vol. 2, CPUID
describe('CPUID', () => {
  const features = (machine: SystemProcessor, leaf: bigint): number => {
    machine.cpu.R[SLOT.rax] = leaf;
    machine.cpu.R[SLOT.rcx] = 0n;
    execute(machine, 'cpuid');
    return Number(machine.cpu.R[SLOT.rcx]);
  };
  const OSPKE = 1 << 4;

  it('OSPKE mirrors CR4.PKE', () => {
    const machine = machine64(['+pku']);
    expect(features(machine, 7n) & OSPKE).toBe(0);
    setCr4(machine, CR4.pke);
    expect(features(machine, 7n) & OSPKE).toBe(OSPKE);
  });
});

// SDM Vol. 3A, 4.6.2 Protection Keys
describe('IA32_PKRS', () => {
  const write = (machine: SystemProcessor, high: bigint) => {
    machine.cpu.R[SLOT.rcx] = 0x6e1n;
    machine.cpu.R[SLOT.rax] = 0xffff_fffcn;
    machine.cpu.R[SLOT.rdx] = high;
    return execute(machine, 'wrmsr');
  };

  it('has 32 bits, and is there with PKS only', () => {
    const machine = machine64(['+pks']);
    expect(write(machine, 1n)).toMatchObject(GP0);
    expect(write(machine, 0n)).toBeUndefined();
    expect(machine.cpu.R[SLOT.pkrs]).toBe(0xffff_fffcn);
    expect(write(machine64(['-pks']), 0n)).toMatchObject(GP0);
  });
});
