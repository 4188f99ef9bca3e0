import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { processor } from '../src/cpu/presets';
import { type CriteriaReport, checkCriteria } from '../src/criteria';
import { createMachine, loadImage, type MachineState, type Monitor } from '../src/machine';
import { hardwareAssistedMonitor } from '../src/vmm/hardware-assisted';
import { brokenMonitors } from './mutants/monitors';

const IMAGE = new URL('../guests/images/sensitive.elf', import.meta.url);

const bareMachine = (): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 32 << 20 });
  const loaded = loadImage(machine, readFileSync(IMAGE), { fileName: 'sensitive.elf' });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

const verdict = async (monitor: Monitor<unknown>): Promise<CriteriaReport> => {
  for await (const step of checkCriteria(bareMachine(), monitor)) if (step.kind === 'report') return step;
  throw new Error('no report');
};

// Theorem: the criteria refute a monitor that breaks one of them, on the bundled guest `sensitive`.
describe('broken monitors are caught on a bundled guest', () => {
  it('the monitor itself holds', async () => {
    const report = await verdict(hardwareAssistedMonitor() as Monitor<unknown>);
    expect([report.equivalence.holds, report.resourceControl.holds, report.efficiency.holds]).toEqual([
      true,
      true,
      true,
    ]);
  });

  const broken = brokenMonitors();
  it.each([
    ['showsVmx', 'equivalence'],
    ['mapsMonitorMemory', 'resourceControl'],
    ['losesDirection', 'equivalence'],
  ] as const)('%s breaks %s', async (name, criterion) => {
    const report = await verdict(broken[name] as Monitor<unknown>);
    expect(report[criterion].holds).toBe(false);
  });
});
