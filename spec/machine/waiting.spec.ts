import { describe, expect, test } from 'vitest';
import { deserialize, difference, type MachineState, run, serialize, step } from '../../src/api';
import { type Choice, choiceAt } from '../../src/core';
import { ACTIVITY } from '../../src/cpu/processor-draft';
import { AT, little, pagedGuest, TIERS } from '../cpu/engine/paged-guest';
import { several } from './several';

const HLT = 0xf4;
const LINE = 0x3_0040;
/** Of SYSCALL, and of a far call. */
const ENTRY = 0xb000;
const FAR = 0xb100;
const MONITOR = [0x0f, 0x01, 0xc8];
const MWAIT = [0x0f, 0x01, 0xc9];
/** mov eax, address; xor ecx, ecx; xor edx, edx; monitor */
const arm = (address: number): number[] => [
  ...[0xb8, ...little(address, 4), 0x31, 0xc9, 0x31, 0xd2],
  ...MONITOR,
];
/** mov ecx, extensions; mwait */
const wait = (extensions = 0): number[] => [0xb9, ...little(extensions, 4), ...MWAIT];
/** mov byte [address], 1 */
const store = (address: number): number[] => [0xc6, 0x04, 0x25, ...little(address, 4), 1];
const MARK = [0xbb, 0x77, 0, 0, 0, HLT];

const isMarked = ({ processors: [cpu] }: MachineState): boolean => cpu.registers[3] === 0x77n;
const hidden = ({ processors: [cpu] }: MachineState) => cpu.hidden;
const end = (state: MachineState, tier: (typeof TIERS)[number], choice?: Choice) =>
  run(state, { tier, heat: 3, maxInstructions: 100_000, ...(choice === undefined ? {} : { choice }) });

// SDM Vol. 2, MONITOR, MWAIT
describe.each(TIERS)('MONITOR and MWAIT, %s', (tier) => {
  test('an armed processor waits, and nothing wakes the only one', () => {
    const { state, stop } = end(pagedGuest([...arm(LINE + 5), ...wait(), ...MARK]), tier);
    expect(stop.kind).toBe('stuck');
    expect(isMarked(state)).toBe(false);
    expect(hidden(state)).toMatchObject({
      activity: ACTIVITY.mwait,
      monitoredLine: LINE,
      wakesMasked: false,
    });
  });

  test('without MONITOR it goes on at once', () => {
    const { state } = end(pagedGuest([...wait(), ...MARK]), tier);
    expect(isMarked(state)).toBe(true);
  });

  test('a Choice lets it go on at once, and the monitor is no longer armed', () => {
    const early = choiceAt(['mwait'], () => 1n);
    const { state } = end(pagedGuest([...arm(LINE), ...wait(), ...MARK]), tier, early);
    expect(isMarked(state)).toBe(true);
    expect(hidden(state)).toMatchObject({ activity: ACTIVITY.hlt, monitoredLine: undefined });
  });

  test.each([
    ['its own line', store(LINE + 63), true],
    ['the line before', store(LINE - 1), false],
    ['the line after', store(LINE + 64), false],
    // mov edi, LINE - 8; mov ecx, 20; rep stosb
    ['the line by a string instruction', [0xbf, ...little(LINE - 8, 4), 0xb9, 20, 0, 0, 0, 0xf3, 0xaa], true],
    // mov qword [LINE - 4], 1
    ['both lines', [0x48, 0xc7, 0x04, 0x25, ...little(LINE - 4, 4), 1, 0, 0, 0], true],
    // lock inc byte [LINE]
    ['the line by a read-modify-write', [0xf0, 0xfe, 0x04, 0x25, ...little(LINE, 4)], true],
  ])('a store of the processor itself to %s', (_, instructions, triggers) => {
    // The page is written before, so that it is at hand for writing when the monitor is armed.
    const guest = pagedGuest([...store(LINE + 0x100), ...arm(LINE), ...instructions, ...wait(), ...MARK]);
    expect(isMarked(end(guest, tier).state)).toBe(triggers);
  });

  // SDM Vol. 3A, 9.10.4 MONITOR/MWAIT Instruction
  test.each([
    ['an exception and IRET', [0x0f, 0x0b]],
    ['a software interrupt and IRET', [0xcd, 6]],
    ['MOV to CR3', [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8]],
    ['MOV to CR0', [0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0]],
    ['MOV to CR4', [0x0f, 0x20, 0xe0, 0x0f, 0x22, 0xe0]],
    ['LMSW', [0x0f, 0x01, 0xe0, 0x0f, 0x01, 0xf0]],
    ['SYSCALL', [0x0f, 0x05]],
    // call far [FAR]
    ['a far call', [0xff, 0x1c, 0x25, ...little(FAR, 4)]],
  ])('%s between the two: it does not wait', (_, instructions) => {
    // The handler of #UD goes on behind the instruction: add qword [rsp], 2 when it is UD2; iretq
    const handler = [...(instructions[1] === 0x0b ? [0x48, 0x83, 0x04, 0x24, 2] : []), 0x48, 0xcf];
    const parts = {
      [AT.handlers + 6 * 16]: handler,
      // SYSCALL leaves the next RIP in RCX: jmp rcx
      [ENTRY]: [0xff, 0xe1],
      // retf, 32 bits
      [FAR]: [...little(FAR + 8, 4), 8, 0, 0, 0, 0xcb],
    };
    const guest = pagedGuest([...arm(LINE), ...instructions, ...wait(), ...MARK], parts);
    const [cpu] = guest.processors;
    const modelSpecific = { ...cpu.modelSpecific, star: 8n << 32n, lstar: BigInt(ENTRY) };
    const efer = cpu.control.efer | 1n;
    const state = { ...guest, processors: [{ ...cpu, modelSpecific, control: { ...cpu.control, efer } }] };
    const after = end(state, tier);
    expect(isMarked(after.state)).toBe(true);
  });

  test('a store of another processor ends the wait', () => {
    // The other one counts a while, with stores to the page of the line on the way.
    const other = [0xb9, 200, 0, 0, 0, ...store(LINE + 0x200), 0xff, 0xc9, 0x75, 0xf4, ...store(LINE), HLT];
    const state = several([[...arm(LINE), ...wait(), ...MARK], other], { seed: 5 });
    const after = end(state, tier);
    expect(after.stop.kind).toBe('stuck');
    expect(isMarked(after.state)).toBe(true);
    expect(hidden(after.state).monitoredLine).toBeUndefined();
  });

  test('steps, snapshots and runs agree', () => {
    const other = [0xb9, 20, 0, 0, 0, ...store(LINE + 0x200), 0xff, 0xc9, 0x75, 0xf4, ...store(LINE), HLT];
    let state = several([[...arm(LINE), ...wait(), ...MARK], other], { seed: 9 });
    const whole = run(state, { tier, heat: 3, maxInstructions: 90 }).state;
    for (let n = 0; n < 90; n++) {
      state = step(state).state;
      if (n % 8 !== 0) continue;
      const restored = deserialize(serialize(state));
      if (!restored.ok) throw new Error(restored.fault.says);
      expect(difference(state, restored.value).registers).toEqual([]);
      state = restored.value;
    }
    expect(difference(whole, state)).toMatchObject({ registers: [], pages: [], other: [] });
  });
});

/** Counter 0 of the 8254 in mode 0 raises IRQ0 once; the 8259 gives it vector 20H. */
const timer = (ticks: number): number[] => {
  const writes: [number, number][] = [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 4],
    [0x21, 1],
    [0x21, 0xfe],
    [0x43, 0x30],
    [0x40, ticks & 255],
    [0x40, ticks >> 8],
  ];
  return writes.flatMap(([port, value]) => [0xb0, value, 0xe6, port]);
};

describe('interrupts and MWAIT', () => {
  const HANDLER = 0xb000;
  const VECTOR = 0x20;
  /** The paged guest's IDT has 32 vectors: its limit grows by one, a gate follows, and a handler that sets RSI. */
  const withHandler = (code: readonly number[]): MachineState => {
    const gate = [HANDLER & 255, HANDLER >> 8, 8, 0, 0, 0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const state = pagedGuest(code, {
      [AT.idt + 16 * VECTOR]: gate,
      [HANDLER]: [0xbe, 0x55, 0, 0, 0, 0x48, 0xcf],
    });
    const [cpu] = state.processors;
    const { idtr } = cpu.tables;
    const tables = { ...cpu.tables, idtr: { ...idtr, limit: 16 * (VECTOR + 1) - 1 } };
    return { ...state, processors: [{ ...cpu, tables }] };
  };
  const handled = ({ processors: [cpu] }: MachineState): boolean => cpu.registers[6] === 0x55n;
  const STI = 0xfb;

  test('one that is not masked is delivered, and the program goes on behind MWAIT', () => {
    const state = withHandler([...timer(50), ...arm(LINE), STI, ...wait(), 0xfa, ...MARK]);
    const after = run(state, { maxInstructions: 10_000 });
    expect([after.stop.kind, handled(after.state), isMarked(after.state)]).toEqual(['stuck', true, true]);
    expect(hidden(after.state).monitoredLine).toBeUndefined();
    // Time has jumped to the interrupt.
    expect(after.state.clock).toBeGreaterThan(50_000);
  });

  test('one that is masked does not end it', () => {
    const after = run(withHandler([...timer(50), ...arm(LINE), ...wait(), ...MARK]), {
      maxInstructions: 10_000,
    });
    expect([after.stop.kind, isMarked(after.state)]).toEqual(['stuck', false]);
  });

  test('unless ECX[0] is 1; it stays pending', () => {
    const after = run(withHandler([...timer(50), ...arm(LINE), ...wait(1), ...MARK]), {
      maxInstructions: 10_000,
    });
    expect([after.stop.kind, handled(after.state), isMarked(after.state)]).toEqual(['stuck', false, true]);
    expect(hidden(after.state)).toMatchObject({ activity: ACTIVITY.hlt, wakesMasked: false });
  });
});
