import { runRow } from '../cpu/engine/computing-builder';
import type { InstructionRow } from '../cpu/engine/row';
import type { FeatureName, Processor } from '../cpu/presets';

/** Instructions that only processors with a feature have; the others check it themselves. SDM Vol. 2, CPUID */
const NEEDS: Readonly<Partial<Record<FeatureName, readonly string[]>>> = {
  cx8: ['cmpxchg8b'],
  cx16: ['cmpxchg16b'],
  // RDPMC came with CMOV in the P6 family.
  cmov: [
    'rdpmc',
    'cmovcc',
    'fcmovb',
    'fcmove',
    'fcmovbe',
    'fcmovu',
    'fcmovnb',
    'fcmovne',
    'fcmovnbe',
    'fcmovnu',
  ],
  movbe: ['movbe'],
  popcnt: ['popcnt'],
  sse4_2: ['crc32'],
  msr: ['rdmsr', 'wrmsr'],
  pcommit: ['pcommit'],
  clfsh: ['clflush'],
  clflushopt: ['clflushopt'],
  clwb: ['clwb'],
  sse: ['sfence'],
  sse2: ['lfence', 'mfence', 'movnti'],
  sse3: ['fisttp'],
  bmi1: ['andn', 'bextr', 'blsi', 'blsmsk', 'blsr'],
  bmi2: ['bzhi', 'mulx', 'pdep', 'pext', 'rorx', 'sarx', 'shlx', 'shrx'],
  adx: ['adcx', 'adox'],
  movdiri: ['movdiri'],
};

/** Without their feature the prefix F3 is ignored. SDM Vol. 2, TZCNT, LZCNT */
const ELSE: Readonly<Partial<Record<FeatureName, readonly [mnemonic: string, other: string]>>> = {
  bmi1: ['tzcnt', 'bsf'],
  lzcnt: ['lzcnt', 'bsr'],
};

const absent = (mnemonic: string): InstructionRow => ({
  kind: 'system',
  mnemonic,
  execute: (cpu) => cpu.invalidOpcode(),
});

/** SDM Vol. 2, LAHF, SAHF: in 64-bit mode of a feature, in the other modes always there. */
const outside64 = (row: InstructionRow): InstructionRow =>
  row.kind === 'system'
    ? row
    : {
        kind: 'system',
        mnemonic: row.mnemonic,
        execute: (cpu, instruction) => {
          if (cpu.mode64) cpu.invalidOpcode();
          runRow(cpu, row, instruction);
        },
      };

/** The rows of a processor: those of features that it lacks are undefined opcodes. */
export const rowsFor = (
  { features }: Processor,
  all: ReadonlyMap<string, InstructionRow>,
): ReadonlyMap<string, InstructionRow> => {
  const rows = new Map(all);
  for (const [feature, mnemonics] of Object.entries(NEEDS))
    if (!features.has(feature as FeatureName))
      for (const mnemonic of mnemonics) rows.set(mnemonic, absent(mnemonic));
  if (features.has('lm') && !features.has('lahf64'))
    for (const mnemonic of ['lahf', 'sahf']) rows.set(mnemonic, outside64(all.get(mnemonic)!));
  for (const [feature, [mnemonic, other]] of Object.entries(ELSE))
    if (!features.has(feature as FeatureName)) rows.set(mnemonic, all.get(other)!);
  return rows;
};
