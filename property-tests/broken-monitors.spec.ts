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

const verdict = async (guest: MachineState, monitor: Monitor<unknown>): Promise<CriteriaReport> => {
  for await (const step of checkCriteria(guest, monitor, { maxInstructions: 7_000_000 }))
    if (step.kind === 'report') return step;
  throw new Error('no report');
};

// Theorem: the criteria refute a monitor that breaks one of them, on a bundled guest.
describe('broken monitors are caught on a bundled guest', () => {
  it.each(['sensitive', 'kernel'] as const)('the monitor itself holds on %s', async (guest) => {
    const report = await verdict(bareMachine(guest), hardwareAssistedMonitor() as Monitor<unknown>);
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
    const report = await verdict(bareMachine(guest), broken[name] as Monitor<unknown>);
    expect(report[criterion].holds).toBe(false);
  });
});

describe('a monitor that never enters its guest', () => {
  it.each([undefined, 1000])('ends the check, with a limit of %s instructions', async (maxInstructions) => {
    const idle: Monitor<null> = {
      name: 'idle',
      start: () => [null, { op: 'mov-from-cr', control: 0 }],
      resume: () => [null, { op: 'mov-from-cr', control: 0 }],
    };
    const limit = maxInstructions === undefined ? {} : { maxInstructions };
    for await (const step of checkCriteria(bareMachine('kernel'), idle, limit))
      if (step.kind === 'report') {
        expect(step.equivalence.holds).toBe(false);
        expect(step.end).toMatchObject({ kind: 'monitor-stopped' });
      }
  });
});

describe('the report of a divergence', () => {
  it('shows a page that one run changed as it was at the observation in the other, not as it became', async () => {
    const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 32 << 20 });
    const code = [
      // mov eax, 1; cpuid; bt ecx, 5; jc over the next instruction; mov byte [300000H], 11H
      ...[0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x0f, 0xba, 0xe1, 5, 0x72, 8],
      ...[0xc6, 0x04, 0x25, 0, 0, 0x30, 0, 0x11],
      // mov dx, 3f8H; out dx, al; mov byte [300000H], 22H; out dx, al; out 0f4H, al
      ...[0x66, 0xba, 0xf8, 0x03, 0xee, 0xc6, 0x04, 0x25, 0, 0, 0x30, 0, 0x22, 0xee, 0xe6, 0xf4],
    ];
    const loaded = loadImage(machine, Uint8Array.from(code), {
      format: 'raw',
      mode: 'long',
      load: 0x10_0000,
    });
    if (!loaded.ok) throw new Error(loaded.fault.says);
    const { equivalence } = await verdict(loaded.value, brokenMonitors().showsVmx as Monitor<unknown>);
    expect(equivalence.divergence?.differences).toContainEqual({
      what: 'memory 0x300000',
      bare: '11',
      monitored: '00',
    });
  });
});
