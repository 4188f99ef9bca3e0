import { describe, expect, it } from 'vitest';
import type { StaleTranslation } from '../../src/api/caches';
import {
  describeStale,
  deserialize,
  type MachineConfig,
  type MachineState,
  run,
  serialize,
  stateHash,
  step,
} from '../../src/machine';
import { AT, entryOf, little, pagedGuest, TIERS } from '../cpu/engine/paged-guest';

type Policy = NonNullable<MachineConfig['caches']>;

const KEEP_ALL: Policy = { kind: 'keep-all' };
const ADVERSARIAL = Array.from({ length: 8 }, (_, seed): Policy => ({ kind: 'adversarial', seed }));
const PAGE = 0x2_0000;
const OTHER = 0x2_1000;
const EAX = 0;
const EBX = 3;

const READ_EAX = [0x8b, 0x04, 0x25, ...little(PAGE, 4)];
const READ_EBX = [0x8b, 0x1c, 0x25, ...little(PAGE, 4)];
const WRITE = [0xc7, 0x04, 0x25, ...little(PAGE, 4), ...little(99, 4)];
const INVLPG = [0x0f, 0x01, 0x3c, 0x25, ...little(PAGE, 4)];
/** MOV EAX, CR3; MOV CR3, EAX. */
const RELOAD_CR3 = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
const HLT = [0xf4];
const storeEntry = (value: number): number[] => [
  ...[0xc7, 0x04, 0x25],
  ...little(entryOf(PAGE), 4),
  ...little(value, 4),
];
/** The page goes to the other frame. */
const REMAP = storeEntry(OTHER | 7);

const guest = (policy: Policy, ...code: readonly (readonly number[])[]): MachineState => {
  const state = pagedGuest([...code.flat(), ...HLT], { [PAGE]: [1], [OTHER]: [2] });
  return { ...state, config: { ...state.config, caches: policy } };
};

const outcome = (state: MachineState, tier: (typeof TIERS)[number] = 'generated') => {
  const reports: StaleTranslation[] = [];
  const result = run(state, {
    tier,
    heat: 3,
    maxInstructions: 10_000,
    onStaleTranslation: (report) => reports.push(report),
  });
  const { registers } = result.state.processors[0];
  return { state: result.state, eax: registers[EAX], ebx: registers[EBX], reports };
};

// SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs
describe('A machine that keeps all that it may', () => {
  it.each(TIERS)('uses the old page, and tells what contradicts it (%s)', (tier) => {
    const { eax, ebx, reports } = outcome(guest(KEEP_ALL, READ_EAX, REMAP, READ_EBX, READ_EBX), tier);
    expect([eax, ebx]).toEqual([1n, 1n]);
    expect(reports).toHaveLength(1);
    const rip = BigInt(AT.code + READ_EAX.length);
    expect(reports[0]).toMatchObject({
      address: BigInt(PAGE),
      access: 'read',
      cached: { frame: PAGE >> 12 },
      current: { frame: OTHER >> 12 },
      changed: [{ table: 'guest', level: 1, address: entryOf(PAGE), write: { processor: 0, rip } }],
      enough: 'INVLPG',
    });
    expect(describeStale(reports[0])).toBe(
      `read of 0x20000 used physical page 0x20000 from the translation caches, memory says physical page 0x21000 (VPID 0, PCID 0); the paging entry of level 1 at 0x4100 was written by the instruction at 0x${rip.toString(16)} of processor 0, machine clock 1; INVLPG would have been enough`,
    );
  });

  it('without caches, and after an invalidation, it uses the new one and tells nothing', () => {
    const none = outcome(guest({ kind: 'none' }, READ_EAX, REMAP, READ_EBX));
    const page = outcome(guest(KEEP_ALL, READ_EAX, REMAP, INVLPG, READ_EBX));
    const all = outcome(guest(KEEP_ALL, READ_EAX, REMAP, RELOAD_CR3, READ_EBX));
    for (const { ebx, reports } of [none, page, all]) expect([ebx, reports]).toEqual([2n, []]);
  });

  it('rights that were raised are no contradiction', () => {
    const readOnly = guest(KEEP_ALL, READ_EAX, storeEntry(PAGE | 0x27), WRITE);
    const memory = readOnly.memory.write(entryOf(PAGE), Uint8Array.from(little(PAGE | 0x25, 8)));
    const [cpu] = readOnly.processors;
    const control = { ...cpu.control, cr0: cpu.control.cr0 | 0x1_0000n };
    const { state, reports } = outcome({ ...readOnly, memory, processors: [{ ...cpu, control }] });
    expect(reports).toEqual([]);
    expect(state.memory.read(PAGE, 1)).toEqual(Uint8Array.of(99));
  });

  it('a write through a remembered dirty flag leaves a cleared one clear', () => {
    const { state, reports } = outcome(guest(KEEP_ALL, WRITE, storeEntry(PAGE | 0x27), WRITE));
    expect(state.memory.read(entryOf(PAGE), 1)[0] & 0x60).toBe(0x20);
    expect(reports.map(({ access, current }) => [access, current.dirty])).toEqual([['write', false]]);
  });
});

describe('What is remembered is part of the state', () => {
  const program = [READ_EAX, WRITE, REMAP, READ_EBX, RELOAD_CR3, READ_EBX, INVLPG, REMAP];

  it.each([KEEP_ALL, ...ADVERSARIAL])('steps give the state of a run: %o', (policy) => {
    const start = guest(policy, ...program);
    let state = start;
    for (let count = 1; count <= program.length + 2; count++) {
      state = step(state).state;
      for (const tier of TIERS) {
        const ran = run(start, { maxInstructions: count, tier, heat: 1 }).state;
        expect(stateHash(ran), `${count} instructions, ${tier}`).toBe(stateHash(state));
      }
    }
  });

  it('a snapshot has it', () => {
    const { state } = run(guest(KEEP_ALL, ...program), { maxInstructions: 3 });
    const again = deserialize(serialize(state));
    if (!again.ok) throw new Error(again.fault.says);
    expect(stateHash(again.value)).toBe(stateHash(state));
    expect(outcome(again.value).ebx).toBe(outcome(state).ebx);
    expect(outcome(again.value).reports).toEqual(outcome(state).reports);
    expect(outcome(state).reports).toHaveLength(1);
  });
});

describe('The policy lru', () => {
  const READ_OTHER = [0x8b, 0x04, 0x25, ...little(0x3_0000, 4)];
  const lru = (entries: number): Policy => ({ kind: 'lru', entries });
  const program = [READ_EAX, REMAP, READ_OTHER, READ_EBX];

  it('keeps no more than it may, and what was used last', () => {
    // A page of code, one of data, the table of entries (read and written) and the tables on the way: 3 of them.
    const few = outcome(guest(lru(4), ...program));
    const many = outcome(guest(lru(8), ...program));
    expect([...few.state.processors[0].remembered.caches.mappings()]).toHaveLength(4);
    expect([few.ebx, few.reports.length]).toEqual([2n, 0]);
    expect([many.ebx, many.reports.length]).toEqual([1n, 1]);
  });

  it('steps give the state of a run', () => {
    const start = guest(lru(5), ...program);
    let state = start;
    for (let count = 1; count <= program.length; count++) {
      state = step(state).state;
      expect(stateHash(run(start, { maxInstructions: count }).state)).toBe(stateHash(state));
    }
  });
});
