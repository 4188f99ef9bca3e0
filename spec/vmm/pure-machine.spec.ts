// The state of a monitor is a value: it can be copied, kept and resumed twice between any two host instructions.
import { describe, expect, it } from 'vitest';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { minimalVmcallMonitor } from '../../src/vmm/minimal';
import { LAYOUT, play, type ScriptedExit, ScriptedHost } from './scripted-host';

const SCRIPT: readonly ScriptedExit[] = [
  { reason: 'cpuid', fields: { vmExitInstructionLength: 2n }, registers: { 0: 1n } },
  { reason: 'ioInstruction', fields: { exitQualification: 0xf4_0003n, vmExitInstructionLength: 2n } },
  {
    reason: 'eptViolation',
    registers: { 3: 0xfee0_0080n },
    fields: {
      exitQualification: 0x182n,
      guestPhysicalAddress: 0xfee0_0080n,
      guestLinearAddress: 0xfee0_0080n,
      guestRip: 0x10_0000n,
    },
  },
  { reason: 'tripleFault' },
];

const host = (): ScriptedHost => {
  const made = new ScriptedHost();
  made.putGuest(0x10_0000, 0x89, 0x03);
  return made;
};

const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
  return value;
};

describe('a monitor is a pure machine', () => {
  const direct = play(hardwareAssistedMonitor(), SCRIPT, host());

  it('goes on from a copy of its state as from the state', () => {
    const copied = play(hardwareAssistedMonitor(), SCRIPT, host(), (state) => structuredClone(state));
    expect(copied).toEqual(direct);
    expect(direct.halted).toBe('triple fault');
    expect(direct.entries).toHaveLength(4);
  });

  it('goes on in another monitor of the same kind, and does not change what it was given', () => {
    const monitors = [hardwareAssistedMonitor(), hardwareAssistedMonitor()];
    let turn = 0;
    const migrating = {
      ...monitors[0],
      resume: (...given: Parameters<(typeof monitors)[0]['resume']>) => monitors[turn++ % 2].resume(...given),
    };
    expect(play(migrating, SCRIPT, host(), freeze)).toEqual(direct);
  });

  it('answers twice the same', () => {
    const monitor = hardwareAssistedMonitor();
    const twice = {
      ...monitor,
      resume: (...given: Parameters<typeof monitor.resume>) => {
        const [state, request] = monitor.resume(...given);
        expect(monitor.resume(...given)).toEqual([state, request]);
        return [state, request] as const;
      },
    };
    expect(play(twice, SCRIPT, host())).toEqual(direct);
  });
});

describe('the minimal monitor', () => {
  const vmcalls: readonly ScriptedExit[] = Array(3).fill({ reason: 'vmcall' });

  it('moves RIP behind VMCALL in four requests, or three when it does not look at the reason', () => {
    for (const [checksReason, count] of [
      [true, 3],
      [false, 2],
    ] as const) {
      const { entries } = play(minimalVmcallMonitor({ checksReason }), vmcalls);
      expect(entries[3].fields.get('guestRip')).toBe(LAYOUT.guest.rip + 9n);
      expect(entries[3].requests).toHaveLength(count);
    }
  });

  it('ends at any other exit', () => {
    expect(play(minimalVmcallMonitor(), [{ reason: 'cpuid' }]).halted).toBe('exit cpuid');
  });
});
