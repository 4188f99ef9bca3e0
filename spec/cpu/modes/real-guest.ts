import { processor } from '../../../src/cpu/presets';
import { createMachine, type MachineState, type RunOptions, type RunResult, run } from '../../../src/machine';
import { little } from '../engine/paged-guest';

/** Where things stand in the first megabyte. */
export const AT = { handlers: 0x7000, code: 0x1_0000, stackTop: 0x8000, segment: 0x2000 } as const;
const VECTORS = 32;
const HANDLER_SPACING = 16;
const HLT = 0xf4;

type Segment = MachineState['processors'][number]['segments']['cs'];

/** A segment register whose selector counts paragraphs of 16 bytes. */
export const inParagraphs = (selector: number, accessRights: number): Segment => ({
  selector,
  base: BigInt(selector) * 16n,
  limit: 0xffff,
  accessRights,
});

/** One of real-address mode as reset and loads leave it. */
export const realSegment = (selector: number): Segment => inParagraphs(selector, 0x93);

export interface RealGuest {
  readonly code: readonly number[];
  /** Bytes at physical addresses. */
  readonly parts?: Readonly<Record<number, readonly number[]>>;
  readonly flags?: bigint;
  /** Changes of the general registers, by number. */
  readonly registers?: Readonly<Record<number, bigint>>;
  readonly segments?: Partial<MachineState['processors'][number]['segments']>;
  readonly idtLimit?: number;
}

/** A machine in real-address mode about to run `code` at 1000H:0, SS:SP 0:8000H, DS and ES 2000H; each of the first 32 vectors halts in a handler of its own. */
export const realGuest = (guest: RealGuest): MachineState => {
  const { code, parts = {}, flags = 2n, registers = {}, segments = {}, idtLimit = 0x3ff } = guest;
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 21 });
  let memory = machine.memory.write(AT.code, Uint8Array.from(code));
  for (let vector = 0; vector < VECTORS; vector++) {
    const handler = AT.handlers + vector * HANDLER_SPACING;
    memory = memory.write(4 * vector, Uint8Array.from(little(handler, 4))).write(handler, Uint8Array.of(HLT));
  }
  for (const [address, bytes] of Object.entries(parts))
    memory = memory.write(Number(address), Uint8Array.from(bytes));
  const [cpu] = machine.processors;
  const all: Readonly<Record<number, bigint>> = { 4: BigInt(AT.stackTop), ...registers };
  return {
    ...machine,
    memory,
    processors: [
      {
        ...cpu,
        rip: 0n,
        rflags: flags,
        registers: cpu.registers.map((_, number) => all[number] ?? 0n),
        tables: { ...cpu.tables, idtr: { base: 0n, limit: idtLimit } },
        segments: {
          ...cpu.segments,
          cs: realSegment(AT.code >> 4),
          ds: realSegment(AT.segment),
          es: realSegment(AT.segment),
          ...segments,
        },
      },
    ],
  };
};

const MOST_INSTRUCTIONS = 10_000;

/** Runs until the guest halts or shuts down. */
export const runReal = (state: MachineState, tier: RunOptions['tier'] = 'generated'): RunResult =>
  run(state, { tier, heat: 3, maxInstructions: MOST_INSTRUCTIONS });

/** The vector in whose handler the guest halted; undefined when it halted elsewhere. */
export const vectorOf = ({ processors: [cpu] }: MachineState): number | undefined => {
  const into = Number(cpu.rip + cpu.segments.cs.base) - AT.handlers;
  return into >= 0 && into < VECTORS * HANDLER_SPACING ? Math.floor(into / HANDLER_SPACING) : undefined;
};

/** Words on the stack from SS:SP up. */
export const stackOf = ({ memory, processors: [cpu] }: MachineState, count: number): readonly number[] => {
  const base = cpu.segments.ss.base;
  return Array.from({ length: count }, (_, n) => {
    const offset = BigInt.asUintN(16, cpu.registers[4] + BigInt(2 * n));
    const [low, high] = memory.read(Number(base + offset), 2);
    return low | (high << 8);
  });
};
