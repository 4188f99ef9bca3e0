import { describe, expect, it } from 'vitest';
import { ModelError, Unbuilt } from '../../../src/core';
import { VECTOR } from '../../../src/cpu/event';
import { MSR_ROWS, msrsOf, readMsr, writeMsr } from '../../../src/cpu/msrs';
import {
  announces,
  FEATURES,
  type FeatureName,
  featureBit,
  PRESET_NAMES,
  type PresetName,
  partOf,
  processor,
} from '../../../src/cpu/presets';
import { CR0, CR4, EFER, SLOT } from '../../../src/cpu/slots';
import type { Virtualization } from '../../../src/cpu/virtualization';
import { asUser, execute, machine32, machine64, type SystemProcessor } from '../system/system-processor';

const cpuid = (machine: SystemProcessor, leaf: number, subleaf = 0) => {
  const { R } = machine.cpu;
  R[SLOT.rax] = BigInt(leaf);
  R[SLOT.rcx] = BigInt(subleaf);
  execute(machine, 'cpuid');
  return [SLOT.rax, SLOT.rbx, SLOT.rcx, SLOT.rdx].map((slot) => Number(R[slot]));
};
const textOf = (words: readonly number[]): string =>
  words
    .flatMap((word) => [0, 8, 16, 24].map((at) => String.fromCharCode((word >>> at) & 255)))
    .join('')
    .replace(/\0/g, '');

// SDM Vol. 2, CPUID
describe('skylake', () => {
  it('names itself', () => {
    const machine = machine64();
    const [, b, c, d] = cpuid(machine, 0);
    expect(textOf([b, d, c])).toBe('GenuineIntel');
    expect(textOf(cpuid(machine, 0x80000002))).toBe('vtmodel Skylake');
    expect(cpuid(machine, 1)[0]).toBe(0x50654);
    const { physicalAddressWidth, linearAddressWidth } = processor('skylake');
    expect([physicalAddressWidth, linearAddressWidth]).toEqual([46, 48]);
  });

  it('edits add and take features, in both forms', () => {
    expect(announces(processor('skylake').cpuid, 'vmx')).toBe(true);
    for (const edits of [{ vmx: false }, ['-vmx']] as const)
      expect(announces(processor('skylake', edits).cpuid, 'vmx')).toBe(false);
    expect(processor('skylake', ['-pku', '+umip']).cpuid.lookup(7, 0).ecx).toBe(4);
  });

  it('refuses names that it does not know, and features that are not built', () => {
    expect(() => processor('skylake', ['-vmxx'])).toThrow(ModelError);
    expect(() => processor('skylake', ['vmx'])).toThrow(ModelError);
    expect(() => processor('skylake', ['+avx512f'])).toThrow(Unbuilt);
    expect(() => processor('z80' as PresetName)).toThrow(ModelError);
  });

  it('a leaf above the maximum gives the highest basic leaf', () => {
    const { lookup } = processor('skylake').cpuid;
    expect(lookup(0x17, 0)).toEqual(lookup(0x16, 0));
    expect(lookup(0x40000000, 0)).toEqual(lookup(0x16, 0));
    expect(lookup(0x80000009, 0)).toEqual(lookup(0x16, 0));
    expect(processor('skylake', ['-xsave']).cpuid.lookup(0xd, 0).eax).toBe(0);
  });

  it('SYSCALL shows in 64-bit mode only, APIC while it is enabled', () => {
    expect(cpuid(machine64(), 0x80000001)[3] & (1 << 11)).not.toBe(0);
    expect(cpuid(machine32(), 0x80000001)[3] & (1 << 11)).toBe(0);
    const machine = machine64();
    expect(cpuid(machine, 1)[3] & (1 << 9)).not.toBe(0);
    machine.cpu.R[SLOT.apicBase] &= ~0x800n;
    expect(cpuid(machine, 1)[3] & (1 << 9)).toBe(0);
  });
});

// SDM Vol. 2, CPUID
describe('presets', () => {
  it.each([
    ['pentium', 0x525, 32, 32],
    ['nehalem', 0x106e5, 36, 48],
    ['skylake', 0x50654, 46, 48],
    ['sapphire-rapids', 0x806f8, 52, 57],
    ['everything', 0x806f8, 52, 57],
  ] as const)('%s: signature and address widths', (name, signature, physical, linear) => {
    const { cpuid, physicalAddressWidth, linearAddressWidth } = processor(name);
    expect(cpuid.lookup(1, 0).eax).toBe(signature);
    expect([physicalAddressWidth, linearAddressWidth]).toEqual([physical, linear]);
  });

  it.each(PRESET_NAMES)('%s announces what the part has and what is built, and no other flag', (name) => {
    const { cpuid, features } = processor(name);
    const { features: ofPart, requested } = partOf(name);
    const real = new Set(ofPart);
    for (const one of Object.keys(FEATURES) as FeatureName[]) {
      const { leaf, subleaf, register, bit, built, onRequest } = featureBit(one);
      expect(features.has(one), one).toBe(
        built && real.has(one) && (onRequest !== true || requested?.includes(one) === true),
      );
      const exists = leaf <= cpuid.lookup(leaf & 0x80000000, 0).eax >>> 0;
      if (exists)
        expect((cpuid.lookup(leaf, subleaf)[register] >>> bit) & 1, one).toBe(features.has(one) ? 1 : 0);
    }
  });

  it('`everything` announces all that is built, but what is on request and what software alone announces', () => {
    const { features } = processor('everything');
    const left = (Object.keys(FEATURES) as FeatureName[]).filter((name) => !features.has(name));
    for (const name of left.filter((one) => one !== 'hypervisor'))
      expect(!featureBit(name).built || featureBit(name).onRequest, name).toBeTruthy();
    expect(features.has('hypervisor')).toBe(false);
  });

  it('the Pentium has no long mode, VMX or CMOV; its leaves beyond 1 are leaf 1, and announce nothing', () => {
    const { cpuid, features } = processor('pentium');
    for (const one of ['lm', 'vmx', 'cmov', 'pae', 'nx', 'syscall', 'mmx'] as const)
      expect(features.has(one), one).toBe(false);
    expect(cpuid.lookup(7, 0)).toEqual(cpuid.lookup(1, 0));
    expect(announces(cpuid, 'rtm')).toBe(false);
  });

  it('an edit brings what the feature needs, and takes what needs the feature', () => {
    expect(processor('skylake', ['-apic']).features.has('vmx')).toBe(false);
    expect(processor('pentium', ['+lm']).features.has('pae')).toBe(true);
    expect(processor('skylake', ['-tsc', '+rdtscp']).features.has('tsc')).toBe(true);
  });

  it.each(PRESET_NAMES)(
    '%s: what an edit adds shows in CPUID, above the highest leaf of the part too',
    (name) => {
      for (const one of Object.keys(FEATURES) as FeatureName[]) {
        const { leaf, subleaf, register, bit, built } = featureBit(one);
        if (!built) continue;
        const { cpuid } = processor(name, [`+${one}`]);
        expect(cpuid.lookup(leaf & 0x80000000, 0).eax >>> 0, one).toBeGreaterThanOrEqual(leaf);
        expect((cpuid.lookup(leaf, subleaf)[register] >>> bit) & 1, one).toBe(1);
      }
    },
  );

  it('64-bit mode brings the leaf of address widths', () => {
    const { cpuid, physicalAddressWidth, linearAddressWidth } = processor('pentium', ['+lm']);
    expect(cpuid.lookup(0x80000008, 0).eax).toBe(0x3024);
    expect([physicalAddressWidth, linearAddressWidth]).toEqual([36, 48]);
  });

  it('a mistyped name is answered with the one that was meant', () => {
    expect(() => processor('skylake', ['-smpe'])).toThrow("unknown feature 'smpe' (did you mean 'smep'?)");
    expect(() => processor('skylark' as PresetName)).toThrow("did you mean 'skylake'?");
  });
});

// SDM Vol. 4, 2.1 Architectural MSRs
describe('MSRs', () => {
  const NON_CANONICAL = 0x8000_0000_0000n;
  const refused: readonly (readonly [string, number, bigint])[] = [
    ['unknown index', 0x12345, 0n],
    ['read-only', 0xfe, 0n],
    ['EFER reserved bit', 0xc0000080, 2n],
    ['EFER.LME while paging', 0xc0000080, BigInt(EFER.sce)],
    ['LSTAR non-canonical', 0xc0000082, NON_CANONICAL],
    ['FMASK high half', 0xc0000084, 1n << 32n],
    ['GS base non-canonical', 0xc0000101, NON_CANONICAL],
    ['SYSENTER_EIP non-canonical', 0x176, NON_CANONICAL],
    ['PAT bad type', 0x277, 2n],
    ['MTRR bad type', 0x2ff, 2n],
    ['MTRR base reserved', 0x200, 0x100n],
    ['MTRR mask beyond MAXPHYADDR', 0x201, 1n << 46n],
    ['fixed MTRR bad type', 0x268, 0x0700n],
    ['DEBUGCTL unsupported', 0x1d9, 4n],
    ['APIC_BASE reserved', 0x1b, 0xfee00a00n],
    ['FEATURE_CONTROL reserved', 0x3a, 2n],
    ['MISC_ENABLE reserved', 0x1a0, 2n],
  ];
  it.each(refused)('%s', (_, index, value) => {
    const { cpu } = machine64();
    const before = [cpu.R.slice(), cpu.msrs];
    expect(writeMsr(cpu, index, value)).toBe(false);
    expect([cpu.R, cpu.msrs]).toEqual(before);
  });

  it('what is written is read', () => {
    const { cpu } = machine64();
    for (const [index, value] of [
      [0xc0000082, 0xffff8000_00000000n],
      [0xc0000100, 0x7000n],
      [0x200, 0xc0000006n],
      [0x201, 0x7f_c000_0800n],
      [0x26f, 0x0606060606060606n],
      [0x277, 0x0007040600010506n],
      [0x8b, 0n],
      [0x3a, 5n],
    ] as const) {
      expect(writeMsr(cpu, index, value)).toBe(true);
      expect(readMsr(cpu, index)).toBe(value);
    }
    expect(writeMsr(cpu, 0x3a, 5n)).toBe(false);
  });

  it('EFER keeps LMA; LME may change without paging', () => {
    const long = machine64();
    expect(writeMsr(long.cpu, 0xc0000080, BigInt(EFER.lme | EFER.nxe))).toBe(true);
    expect(readMsr(long.cpu, 0xc0000080)).toBe(BigInt(EFER.lme | EFER.lma | EFER.nxe));
    const legacy = machine32();
    expect(writeMsr(legacy.cpu, 0xc0000080, BigInt(EFER.lme | EFER.lma))).toBe(true);
    expect(readMsr(legacy.cpu, 0xc0000080)).toBe(BigInt(EFER.lme));
  });

  // SDM Vol. 4, IA32_MISC_ENABLE: XD bit disable
  it('EFER.NXE is reserved while MISC_ENABLE hides XD', () => {
    const { cpu } = machine64();
    const hidden = readMsr(cpu, 0x1a0)! | (1n << 34n);
    expect(writeMsr(cpu, 0x1a0, hidden)).toBe(true);
    expect(writeMsr(cpu, 0xc0000080, BigInt(EFER.lme | EFER.nxe))).toBe(false);
    expect(writeMsr(cpu, 0x1a0, hidden & ~(1n << 34n))).toBe(true);
    expect(writeMsr(cpu, 0xc0000080, BigInt(EFER.lme | EFER.nxe))).toBe(true);
  });

  it('EFER is there for NX without 64-bit mode, and not without any of its features', () => {
    const narrow = machine32(['-lm', '+nx']);
    expect(writeMsr(narrow.cpu, 0xc0000080, BigInt(EFER.nxe))).toBe(true);
    expect(writeMsr(narrow.cpu, 0xc0000080, BigInt(EFER.lme))).toBe(false);
    expect(readMsr(machine32(['-lm', '-nx', '-syscall']).cpu, 0xc0000080)).toBeUndefined();
  });

  it('APIC_BASE keeps BSP and tells the board', () => {
    const { cpu, bus } = machine64();
    expect(writeMsr(cpu, 0x1b, 0xfee00000n)).toBe(true);
    expect(readMsr(cpu, 0x1b)).toBe(0xfee00100n);
    expect(bus.log).toEqual(['apic base fee00100']);
  });

  it('writing TSC or TSC_ADJUST moves both', () => {
    const { cpu } = machine64();
    expect(readMsr(cpu, 0x10)).toBe(1000n);
    writeMsr(cpu, 0x10, 5000n);
    expect([readMsr(cpu, 0x10), readMsr(cpu, 0x3b)]).toEqual([5000n, 4000n]);
    writeMsr(cpu, 0x3b, 0n);
    expect(readMsr(cpu, 0x10)).toBe(1000n);
  });

  it('features decide which exist; VMX capabilities come from virtualization', () => {
    const bare = machine64(['-vmx', '-rdtscp']);
    expect([readMsr(bare.cpu, 0x3a), readMsr(bare.cpu, 0xc0000103), readMsr(bare.cpu, 0x480)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const { cpu } = machine64();
    expect(readMsr(cpu, 0x480)).toBeUndefined();
    cpu.virtualization = { readMsr: () => 7n } as unknown as Virtualization;
    expect(readMsr(cpu, 0x480)).toBe(7n);
    expect(writeMsr(cpu, 0x480, 7n)).toBe(false);
  });

  it('each part has the MSRs of its family and features', () => {
    const has = (name: PresetName, index: number): boolean => {
      const { cpu } = machine64();
      return msrsOf(Object.assign(cpu, { cpuid: processor(name).cpuid })).some(([one]) => one === index);
    };
    const present = (index: number): readonly boolean[] => PRESET_NAMES.map((name) => has(name, index));
    expect(present(0x11)).toEqual([true, false, false, false, false]);
    expect(present(0x1a0)).toEqual([false, true, true, true, true]);
    expect(present(0x1b)).toEqual([false, true, true, true, true]);
    expect(present(0x48)).toEqual([false, false, false, true, true]);
    expect(present(0xda0)).toEqual([false, false, true, true, true]);
    expect(present(0xc0000080)).toEqual([false, true, true, true, true]);
    expect(present(0x10)).toEqual([true, true, true, true, true]);
  });

  it('commands are written and never read', () => {
    const { cpu } = machine64(['+ibrs-ibpb', '+l1d-flush']);
    for (const index of [0x49, 0x10b]) {
      expect(readMsr(cpu, index)).toBeUndefined();
      expect(writeMsr(cpu, index, 1n)).toBe(true);
      expect(writeMsr(cpu, index, 2n)).toBe(false);
    }
    expect(writeMsr(cpu, 0x48, 1n)).toBe(true);
    expect(writeMsr(cpu, 0x48, 2n)).toBe(false);
  });

  it('MISC_ENABLE hides MONITOR and NX from CPUID', () => {
    const machine = machine64();
    const { cpu } = machine;
    const now = readMsr(cpu, 0x1a0)!;
    expect(cpuid(machine, 1)[2] & 8).toBe(8);
    expect(cpuid(machine, 0x80000001)[3] & (1 << 20)).not.toBe(0);
    expect(writeMsr(cpu, 0x1a0, (now & ~(1n << 18n)) | (1n << 34n))).toBe(true);
    expect(cpuid(machine, 1)[2] & 8).toBe(0);
    expect(cpuid(machine, 0x80000001)[3] & (1 << 20)).toBe(0);
  });

  it('every row has its own index', () => {
    const indexes = MSR_ROWS.map(({ index }) => index);
    expect(new Set(indexes).size).toBe(indexes.length);
  });

  it('RDMSR and WRMSR use ECX and EDX:EAX', () => {
    const machine = machine64();
    const { R } = machine.cpu;
    R[SLOT.rcx] = 0xffff_ffff_c000_0082n;
    R[SLOT.rax] = 0xffff_ffff_1234_5678n;
    R[SLOT.rdx] = 0xffff_8000n;
    expect(execute(machine, 'wrmsr')).toBeUndefined();
    expect(R[SLOT.lstar]).toBe(0xffff8000_12345678n);
    execute(machine, 'rdmsr');
    expect([R[SLOT.rax], R[SLOT.rdx]]).toEqual([0x12345678n, 0xffff8000n]);
    R[SLOT.rcx] = 0x999n;
    expect(execute(machine, 'rdmsr')).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
  });
});

// SDM Vol. 2, RDTSC, RDTSCP
describe('time', () => {
  it('TSD keeps users out; non-root operation adds its offset', () => {
    const machine = machine64();
    const { cpu } = machine;
    cpu.R[SLOT.tscAux] = 9n;
    execute(machine, 'rdtscp');
    expect([cpu.R[SLOT.rax], cpu.R[SLOT.rdx], cpu.R[SLOT.rcx]]).toEqual([1000n, 0n, 9n]);
    cpu.nonRoot = true;
    cpu.virtualization = {
      intercept: () => {},
      shownTimeStamp: (_: unknown, counter: bigint) => counter - 1n,
    } as unknown as Virtualization;
    execute(machine, 'rdtsc');
    expect(cpu.R[SLOT.rax]).toBe(999n);
    cpu.W[2 * SLOT.cr4] |= CR4.tsd;
    asUser(machine);
    expect(execute(machine, 'rdtsc')?.vector).toBe(VECTOR.gp);
  });
});

it('reset leaves what the manual says', () => {
  const { cpu } = machine32();
  expect(cpu.R[SLOT.cr0] & BigInt(CR0.pe)).toBe(1n);
  expect(cpu.R[SLOT.dr6]).toBe(0xffff0ff0n);
  expect(cpu.R[SLOT.pat]).toBe(0x0007040600070406n);
  expect(cpu.R[SLOT.rdx]).toBe(0x50654n);
});
