import { type MachineState, run } from '../src/machine';
import { rawGuest } from './guests';
import { atLeast, expect, type Row, repeated, timed } from './measure';

/** EBP and ESP of the program: its data and its stack. */
const DATA = 0x300_0000;
const STACK = 0x380_0000;
const REGISTERS = [0, 1, 2, 3, 6, 7] as const;

const dword = (value: number): readonly number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);

/** Numbers below a bound, the same ones each time. */
const numbers = (): ((bound: number) => number) => {
  let seed = 12345;
  return (bound) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fff_ffff;
    return (seed >>> 8) % bound;
  };
};

/** Straight-line code of `count` instructions that run once: moves, arithmetic, memory, stack, and branches to the next instruction; then HLT. */
const straightLine = (count: number): readonly number[] => {
  const below = numbers();
  const register = (): number => REGISTERS[below(REGISTERS.length)];
  const forms: readonly (() => readonly number[])[] = [
    () => [0xb8 | register(), ...dword(below(1 << 30))],
    () => [[0x01, 0x29, 0x21, 0x31, 0x39, 0x89][below(6)], 0xc0 | (register() << 3) | register()],
    () => [[0x8b, 0x89, 0x03, 0x3b][below(4)], 0x45 | (register() << 3), below(100)],
    () => [[0x8b, 0x89, 0x33][below(3)], 0x85 | (register() << 3), ...dword(4 * below(100_000))],
    () => [0x83, 0xc0 | (below(8) << 3) | register(), below(128)],
    () => [0xc1, [0xe0, 0xe8, 0xf8][below(3)] | register(), 1 + below(30)],
    () => [0x8d, 0x44 | (register() << 3), (below(4) << 6) | (register() << 3) | 5, below(100)],
    () => [0x0f, [0xb6, 0xb7, 0xaf][below(3)], 0xc0 | (register() << 3) | below(4)],
    () => [0x70 | below(16), 0],
    () => [0xc7, 0x45, below(100), ...dword(below(1 << 30))],
  ];
  const code: number[] = [0xbd, ...dword(DATA), 0xbc, ...dword(STACK)];
  for (let i = 3; i < count; i++) code.push(...forms[below(forms.length)]());
  return [...code, 0xf4];
};

const figure = (guest: MachineState, count: number): number => {
  const { seconds, result } = timed(() => run(guest));
  expect(result.stop.kind === 'stuck', `straight-line code ended with ${result.stop.kind}`);
  expect(result.retired === count, `straight-line code retired ${result.retired}`);
  return count / seconds / 1e6;
};

/** Code that runs once: decoding counts as much as running. */
export const coldCode: Row = async ({ smoke, runs }) => {
  const count = smoke ? 5_000 : 200_000;
  const code = straightLine(count);
  return (['long', 'protected'] as const).map((mode) => {
    const guest = rawGuest(code, mode);
    figure(guest, count);
    return {
      row: 'code that runs once',
      variant: mode === 'long' ? '64-bit' : '32-bit',
      unit: 'M instr/s',
      target: atLeast(0.3),
      runs: repeated(runs, () => figure(guest, count)),
    };
  });
};
