// Random bytes as instructions, in 64-bit mode at CPL 0 and 3, 32- and 16-bit protected, real-address and virtual-8086 mode; faults go into handlers that skip a byte.

import { difference, isEqual, type MachineState, run } from '../../src/api';
import { attempted, hexBytes, type Part, Wrong } from './part';
import { Random } from './random';
import { AT, isNarrow, MODES, machines, SELECTORS } from './stream-machines';
import { isListed } from './unbuilt';

let made: ReturnType<typeof machines> | undefined;

const STREAM = 48;
const MOST = 64;
const X87 = 0xd8;

/** Bytes that begin many instructions, or change how the next one is read. */
const OPENERS = [0x0f, 0x48, 0x66, 0xf3, 0xf2, 0x67, 0x4c, 0x41, 0xf0, 0x64, 0x8b, 0x89] as const;

/** The same for 16-bit code: also segment loads, far transfers, flags and interrupts. */
const NARROW_OPENERS = [
  ...[0x0f, 0x66, 0x67, 0xf3, 0x26, 0x36, 0x2e, 0x65, 0x8b, 0x89, 0x8e, 0x8c, 0x1e, 0x1f, 0x07, 0x17],
  ...[
    0x9a, 0xea, 0xcb, 0xca, 0xcf, 0xc4, 0xc5, 0x9c, 0x9d, 0xcd, 0xcc, 0xfa, 0xfb, 0xc8, 0xc9, 0xff, 0xe4,
    0xe6,
  ],
];

const streamOf = (random: Random, openers: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(STREAM);
  const opened = random.below(3);
  for (let i = 0; i < STREAM; i++) {
    let byte = random.once(6) && opened > 0 ? random.of(openers) : random.below(256);
    // x87 is not built: left alone it would end most streams.
    if ((byte & 0xf8) === X87 && !random.once(16)) byte ^= 0x20;
    bytes[i] = byte;
  }
  return bytes;
};

/** Mostly addresses that are there, so that loads and stores go on. */
const registerOf = (random: Random): bigint => {
  switch (random.below(4)) {
    case 0:
      return random.edge64();
    case 1:
      return BigInt(random.of([0, 4, 6]) * 0x10_0000 + AT.data + random.below(0x4000));
    case 2:
      return BigInt(random.below(64));
    default:
      return BigInt(AT.data + random.below(0x4000));
  }
};

/** Offsets in 64 KiB, selectors, and anything of 32 bits. */
const narrowRegisterOf = (random: Random): bigint => {
  switch (random.below(4)) {
    case 0:
      return random.edge64() & 0xffff_ffffn;
    case 1:
      return BigInt(random.of(SELECTORS));
    case 2:
      return BigInt(random.below(64));
    default:
      return BigInt(random.below(0x7000));
  }
};

const RSP = 4;
const STACK_OFFSET = AT.stackTop - AT.data;
const VIRTUAL_8086 = 0x2_0002n;
const FLAGS = [0n, 0x8d5n, 0x400n, 0x200n, 0x100n, 0x4_0000n, 0x3000n] as const;

/** The machine, the mode and the bytes of a case. */
const streamCase = (seed: number, index: number) => {
  const random = new Random(seed, 1, index);
  const mode = random.of(MODES);
  made ??= machines();
  const start = made[mode];
  const bytes = streamOf(random, isNarrow(mode) ? NARROW_OPENERS : OPENERS);
  const [cpu] = start.processors;
  const registers = cpu.registers.map((_, register) =>
    register === RSP
      ? BigInt((isNarrow(mode) ? STACK_OFFSET : AT.stackTop) - 8 * random.below(64))
      : isNarrow(mode)
        ? narrowRegisterOf(random)
        : registerOf(random),
  );
  const mask = mode === 'kernel64' || mode === 'user64' ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  const always = mode === 'virtual8086' ? VIRTUAL_8086 : 2n;
  const state: MachineState = {
    ...start,
    memory: start.memory.write(AT.code, bytes),
    processors: [
      {
        ...cpu,
        rflags: always | random.of(FLAGS),
        registers: registers.map((value) => value & mask),
        // CR4.VME and CR4.PVI.
        control: isNarrow(mode) ? { ...cpu.control, cr4: BigInt(random.below(4)) } : cpu.control,
      },
    ],
  };
  return { state, mode, bytes, random };
};

const attempt = (seed: number, index: number): readonly string[] => {
  const { state, mode, bytes, random } = streamCase(seed, index);
  const reproduction = (): string =>
    `${mode} ${hexBytes(bytes)} registers ${state.processors[0].registers.map((one) => one.toString(16)).join(' ')} flags ${state.processors[0].rflags.toString(16)}`;
  const result = attempted(
    () => run(state, { maxInstructions: MOST, tier: 'oracle' }),
    isListed,
    reproduction,
  );
  if ('unbuilt' in result) return [result.unbuilt];
  const { state: end, stop, retired } = result.value;
  if (retired > MOST) throw new Wrong(`${retired} instructions retired`, reproduction());
  const outcome = `${mode}: ${stop.kind}`;
  // Some run in another tier too, which must come to the same end; making code is dear.
  if (!random.once(8)) return [outcome];
  const tier = random.once(8) ? 'generated' : 'closures';
  const again = attempted(() => run(state, { maxInstructions: MOST, tier, heat: 1 }), isListed, reproduction);
  if ('unbuilt' in again) throw new Wrong(`the ${tier} tier lacks ${again.unbuilt}`, reproduction());
  const found = difference(end, again.value.state);
  if (stop.kind !== again.value.stop.kind || !isEqual(found))
    throw new Wrong(`oracle and ${tier} part: ${JSON.stringify(found, shown)}`, reproduction());
  return [outcome, `agrees with ${tier}`];
};

const shown = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString(16) : value instanceof Uint8Array ? hexBytes(value) : value;

export const streams: Part = { name: 'instruction streams', cases: 1_000_000, attempt };
