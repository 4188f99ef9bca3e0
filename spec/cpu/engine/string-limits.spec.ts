import { describe, expect, test } from 'vitest';
import { processor } from '../../../src/cpu/presets';
import { createMachine, difference, isEqual, type MachineState, run, step } from '../../../src/machine';

const CODE = 0x1_0000;
const DATA = 0x2_0000;
const FLAT = { selector: 0x10, base: 0n, limit: 0xffff_ffff, accessRights: 0xc093 } as const;
const RCX = 1;
const RSI = 6;
const RDI = 7;

interface Case {
  readonly code: readonly number[];
  readonly limit: number;
  readonly count: number;
  readonly from?: number;
  readonly to: number;
  readonly rights?: number;
}

/** 32-bit code at CPL 0, without paging and without an IDT; ES begins at `DATA`, DS a page after it. */
const guest = ({ code, limit, count, from = 0, to, rights = 0x4093 }: Case): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 21 });
  const [cpu] = machine.processors;
  const es = { selector: 0x18, base: BigInt(DATA), limit, accessRights: rights };
  const values: Readonly<Record<number, number>> = { 0: 0x4433_2211, [RCX]: count, [RSI]: from, [RDI]: to };
  return {
    ...machine,
    memory: machine.memory.write(CODE, Uint8Array.of(...code, 0xf4)).write(
      DATA + 0x1000,
      Uint8Array.from({ length: 0x400 }, (_, i) => i * 7),
    ),
    processors: [
      {
        ...cpu,
        rip: BigInt(CODE),
        registers: cpu.registers.map((_, number) => BigInt(values[number] ?? 0)),
        control: { ...cpu.control, cr0: 0x11n },
        tables: { ...cpu.tables, idtr: { base: 0n, limit: 0 } },
        segments: {
          ...cpu.segments,
          cs: { ...FLAT, selector: 8, accessRights: 0xc09b },
          ss: FLAT,
          ds: { ...es, base: BigInt(DATA + 0x1000) },
          es,
        },
      },
    ],
  };
};

/** Step by step, an iteration each, to the end. */
const inSteps = (start: MachineState): MachineState => {
  for (let state = start; ; ) {
    const result = step(state);
    state = result.state;
    if (result.events.some(({ kind }) => kind === 'stopped')) return state;
  }
};

const registers = ({ processors: [{ registers: values, rip }] }: MachineState): readonly number[] => [
  ...[RCX, RSI, RDI].map((number) => Number(values[number])),
  Number(rip) - CODE,
];

const REP_STOSB = [0xf3, 0xaa];
const REP_STOSD = [0xf3, 0xab];
const REP_STOSD_16 = [0x67, 0xf3, 0xab];
const REP_MOVSB_16 = [0x67, 0xf3, 0xa4];
const REP_MOVSD = [0xf3, 0xa5];

// SDM Vol. 1, 7.3.9 String Operations; SDM Vol. 3A, 5.3 Limit Checking: an element beyond the limit faults, those before it are written.
describe('repeated strings at the end of segment and address size', () => {
  test.each<[string, Case, readonly number[]]>([
    ['within the limit', { code: REP_STOSB, limit: 0xffff, count: 0x2000, to: 0x10 }, [0, 0, 0x2010, 3]],
    ['up to the limit', { code: REP_STOSD, limit: 0x1fff, count: 0x80, to: 0x1e00 }, [0, 0, 0x2000, 3]],
    ['over the limit', { code: REP_STOSD, limit: 0x1ffe, count: 0x80, to: 0x1e00 }, [1, 0, 0x1ffc, 0]],
    ['DI wraps around', { code: REP_STOSD_16, limit: 0xffff_ffff, count: 0x20, to: 0xffc0 }, [0, 0, 0x40, 4]],
    [
      'an element across the end of 64 KiB does not wrap around',
      { code: REP_STOSD_16, limit: 0xffff_ffff, count: 0x20, to: 0xffc2 },
      [0, 0, 0x42, 4],
    ],
    [
      'an element across the end of 64 KiB, beyond the limit',
      { code: REP_STOSD_16, limit: 0xffff, count: 0x20, to: 0xffc2 },
      [0x11, 0, 0xfffe, 0],
    ],
    [
      'SI and DI wrap around',
      { code: REP_MOVSB_16, limit: 0xffff, count: 0x100, from: 0xff80, to: 0xffe0 },
      [0, 0x80, 0xe0, 4],
    ],
    [
      'to an expand-down segment',
      { code: REP_MOVSD, limit: 0xff, count: 8, from: 0x100, to: 0x100, rights: 0x4097 },
      [0, 0x120, 0x120, 3],
    ],
    [
      'below an expand-down segment',
      { code: REP_MOVSD, limit: 0xff, count: 8, from: 0x100, to: 0xf0, rights: 0x4097 },
      [8, 0x100, 0xf0, 0],
    ],
    [
      'to a read-only segment',
      { code: REP_MOVSD, limit: 0xffff, count: 8, from: 0, to: 0, rights: 0x4091 },
      [8, 0, 0, 0],
    ],
  ])('%s', (_, given, expected) => {
    const start = guest(given);
    const { state } = run(start);
    expect(registers(state)).toEqual(expected);
    expect(isEqual(difference(state, inSteps(start)))).toBe(true);
  });
});
