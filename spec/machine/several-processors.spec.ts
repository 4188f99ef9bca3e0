import { describe, expect, it } from 'vitest';
import { processor } from '../../src/cpu/presets';
import {
  createMachine,
  deserialize,
  difference,
  loadImage,
  type MachineState,
  run,
  serialize,
  stateHash,
  step,
} from '../../src/machine';
import { AT, exceptionOf, little, runToHalt, TIERS } from '../cpu/engine/paged-guest';
import { APIC, programAt, several } from './several';

const COUNTER = 0x2_0000;
const EBX = 3;
const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

/** 500 times: LOCK INC of the counter; then HLT. */
const LOCKED = [
  0xb9,
  ...little(500, 4),
  0xf0,
  0xff,
  0x04,
  0x25,
  ...little(COUNTER, 4),
  0xff,
  0xc9,
  0x75,
  0xf4,
  0xf4,
];
/** The same by MOV, INC and MOV. */
const UNLOCKED = [
  ...[0xb9, ...little(500, 4), 0x8b, 0x04, 0x25, ...little(COUNTER, 4), 0xff, 0xc0],
  ...[0x89, 0x04, 0x25, ...little(COUNTER, 4), 0xff, 0xc9, 0x75, 0xec, 0xf4],
];
/** MOV ECX, 3000; DEC ECX; JNZ: then what follows. */
const afterWaiting = (...bytes: readonly number[]): number[] => [
  ...[0xb9, ...little(3000, 4), 0xff, 0xc9, 0x75, 0xfc],
  ...bytes,
];

const counterOf = ({ memory }: MachineState): number =>
  new DataView(memory.read(COUNTER, 4).buffer).getUint32(0, true);
const ebxOf = (state: MachineState, number: number): number =>
  Number(state.processors[number].registers[EBX]);

describe('interleaving', () => {
  it('loses no locked increment, whatever the seed', () => {
    for (const seed of SEEDS) {
      const { state, retired } = runToHalt(several([LOCKED, LOCKED, LOCKED], { seed }), 'generated');
      expect(counterOf(state)).toBe(1500);
      expect(retired).toBe(3 * (2 + 3 * 500));
    }
  });

  it('shows races: increments in three instructions are lost, and how many depends on the seed', () => {
    const counts = SEEDS.map((seed) =>
      counterOf(runToHalt(several([UNLOCKED, UNLOCKED], { seed }), 'closures').state),
    );
    for (const count of counts) expect(count).toBeLessThan(1000);
    expect(new Set(counts).size).toBeGreaterThan(10);
  });

  it('is the same in every tier and in steps', () => {
    const start = several([UNLOCKED, UNLOCKED, LOCKED], { seed: 7 });
    const hashes = TIERS.map((tier) => stateHash(runToHalt(start, tier).state));
    expect(new Set(hashes).size).toBe(1);
    const limit = 700;
    let stepped = start;
    for (let i = 0; i < limit; i++) stepped = step(stepped).state;
    expect(difference(run(start, { maxInstructions: limit }).state, stepped)).toEqual(
      difference(stepped, stepped),
    );
  });

  it('goes on from a snapshot as it would have without', () => {
    const start = several([UNLOCKED, UNLOCKED], { seed: 3 });
    const whole = runToHalt(start, 'generated').state;
    for (const at of [1, 100, 1001]) {
      const half = run(start, { maxInstructions: at }).state;
      const read = deserialize(serialize(half));
      if (!read.ok) throw new Error(read.fault.says);
      expect(stateHash(read.value)).toBe(stateHash(half));
      expect(stateHash(runToHalt(read.value, 'closures').state)).toBe(stateHash(whole));
    }
  });

  it('names the processor of an event', () => {
    let state = several([[0xf4], [0x0f, 0x0b]]);
    const events = [];
    for (let i = 0; i < 4; i++) {
      const result = step(state);
      state = result.state;
      events.push(...result.events);
    }
    expect(events).toMatchObject([
      { kind: 'delivered', processor: 1, event: { vector: 6 } },
      { kind: 'stopped', stop: { kind: 'stuck' } },
      { kind: 'stopped', stop: { kind: 'stuck' } },
    ]);
  });
});

// The code and the translations of one processor, under the writes of another.
describe.each(TIERS)('coherence between processors, %s', (tier) => {
  it('code that another processor modifies runs modified: SDM Vol. 3A, 9.1.3 Handling Self- and Cross-Modifying Code', () => {
    // MOV BYTE [immediate of the MOV of processor 1], 2; HLT
    const modifier = afterWaiting(0xc6, 0x04, 0x25, ...little(programAt(1) + 9, 4), 2, 0xf4);
    // XOR EBX, EBX; MOV DWORD [COUNTER], 1; INC EBX; CMP DWORD [COUNTER], 1; JE to MOV; HLT
    const modified = [
      ...[0x31, 0xdb, 0xc7, 0x04, 0x25, ...little(COUNTER, 4), ...little(1, 4), 0xff, 0xc3],
      ...[0x83, 0x3c, 0x25, ...little(COUNTER, 4), 1, 0x74, 0xe9, 0xf4],
    ];
    const { state } = runToHalt(several([modifier, modified]), tier);
    expect(counterOf(state)).toBe(2);
    expect(ebxOf(state, 1)).toBeGreaterThan(100);
  });

  it('a page-table entry that another processor writes is used at the next access', () => {
    const [page, other] = [0x3_0000, 0x3_1000];
    // MOV QWORD [entry of the page], the other page
    const entry = AT.table + 8 * (page >> 12);
    const remap = afterWaiting(0x48, 0xc7, 0x04, 0x25, ...little(entry, 4), ...little(other | 7, 4), 0xf4);
    // INC EBX; CMP DWORD [page], 7; JNE back; HLT
    const reader = [0xff, 0xc3, 0x83, 0x3c, 0x25, ...little(page, 4), 7, 0x75, 0xf4, 0xf4];
    const { state } = runToHalt(several([remap, reader], { parts: { [other]: [7] } }), tier);
    expect(ebxOf(state, 1)).toBeGreaterThan(100);
  });

  it('what one processor writes another reads, on a page that a snapshot shares', () => {
    // MOV DWORD [COUNTER], 7; HLT
    const writer = afterWaiting(0xc7, 0x04, 0x25, ...little(COUNTER, 4), ...little(7, 4), 0xf4);
    const reader = [0xff, 0xc3, 0x83, 0x3c, 0x25, ...little(COUNTER, 4), 7, 0x75, 0xf4, 0xf4];
    const half = run(several([writer, reader]), { tier, maxInstructions: 1000 });
    expect(ebxOf(runToHalt(half.state, tier).state, 1)).toBeGreaterThan(100);
  });
});

const VECTOR = 31;
const SVR = APIC + 0xf0;
const ICR_LOW = APIC + 0x300;
const ICR_HIGH = APIC + 0x310;
const store = (address: number, value: number): number[] => [
  ...[0xc7, 0x04, 0x25, ...little(address, 4), ...little(value, 4)],
];
const ENABLE = store(SVR, 0x1ff);
/** An IPI to processor 1; HLT. */
const sendTo1 = (low: number): number[] => [
  ...ENABLE,
  ...afterWaiting(...store(ICR_HIGH, 1 << 24), ...store(ICR_LOW, low), 0xf4),
];
/** INC EBX; IRETQ */
const handler = (vector: number) => ({ [AT.handlers + 16 * vector]: [0xff, 0xc3, 0x48, 0xcf] });

describe.each(TIERS)('interprocessor interrupts, %s', (tier) => {
  it('a fixed one wakes a halted processor', () => {
    // STI; HLT; CLI; HLT
    const receiver = [...ENABLE, 0xfb, 0xf4, 0xfa, 0xf4];
    const { state } = runToHalt(
      several([sendTo1(0x4000 | VECTOR), receiver], { parts: handler(VECTOR) }),
      tier,
    );
    expect([ebxOf(state, 0), ebxOf(state, 1)]).toEqual([0, 1]);
    expect(Number(state.processors[1].rip)).toBe(programAt(1) + receiver.length);
  });

  it('an NMI does so whatever RFLAGS.IF is', () => {
    const { state } = runToHalt(several([sendTo1(0x4400), [0xf4, 0xf4]], { parts: handler(2) }), tier);
    expect([ebxOf(state, 0), ebxOf(state, 1)]).toEqual([0, 1]);
    expect(state.processors[1].hidden.blockingByNmi).toBe(false);
  });

  it('of two NMIs at once the second is latched while the first is served', () => {
    const sender = [
      ...ENABLE,
      ...afterWaiting(
        ...store(ICR_HIGH, 1 << 24),
        ...store(ICR_LOW, 0x4400),
        ...store(ICR_LOW, 0x4400),
        0xf4,
      ),
    ];
    for (const seed of SEEDS.slice(0, 6)) {
      const { state } = runToHalt(several([sender, [0xf4, 0xf4, 0xf4]], { seed, parts: handler(2) }), tier);
      expect(ebxOf(state, 1)).toBe(2);
    }
  });

  it('an INIT lets a processor wait for a startup IPI: SDM Vol. 3A, 10.1.1 Processor State After Reset', () => {
    const { state } = runToHalt(several([sendTo1(0x4500), [0xeb, 0xfe]]), tier);
    const [, after] = state.processors;
    expect(after).toMatchObject({
      rip: 0xfff0n,
      hidden: { activity: 3, initPending: false },
      control: { cr0: 0x10n, cr3: 0n, cr4: 0n, efer: 0n },
      segments: { cs: { selector: 0xf000, base: 0xffff_0000n } },
      modelSpecific: { apicBase: 0xfee0_0800n },
    });
  });
});

describe.each(TIERS)('SDM Vol. 3A, 9.4.3 MP Initialization Protocol Algorithm for MP Systems, %s', (tier) => {
  const startup = (...commands: readonly number[]): number[] => [
    ...ENABLE,
    ...store(ICR_HIGH, 1 << 24),
    ...commands.flatMap((command) => store(ICR_LOW, command)),
    0xf4,
  ];
  // CS INC DWORD [100H]; HLT, in real mode
  const program = { [COUNTER]: [0x2e, 0x66, 0xff, 0x06, 0x00, 0x01, 0xf4] };
  const startedOf = ({ memory }: MachineState): number => memory.read(COUNTER + 0x100, 1)[0];
  const LOOP = [0xeb, 0xfe];

  it('INIT and startup IPIs start a processor at its page in real mode, once', () => {
    const start = several([startup(0x4500, 0x4620, 0x4620), LOOP], { parts: program });
    const { state } = runToHalt(start, tier);
    expect(startedOf(state)).toBe(1);
    expect(state.processors[1]).toMatchObject({
      rip: 7n,
      segments: { cs: { selector: 0x2000, base: 0x2_0000n } },
      hidden: { activity: 1, startupVector: undefined },
    });
  });

  it('a startup IPI without an INIT is discarded', () => {
    const { state } = runToHalt(several([startup(0x4620), [0xf4]], { parts: program }), tier);
    expect(startedOf(state)).toBe(0);
    expect(state.processors[1].hidden).toMatchObject({ activity: 1, startupVector: undefined });
  });
});

// MOV ECX, index; MOV EAX, low; MOV EDX, high; WRMSR
const wrmsr = (index: number, value: bigint): number[] => [
  ...[0xb9, ...little(index, 4), 0xb8, ...little(value & 0xffff_ffffn, 4)],
  ...[0xba, ...little(value >> 32n, 4), 0x0f, 0x30],
];
const X2APIC_ON = [...wrmsr(0x1b, 0xfee0_0c00n), ...wrmsr(0x80f, 0x1ffn)];

describe.each(TIERS)('x2APIC mode, %s', (tier) => {
  it('IPIs by ICR and SELF IPI', () => {
    const sender = [
      ...[...X2APIC_ON, ...wrmsr(0x83f, BigInt(VECTOR)), 0xfb, 0x90, 0xfa],
      ...afterWaiting(...wrmsr(0x830, (1n << 32n) | BigInt(VECTOR)), 0xf4),
    ];
    const receiver = [...X2APIC_ON, 0xfb, 0xf4, 0xfa, 0xf4];
    const { state } = runToHalt(several([sender, receiver], { parts: handler(VECTOR) }), tier);
    expect([ebxOf(state, 0), ebxOf(state, 1)]).toEqual([1, 1]);
  });

  it('a change of mode that is not possible is #GP and leaves IA32_APIC_BASE', () => {
    const { state } = runToHalt(several([[...X2APIC_ON, ...wrmsr(0x1b, 0xfee0_0800n), 0xf4]]), tier);
    expect(exceptionOf(state, true)?.vector).toBe(13);
    expect(state.processors[0].modelSpecific.apicBase).toBe(0xfee0_0d00n);
  });

  it('CPUID tells each processor its number', () => {
    // MOV EAX, leaf; XOR ECX, ECX; CPUID; HLT
    const leaf = (number: number): number[] => [0xb8, ...little(number, 4), 0x31, 0xc9, 0x0f, 0xa2, 0xf4];
    const first = runToHalt(several([leaf(1), leaf(1), leaf(1)]), tier).state.processors;
    expect(first.map(({ registers }) => registers[EBX] >> 16n)).toEqual([0x0004n, 0x0104n, 0x0204n]);
    const topology = runToHalt(several([leaf(0xb), leaf(0xb)]), tier).state.processors;
    expect(topology.map(({ registers }) => registers[2])).toEqual([0n, 1n]);
  });

  it('IA32_TSC_DEADLINE wakes its processor when its counter gets there, also after the counter was moved', () => {
    // The LVT timer entry in TSC-deadline mode; deadline 5,000; TSC_ADJUST 3,000; STI; HLT; CLI; HLT
    const sleeper = [
      ...[...X2APIC_ON, ...wrmsr(0x832, BigInt(0x4_0000 | VECTOR)), ...wrmsr(0x6e0, 5000n)],
      ...[...wrmsr(0x3b, 3000n), 0xfb, 0xf4, 0xfa, 0xf4],
    ];
    const { state } = runToHalt(several([sleeper], { parts: handler(VECTOR) }), tier);
    expect(ebxOf(state, 0)).toBe(1);
    expect(state.clock).toBeGreaterThanOrEqual(2000);
    expect(state.clock).toBeLessThan(2010);
  });
});

describe('machines with several processors', () => {
  const config = { processor: processor('skylake'), memoryBytes: 2 ** 20 };

  it('start with one processor; the others wait for a startup IPI', () => {
    const { processors } = createMachine({ ...config, board: { processors: 3 } });
    expect(processors.map(({ hidden }) => hidden.activity)).toEqual([0, 3, 3]);
    expect(processors.map(({ modelSpecific }) => modelSpecific.apicBase & 0x100n)).toEqual([0x100n, 0n, 0n]);
  });

  it.each([0, 256, 1.5])('cannot have %s', (processors) => {
    expect(() => createMachine({ ...config, board: { processors } })).toThrow(/1 to 255/);
  });

  it('a new machine does not disturb one that ran before', () => {
    const image = Uint8Array.of(0x90, 0x90, 0xf4);
    const loaded = loadImage(createMachine(config), image, { format: 'raw', mode: 'long', load: 0x1_0000 });
    if (!loaded.ok) throw new Error(loaded.fault.says);
    const { state } = run(loaded.value, { maxInstructions: 1 });
    createMachine(config);
    expect(run(state, { maxInstructions: 1 }).state.processors[0].rip).toBe(0x1_0002n);
  });
});
