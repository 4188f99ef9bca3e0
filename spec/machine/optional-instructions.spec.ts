import { describe, expect, test } from 'vitest';
import { createMachine, loadImage, type MachineState, type PresetName, processor, step } from '../../src/api';
import { choiceAt } from '../../src/core';
import { deserialize, run, serialize } from '../../src/machine';
import { readBus } from '../../src/platform';

const guest = (code: readonly number[], edits: readonly string[] = [], name: PresetName = 'skylake') => {
  const machine = createMachine({ processor: processor(name, edits), memoryBytes: 2 ** 22 });
  const mode = name === 'pentium' ? 'protected' : 'long';
  const loaded = loadImage(machine, Uint8Array.from(code), { format: 'raw', mode, load: 0x10_0000 });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};
const registers = (state: MachineState): readonly bigint[] => state.processors[0].registers;
/** Without an IDT every exception ends the processor. */
const faults = (state: MachineState): boolean => step(state).events.some(({ kind }) => kind === 'stopped');

describe('SDM Vol. 2: instructions of features', () => {
  test.each([
    ['cmovz', [0x0f, 0x44, 0xc1], 'cmov'],
    ['cmpxchg16b', [0x48, 0x0f, 0xc7, 0x0f], 'cx16'],
    ['popcnt', [0xf3, 0x0f, 0xb8, 0xc1], 'popcnt'],
    ['movbe', [0x0f, 0x38, 0xf0, 0x07], 'movbe'],
    ['clflushopt', [0x66, 0x0f, 0xae, 0x3f], 'clflushopt'],
    ['pdep', [0xc4, 0xe2, 0x73, 0xf5, 0xc2], 'bmi2'],
    ['adcx', [0x66, 0x0f, 0x38, 0xf6, 0xc1], 'adx'],
    ['rdrand', [0x0f, 0xc7, 0xf0], 'rdrand'],
    ['monitor', [0x0f, 0x01, 0xc8], 'monitor'],
    ['mfence', [0x0f, 0xae, 0xf0], 'sse2'],
    ['lahf', [0x9f], 'lahf64'],
    ['rdmsr', [0x0f, 0x32], 'msr'],
  ] as const)('%s is undefined without %s', (_, code, feature) => {
    const prepared = [0x31, 0xc9, ...code];
    expect(faults(step(guest(prepared)).state)).toBe(false);
    expect(faults(step(guest(prepared, [`-${feature}`])).state)).toBe(true);
  });

  test.each([
    ['crc32', [0xf2, 0x0f, 0x38, 0xf1, 0xc1], 'sse4_2'],
    ['pcommit', [0x66, 0x0f, 0xae, 0xf8], 'pcommit'],
  ] as const)('%s is undefined unless an edit adds %s', (_, code, feature) => {
    expect(faults(guest(code))).toBe(true);
    expect(faults(guest(code, [`+${feature}`]))).toBe(false);
  });

  test('without TSC its MSR is not there', () => {
    // mov ecx, 10h; rdmsr
    const code = [0xb9, 0x10, 0, 0, 0, 0x0f, 0x32];
    expect(faults(step(guest(code)).state)).toBe(false);
    expect(faults(step(guest(code, ['-tsc'])).state)).toBe(true);
  });

  test('TZCNT and LZCNT without their features are BSF and BSR', () => {
    // mov ecx, 0x50; lzcnt eax, ecx
    const code = [0xb9, 0x50, 0, 0, 0, 0xf3, 0x0f, 0xbd, 0xc1];
    const result = (edits: readonly string[]) => registers(step(step(guest(code, edits)).state).state)[0];
    expect([result([]), result(['-lzcnt'])]).toEqual([25n, 6n]);
  });

  // SDM Vol. 3A, 11.4.3 Enabling or Disabling the Local APIC
  test('without a local APIC its page is not decoded, and the 8259 reaches the processor', () => {
    const ID = { space: 'memory', address: 0xfee0_0020, bytes: 4, now: 0 } as const;
    expect(readBus(guest([0xf4]).board, ID).decoded).toBe(true);
    const without = guest([0xf4], ['-apic']);
    expect(readBus(without.board, ID)).toMatchObject({ decoded: false, value: 0xffff_ffff });
    const restored = deserialize(serialize(without));
    expect(restored.ok && restored.value.board.config.localApic).toBe(false);
    // mov al, 11h; out 20h, al; then ICW2 to ICW4, IRQ0 unmasked, counter 0 in mode 0 from 1 on, sti; hlt
    const writes = [
      ...[0x20, 0x11, 0x21, 0x20, 0x21, 4, 0x21, 1, 0x21, 0xfe],
      ...[0x43, 0x30, 0x40, 1, 0x40, 0],
    ];
    const code = writes.flatMap((byte, at) => (at % 2 === 0 ? [] : [0xb0, byte, 0xe6, writes[at - 1]]));
    const { stop } = run(guest([...code, 0xfb, 0xf4], ['-apic']), { maxInstructions: 10_000 });
    // There is no IDT.
    expect(stop.kind).toBe('triple-fault');
  });

  test('the Pentium has no CMOV', () => {
    expect(faults(guest([0x0f, 0x44, 0xc1], [], 'pentium'))).toBe(true);
  });

  test('nor RDPMC: #UD, not the #GP of a counter that does not exist', () => {
    const vector = (name: PresetName): number | undefined => {
      const machine = createMachine({ processor: processor(name), memoryBytes: 2 ** 21 });
      const [cpu] = machine.processors;
      const cs = { selector: 0x1000, base: 0x1_0000n, limit: 0xffff, accessRights: 0x93 };
      const memory = machine.memory.write(0x1_0000, Uint8Array.of(0x0f, 0x33));
      const processors = [{ ...cpu, rip: 0n, segments: { ...cpu.segments, cs } }];
      const [event] = step({ ...machine, memory, processors }).events;
      return event.kind === 'delivered' ? event.event.vector : undefined;
    };
    expect([vector('pentium'), vector('nehalem')]).toEqual([6, 13]);
  });

  test('SERIALIZE and MOVDIR64B where they are announced', () => {
    const serialize = [0x0f, 0x01, 0xe8];
    expect(faults(guest(serialize, [], 'sapphire-rapids'))).toBe(false);
    expect(faults(guest(serialize))).toBe(true);
    // mov eax, 0x200000; movdir64b rax, [rip-12]: an unaligned destination is refused
    const move = (target: number) => [
      0xb8,
      target,
      0,
      0x20,
      0,
      0x66,
      0x0f,
      0x38,
      0xf8,
      0x05,
      0xf2,
      0xff,
      0xff,
      0xff,
    ];
    const moved = step(step(guest(move(0), [], 'sapphire-rapids')).state).state;
    expect(moved.memory.page(0x200).bytes[0]).toBe(0xb8);
    expect(faults(step(guest(move(8), [], 'sapphire-rapids')).state)).toBe(true);
  });
});

describe('SDM Vol. 2, RDRAND and RDSEED', () => {
  const RDRAND = [0x48, 0x0f, 0xc7, 0xf0];

  test('a fixed sequence, with CF', () => {
    const once = step(guest([...RDRAND, ...RDRAND])).state;
    const twice = step(once).state;
    expect(once.processors[0].rflags & 0x8d5n).toBe(1n);
    expect(registers(once)[0]).not.toBe(registers(twice)[0]);
    expect(registers(step(guest(RDRAND)).state)[0]).toBe(registers(once)[0]);
  });

  test('a Choice answers; the last answer is failure: 0 and no CF', () => {
    const answered = step(
      guest(RDRAND),
      choiceAt(['rdrand'], () => 7n),
    ).state;
    expect([registers(answered)[0], answered.processors[0].rflags & 1n]).toEqual([7n, 1n]);
    const failed = step(
      guest(RDRAND),
      choiceAt(['rdrand'], ({ alternatives }) => alternatives - 1n),
    ).state;
    expect([registers(failed)[0], failed.processors[0].rflags & 1n]).toEqual([0n, 0n]);
  });
});

describe('SDM Vol. 2, MONITOR and MWAIT', () => {
  const MWAIT = [0x0f, 0x01, 0xc9];

  test('MWAIT goes on; reserved extensions are refused', () => {
    expect(faults(step(guest([0x31, 0xc9, ...MWAIT])).state)).toBe(false);
    // mov cl, 2
    expect(faults(step(guest([0xb1, 2, ...MWAIT])).state)).toBe(true);
  });
});
