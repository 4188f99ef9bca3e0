// Random and perturbed 4-level tables, then accesses: what the engine does is compared with a walk written from the manual.

import { createMachine, type MachineState, memoryDifference, processor, step } from '../../src/api';
import { flatSegment, words } from './flat-machine';
import { attempted, hexBytes, type Part, Wrong } from './part';
import { Random } from './random';
import { type Access, type Translation, translate } from './reference-walk';
import { isListed } from './unbuilt';

const PAGE = 4096;
const MEMORY = 8 << 20;
const FRAMES = MEMORY / PAGE;

/** Frames of the fixed part, which no random entry changes. */
const FRAME = {
  gdt: 1,
  idt: 2,
  tss: 3,
  pdpt: 4,
  directory: 5,
  table: 6,
  stack: 7,
  code: 8,
  handler: 9,
} as const;
/** Frames of random tables: the root, then two for each level below. */
const TABLES = [16, 17, 18, 19, 20, 21, 22] as const;
/** The fixed part is mapped here: code for the kernel at page 8, the same for everybody at page 40. */
const FIXED_SLOT = 256;
const FIXED = 0xffff_8000_0000_0000n;
const USER_CODE = 40;

const PRESENT = 1n;
const USER = 4n;
const ACCESSED_DIRTY = 0x60n;
const KERNEL_ENTRY = PRESENT | 2n | ACCESSED_DIRTY;
const LARGE = 1n << 7n;
const EXECUTE_DISABLE = 1n << 63n;

/** In every page: its frame number at `read`, MOV EAX with it at `fetch`. */
const OFFSET = { read: 0x108, write: 0x208, fetch: 0x308 } as const;

const prepared = (): MachineState => {
  const fresh = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: MEMORY });
  const all = new Uint8Array(MEMORY);
  const view = new DataView(all.buffer);
  const put = (frame: number, index: number, ...values: readonly bigint[]): void =>
    all.set(words(...values), frame * PAGE + 8 * index);
  const entry = (frame: number, rights = KERNEL_ENTRY): bigint => BigInt(frame * PAGE) | rights;
  put(FRAME.gdt, 0, 0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0n, 0x00cf_f300_0000_ffffn);
  put(FRAME.gdt, 5, 0x00af_fb00_0000_ffffn);
  const handler = FIXED + BigInt(FRAME.handler * PAGE);
  const gate =
    (handler & 0xffffn) | (8n << 16n) | (1n << 32n) | (0x8en << 40n) | (((handler >> 16n) & 0xffffn) << 48n);
  for (let vector = 0; vector < 256; vector++) put(FRAME.idt, 2 * vector, gate, handler >> 32n);
  const stackTop = FIXED + BigInt((FRAME.stack + 1) * PAGE);
  view.setBigUint64(FRAME.tss * PAGE + 0x24, stackTop, true);
  put(TABLES[0], FIXED_SLOT, entry(FRAME.pdpt, KERNEL_ENTRY | USER));
  put(FRAME.pdpt, 0, entry(FRAME.directory, KERNEL_ENTRY | USER));
  put(FRAME.directory, 0, entry(FRAME.table, KERNEL_ENTRY | USER));
  for (let frame = 1; frame < 16; frame++) put(FRAME.table, frame, entry(frame));
  put(FRAME.table, USER_CODE, entry(FRAME.code, KERNEL_ENTRY | USER));
  all.fill(0x90, FRAME.handler * PAGE, (FRAME.handler + 1) * PAGE);
  // What stands there in the frames of tables and handlers is of no use otherwise.
  for (let frame = 0; frame < FRAMES; frame++) {
    view.setBigUint64(frame * PAGE + OFFSET.read, BigInt(frame), true);
    view.setUint8(frame * PAGE + OFFSET.fetch, 0xb8);
    view.setUint32(frame * PAGE + OFFSET.fetch + 1, frame, true);
  }
  const [cpu] = fresh.processors;
  return {
    ...fresh,
    memory: fresh.memory.write(0, all),
    processors: [
      {
        ...cpu,
        tables: {
          gdtr: { base: FIXED + BigInt(FRAME.gdt * PAGE), limit: 47 },
          idtr: { base: FIXED + BigInt(FRAME.idt * PAGE), limit: 0xfff },
        },
        segments: {
          ...cpu.segments,
          tr: {
            selector: 0x30,
            base: FIXED + BigInt(FRAME.tss * PAGE),
            limit: 0x67,
            accessRights: 0x8b,
          },
          ldtr: { selector: 0, base: 0n, limit: 0, accessRights: 0x1_0000 },
        },
      },
    ],
  };
};

let base: MachineState | undefined;

const INDICES = [0, 1, 2, 511] as const;
const LEVELS = 4;

/** Bits that a perturbation inverts: all of them now and then, those that decide rights more often. */
const perturbed = (entry: bigint, random: Random): bigint =>
  entry ^ (1n << BigInt(random.once(2) ? random.of([0, 1, 2, 5, 6, 7, 63]) : random.below(64)));

const leaf = (random: Random, level: number): bigint => {
  const frame =
    level === 1
      ? random.below(FRAMES)
      : level === 2
        ? 512 * random.below(FRAMES / 512)
        : random.once(8)
          ? 512 * 512
          : 0;
  return (
    BigInt(frame * PAGE) |
    (level === 1 ? 0n : LARGE) |
    PRESENT |
    BigInt(random.below(4) << 1) |
    BigInt(random.below(4) << 5) |
    (random.once(4) ? EXECUTE_DISABLE : 0n)
  );
};

/** Tables of the next level by two for each: what a level points to is not always of that level. */
const table = (random: Random, level: number): bigint => {
  const frame = random.once(16) ? random.of(TABLES) : TABLES[2 * (LEVELS - level) + 1 + random.below(2)];
  const rights = random.once(4) ? BigInt(random.below(4) << 1) : 6n;
  return BigInt(frame * PAGE) | PRESENT | rights | (random.once(2) ? 0x20n : 0n);
};

const entryOf = (random: Random, level: number): bigint => {
  if (random.once(32)) return random.word64();
  const isLeaf = level === 1 || (level < LEVELS && random.once(3));
  let entry = isLeaf ? leaf(random, level) : table(random, level);
  while (random.once(6)) entry = perturbed(entry, random);
  return entry;
};

interface TablePlan {
  readonly memory: MachineState['memory'];
  /** The entries for a reproduction. */
  readonly text: string;
}

const tablesOf = (start: MachineState, random: Random): TablePlan => {
  let { memory } = start;
  const text: string[] = [];
  TABLES.forEach((frame, place) => {
    const level = LEVELS - ((place + 1) >> 1);
    for (const index of INDICES) {
      const entry = entryOf(random, level);
      memory = memory.write(frame * PAGE + 8 * index, words(entry));
      text.push(`${frame}.${index}:${entry.toString(16)}`);
    }
  });
  return { memory, text: text.join(' ') };
};

type Kind = Access['kind'];

const CODE: Readonly<Record<Kind, readonly number[]>> = {
  // MOV RAX, [RBX]; MOV [RBX], RAX; JMP RBX
  read: [0x48, 0x8b, 0x03],
  write: [0x48, 0x89, 0x03],
  fetch: [0xff, 0xe3],
};
const WRITTEN = 0x1122_3344_5566_7788n;

const addressOf = (random: Random, kind: Kind): bigint => {
  const [first, second, third, fourth] = [0, 0, 0, 0].map(() => BigInt(random.of(INDICES)));
  const top = first === 511n ? 0xffffn << 48n : 0n;
  return top | (first << 39n) | (second << 30n) | (third << 21n) | (fourth << 12n) | BigInt(OFFSET[kind]);
};

const accessOf = (random: Random, physicalBits: number): Access => ({
  kind: random.of(['read', 'write', 'fetch'] as const),
  user: random.once(2),
  cr0Wp: random.once(2),
  cr4Smep: random.once(2),
  cr4Smap: random.once(2),
  rflagsAc: random.once(2),
  eferNxe: !random.once(4),
  physicalBits,
});

/** The machine about to make the access. */
const aboutTo = (state: MachineState, access: Access, linear: bigint): MachineState => {
  const { kind, user, cr0Wp, cr4Smep, cr4Smap, rflagsAc, eferNxe } = access;
  const [cpu] = state.processors;
  const data = user ? flatSegment(0x23, 0xc0f3) : flatSegment(0x10, 0xc093);
  const at = FIXED + BigInt((user ? USER_CODE : FRAME.code) * PAGE);
  return {
    ...state,
    memory: state.memory.write(FRAME.code * PAGE, Uint8Array.from(CODE[kind])),
    processors: [
      {
        ...cpu,
        rip: at,
        rflags: 2n | (rflagsAc ? 0x4_0000n : 0n),
        registers: cpu.registers.with(0, WRITTEN).with(3, linear),
        control: {
          ...cpu.control,
          cr0: 0x8000_0031n | (cr0Wp ? 0x1_0000n : 0n),
          cr2: 0n,
          cr3: BigInt(TABLES[0] * PAGE),
          cr4: 0x20n | (cr4Smep ? 1n << 20n : 0n) | (cr4Smap ? 1n << 21n : 0n),
          efer: 0x500n | (eferNxe ? 0x800n : 0n),
        },
        segments: {
          ...cpu.segments,
          es: data,
          ss: data,
          ds: data,
          fs: data,
          gs: data,
          cs: user ? flatSegment(0x2b, 0xa0fb) : flatSegment(8, 0xa09b),
        },
      },
    ],
  };
};

const wordAt = (memory: MachineState['memory'], physical: bigint): bigint =>
  new DataView(memory.read(Number(physical), 8).buffer).getBigUint64(0, true);

const inRam = (physical: bigint): boolean => physical < BigInt(MEMORY);

/** Where there is no memory an entry reads as all ones, and has a reserved bit set therefore. */
const readerOf =
  (memory: MachineState['memory']) =>
  (physical: bigint): bigint =>
    inRam(physical) ? wordAt(memory, physical) : 0xffff_ffff_ffff_ffffn;

/** Memory as the access must leave it. */
const expectedMemory = (
  memory: MachineState['memory'],
  { entries, errorCode, physical }: Translation,
  { kind }: Access,
): MachineState['memory'] => {
  if (errorCode !== undefined) return memory;
  let after = memory;
  entries.forEach((address, i) => {
    const dirty = kind === 'write' && i === entries.length - 1 ? 0x40n : 0n;
    after = after.write(Number(address), words(wordAt(after, address) | 0x20n | dirty));
  });
  if (kind === 'write' && inRam(physical)) after = after.write(Number(physical), words(WRITTEN));
  return after;
};

/** What the delivery of a fault pushes is not looked at. */
const sameBytes = (a: MachineState['memory'], b: MachineState['memory']): boolean =>
  memoryDifference(a, b).every(({ frame }) => frame === FRAME.stack);

const PAGE_FAULT = 14;
const ACCESSES = 6;

const attempt = (seed: number, index: number): readonly string[] => {
  const random = new Random(seed, 2, index);
  base ??= prepared();
  const { memory, text } = tablesOf(base, random);
  let state: MachineState = { ...base, memory };
  const { physicalAddressWidth } = base.config.processor;
  const outcomes: string[] = [];
  for (let i = 0; i < ACCESSES; i++) {
    const access = accessOf(random, physicalAddressWidth);
    const linear = addressOf(random, access.kind);
    const start = aboutTo(state, access, linear);
    const reproduction = (): string =>
      `access ${i} ${JSON.stringify(access)} at ${linear.toString(16)} code ${hexBytes(Uint8Array.from(CODE[access.kind]))} tables (frame.index:entry) ${text}`;
    const expected = translate(readerOf(start.memory), BigInt(TABLES[0] * PAGE), linear, access);
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
  const { errorCode, physical } = expected;
  if (errorCode !== undefined) {
    if (event?.vector !== PAGE_FAULT) wrong(`no page fault; the manual: error code ${errorCode}`);
    if (event?.errorCode !== errorCode) wrong(`error code ${event?.errorCode}; the manual: ${errorCode}`);
    if (cpu.control.cr2 !== linear) wrong(`CR2 is ${cpu.control.cr2.toString(16)}`);
  } else if (event !== undefined)
    wrong(`vector ${event.vector}, error code ${event.errorCode}; the manual: ${physical.toString(16)}`);
  if (!sameBytes(after.memory, expectedMemory(start.memory, expected, access)))
    wrong('memory is not as the accessed and dirty flags and the write leave it');
  if (errorCode !== undefined) return `#PF ${errorCode}`;
  const found = cpu.registers[0];
  if (access.kind !== 'write' && inRam(physical) && found !== physical >> 12n)
    wrong(`a ${access.kind} of frame ${found.toString(16)}; the manual: ${(physical >> 12n).toString(16)}`);
  const size = ['', '', '1-GiB', '2-MiB', '4-KiB'][expected.entries.length];
  return `${access.kind} of a ${size} page`;
};

export const pageTables: Part = { name: 'page-table sets', cases: 20_000, attempt };
