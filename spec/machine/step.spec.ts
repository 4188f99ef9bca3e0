import { describe, expect, test } from 'vitest';
import { processor } from '../../src/cpu/presets';
import {
  type ArchitecturalEvent,
  createMachine,
  createMonitoredMachine,
  difference,
  isEqual,
  loadImage,
  type MachineState,
  run,
  step,
} from '../../src/machine';
import { minimalVmcallMonitor } from '../../src/vmm/minimal';

const guest = (...code: readonly number[]): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 23 });
  const loaded = loadImage(machine, Uint8Array.from(code), { format: 'raw', mode: 'long', load: 0x10_0000 });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

const steps = (from: MachineState, count: number) => {
  const events: ArchitecturalEvent[] = [];
  let state = from;
  for (let i = 0; i < count; i++) {
    const next = step(state);
    state = next.state;
    events.push(...next.events);
  }
  return { state, events };
};

const INC_EAX = [0xff, 0xc0];
const HLT = 0xf4;
// mov dx, 0x3f8; mov al, 'a'; out dx, al
const PRINT = [0x66, 0xba, 0xf8, 0x03, 0xb0, 0x61, 0xee];
const VMCALL = [0x0f, 0x01, 0xc1];
const UD2 = [0x0f, 0x0b];
// mov al, 3; out 0xf4, al
const EXIT = [0xb0, 0x03, 0xe6, 0xf4];

describe('a step', () => {
  test('retires one instruction and leaves the given state as it was', () => {
    const before = guest(...INC_EAX, HLT);
    const { state, events } = step(before);
    expect(state.processors[0].registers[0]).toBe(before.processors[0].registers[0] + 1n);
    expect(state.clock).toBe(before.clock + 1);
    expect(before.clock).toBe(0);
    expect(events).toEqual([]);
    expect(isEqual(difference(state, step(before).state))).toBe(true);
  });

  test('reports what a device does outside', () => {
    const { events } = steps(guest(...PRINT, HLT), 3);
    expect(events).toEqual([{ kind: 'device', effect: { kind: 'serial', byte: 0x61 } }]);
  });

  test('reports that the guest ended the machine', () => {
    const { events } = steps(guest(...EXIT), 2);
    expect(events.map(({ kind }) => kind)).toEqual(['device', 'stopped']);
    expect(events[1]).toMatchObject({ stop: { kind: 'exit', code: 3, status: 7 } });
  });

  test('says why nothing retires', () => {
    expect(step(guest(...UD2)).events.at(-1)).toEqual({ kind: 'stopped', stop: { kind: 'triple-fault' } });
    expect(steps(guest(HLT), 2).events).toEqual([{ kind: 'stopped', stop: { kind: 'stuck' } }]);
  });

  // SDM Vol. 2, WBINVD: the time it takes varies with size and kind of the caches.
  test('takes time where WBINVD writes back caches', () => {
    const before = guest(0x0f, 0x09, ...INC_EAX, HLT);
    const { state } = step(before);
    expect(state.clock - before.clock).toBe(300_001);
    expect(step(state).state.clock - state.clock).toBe(1);
    expect(isEqual(difference(run(before, { maxInstructions: 2 }).state, step(state).state))).toBe(true);
  });

  test('n of them give the state of one run of n instructions', () => {
    const before = guest(...INC_EAX, ...PRINT, ...INC_EAX, ...INC_EAX, HLT);
    for (let count = 0; count <= 6; count++) {
      const direct = run(before, { maxInstructions: count }).state;
      expect(isEqual(difference(direct, steps(before, count).state))).toBe(true);
    }
  });
});

describe('a step of a monitored machine', () => {
  test('reports VM entries and VM exits in order', () => {
    const host = createMonitoredMachine(
      guest(...INC_EAX, ...VMCALL, ...INC_EAX, HLT),
      minimalVmcallMonitor(),
    );
    let state = host;
    const seen: string[] = [];
    for (let done = false; !done; ) {
      const next = step(state);
      state = next.state;
      for (const event of next.events) {
        seen.push(event.kind === 'vm-exit' ? event.exit.reason : event.kind);
        done = event.kind === 'stopped';
      }
    }
    // Before: #GP of the monitor's own RDMSR where a capability MSR does not exist.
    expect(seen.slice(seen.indexOf('vm-entry'))).toEqual([
      'vm-entry',
      'vmcall',
      'vm-entry',
      'hlt',
      'stopped',
    ]);
    const direct = run(host);
    expect(direct.stop).toEqual({ kind: 'monitor-stopped', reason: 'exit hlt' });
    expect(isEqual(difference(direct.state, state))).toBe(true);
  });
});
