// Software that invalidates as it must gives no report: the bundled guests, on the bare machine and under our monitor. SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMachine, loadImage, type MachineState, processor } from '../../src/api';
import type { CachePolicy } from '../../src/api/caches';
import { type CriteriaReport, checkCriteria } from '../../src/api/criteria';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';

const FOLDER = 'guests/images';
const KEEP_ALL: CachePolicy = { kind: 'keep-all' };
const adversarial = (seed: number): CachePolicy => ({ kind: 'adversarial', seed });

/** The long ones run under one policy; `vtmodel check --caches POLICY` runs all under one. */
const LONG: Readonly<Record<string, readonly CachePolicy[]>> = {
  'compute.elf': [],
  'kernel.elf': [adversarial(1)],
  'kernel-pae.elf': [KEEP_ALL],
  'kernel32.elf': [adversarial(2)],
  'sensitive.elf': [KEEP_ALL],
  'v86.elf': [adversarial(3)],
};
const CASES = readdirSync(FOLDER).flatMap((name) =>
  (LONG[name] ?? [KEEP_ALL, adversarial(1)]).map((policy) => [name, policy] as const),
);

const guest = (name: string, caches: CachePolicy): MachineState => {
  const machine = createMachine({
    processor: processor('skylake', ['-vmx']),
    memoryBytes: 128 << 20,
    caches,
  });
  const loaded = loadImage(machine, readFileSync(`${FOLDER}/${name}`), { fileName: name });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

describe('the bundled guests use no stale translation', () => {
  it.each(CASES)('%s %o', async (name, caches) => {
    let report: CriteriaReport | undefined;
    for await (const step of checkCriteria(guest(name, caches), hardwareAssistedMonitor()))
      if (step.kind === 'report') report = step;
    expect(report).toMatchObject({ holds: true, staleTranslations: [] });
  });
});
