// Random and perturbed tables of every paging mode, then accesses: what the engine does is compared with a walk written from the manual.

import { type MachineState, memoryDifference, type Processor, processor, step } from '../../src/api';
import { words } from './flat-machine';
import {
  aboutTo,
  codeOf,
  entryBytes,
  FRAMES,
  isLong,
  MEMORY,
  OFFSET,
  PAGE,
  PRESENT,
  prepared,
  ROOT,
  SHAPES,
  STACK_FRAME,
  TABLES,
  withFixed,
  writtenBy,
} from './paging-machine';
import { attempted, hexBytes, type Part, Wrong } from './part';
import { Random } from './random';
import { type Access, type Mode, type Roots, type Translation, translate } from './reference-walk';
import { isListed } from './unbuilt';

/** Parts with address widths of 52, 46, 36 and 32 bits, with and without what the formats depend on. */
const PROCESSORS: readonly (readonly [Processor, readonly Mode[]])[] = [
  [processor('sapphire-rapids', ['-vmx']), ['32-bit', 'PAE', '4-level', '5-level']],
  [processor('skylake', ['-vmx', '+la57', '+pks']), ['PAE', '4-level', '5-level']],
  [processor('skylake', ['-vmx', '-page-1gib']), ['4-level']],
  [processor('nehalem', ['-vmx']), ['32-bit', 'PAE', '4-level']],
  [processor('nehalem', ['-vmx', '-pse36', '-pat']), ['32-bit', 'PAE']],
  [processor('pentium'), ['32-bit']],
];
const KINDS = PROCESSORS.flatMap(([part, modes]) => modes.map((mode) => ({ part, mode })));
const bases = new Map<number, MachineState>();

const LARGE = 1n << 7n;
const EXECUTE_DISABLE = 1n << 63n;
const KEY = 59n;

const indicesOf = (mode: Mode): readonly number[] => [0, 1, 2, mode === '32-bit' ? 1023 : 511];

/** Bits that a perturbation inverts: all of them now and then, those that decide rights more often. */
const perturbed = (entry: bigint, random: Random): bigint =>
  entry ^ (1n << BigInt(random.once(2) ? random.of([0, 1, 2, 5, 6, 7, 63]) : random.below(64)));

const leafFrame = (random: Random, mode: Mode, level: number): number => {
  if (level === 1) return random.below(FRAMES);
  const span = mode === '32-bit' ? 1024 : 512;
  if (level === 2) return span * random.below(FRAMES / span);
  return random.once(8) ? 512 * 512 : 0;
};

const leaf = (random: Random, mode: Mode, level: number): bigint =>
  BigInt(leafFrame(random, mode, level) * PAGE) |
  (level === 1 ? 0n : LARGE) |
  PRESENT |
  BigInt(random.below(4) << 1) |
  BigInt(random.below(4) << 5) |
  (random.once(4) ? EXECUTE_DISABLE : 0n) |
  (isLong(mode) ? BigInt(random.below(4)) << KEY : 0n) |
  // Address bits 39:32 of a 4-MiB page.
  (mode === '32-bit' && level === 2 && random.once(4) ? BigInt(random.below(16)) << 13n : 0n);

/** Tables of the next level by two for each: what a level points to is not always of that level. */
const tableFrame = (random: Random, mode: Mode, level: number): number =>
  random.once(16) ? random.of(TABLES) : TABLES[2 * (SHAPES[mode].levels - level) + 1 + random.below(2)];

const table = (random: Random, mode: Mode, level: number): bigint => {
  const rights = random.once(4) ? BigInt(random.below(4) << 1) : 6n;
  return BigInt(tableFrame(random, mode, level) * PAGE) | PRESENT | rights | (random.once(2) ? 0x20n : 0n);
};

const entryOf = (random: Random, mode: Mode, level: number): bigint => {
  if (random.once(32)) return random.word64();
  const isLeaf = level === 1 || (level < 4 && random.once(3));
  let entry = isLeaf ? leaf(random, mode, level) : table(random, mode, level);
  while (random.once(6)) entry = perturbed(entry, random);
  return entry;
};

/** What a load of the PDPTE registers lets pass. */
const pdpte = (random: Random): bigint =>
  BigInt(random.of([TABLES[0], TABLES[1], TABLES[2]]) * PAGE) |
  BigInt(random.of([0, 8, 0x10, 0xe00])) |
  (random.once(6) ? 0n : PRESENT);

interface TablePlan {
  readonly memory: MachineState['memory'];
  readonly pdptes: readonly bigint[];
  /** The entries for a reproduction. */
  readonly text: string;
}

const tablesOf = (start: MachineState, mode: Mode, random: Random): TablePlan => {
  let { memory } = start;
  const { levels, entryBytes: size } = SHAPES[mode];
  const pdptes = mode === 'PAE' ? withFixed([0, 1, 2, 3].map(() => pdpte(random))) : [0n, 0n, 0n, 0n];
  const text: string[] = mode === 'PAE' ? [`pdptes:${pdptes.map((one) => one.toString(16)).join(',')}`] : [];
  TABLES.forEach((frame, place) => {
    const level = levels - ((place + 1) >> 1);
    if (level < 1) return;
    for (const index of indicesOf(mode)) {
      const entry = entryOf(random, mode, level);
      memory = memory.write(frame * PAGE + size * index, entryBytes(mode, entry));
      text.push(`${frame}.${index}:${entry.toString(16)}`);
    }
  });
  return { memory, pdptes, text: text.join(' ') };
};

const addressOf = (random: Random, { mode, kind }: Access): bigint => {
  const index = (): bigint => BigInt(random.of(indicesOf(mode)));
  const offset = BigInt(OFFSET[kind]);
  if (mode === '32-bit') return (index() << 22n) | (index() << 12n) | offset;
  const low = (index() << 21n) | (index() << 12n) | offset;
  if (mode === 'PAE') return (BigInt(random.below(4)) << 30n) | low;
  const bits = mode === '5-level' ? 57 : 48;
  const upper = mode === '5-level' ? index() << 48n : 0n;
  const linear = upper | (index() << 39n) | (index() << 30n) | low;
  return BigInt.asUintN(64, BigInt.asIntN(bits, linear));
};

/** Keys of the pages of a walk's fixed part, key 0, deny nothing. */
const keysOf = (random: Random): number | undefined =>
  random.once(2) ? undefined : (random.word() & ~3) >>> 0;

const accessOf = (random: Random, mode: Mode, { physicalAddressWidth, features }: Processor): Access => ({
  mode,
  kind: random.of(['read', 'write', 'fetch'] as const),
  user: random.once(2),
  cr0Wp: random.once(2),
  cr4Pse: !random.once(4),
  cr4Smep: random.once(2),
  cr4Smap: random.once(2),
  rflagsAc: random.once(2),
  eferNxe: !random.once(4),
  pkru: keysOf(random),
  pkrs: keysOf(random),
  physicalBits: physicalAddressWidth,
  hasPat: features.has('pat'),
  hasPse36: features.has('pse36'),
  hasGigabytePages: features.has('page-1gib'),
});

const wordAt = (memory: MachineState['memory'], physical: bigint, bytes: 4 | 8): bigint => {
  const view = new DataView(memory.read(Number(physical), bytes).buffer);
  return bytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
};

const inRam = (physical: bigint): boolean => physical < BigInt(MEMORY);

/** Where there is no memory an entry reads as all ones. */
const readerOf =
  (memory: MachineState['memory']) =>
  (physical: bigint, bytes: 4 | 8): bigint =>
    inRam(physical) ? wordAt(memory, physical, bytes) : (1n << BigInt(8 * bytes)) - 1n;

/** Memory as the access must leave it. */
const expectedMemory = (
  memory: MachineState['memory'],
  { entries, errorCode, physical }: Translation,
  access: Access,
): MachineState['memory'] => {
  if (errorCode !== undefined) return memory;
  let after = memory;
  const size = SHAPES[access.mode].entryBytes;
  entries.forEach((address, i) => {
    if (!inRam(address)) return;
    const dirty = access.kind === 'write' && i === entries.length - 1 ? 0x40n : 0n;
    const entry = wordAt(after, address, size) | 0x20n | dirty;
    after = after.write(Number(address), words(entry).subarray(0, size));
  });
  if (access.kind === 'write' && inRam(physical)) after = after.write(Number(physical), writtenBy(access));
  return after;
};

/** What the delivery of a fault pushes is not looked at. */
const sameBytes = (a: MachineState['memory'], b: MachineState['memory']): boolean =>
  memoryDifference(a, b).every(({ frame }) => frame === STACK_FRAME);

const PAGE_FAULT = 14;
const ACCESSES = 6;

const baseOf = (which: number): MachineState => {
  const known = bases.get(which);
  if (known !== undefined) return known;
  const made = prepared(KINDS[which].part, KINDS[which].mode);
  bases.set(which, made);
  return made;
};

const attempt = (seed: number, index: number): readonly string[] => {
  const random = new Random(seed, 2, index);
  const which = random.below(KINDS.length);
  const { part, mode } = KINDS[which];
  const base = baseOf(which);
  const { memory, pdptes, text } = tablesOf(base, mode, random);
  const roots: Roots = { cr3: BigInt(ROOT * PAGE), pdptes };
  let state: MachineState = { ...base, memory };
  const outcomes: string[] = [];
  for (let i = 0; i < ACCESSES; i++) {
    const access = accessOf(random, mode, part);
    const linear = addressOf(random, access);
    const start = aboutTo(state, access, linear, pdptes);
    const code = hexBytes(Uint8Array.from(codeOf(access)));
    const reproduction = (): string =>
      `${part.name} access ${i} ${JSON.stringify(access)} at ${linear.toString(16)} code ${code} tables (frame.index:entry) ${text}`;
    const expected = translate(readerOf(start.memory), roots, linear, access);
    const made = attempted(
      () => {
        const first = step(start);
        return access.kind === 'fetch' && first.events.length === 0 ? step(first.state) : first;
      },
      isListed,
      reproduction,
    );
    if ('unbuilt' in made) {
      outcomes.push(made.unbuilt);
      break;
    }
    const { state: after, events } = made.value;
    outcomes.push(compared(expected, access, linear, start, after, events, reproduction));
    ({ state } = made.value);
  }
  return outcomes;
};

const PAGE_SIZES: Readonly<Record<number, string>> = { 12: '4-KiB', 21: '2-MiB', 22: '4-MiB', 30: '1-GiB' };

const compared = (
  expected: Translation,
  access: Access,
  linear: bigint,
  start: MachineState,
  after: MachineState,
  events: ReturnType<typeof step>['events'],
  reproduction: () => string,
): string => {
  const wrong = (says: string): never => {
    throw new Wrong(says, reproduction());
  };
  const [cpu] = after.processors;
  const first = events.find(({ kind }) => kind === 'delivered');
  const event = first?.kind === 'delivered' ? first.event : undefined;
  const { errorCode, physical, pageBits } = expected;
  const { mode, kind } = access;
  if (errorCode !== undefined) {
    if (event?.vector !== PAGE_FAULT) wrong(`no page fault; the manual: error code ${errorCode}`);
    if (event?.errorCode !== errorCode) wrong(`error code ${event?.errorCode}; the manual: ${errorCode}`);
    if (cpu.control.cr2 !== linear) wrong(`CR2 is ${cpu.control.cr2.toString(16)}`);
  } else if (event !== undefined)
    wrong(`vector ${event.vector}, error code ${event.errorCode}; the manual: ${physical.toString(16)}`);
  if (!sameBytes(after.memory, expectedMemory(start.memory, expected, access)))
    wrong('memory is not as the accessed and dirty flags and the write leave it');
  if (errorCode !== undefined) return `${mode}: #PF ${errorCode}`;
  const found = cpu.registers[0];
  if (kind !== 'write' && inRam(physical) && found !== physical >> 12n)
    wrong(`a ${kind} of frame ${found.toString(16)}; the manual: ${(physical >> 12n).toString(16)}`);
  return `${mode}: ${kind} of a ${PAGE_SIZES[pageBits]} page`;
};

export const pageTables: Part = { name: 'page-table sets', cases: 100_000, attempt };
