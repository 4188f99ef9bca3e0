import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { processor } from '../../src/cpu/presets';
import { createMachine, difference, isEqual, type MachineState } from '../../src/machine';

const MEMORY = 1 << 20;
const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: MEMORY });

const withMemory = (state: MachineState, address: number, bytes: Uint8Array): MachineState => ({
  ...state,
  memory: state.memory.write(address, bytes),
});

describe('the difference of two states', () => {
  it('of a state and itself is empty', () => {
    expect(isEqual(difference(machine, machine))).toBe(true);
  });

  it('names registers, devices, clock and bytes', () => {
    const [cpu] = machine.processors;
    const registers = cpu.registers.with(3, 7n);
    const uart = machine.board.devices.devices.findIndex(({ name }) => name === 'uart-16550');
    const states = machine.board.states.with(uart, {
      ...(machine.board.states[uart] as object),
      scratch: 0x5a,
    });
    const changed: MachineState = {
      ...withMemory(machine, 0x1ffe, Uint8Array.of(1, 2, 0, 4)),
      clock: 12,
      processors: [
        {
          ...cpu,
          registers,
          segments: { ...cpu.segments, fs: { ...cpu.segments.fs, base: 0x1000n } },
          msrs: new Map([...cpu.msrs, [0x3b, 9n]]),
        },
      ],
      board: { ...machine.board, states },
    };
    expect(difference(machine, changed)).toEqual({
      registers: [
        { path: 'processors[0].registers.rbx', before: 0n, after: 7n },
        { path: 'processors[0].segments.fs.base', before: 0n, after: 0x1000n },
        { path: 'processors[0].msrs[0x3b]', before: cpu.msrs.get(0x3b), after: 9n },
      ],
      devices: [{ path: 'devices.uart-16550.scratch', before: 0, after: 0x5a }],
      other: [{ path: 'clock', before: 0, after: 12 }],
      pages: [
        { frame: 1, bytes: [{ offset: 0xffe, before: Uint8Array.of(0, 0), after: Uint8Array.of(1, 2) }] },
        { frame: 2, bytes: [{ offset: 1, before: Uint8Array.of(0), after: Uint8Array.of(4) }] },
      ],
    });
  });

  const writes = fc.array(
    fc.record({
      address: fc.nat(MEMORY - 64),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    }),
    { maxLength: 8 },
  );

  test.prop([writes, writes], { numRuns: 100 })('is exact in memory', (first, second) => {
    const apply = (state: MachineState, all: typeof first): MachineState =>
      all.reduce((one, { address, bytes }) => withMemory(one, address, bytes), state);
    const a = apply(machine, first);
    const b = apply(a, second);
    const expected = new Map<number, readonly [number, number]>();
    const left = a.memory.read(0, MEMORY);
    const right = b.memory.read(0, MEMORY);
    for (let at = 0; at < MEMORY; at++) if (left[at] !== right[at]) expected.set(at, [left[at], right[at]]);
    const found = new Map<number, readonly [number, number]>();
    for (const { frame, bytes } of difference(a, b).pages)
      for (const { offset, before, after } of bytes)
        before.forEach((one, index) => {
          found.set(frame * 4096 + offset + index, [one, after[index]]);
        });
    expect(found).toEqual(expected);
  });

  test.prop([fc.nat(15), fc.bigInt(0n, 2n ** 64n - 1n)], { numRuns: 50 })(
    'is exact in registers',
    (index, value) => {
      const [cpu] = machine.processors;
      const changed = { ...machine, processors: [{ ...cpu, registers: cpu.registers.with(index, value) }] };
      const expected = value === cpu.registers[index] ? [] : [{ before: cpu.registers[index], after: value }];
      expect(difference(machine, changed).registers).toMatchObject(expected);
      expect(difference(machine, changed).registers).toHaveLength(expected.length);
    },
  );
});
