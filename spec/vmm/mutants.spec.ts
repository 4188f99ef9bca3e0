// The broken monitors for the theorems: each differs from the sound one in its mistake and in nothing else.
import { describe, expect, it } from 'vitest';
import { brokenMonitors } from '../../property-tests/mutants/monitors';
import type { HostRequest } from '../../src/machine/host-port';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { VMCS_FIELDS } from '../../src/vmx/vmcs';
import { GUEST_BASE, play, type ScriptedExit } from './scripted-host';

const CPUID: ScriptedExit = {
  reason: 'cpuid',
  fields: { vmExitInstructionLength: 2n, guestRflags: 0x402n },
  registers: { 0: 1n },
};
const sound = play(hardwareAssistedMonitor(), [CPUID]);
const broken = brokenMonitors();

describe('broken monitors', () => {
  it('one shows VMX in CPUID', () => {
    const { entries } = play(broken.showsVmx, [CPUID, { ...CPUID, registers: { 0: 7n, 1: 0n } }]);
    expect(entries[1].registers[1]).toBe(sound.entries[1].registers[1] | 0x20n);
    expect(entries[1].requests).toEqual(sound.entries[1].requests);
    expect(entries[2].registers[1]).toBe(0xffff_ffefn);
  });

  it('one maps its own memory where the RAM of the guest ends', () => {
    const requests = play(broken.mapsMonitorMemory, [CPUID]).entries.map((entry) => entry.requests);
    const expected = sound.entries.map((entry) => entry.requests);
    const differing = requests.flat().flatMap((request, i): (readonly [HostRequest, HostRequest])[] => {
      const right = expected.flat()[i];
      return JSON.stringify(request, bigintText) === JSON.stringify(right, bigintText)
        ? []
        : [[right, request]];
    });
    expect(differing).toHaveLength(1);
    expect(differing[0]).toMatchObject([{ value: BigInt(GUEST_BASE + 0x20_0000) | 0xb7n }, { value: 0xb7n }]);
  });

  it('one loses DF after an emulated instruction, and only then', () => {
    const { entries } = play(broken.losesDirection, [CPUID, { reason: 'preemptionTimerExpired' }]);
    expect(entries[1].fields.get('guestRflags')).toBe(2n);
    expect(entries[1].requests.slice(-2)).toMatchObject([
      { op: 'vmread', field: VMCS_FIELDS.guestRflags.encoding },
      { op: 'vmwrite', field: VMCS_FIELDS.guestRflags.encoding, value: 2n },
    ]);
    expect(entries[2].requests).toHaveLength(1);
  });

  it('keeps its state as plain data', () => {
    const copied = play(broken.losesDirection, [CPUID], undefined, (state) => structuredClone(state));
    expect(copied.entries[1].fields.get('guestRflags')).toBe(2n);
  });
});

const bigintText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
