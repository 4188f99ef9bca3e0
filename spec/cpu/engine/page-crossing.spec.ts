import { describe, expect, test } from 'vitest';
import type { MachineState } from '../../../src/machine';
import { AT, entryOf, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

/** `mov eax, imm32` begins three bytes before the end of this page; the upper half of its immediate, and RET, are on the next. */
const FIRST = 0x2_0000;
const SECOND = 0x2_1000;
const OTHER_FRAME = 0x2_2000;
const CROSSING = FIRST + 0xffd;
const RET = 0xc3;
const NX = 1n << 63n;

const call = (from: number): number[] => [0xe8, ...little(CROSSING - (AT.code + from + 5), 4)];
/** mov [address], rbx */
const storeRbx = (address: number): number[] => [0x48, 0x89, 0x1c, 0x25, ...little(address, 4)];
const invlpg = (address: number): number[] => [0x0f, 0x01, 0x3c, 0x25, ...little(address, 4)];
/** mov word [address], imm16 */
const storeWord = (address: number, value: number): number[] => [
  ...[0x66, 0xc7, 0x04, 0x25],
  ...little(address, 4),
  ...little(value, 2),
];

const RBX = [0x48, 0xbb];
const MOV_ECX_50 = [0xb9, 50, 0, 0, 0];
const DEC_ECX = [0xff, 0xc9];
const MOV_ESI_EAX = [0x89, 0xc6];
const HLT = [0xf4];

/** Calls the crossing instruction often enough to be compiled, changes something, and calls it again: ESI and EAX are what it loaded. */
const guest = (rbx: bigint, change: readonly number[]): MachineState => {
  const code = [...RBX, ...little(rbx, 8), ...MOV_ECX_50];
  const top = code.length;
  code.push(...call(top), ...DEC_ECX);
  code.push(0x75, (top - (code.length + 2)) & 255, ...MOV_ESI_EAX, ...change);
  code.push(...call(code.length), ...HLT);
  return pagedGuest(code, {
    [CROSSING]: [0xb8, 0x11, 0x11],
    [SECOND]: [0x22, 0x22, RET],
    [OTHER_FRAME]: [0x33, 0x33, RET],
  });
};

const loaded = (state: MachineState): number[] => {
  const { registers } = state.processors[0];
  return [Number(registers[6]), Number(registers[0])];
};

const change = [...storeRbx(entryOf(SECOND)), ...invlpg(SECOND)];

// SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
describe.each(TIERS)('an instruction across two pages, %s', (tier) => {
  test('its second page is mapped to another frame', () => {
    const { state } = runToHalt(guest(BigInt(OTHER_FRAME) | 3n, change), tier);
    expect(loaded(state)).toEqual([0x2222_1111, 0x3333_1111]);
  });

  test('its second page becomes absent: #PF of the second page when it is fetched, at its own RIP', () => {
    const { state } = runToHalt(guest(0n, change), tier);
    expect(exceptionOf(state, true)).toEqual({ vector: 14, errorCode: 0x10, rip: CROSSING });
    expect(state.processors[0].control.cr2).toBe(BigInt(SECOND));
  });

  test('its second page may no longer be executed', () => {
    const { state } = runToHalt(guest(BigInt(SECOND) | 3n | NX, change), tier);
    expect(exceptionOf(state, true)).toEqual({ vector: 14, errorCode: 0x11, rip: CROSSING });
    expect(state.processors[0].control.cr2).toBe(BigInt(SECOND));
  });

  test('its bytes on the second frame are overwritten, also through another mapping', () => {
    const direct = runToHalt(guest(0n, storeWord(SECOND, 0x4444)), tier);
    expect(loaded(direct.state)).toEqual([0x2222_1111, 0x4444_1111]);
    const alias = runToHalt(
      guest(BigInt(SECOND) | 3n, [...storeRbx(entryOf(OTHER_FRAME)), ...storeWord(OTHER_FRAME, 0x5555)]),
      tier,
    );
    expect(loaded(alias.state)).toEqual([0x2222_1111, 0x5555_1111]);
  });

  test('an instruction before it runs although the second page is absent', () => {
    const before = 0x2_0ff0;
    const jump = [0xe9, ...little(before - (AT.code + 12 + 5), 4)];
    const absent = pagedGuest([...change.slice(0, 8), ...[0x90, 0x90, 0x90, 0x90], ...jump], {
      [before]: [0xbf, 0x77, 0, 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90],
      [CROSSING]: [0xb8, 0x11, 0x11],
    });
    const { state } = runToHalt(absent, tier);
    expect(exceptionOf(state, true)).toEqual({ vector: 14, errorCode: 0x10, rip: CROSSING });
    expect(state.processors[0].registers[7]).toBe(0x77n);
  });
});

// SDM Vol. 3A, 6.14.1 64-Bit Mode IDT: bases have 64 bits, in compatibility mode too
test.each(TIERS)('a gate across 4 GiB, for an event in compatibility mode, %s', (tier) => {
  const [BELOW, ABOVE] = [0x2_4000, 0x2_5000];
  const [directoryBelow, tableBelow, directoryAbove, tableAbove] = [0x2_0000, 0x2_1000, 0x2_2000, 0x2_3000];
  const gate = [...little(AT.handlers + 3 * 16, 2), 8, 0, 0, 0x8e, ...little(0, 10)];
  const state = pagedGuest([0xcc], {
    [AT.directoryPointers + 8 * 3]: little(directoryBelow | 7, 8),
    [directoryBelow + 8 * 511]: little(tableBelow | 7, 8),
    [tableBelow + 8 * 511]: little(BELOW | 7, 8),
    [AT.directoryPointers + 8 * 4]: little(directoryAbove | 7, 8),
    [directoryAbove]: little(tableAbove | 7, 8),
    [tableAbove]: little(ABOVE | 7, 8),
    [BELOW + 0xffc]: gate.slice(0, 4),
    [ABOVE]: gate.slice(4),
  });
  const [cpu] = state.processors;
  const cs = { ...cpu.segments.cs, accessRights: 0xc09b };
  const idtr = { base: 0xffff_fffcn - 3n * 16n, limit: 0x1ff };
  const compatible = { ...cpu, segments: { ...cpu.segments, cs }, tables: { ...cpu.tables, idtr } };
  const after = runToHalt({ ...state, processors: [compatible] }, tier).state;
  expect(exceptionOf(after, false)).toMatchObject({ vector: 3, rip: AT.code + 1 });
});
