import { readFileSync } from 'node:fs';
import { fc, test } from '@fast-check/vitest';
import { sha256 } from '@noble/hashes/sha2';
import { deflateSync, inflateSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { processor } from '../../src/cpu/presets';
import {
  createMachine,
  createMonitoredMachine,
  deserialize,
  difference,
  isEqual,
  loadImage,
  type MachineState,
  type Monitor,
  run,
  type SnapshotParts,
  serialize,
  stateHash,
} from '../../src/machine';
import type { Device } from '../../src/platform';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { FIELD_COUNT, type VmxState } from '../../src/vmx';

const PROCESSOR = processor('skylake', ['-vmx']);

const started = (name: string): MachineState => {
  const machine = createMachine({ processor: PROCESSOR, memoryBytes: 64 << 20 });
  const loaded = loadImage(machine, readFileSync(`guests/images/${name}.elf`), { fileName: name });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

const back = (bytes: Uint8Array, parts?: Partial<SnapshotParts>): MachineState => {
  const outcome = deserialize(bytes, parts);
  if (!outcome.ok) throw new Error(outcome.fault.says);
  return outcome.value;
};

const problem = (bytes: Uint8Array, parts?: Partial<SnapshotParts>): string => {
  const outcome = deserialize(bytes, parts);
  return outcome.ok ? 'no problem' : outcome.fault.says;
};

/** The snapshot with another body, right in everything else. */
const repacked = (snapshot: Uint8Array, change: (body: Uint8Array) => Uint8Array): Uint8Array => {
  const body = change(inflateSync(snapshot.subarray(56)));
  const header = snapshot.slice(0, 56);
  new DataView(header.buffer).setBigUint64(16, BigInt(body.length), true);
  header.set(sha256(body), 24);
  return Uint8Array.from([...header, ...deflateSync(body)]);
};

type Json = Record<string, unknown>;

const withHead = (snapshot: Uint8Array, change: (head: Json) => unknown): Uint8Array =>
  repacked(snapshot, (body) => {
    const length = new DataView(body.buffer, body.byteOffset).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(body.subarray(4, 4 + length))) as Json;
    const json = new TextEncoder().encode(JSON.stringify(change(head) ?? head));
    const pages = body.subarray(4 + length);
    const out = new Uint8Array(4 + json.length + pages.length);
    new DataView(out.buffer).setUint32(0, json.length, true);
    out.set(json, 4);
    out.set(pages, 4 + json.length);
    return out;
  });

describe('a snapshot', () => {
  it.each(['hello', 'halt', 'sensitive', 'kernel'])('of %s on its way comes back exactly', (name) => {
    let state = started(name);
    for (const count of [0, 1, 500, 20_000]) {
      state = run(state, { maxInstructions: count }).state;
      const again = back(serialize(state));
      expect(difference(state, again)).toEqual({ registers: [], devices: [], other: [], pages: [] });
      expect(stateHash(again)).toBe(stateHash(state));
      expect(again.processors).toEqual(state.processors);
      expect(again.board.states).toEqual(state.board.states);
    }
  });

  it('goes on as the original does', () => {
    const state = run(started('kernel'), { maxInstructions: 5_000 }).state;
    const straight = run(state, { maxInstructions: 30_000 });
    const resumed = run(back(serialize(state)), { maxInstructions: 30_000 });
    expect(resumed.stop).toEqual(straight.stop);
    expect(stateHash(resumed.state)).toBe(stateHash(straight.state));
  });

  it('is canonical: equal states give equal bytes', () => {
    const once = run(started('hello'), { maxInstructions: 60 }).state;
    const twice = run(run(started('hello'), { maxInstructions: 25 }).state, { maxInstructions: 35 }).state;
    expect(serialize(twice)).toEqual(serialize(once));
  });

  it('does not store memory that is zero', () => {
    const state = createMachine({ processor: PROCESSOR, memoryBytes: 2 ** 30 });
    expect(serialize(state).length).toBeLessThan(4096);
  });

  it('carries active VMCSs', () => {
    const machine = createMachine({ processor: processor('skylake'), memoryBytes: 1 << 20 });
    const words = Array.from({ length: FIELD_COUNT }, (_, i) => (i % 3 === 0 ? 0n : BigInt(i) << 40n));
    const virtualization: VmxState = {
      vmxonPointer: 0x1000,
      currentVmcs: 0x3000,
      nonRoot: false,
      timerDeadline: Number.POSITIVE_INFINITY,
      virtualNmiBlocking: true,
      monitorTrap: 'armed',
      pauseLoop: { first: 7, last: 9 },
      abortIndicator: 0,
      active: [
        { address: 0x2000, launched: true, shadow: false, vmxoffSinceLaunch: true, words },
        { address: 0x3000, launched: false, shadow: false, vmxoffSinceLaunch: false, words },
      ],
    };
    const state = { ...machine, processors: [{ ...machine.processors[0], virtualization }] };
    expect(back(serialize(state)).processors[0].virtualization).toEqual(virtualization);
    expect(
      problem(
        withHead(serialize(state), (head) => {
          const vmx = (head.processors as Json[])[0].virtualization as Json;
          vmx.currentVmcs = 0x5000;
        }),
      ),
    ).toMatch(/^processors\[0\]\.virtualization\.currentVmcs: it is not one of the active VMCSs/);
  });
});

describe('what a snapshot names', () => {
  const state = { seen: new Map([[1, 5n]]), none: undefined, half: -0, never: Number.POSITIVE_INFINITY };
  const monitor = { name: 'toy' } as Monitor<unknown>;
  const guest = started('hello');
  const start = guest.processors[0];
  const monitored: MachineState = {
    ...guest,
    monitor: {
      monitor,
      layout: {
        portEntry: 0x1000n,
        stackTop: 0x8000n,
        cr3: 0n,
        codeSelector: 8,
        dataSelector: 16,
        taskSelector: 24,
        taskBase: 0n,
        gdtBase: 0n,
        idtBase: 0n,
        monitorMemory: { base: 0n, bytes: 4096n },
        guestMemory: [{ guest: 0, host: 2 ** 32, bytes: 4096 }],
        deviceMemory: [{ base: 0xfec0_0000, bytes: 4096 }],
        guest: {
          rip: start.rip,
          rflags: 2n,
          registers: start.registers,
          cr0: 1n,
          cr3: 0n,
          cr4: 0n,
          efer: 0n,
          gdtr: start.tables.gdtr,
          idtr: start.tables.idtr,
          segments: Object.values(start.segments),
        },
      },
      progress: { state, request: { op: 'vmwrite', field: 0x6c16, value: 0x1000n } },
    },
  };

  it('the monitor is given again, with its state', () => {
    const again = back(serialize(monitored), { monitors: [monitor] });
    expect(again.monitor).toEqual(monitored.monitor);
    expect(again.monitor?.monitor).toBe(monitor);
    expect(isEqual(difference(monitored, again))).toBe(true);
  });

  it('a monitor that is not given is refused', () => {
    expect(problem(serialize(monitored))).toBe(
      'monitor.monitor: the monitor "toy" is not among those given (none); give it when the snapshot is read',
    );
  });

  it('a request that no monitor makes is refused', () => {
    const bad = withHead(serialize(monitored), (head) => {
      ((head.monitor as Json).progress as Json).request = { op: 'vmfunc' };
    });
    expect(problem(bad, { monitors: [monitor] })).toMatch(/^monitor\.progress\.request\.op: "vmfunc"/);
  });

  it("a user's device is found by its name", () => {
    const counter: Device<{ readonly reads: bigint }> = {
      name: 'counter',
      ranges: [{ space: 'port', first: 0x700, last: 0x700 }],
      reset: () => ({ reads: 3n }),
      read: (one) => ({ state: { reads: one.reads + 1n }, value: 0 }),
      write: (one) => ({ state: one, effects: [] }),
    };
    const device = counter as Device<unknown>;
    const machine = createMachine({
      processor: PROCESSOR,
      memoryBytes: 4096,
      board: { devices: [device], omit: ['8259'], serialInput: 'ok' },
    });
    const again = back(serialize(machine), { devices: [device] });
    expect(isEqual(difference(machine, again))).toBe(true);
    expect(problem(serialize(machine))).toMatch(/^config\.board\.devices\[0\]: the device "counter"/);
  });
});

describe('a monitored machine', () => {
  it('goes on from a snapshot as it would have without', { timeout: 60_000 }, () => {
    const monitor = hardwareAssistedMonitor() as Monitor<unknown>;
    const machine = createMonitoredMachine(started('halt'), monitor);
    let exits = 0;
    for (const count of [3, 700, 2_000, 9_000]) {
      const state = run(machine, { maxInstructions: count }).state;
      const again = back(serialize(state), { monitors: [monitor] });
      expect(difference(state, again)).toEqual({ registers: [], devices: [], other: [], pages: [] });
      expect(again.monitor).toEqual(state.monitor);
      const straight = run(state, { maxInstructions: 3_000 });
      const resumed = run(again, { maxInstructions: 3_000 });
      expect(resumed.stop).toEqual(straight.stop);
      expect(stateHash(resumed.state)).toBe(stateHash(straight.state));
      exits += straight.state.processors[0].nonRoot ? 1 : 0;
    }
    expect(exits).toBeGreaterThan(0);
  });
});

describe('bad snapshots', () => {
  const snapshot = serialize(run(started('hello'), { maxInstructions: 50 }).state);

  const hash = stateHash(back(snapshot));

  const cases: readonly (readonly [string, (head: Json) => unknown, RegExp])[] = [
    ['no object', () => [], /^head: \[\] is not an object/],
    ['a missing field', ({ clock: _, ...rest }) => rest, /^clock: missing is not a machine time/],
    ['an unknown field', (head) => ({ ...head, colour: 1 }), /^colour: an unknown field/],
    [
      'a register that is no word',
      (head) => {
        ((head.processors as Json[])[0].registers as unknown[])[3] = '0x10000000000000000';
      },
      /^processors\[0\]\.registers\[3\]: "0x1000/,
    ],
    [
      'an unknown processor',
      (head) => {
        ((head.config as Json).processor as Json).name = 'z80';
      },
      /^config\.processor: unknown processor 'z80'/,
    ],
    [
      'a processor part that is not built',
      (head) => {
        (((head.config as Json).processor as Json).features as string[]).push('avx512f');
      },
      /^config\.processor: .*feature avx512f/,
    ],
    [
      'a device that is not there',
      (head) => {
        ((head.board as Json).states as Json).floppy = 1;
      },
      /^board\.states\.floppy: this board has no such device/,
    ],
    [
      'a device state out of range',
      (head) => {
        (((head.board as Json).states as Json)['uart-16550'] as Json).divisor = 65536;
      },
      /^board\.states\.uart-16550\.divisor: 65536 is not an integer from 0 to 65535/,
    ],
    [
      'a frame outside memory',
      (head) => {
        const frames = head.frames as number[];
        frames[frames.length - 1] = 0x10_0000;
      },
      /^frames\[\d+\]: frame 1048576 is outside memory/,
    ],
    [
      'frames out of order',
      (head) => {
        (head.frames as number[]).reverse();
      },
      /^frames\[1\]: not in ascending order/,
    ],
    [
      'fewer pages than frames',
      (head) => {
        (head.frames as number[]).push(0x3000);
      },
      /^pages: \d+ bytes for \d+ frames/,
    ],
  ];

  it.each(cases)('%s', (_, change, expected) => {
    expect(problem(withHead(snapshot, change))).toMatch(expected);
  });

  it.each([
    ['an empty file', new Uint8Array(0), /^header: this is no snapshot of vtmodel/],
    ['another file', readFileSync('package.json'), /^header: this is no snapshot/],
    ['a header cut short', snapshot.subarray(0, 30), /^header: only 30 of 56 bytes/],
    ['a truncated file', snapshot.subarray(0, snapshot.length - 20), /^(?:contents|checksum): /],
    [
      'a later version',
      Uint8Array.from([...snapshot.subarray(0, 8), 9, ...snapshot.subarray(9)]),
      /^header version: 9 is not 4/,
    ],
    [
      'an earlier version',
      Uint8Array.from([...snapshot.subarray(0, 8), 3, ...snapshot.subarray(9)]),
      /^header version: 3 is not 4, the version that this program reads; save the snapshot again/,
    ],
  ])('%s', (_, bytes, expected) => {
    expect(problem(bytes)).toMatch(expected);
  });

  it('a length that would need all memory is refused before it is believed', () => {
    const bytes = snapshot.slice();
    new DataView(bytes.buffer).setBigUint64(16, 2n ** 50n, true);
    expect(problem(bytes)).toMatch(/^header length: /);
  });

  test.prop([fc.nat(snapshot.length - 1), fc.integer({ min: 1, max: 255 })], { numRuns: 200 })(
    'a changed byte never throws and never changes the state',
    (at, by) => {
      const bytes = snapshot.slice();
      bytes[at] ^= by;
      const outcome = deserialize(bytes);
      // The last byte of deflated data has bits that mean nothing.
      if (outcome.ok) expect(stateHash(outcome.value)).toBe(hash);
    },
  );

  /** Every path to a value in a JSON document. */
  const paths = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
    typeof value === 'object' && value !== null
      ? [path, ...Object.entries(value).flatMap(([key, one]) => paths(one, [...path, key]))]
      : [path];
  let head: Json = {};
  withHead(snapshot, (one) => {
    head = one;
  });
  const all = paths(head).filter((path) => path.length > 0);

  test.prop([fc.constantFrom(...all), fc.jsonValue()], { numRuns: 300 })(
    'any value anywhere gives a state or names a field',
    (path, junk) => {
      const bytes = withHead(snapshot, (one) => {
        let place: Json = one;
        for (const key of path.slice(0, -1)) place = place[key] as Json;
        place[path[path.length - 1]] = junk;
      });
      const outcome = deserialize(bytes);
      if (!outcome.ok) expect(outcome.fault.says).toMatch(/^[^\n]+: [^\n]+; [^\n]+$/);
    },
  );
});
