import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import {
  asUser,
  execute,
  GDT,
  machine32,
  machine64,
  memoryAt,
  register,
  type SystemProcessor,
} from '../system/system-processor';

const SELECTOR = 0x80;
const UNTOUCHED = 0x5a5a5a5an;
const LIMIT = 0x1234;
/** D, and bits 19:16 of the limit, which LSL adds to the others. */
const FLAGS_OF_DESCRIPTOR = 0x45;

interface Outcome {
  readonly zero: boolean;
  readonly result: bigint;
}

/** Runs LAR, LSL, VERR or VERW on a descriptor with these attributes. */
const examine = (
  machine: SystemProcessor,
  mnemonic: string,
  attributes: number,
  rpl = 0,
  width: 16 | 32 | 64 = 32,
): Outcome => {
  const { cpu, memory } = machine;
  cpu.R[SLOT.gdtrLimit] = 0x8fn;
  memory.write(
    GDT + BigInt(SELECTOR),
    8,
    BigInt(LIMIT) | (BigInt(attributes) << 40n) | (BigInt(FLAGS_OF_DESCRIPTOR) << 48n),
  );
  cpu.R[SLOT.rcx] = BigInt(SELECTOR | rpl);
  cpu.R[SLOT.rax] = UNTOUCHED;
  const selector = register(1, 16);
  const operands = mnemonic.startsWith('l') ? [register(0, width), selector] : [selector];
  expect(execute(machine, mnemonic, operands, { operandWidth: width })).toBeUndefined();
  return { zero: (cpu.rflags & 0x40n) !== 0n, result: cpu.R[SLOT.rax] };
};

const TYPES = Array.from({ length: 16 }, (_, type) => type);
const PRESENT = 0x80;
const ORDINARY = 0x10;
const NAMES = {
  lar: { legacy: [1, 2, 3, 4, 5, 9, 11, 12], long: [2, 9, 11, 12] },
  lsl: { legacy: [1, 2, 3, 9, 11], long: [2, 9, 11] },
  verr: { legacy: [], long: [] },
  verw: { legacy: [], long: [] },
} as const satisfies Record<string, { readonly legacy: readonly number[]; readonly long: readonly number[] }>;
type Mnemonic = keyof typeof NAMES;
const MNEMONICS = Object.keys(NAMES) as Mnemonic[];

/** Of code and data types at DPL 0. */
const ordinary: Readonly<Record<Mnemonic, (type: number) => boolean>> = {
  lar: () => true,
  lsl: () => true,
  verr: (type) => type < 8 || (type & 2) !== 0,
  verw: (type) => type < 8 && (type & 2) !== 0,
};

// SDM Vol. 2, LAR, LSL, VERR/VERW
describe.each(MNEMONICS)('%s', (mnemonic) => {
  it('system types: the table, in legacy and in IA-32e mode', () => {
    for (const [make, mode] of [
      [machine32, 'legacy'],
      [machine64, 'long'],
    ] as const)
      for (const type of TYPES) {
        const known = (NAMES[mnemonic][mode] as readonly number[]).includes(type);
        expect(examine(make(), mnemonic, PRESENT | type).zero, `${mode} type ${type}`).toBe(known);
      }
  });

  it('code and data types', () => {
    for (const make of [machine32, machine64])
      for (const type of TYPES)
        expect(examine(make(), mnemonic, PRESENT | ORDINARY | type).zero, `type ${type}`).toBe(
          ordinary[mnemonic](type),
        );
  });

  it('needs a DPL of CPL and RPL at least, but for conforming code', () => {
    for (const dpl of [0, 1, 2, 3])
      for (const rpl of [0, 1, 2, 3])
        for (const user of [false, true]) {
          const visible = dpl >= Math.max(user ? 3 : 0, rpl);
          const make = (): SystemProcessor => {
            const machine = machine32();
            if (user) asUser(machine);
            return machine;
          };
          const data = PRESENT | ORDINARY | 3 | (dpl << 5);
          expect(examine(make(), mnemonic, data, rpl).zero).toBe(visible);
          if (mnemonic === 'verw') continue;
          const conforming = PRESENT | ORDINARY | 15 | (dpl << 5);
          expect(examine(make(), mnemonic, conforming, rpl).zero).toBe(true);
        }
  });

  it('does not look at the present flag, and does not set the accessed bit', () => {
    const machine = machine32();
    expect(examine(machine, mnemonic, ORDINARY | 2).zero).toBe(true);
    expect(machine.memory.read(GDT + BigInt(SELECTOR) + 5n, 1)).toBe(BigInt(ORDINARY | 2));
  });

  it('a memory operand that faults is a fault of its own', () => {
    const machine = machine32();
    machine.memory.absent.add(2n);
    const operand = memoryAt(0x2000n, 16);
    const operands = mnemonic.startsWith('l') ? [register(0, 32), operand] : [operand];
    expect(execute(machine, mnemonic, operands)).toMatchObject({ vector: 14 });
  });

  it('is #UD outside protected mode', () => {
    const machine = machine32();
    machine.cpu.R[SLOT.cr0] = 0x10n;
    const operands = mnemonic.startsWith('l') ? [register(0, 32), register(1, 16)] : [register(1, 16)];
    expect(execute(machine, mnemonic, operands)).toMatchObject({ vector: 6 });
  });
});

describe('results', () => {
  it('LAR: 16 bits of attributes, 32 with the flags; nothing without ZF', () => {
    expect(examine(machine32(), 'lar', 0x92, 0, 16).result).toBe(0x5a5a9200n);
    expect(examine(machine32(), 'lar', 0x92, 0, 32).result).toBe(0x00459200n);
    expect(examine(machine64(), 'lar', 0x92, 0, 64).result).toBe(0x00459200n);
    expect(examine(machine32(), 'lar', 0x80).result).toBe(UNTOUCHED);
  });
  it('LAR: bits 19:16 are undefined, and a Choice', () => {
    const machine = machine32();
    const asked: unknown[] = [];
    machine.cpu.decide = (...question) => {
      asked.push(question);
      return 0xan;
    };
    expect(examine(machine, 'lar', 0x92).result).toBe(0x004a9200n);
    expect(asked).toEqual([['lar-limit', 16n, 5n]]);
  });
  it('LSL: the limit in bytes', () => {
    expect(examine(machine32(), 'lsl', 0x92, 0, 16).result).toBe(0x5a5a1234n);
    expect(examine(machine64(), 'lsl', 0x92, 0, 64).result).toBe(0x51234n);
    expect(examine(machine32(), 'lsl', 0x8c).result).toBe(UNTOUCHED);
  });
});
