// The difference of two snapshots is exact: all that distinguishes them, and nothing else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { difference, isEqual, type MachineState, run, stateHash } from '../src/machine';
import { GUEST_MEMORY, guestMachine, guestProgram, word64 } from './arbitraries';
import { type Difference, differenceMutants } from './mutants/differences';
import { bundledGuest, holds, isRefuted, monitored, mustBeEqual, Refutation, whereBuilt } from './theorem';

const bytesOf = ({ memory, ram }: MachineState): readonly Uint8Array[] =>
  ram.map(({ base, bytes }) => memory.read(base, bytes));

/** The difference turns the first memory into the second, says what was there, and lists no byte twice or in vain. */
const memoryIsExact = (differ: Difference, a: MachineState, b: MachineState): void => {
  let { memory } = a;
  for (const { frame, bytes } of differ(a, b).pages)
    for (const { offset, before, after } of bytes) {
      if (offset + after.length > 4096 || before.length !== after.length || after.length === 0)
        throw new Refutation(`a run of ${after.length} bytes at ${offset} of frame ${frame}`);
      if (before.some((byte, i) => byte === after[i]))
        throw new Refutation(`a byte of frame ${frame} is listed but did not change`);
      const at = frame * 4096 + offset;
      mustBeEqual('what was there', before, memory.read(at, before.length));
      memory = memory.write(at, after);
    }
  const made = bytesOf({ ...a, memory });
  bytesOf(b).forEach((bytes, i) => {
    if (Buffer.compare(bytes, made[i]) !== 0) throw new Refutation('the difference does not lead to the end');
  });
};

const exactInMemory = (differ: Difference, place: (guest: MachineState) => MachineState) =>
  fc.property(guestProgram(), fc.nat(700), fc.nat(300), (program, first, second) =>
    whereBuilt(() => {
      const a = run(place(guestMachine(program)), { maxInstructions: first }).state;
      const b = run(a, { maxInstructions: second }).state;
      memoryIsExact(differ, a, b);
      memoryIsExact(differ, b, a);
      mustBeEqual('empty and same', isEqual(differ(a, b)), stateHash(a) === stateHash(b));
    }),
  );

type Cpu = MachineState['processors'][number];
const withCpu = (state: MachineState, change: (cpu: Cpu) => Cpu): MachineState => ({
  ...state,
  processors: [change(state.processors[0])],
});

interface Place {
  readonly path: string;
  readonly read: (state: MachineState) => unknown;
  readonly write: (state: MachineState, value: bigint) => MachineState;
}

const UART = 'uart-16550';
const uartOf = ({ board }: MachineState): number =>
  board.devices.devices.findIndex(({ name }) => name === UART);

const register = (name: string, index: number): Place => ({
  path: `processors[0].registers.${name}`,
  read: ({ processors: [cpu] }) => cpu.registers[index],
  write: (state, value) => withCpu(state, (cpu) => ({ ...cpu, registers: cpu.registers.with(index, value) })),
});

/** Places all over a state, by the path that names them. */
const PLACES: readonly Place[] = [
  register('rax', 0),
  register('rsi', 6),
  register('rdi', 7),
  register('r15', 15),
  {
    path: 'processors[0].rip',
    read: ({ processors: [cpu] }) => cpu.rip,
    write: (state, rip) => withCpu(state, (cpu) => ({ ...cpu, rip })),
  },
  {
    path: 'processors[0].control.cr2',
    read: ({ processors: [cpu] }) => cpu.control.cr2,
    write: (state, cr2) => withCpu(state, (cpu) => ({ ...cpu, control: { ...cpu.control, cr2 } })),
  },
  {
    path: 'processors[0].segments.fs.base',
    read: ({ processors: [cpu] }) => cpu.segments.fs.base,
    write: (state, base) =>
      withCpu(state, (cpu) => ({
        ...cpu,
        segments: { ...cpu.segments, fs: { ...cpu.segments.fs, base } },
      })),
  },
  {
    path: 'processors[0].hidden.blockingByNmi',
    read: ({ processors: [cpu] }) => cpu.hidden.blockingByNmi,
    write: (state, value) =>
      withCpu(state, (cpu) => ({ ...cpu, hidden: { ...cpu.hidden, blockingByNmi: (value & 1n) === 1n } })),
  },
  {
    path: 'clock',
    read: ({ clock }) => clock,
    write: (state, value) => ({ ...state, clock: Number(value & 0xffff_ffffn) }),
  },
  {
    path: `devices.${UART}.scratch`,
    read: (state) => (state.board.states[uartOf(state)] as { readonly scratch: number }).scratch,
    write: (state, value) => {
      const at = uartOf(state);
      const changed = { ...(state.board.states[at] as object), scratch: Number(value & 0xffn) };
      return { ...state, board: { ...state.board, states: state.board.states.with(at, changed) } };
    },
  },
];

/** Values put at chosen places, and nothing else, are what the difference names. */
const exactInValues = (differ: Difference) =>
  fc.property(
    guestProgram(10),
    fc.nat(500),
    fc.uniqueArray(fc.tuple(fc.nat(PLACES.length - 1), word64), { selector: ([place]) => place }),
    fc.array(fc.tuple(fc.nat(GUEST_MEMORY - 8), fc.uint8Array({ minLength: 1, maxLength: 8 })), {
      maxLength: 4,
    }),
    (program, count, changes, writes) =>
      whereBuilt(() => {
        const a = run(guestMachine(program), { maxInstructions: count }).state;
        const changed = changes.reduce((state, [place, value]) => PLACES[place].write(state, value), a);
        const memory = writes.reduce((root, [at, bytes]) => root.write(at, bytes), changed.memory);
        const b = { ...changed, memory };
        const expected = PLACES.flatMap(({ path, read }) =>
          read(a) === read(b) ? [] : [{ path, before: read(a), after: read(b) }],
        );
        const { registers, devices, other } = differ(a, b);
        const byPath = <A extends { readonly path: string }>(all: readonly A[]): readonly A[] =>
          all.toSorted((x, y) => (x.path < y.path ? -1 : 1));
        mustBeEqual('the values', byPath([...registers, ...devices, ...other]), byPath(expected));
        memoryIsExact(differ, a, b);
      }),
  );

const itself = (guest: MachineState): MachineState => guest;

describe('the difference of two snapshots is exact', () => {
  it('in memory, on the bare machine', () => {
    holds(exactInMemory(difference, itself), 100);
  });
  it('in memory, under a monitor', () => {
    holds(exactInMemory(difference, monitored), 25);
  });
  it('in registers, hidden state, devices and clock', () => {
    holds(exactInValues(difference), 150);
  });
  it('of the guest kernel', () => {
    const a = run(bundledGuest('kernel'), { maxInstructions: 30_000 }).state;
    const b = run(a, { maxInstructions: 30_000 }).state;
    memoryIsExact(difference, a, b);
    expect(isEqual(difference(a, a))).toBe(true);
    expect(difference(a, b).pages.length).toBeGreaterThan(0);
  });
});

describe('the theorem rejects a difference that', () => {
  it.each(Object.keys(differenceMutants))('%s', (name) => {
    const mutant = differenceMutants[name];
    expect(isRefuted(exactInValues(mutant), 150) || isRefuted(exactInMemory(mutant, itself), 50)).toBe(true);
  });
});
