import { describe, expect, it } from 'vitest';
import { PRESET_NAMES } from '../../src/cpu/presets';
import { MemoryIo } from './memory-io';

const shown = async (...argv: readonly string[]): Promise<string> => {
  const io = new MemoryIo();
  expect(await io.command('processor', ...argv)).toBe(0);
  return io.out;
};

describe('vtmodel processor', () => {
  it('alone lists the presets with part and address widths', async () => {
    const text = await shown();
    for (const name of PRESET_NAMES)
      expect(text).toMatch(
        new RegExp(`^${name} +${name === 'everything' ? 'no real part: ' : 'Intel '}`, 'm'),
      );
    expect(text).toMatch(/^pentium .*32 physical and 32 linear address bits +no VMX$/m);
  });

  it('shows announced features with what they lack, and the part’s others with the reason', async () => {
    const text = await shown('skylake');
    expect(text).toMatch(/^ {2}01H:EDX\[0\] +fpu +without arithmetic/m);
    expect(text).toMatch(/^ {2}07H:EBX\[16\] +avx512f +not built$/m);
    expect(text).toMatch(/^ {2}01H:ECX\[28\] +avx +on request \(\+avx\)/m);
    expect(await shown('everything')).toMatch(/^ {2}07H:EBX\[22\] +pcommit +on request \(\+pcommit\)$/m);
    expect(text).toMatch(/^ {2}277H +IA32_PAT +0007040600070406H$/m);
    expect(text).toMatch(/^ {2}480H +IA32_VMX_BASIC +00D8100000000004H +read-only$/m);
  });

  it('knows the VMX controls of each part', async () => {
    expect(await shown('skylake')).toMatch(/Unrestricted guest +0 or 1$/m);
    expect(await shown('nehalem')).not.toContain('Unrestricted guest');
    expect(await shown('nehalem')).toMatch(/Enable EPT +0 or 1$/m);
    expect(await shown('pentium')).not.toContain('VMX controls');
  });

  it('follows edits, which are the same as those of --processor', async () => {
    const features = async (model: string): Promise<readonly string[]> => {
      const description = JSON.parse(await shown(model, '--format', 'json')) as {
        features: { name: string; announced: boolean }[];
      };
      return description.features.filter(({ announced }) => announced).map(({ name }) => name);
    };
    expect(await features('skylake')).toContain('smep');
    expect(await features('skylake,-smep,+umip')).not.toContain('smep');
    expect(await features('skylake,-smep,+umip')).toContain('umip');
  });

  it('JSON has MSRs as hexadecimal text', async () => {
    const { msrs } = JSON.parse(await shown('pentium', '--format', 'json')) as {
      msrs: { index: number; reset: string }[];
    };
    expect(msrs.find(({ index }) => index === 0x10)?.reset).toBe('0x0');
  });

  // SDM Vol. 4, 2.1 Architectural MSRs
  it('each MSR of a range has its own name', async () => {
    const namesOf = async (model: string): Promise<Readonly<Record<string, string>>> => {
      const { msrs } = JSON.parse(await shown(model, '--format', 'json')) as {
        msrs: { index: number; name: string }[];
      };
      return Object.fromEntries(msrs.map(({ index, name }) => [index.toString(16), name]));
    };
    const names = await namesOf('everything');
    expect(new Set(Object.values(names)).size).toBe(Object.keys(names).length);
    expect(names).toMatchObject({
      c1: 'IA32_PMC0',
      c4: 'IA32_PMC3',
      '186': 'IA32_PERFEVTSEL0',
      '189': 'IA32_PERFEVTSEL3',
      '250': 'IA32_MTRR_FIX64K_00000',
      '259': 'IA32_MTRR_FIX16K_A0000',
      '268': 'IA32_MTRR_FIX4K_C0000',
      '26f': 'IA32_MTRR_FIX4K_F8000',
      '6a4': 'IA32_PL0_SSP',
      '6a7': 'IA32_PL3_SSP',
    });
    expect(await namesOf('pentium')).toMatchObject({ '12': 'P5_CTR0', '13': 'P5_CTR1' });
  });

  it('an error says what was meant', async () => {
    const io = new MemoryIo();
    expect(await io.command('processor', 'skylark')).toBe(2);
    expect(io.err).toMatch(/unknown processor 'skylark' \(did you mean 'skylake'\?\);/);
  });
});
