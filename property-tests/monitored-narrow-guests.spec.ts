// Random 16- and 32-bit programs, in protected, compatibility, real-address and virtual-8086 mode, are equivalent and contained under the monitor.
import { describe, expect, it } from 'vitest';
import type { Monitor } from '../src/machine';
import { hardwareAssistedMonitor } from '../src/vmm/hardware-assisted';
import { narrowMachine, narrowProgram } from './arbitraries';
import { areContained } from './contained';
import { brokenMonitors } from './mutants/monitors';
import { holdsAsync, isRefutedAsync, MONITORED } from './theorem';

const PROGRAMS = 200;

describe('random 16- and 32-bit programs under the hardware-assisted monitor', () => {
  it(`${PROGRAMS} are equivalent and contained`, async () => {
    await holdsAsync(
      areContained(
        narrowProgram(),
        narrowMachine,
        () => hardwareAssistedMonitor(MONITORED) as Monitor<unknown>,
      ),
      PROGRAMS,
    );
  }, 300_000);
});

describe('the theorem rejects', () => {
  const broken = brokenMonitors(MONITORED);
  // The others concern instructions and interrupts that these programs do without.
  it.each([
    'showsVmx',
    'mapsMonitorMemory',
    'losesDirection',
    'movesMsrBitmap',
    'switchesEpt',
    'exposesHostIdt',
    'swapsVmcs',
  ] as const)('the monitor that %s', async (name) => {
    expect(
      await isRefutedAsync(
        areContained(narrowProgram(), narrowMachine, () => broken[name] as Monitor<unknown>),
        60,
      ),
    ).toBe(true);
  });
});
