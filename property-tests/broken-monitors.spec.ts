import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { processor } from '../src/cpu/presets';
import { type CriteriaReport, checkCriteria } from '../src/criteria';
import { createMachine, loadImage, type MachineState, type Monitor } from '../src/machine';
import { hardwareAssistedMonitor } from '../src/vmm/hardware-assisted';
import { brokenMonitors } from './mutants/monitors';

type Guest = 'sensitive' | 'kernel';

const bareMachine = (guest: Guest): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 32 << 20 });
  const loaded = loadImage(machine, readFileSync(new URL(`../guests/images/${guest}.elf`, import.meta.url)));
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

const verdict = async (guest: Guest, monitor: Monitor<unknown>): Promise<CriteriaReport> => {
  for await (const step of checkCriteria(bareMachine(guest), monitor, { maxInstructions: 7_000_000 }))
    if (step.kind === 'report') return step;
  throw new Error('no report');
};

// Theorem: the criteria refute a monitor that breaks one of them, on a bundled guest.
describe('broken monitors are caught on a bundled guest', () => {
  it.each(['sensitive', 'kernel'] as const)('the monitor itself holds on %s', async (guest) => {
    const report = await verdict(guest, hardwareAssistedMonitor() as Monitor<unknown>);
    expect([report.equivalence.holds, report.resourceControl.holds, report.efficiency.holds]).toEqual([
      true,
      true,
      true,
    ]);
  });

  const broken = brokenMonitors();
  it.each([
    ['showsVmx', 'equivalence', 'sensitive'],
    ['mapsMonitorMemory', 'resourceControl', 'sensitive'],
    ['losesDirection', 'equivalence', 'sensitive'],
    ['movesMsrBitmap', 'resourceControl', 'sensitive'],
    ['switchesEpt', 'resourceControl', 'sensitive'],
    ['passesMsr', 'resourceControl', 'sensitive'],
    ['dropsInterrupts', 'equivalence', 'kernel'],
    ['doublesInterrupts', 'equivalence', 'kernel'],
    ['exposesHostIdt', 'resourceControl', 'sensitive'],
    ['swapsVmcs', 'resourceControl', 'sensitive'],
  ] as const)('%s breaks %s of %s', async (name, criterion, guest) => {
    const report = await verdict(guest, broken[name] as Monitor<unknown>);
    expect(report[criterion].holds).toBe(false);
  });
});
