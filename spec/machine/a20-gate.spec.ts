// SDM Vol. 3A, 9.7.13.4 External Signal Compatibility: A20M#
import { describe, expect, it } from 'vitest';
import {
  createMachine,
  deserialize,
  difference,
  loadFirmware,
  loadImage,
  type MachineState,
  type PresetName,
  processor,
  run,
  serialize,
  step,
} from '../../src/api';
import { AT, entryOf, little, pagedGuest, TIERS } from '../cpu/engine/paged-guest';
import { beforeLaunch, gate64, AT as VMX, vmxOf, words } from '../vmx/dynamics/whole-machine';
import { APIC, programAt } from './several';

const HLT = 0xf4;
const outb = (port: number, value: number): number[] => [0xba, ...little(port, 2), 0xb0, value, 0xee];
/** In 64-bit mode: mov edx, port; mov al, value; out dx, al */
const outb64 = (port: number, value: number): number[] => [0xba, ...little(port, 4), 0xb0, value, 0xee];

type Gate = (port: number, value: number) => number[];
const fast = (out: Gate, on: boolean): number[] => out(0x92, on ? 2 : 0);
const keyboard = (out: Gate, on: boolean): number[] => [...out(0x64, 0xd1), ...out(0x60, on ? 0xdf : 0xdd)];
const closed = (out: Gate): number[] => [...fast(out, false), ...keyboard(out, false)];

describe('in real-address mode', () => {
  /** Two bytes are written, at 0:500H and FFFFH:510H; the run ends with the first. */
  const probe = (gate: readonly number[]): number[] => [
    ...gate,
    ...[0x31, 0xc0, 0x8e, 0xc0], // xor ax, ax; mov es, ax
    ...[0x48, 0x8e, 0xd8], // dec ax; mov ds, ax
    ...[0x26, 0xc6, 0x06, 0x00, 0x05, 0x11], // mov byte es:[500H], 11H
    ...[0xc6, 0x06, 0x10, 0x05, 0x22], // mov byte [510H], 22H
    ...[0x26, 0xa0, 0x00, 0x05], // mov al, es:[500H]
    ...[0xe6, 0xf4], // out 0F4H, al
  ];
  const ends = (gate: readonly number[], preset: PresetName = 'nehalem'): unknown => {
    const machine = createMachine({ processor: processor(preset), memoryBytes: 2 ** 22 });
    const code = Uint8Array.from(probe(gate));
    const loaded = loadImage(machine, code, { format: 'raw', mode: 'real', load: 0x7c00 });
    if (!loaded.ok) throw new Error(loaded.fault.says);
    return run(loaded.value, { maxInstructions: 1000 }).stop;
  };
  const WRAPS = expect.objectContaining({ kind: 'exit', code: 0x22 });
  const REACHES = expect.objectContaining({ kind: 'exit', code: 0x11 });

  it.each([
    ['after power-up', [], REACHES],
    ['port 92H and the keyboard controller hold line 20', closed(outb), WRAPS],
    ['port 92H alone holds it', fast(outb, false), REACHES],
    ['the keyboard controller alone holds it', keyboard(outb, false), REACHES],
    ['port 92H lets it go', [...closed(outb), ...fast(outb, true)], REACHES],
    ['the keyboard controller lets it go', [...closed(outb), ...keyboard(outb, true)], REACHES],
  ])('addresses beyond 1 MiB: %s', (_, gate, stop) => {
    expect(ends(gate)).toEqual(stop);
  });

  it.each<[PresetName, unknown]>([
    ['pentium', WRAPS],
    ['skylake', REACHES],
    ['sapphire-rapids', REACHES],
    ['everything', WRAPS],
  ])('%s has the pin or lacks it', (preset, stop) => {
    expect(ends(closed(outb), preset)).toEqual(stop);
  });

  it('a reset of the machine opens the gate', () => {
    // The second start skips what closes it and resets again.
    const start = [
      ...[0x31, 0xc0, 0x8e, 0xd8], // xor ax, ax; mov ds, ax
      ...[0xfe, 0x06, 0x00, 0x06], // inc byte [600H]
      ...[0x80, 0x3e, 0x00, 0x06, 0x02], // cmp byte [600H], 2
    ];
    const close = [...closed(outb), ...outb(0xcf9, 6), HLT];
    const rom = new Uint8Array(2 ** 17);
    rom.set([...start, 0x74, close.length, ...close, ...probe([])], 2 ** 16);
    rom.set([0xea, 0x00, 0x00, 0x00, 0xf0], 2 ** 17 - 16);
    const machine = createMachine({ processor: processor('nehalem'), memoryBytes: 2 ** 22 });
    const loaded = loadFirmware(machine, rom);
    if (!loaded.ok) throw new Error(loaded.fault.says);
    expect(run(loaded.value, { maxInstructions: 1000 }).stop).toEqual(REACHES);
  });
});

/** A paged guest with a program for each processor, on a part that has the pin. */
const guest = (
  programs: readonly (readonly number[])[],
  parts: Readonly<Record<number, readonly number[]>> = {},
  config: Partial<MachineState['config']> = {},
): MachineState => {
  const paged = pagedGuest(programs[0], {
    ...parts,
    [entryOf(APIC)]: little(0xfee0_001f, 8),
    ...Object.fromEntries(programs.map((bytes, number) => [programAt(number), bytes])),
  });
  const machine = createMachine({
    ...paged.config,
    processor: processor('nehalem', { vmx: false }),
    board: { processors: programs.length },
    ...config,
  });
  const [first] = paged.processors;
  return {
    ...machine,
    memory: paged.memory,
    processors: programs.map((_, number) => ({
      ...first,
      rip: BigInt(programAt(number)),
      registers: first.registers.with(4, BigInt(0x8_0000 + 0x1000 * (number + 1))),
      modelSpecific: machine.processors[number].modelSpecific,
    })),
  };
};

const DATA = 0x12_3000;
const LOW_DATA = 0x2_3000;
const bytesAt = { [DATA]: [0x22], [LOW_DATA]: [0x11] };
/** mov al, [address]; shl rbx, 8; or bl, al */
const note = (address: number): number[] => [
  ...[0x8a, 0x04, 0x25, ...little(address, 4)],
  ...[0x48, 0xc1, 0xe3, 8, 0x08, 0xc3],
];
const [OPEN, CLOSED] = [fast(outb64, true), closed(outb64)];
const notes = ({ processors: [cpu] }: MachineState): string => cpu.registers[3].toString(16);

describe.each(TIERS)('with paging, %s', (tier) => {
  const end = (state: MachineState): MachineState =>
    run(state, { tier, heat: 3, maxInstructions: 20_000 }).state;

  it.each(['none', 'keep-all'] as const)('data: what was translated before holds no more (%s)', (kind) => {
    const code = [...note(DATA), ...CLOSED, ...note(DATA), ...OPEN, ...note(DATA), HLT];
    expect(notes(end(guest([code], bytesAt, { caches: { kind } })))).toBe('221122');
  });

  it('paging structures, with their accessed and dirty flags', () => {
    // The second 2 MiB through a table at 104000H; with the gate closed it is the table at 4000H, which maps the first 2 MiB.
    const through = 2 ** 21 + LOW_DATA;
    const parts = {
      ...bytesAt,
      [AT.directory + 8]: little(0x10_4007, 8),
      [0x10_4000 + 8 * (LOW_DATA >> 12)]: little(DATA | 7, 8),
    };
    const [ACCESSED, DIRTY] = [0x20, 0x40];
    const write = [0xc6, 0x04, 0x25, ...little(through, 4), 0x33];
    const code = [...note(through), ...CLOSED, ...note(through), ...write, HLT];
    const { memory, ...state } = end(guest([code], parts));
    const flags = (entry: number): number => memory.read(entry, 1)[0] & (ACCESSED | DIRTY);
    expect(notes({ memory, ...state })).toBe('2211');
    expect([memory.read(DATA, 1)[0], memory.read(LOW_DATA, 1)[0]]).toEqual([0x22, 0x33]);
    expect(flags(0x10_4000 + 8 * (LOW_DATA >> 12))).toBe(ACCESSED);
    expect(flags(entryOf(LOW_DATA))).toBe(ACCESSED | DIRTY);
  });

  it('code', () => {
    const high = 0x13_0000;
    // mov al, number; shl rbx, 8; or bl, al; ret
    const routine = (number: number): number[] => [0xb0, number, 0x48, 0xc1, 0xe3, 8, 0x08, 0xc3, 0xc3];
    // mov ecx, 20; L: call routine; loop L
    const calls = (at: number): number[] => [
      ...[0xb9, 20, 0, 0, 0, 0xe8, ...little(high - (at + 10), 4)],
      ...[0xe2, 0xf9],
    ];
    const first = calls(AT.code);
    const code = [...first, ...CLOSED, ...calls(AT.code + first.length + CLOSED.length), HLT];
    const before = guest([code], { [high]: routine(2), [high - 2 ** 20]: routine(1) });
    expect(notes(run(before, { tier, heat: 3, maxInstructions: 50 }).state)).toMatch(/^(?:2|02)+$/);
    expect(notes(end(before))).toBe('101010101010101');
  });

  it('every processor has the pin: one that holds a translation hears of it', () => {
    // mov ecx, 300; L: dec ecx; jnz L
    const idle = [0xb9, ...little(300, 4), 0xff, 0xc9, 0x75, 0xfc];
    // L: mov al, [DATA]; cmp al, 22H; je L
    const watch = [0x8a, 0x04, 0x25, ...little(DATA, 4), 0x3c, 0x22, 0x74, 0xf5, 0xbb, 0x77, 0, 0, 0, HLT];
    const { stop, state } = run(guest([[...idle, ...CLOSED, HLT], watch], bytesAt, { seed: 3 }), {
      tier,
      heat: 3,
      maxInstructions: 20_000,
    });
    expect([stop.kind, state.processors[1].registers[3]]).toEqual(['stuck', 0x77n]);
  });
});

// SDM Vol. 3A, 10.1.1 Processor State After Reset
it('an INIT leaves the gate alone, and the processor that it starts sees it', () => {
  const PAGE = 0x20;
  // dec ax; mov ds, ax; mov byte [510H], 33H; hlt
  const started = [0x48, 0x8e, 0xd8, 0xc6, 0x06, 0x10, 0x05, 0x33, HLT];
  const send = (register: number, value: number): number[] => [
    ...[0xc7, 0x04, 0x25, ...little(APIC + register, 4), ...little(value, 4)],
  ];
  const start = [
    ...[...send(0xf0, 0x1ff), ...send(0x310, 1 << 24)],
    ...[...send(0x300, 0x4500), ...send(0x300, 0x4600 | PAGE), HLT],
  ];
  const LOOP = [0xeb, 0xfe];
  const where = (gate: readonly number[]): readonly number[] => {
    const state = guest([[...gate, ...start], LOOP], { [PAGE << 12]: started });
    const { memory } = run(state, { maxInstructions: 5000 }).state;
    return [0x500, 0x10_0500].map((address) => memory.read(address, 1)[0]);
  };
  expect(where(CLOSED)).toEqual([0x33, 0]);
  expect(where(OPEN)).toEqual([0, 0x33]);
});

// SDM Vol. 3C, 24.8 Restrictions on VMX Operation
describe('VMX operation', () => {
  const VMXOFF = [0x0f, 0x01, 0xc4];
  const VMXON = [0xf3, 0x0f, 0xc7, 0x34, 0x25, ...little(VMX.operand, 4)];
  const HANDLER = VMX.hostCode + 0x100;
  /** The state at the end of a host that begins in VMX operation. */
  const after = (...code: readonly number[]): MachineState => {
    const before = beforeLaunch({
      processor: processor('nehalem'),
      handlers: { 13: HANDLER },
      memory: { ...bytesAt, [VMX.hostCode]: [...code, HLT], [VMX.operand]: words(BigInt(VMX.vmxon)) },
    });
    const [cpu] = before.processors;
    const tables = {
      gdtr: { base: BigInt(VMX.guestGdt), limit: 0x17 },
      idtr: { base: BigInt(VMX.guestIdt), limit: 14 * gate64(0).length - 1 },
    };
    return run({ ...before, processors: [{ ...cpu, tables }] }, { maxInstructions: 1000 }).state;
  };

  it('blocks A20M#, and VMXOFF lets it through', () => {
    expect(notes(after(...CLOSED, ...note(DATA), ...VMXOFF, ...note(DATA)))).toBe('2211');
  });

  it('VMXON is #GP(0) in A20M mode', () => {
    const refused = after(...VMXOFF, ...CLOSED, ...VMXON);
    expect(refused.processors[0].rip).toBe(BigInt(HANDLER + 1));
    expect(vmxOf(refused).vmxonPointer).toBeUndefined();
    expect(vmxOf(after(...VMXOFF, ...CLOSED, ...OPEN, ...VMXON)).vmxonPointer).toBe(VMX.vmxon);
  });
});

describe('the gate as state', () => {
  const CODE = [...note(DATA), ...CLOSED, ...note(DATA), ...OPEN, ...note(DATA), HLT];

  it('steps and snapshots go on with it', () => {
    const whole = run(guest([CODE], bytesAt), { maxInstructions: 60 }).state;
    let state = guest([CODE], bytesAt);
    let alive = true;
    while (alive) {
      const after = step(state);
      alive = after.events.every(({ kind }) => kind !== 'stopped');
      const restored = deserialize(serialize(after.state));
      if (!restored.ok) throw new Error(restored.fault.says);
      state = restored.value;
    }
    expect(notes(state)).toBe('221122');
    expect(difference(whole, state)).toEqual({ registers: [], devices: [], other: [], pages: [] });
  });

  it('a difference shows it, and another machine does not see it', () => {
    const open = guest([CODE], bytesAt);
    const shut = run(open, { maxInstructions: 12 }).state;
    expect(difference(open, shut).devices.map(({ path }) => path)).toEqual([
      'devices.8042.outputPort',
      'devices.port-92',
    ]);
    expect(notes(run(open, { maxInstructions: 3 }).state)).toBe('22');
    expect(notes(run(shut, { maxInstructions: 100 }).state)).toBe('221122');
  });
});
