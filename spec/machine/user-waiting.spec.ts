// SDM Vol. 2, UMONITOR, UMWAIT, TPAUSE
import { describe, expect, it } from 'vitest';
import { deserialize, difference, type MachineState, run, serialize, step } from '../../src/api';
import { choiceAt } from '../../src/core';
import { ACTIVITY } from '../../src/cpu/processor-draft';
import { little, pagedGuest, TIERS } from '../cpu/engine/paged-guest';
import { several } from './several';

const HLT = 0xf4;
const LINE = 0x3_0040;
const WAITPKG = { waitpkg: true } as const;
/** mov eax, LINE + 5; umonitor rax */
const ARM = [0xb8, ...little(LINE + 5, 4), 0xf3, 0x0f, 0xae, 0xf0];
/** mov eax, LINE; xor ecx, ecx; xor edx, edx; monitor */
const ARM_FOR_MWAIT = [0xb8, ...little(LINE, 4), 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8];
/** xor ecx, ecx; mwait */
const MWAIT = [0x31, 0xc9, 0x0f, 0x01, 0xc9];
const UMWAIT = [0xf2, 0x0f, 0xae, 0xf1];
const TPAUSE = [0x66, 0x0f, 0xae, 0xf1];
/** rdtsc; add eax, ticks; adc edx, 0; xor ecx, ecx; and the wait */
const until = (wait: readonly number[], ticks: number): number[] => [
  ...[0x0f, 0x31, 0x05, ...little(ticks, 4), 0x83, 0xd2, 0, 0x31, 0xc9, ...wait],
];
/** mov eax, -1; cdq; xor ecx, ecx; and the wait */
const endlessly = (wait: readonly number[]): number[] => [0xb8, ...little(-1n, 4), 0x99, 0x31, 0xc9, ...wait];
/** IA32_UMWAIT_CONTROL */
const limit = (ticks: number): number[] => [
  ...[0xb9, ...little(0xe1, 4), 0xb8, ...little(ticks, 4), 0x31, 0xd2, 0x0f, 0x30],
];
const STORE = [0xc6, 0x04, 0x25, ...little(LINE, 4), 1];
/** setc bl; mov bh, 77H; hlt */
const MARK = [0x0f, 0x92, 0xc3, 0xb7, 0x77, HLT];

const guest = (...code: readonly number[]): MachineState => pagedGuest([...code, ...MARK], {}, WAITPKG);
const hidden = ({ processors: [cpu] }: MachineState) => cpu.hidden;
const NO_WAIT = {
  activity: ACTIVITY.hlt,
  monitoredLine: undefined,
  monitoredByUser: false,
  wakesMasked: false,
  waitDeadline: Number.POSITIVE_INFINITY,
  waitLimited: false,
};
/** How a run ended: the carry flag behind the wait, undefined when the program is not past it; and the machine clock. */
interface Ended {
  readonly carry: number | undefined;
  readonly clock: number;
  readonly state: MachineState;
}
const ended = (state: MachineState): Ended => {
  const rbx = Number(state.processors[0].registers[3]);
  return { carry: rbx >> 8 === 0x77 ? rbx & 0xff : undefined, clock: state.clock, state };
};

describe.each(TIERS)('user waits, %s', (tier) => {
  const end = (state: MachineState): Ended =>
    ended(run(state, { tier, heat: 3, maxInstructions: 50_000 }).state);

  it.each([
    ['TPAUSE', TPAUSE, []],
    ['UMWAIT', UMWAIT, ARM],
  ])('%s waits for the time-stamp counter', (_, wait, before) => {
    const { carry, clock, state } = end(guest(...before, ...until(wait, 5000)));
    expect(carry).toBe(0);
    expect(clock).toBeGreaterThanOrEqual(5000);
    expect(clock).toBeLessThan(5030);
    expect(hidden(state)).toMatchObject(NO_WAIT);
  });

  it('no longer than IA32_UMWAIT_CONTROL lets it; then CF is 1', () => {
    const short = end(guest(...limit(0x801), ...until(TPAUSE, 5000)));
    expect(short.carry).toBe(1);
    expect(short.clock).toBeGreaterThanOrEqual(0x800);
    expect(short.clock).toBeLessThan(0x800 + 30);
    const enough = end(guest(...limit(8000), ...until(TPAUSE, 5000)));
    expect([enough.carry, enough.clock < 5030]).toEqual([0, true]);
    expect(end(guest(...limit(0x800), ...ARM, ...until(UMWAIT, 5000))).carry).toBe(1);
  });

  it('a time that has passed is no wait', () => {
    // rdtsc; xor ecx, ecx; and the wait
    const { carry, clock } = end(guest(0x0f, 0x31, 0x31, 0xc9, ...TPAUSE));
    expect([carry, clock < 20]).toEqual([0, true]);
  });

  it.each([
    ['nothing is armed', []],
    ['MONITOR armed last', [...ARM, ...ARM_FOR_MWAIT]],
    ['the line was written', [...ARM, ...STORE]],
  ])('UMWAIT does not wait where %s', (_, before) => {
    const { carry, clock } = end(guest(...before, ...until(UMWAIT, 5000)));
    expect([carry, clock < 40]).toEqual([0, true]);
  });

  it('MWAIT does not wait where UMONITOR armed', () => {
    const { carry, state } = end(guest(...ARM, ...MWAIT));
    expect(carry).toBe(0);
    expect(hidden(state)).toMatchObject({ monitoredLine: LINE, monitoredByUser: true });
    expect(end(guest(...ARM, ...ARM_FOR_MWAIT, ...MWAIT)).carry).toBeUndefined();
  });

  it('a Choice lets them go on at once, with CF 0 and the monitor no longer armed', () => {
    const choice = choiceAt(['mwait'], () => 1n);
    for (const wait of [TPAUSE, UMWAIT]) {
      const state = guest(...limit(0x800), ...ARM, ...until(wait, 5000));
      const after = ended(run(state, { tier, heat: 3, maxInstructions: 50_000, choice }).state);
      expect([after.carry, after.clock < 40]).toEqual([0, true]);
      expect(hidden(after.state)).toMatchObject(NO_WAIT);
    }
  });

  it('a store of another processor ends UMWAIT, before its time and the limit', () => {
    // mov ecx, 3000; L: dec ecx; jnz L; and the store
    const other = [0xb9, ...little(3000, 4), 0xff, 0xc9, 0x75, 0xfc, ...STORE, HLT];
    const program = [...limit(0x8000), ...ARM, ...endlessly(UMWAIT), ...MARK];
    const { carry, clock, state } = end(several([program, other], { seed: 4, edits: WAITPKG }));
    expect(carry).toBe(0);
    expect(clock).toBeGreaterThan(6000);
    expect(clock).toBeLessThan(10_000);
    expect(hidden(state)).toMatchObject(NO_WAIT);
  });

  it('the time of one comes while another runs', () => {
    const busy = [0xb9, ...little(20_000, 4), 0xff, 0xc9, 0x75, 0xfc, HLT];
    const state = several([[...until(TPAUSE, 3000), ...MARK], busy], { seed: 4, edits: WAITPKG });
    const { carry } = ended(run(state, { tier, heat: 3, maxInstructions: 10_000 }).state);
    expect(carry).toBe(0);
  });

  it('steps, snapshots and runs agree', () => {
    const other = [0xb9, ...little(30, 4), 0xff, 0xc9, 0x75, 0xfc, ...STORE, HLT];
    const program = [...until(TPAUSE, 40), ...limit(0x8000), ...ARM, ...endlessly(UMWAIT), ...MARK];
    let state = several([program, other], { seed: 2, edits: WAITPKG });
    const whole = run(state, { tier, heat: 3, maxInstructions: 85 }).state;
    for (let n = 0; n < 85; n++) {
      state = step(state).state;
      if (n % 5 !== 0) continue;
      const restored = deserialize(serialize(state));
      if (!restored.ok) throw new Error(restored.fault.says);
      expect(difference(state, restored.value).registers).toEqual([]);
      state = restored.value;
    }
    expect(difference(whole, state)).toMatchObject({ registers: [], pages: [], other: [] });
  });
});

describe('interrupts', () => {
  /** Counter 0 of the 8254 raises IRQ0 once, after so many ticks; the 8259 passes it on. */
  const timer = (ticks: number): number[] =>
    (
      [
        [0x20, 0x11],
        [0x21, 0x20],
        [0x21, 4],
        [0x21, 1],
        [0x21, 0xfe],
        [0x43, 0x30],
        [0x40, ticks & 255],
        [0x40, ticks >> 8],
      ] as const
    ).flatMap(([port, value]) => [0xb0, value, 0xe6, port]);

  it('end the wait also while they are masked; the program goes on behind it', () => {
    for (const wait of [[...ARM, ...endlessly(UMWAIT)], endlessly(TPAUSE)]) {
      const { stop, state } = run(guest(...timer(50), ...wait), { maxInstructions: 10_000 });
      expect([stop.kind, ended(state).carry]).toEqual(['stuck', 0]);
      expect(hidden(state)).toMatchObject(NO_WAIT);
      expect(state.clock).toBeGreaterThan(50_000);
    }
  });

  it('an endless wait without any is stuck', () => {
    const { stop, state } = run(guest(...endlessly(TPAUSE)), { maxInstructions: 10_000 });
    expect([stop.kind, ended(state).carry, hidden(state).activity]).toEqual([
      'stuck',
      undefined,
      ACTIVITY.tpause,
    ]);
  });
});
