// Random guest programs: a long-mode image with page tables, descriptor tables and handlers of its own, code for both rings.
import fc from 'fast-check';
import { decode, disassemble } from '../../src/cpu/decode';
import { processor } from '../../src/cpu/presets';
import { createMachine, loadImage, type MachineState } from '../../src/machine';
import { Assembler } from './assembler';
import { AT, GUEST_MEMORY, MOST_CODE, WINDOWS } from './guest-layout';
import {
  enterKernel,
  enterUser,
  exitProgram,
  FIXED_PIECES,
  type Piece,
  type WindowPage,
  windowTable,
} from './guest-runtime';
import { hotLoop, lastStatement, type Statement, statement } from './guest-statements';
import { windowPage } from './window-pages';

interface Item {
  readonly ring: 0 | 3;
  readonly statement: Statement;
}

/** The statements in order, with the ways between the rings. */
const assemble = (items: readonly Item[]): { readonly kernel: Uint8Array; readonly user: Uint8Array } => {
  const kernel = new Assembler(AT.kernelCode);
  const user = new Assembler(AT.userCode);
  let after = kernel.label();
  let ring: 0 | 3 = 0;
  const leaveUser = (): void => {
    if (ring === 3) enterKernel(user, after);
    ring = 0;
  };
  for (const { ring: wanted, statement: emit } of items) {
    if (kernel.here - kernel.origin > MOST_CODE || user.here - user.origin > MOST_CODE) break;
    if (wanted === 0) leaveUser();
    else if (ring === 0) {
      const entry = user.label();
      after = kernel.label();
      enterUser(kernel, entry, after);
      kernel.bind(after);
      user.bind(entry);
      ring = 3;
    }
    emit(wanted === 0 ? kernel : user);
  }
  leaveUser();
  exitProgram(kernel);
  return { kernel: kernel.finish(), user: user.finish() };
};

const codeLines = (address: number, code: Uint8Array): readonly string[] => {
  const padded = new Uint8Array(code.length + 15);
  padded.set(code);
  const lines: string[] = [];
  for (let at = 0; at < code.length; ) {
    const decoded = decode(padded, 64, at);
    const place = (address + at).toString(16);
    if (decoded.kind !== 'instruction') {
      lines.push(`${place}: db ${code[at].toString(16)}`);
      at++;
      continue;
    }
    lines.push(`${place}: ${disassemble(decoded.instruction, BigInt(address + at))}`);
    at += decoded.instruction.length;
  }
  return lines;
};

/** A guest program; printed as assembly. */
export class GuestProgram {
  readonly pieces: readonly Piece[];
  private readonly code: { readonly kernel: Uint8Array; readonly user: Uint8Array };

  constructor(
    items: readonly Item[],
    readonly windows: readonly (readonly WindowPage[])[],
  ) {
    this.code = assemble(items);
    this.pieces = [
      { address: AT.kernelCode, bytes: this.code.kernel },
      { address: AT.userCode, bytes: this.code.user },
      ...windows.map((pages, root) => windowTable(root, pages)),
    ];
  }

  /** The whole image: raw, loaded at its `AT.start` in long mode. */
  get image(): Uint8Array {
    const image = new Uint8Array(AT.end - AT.start);
    for (const { address, bytes } of [...FIXED_PIECES, ...this.pieces]) image.set(bytes, address - AT.start);
    return image;
  }

  toString(): string {
    const pages = this.windows.map((root) =>
      root.map(({ frame, bits }) => `${frame}:${bits.toString(16)}`).join(' '),
    );
    return [
      '',
      '; ring 0',
      ...codeLines(AT.kernelCode, this.code.kernel),
      ...(this.code.user.length === 0 ? [] : ['; ring 3', ...codeLines(AT.userCode, this.code.user)]),
      ...pages.map((text, root) => `; windows of root ${root} (frame:bits) ${text}`),
      '',
    ].join('\n');
  }

  [fc.toStringMethod](): string {
    return this.toString();
  }
}

const PROCESSOR = processor('skylake', ['-vmx', '+xsave']);

/** The machine that every program starts from. */
const fixed: MachineState = (() => {
  const machine = createMachine({ processor: PROCESSOR, memoryBytes: GUEST_MEMORY });
  const { image } = new GuestProgram([], []);
  const loaded = loadImage(machine, image, { format: 'raw', load: AT.start, mode: 'long' });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
})();

/** A machine without VMX at the first instruction of a program. */
export const guestMachine = (program: GuestProgram): MachineState => {
  let { memory } = fixed;
  for (const { address, bytes } of program.pieces) memory = memory.write(address, bytes);
  return Object.freeze({ ...fixed, memory });
};

const windows = fc.tuple(
  ...[0, 1].map(() => fc.array(windowPage, { minLength: WINDOWS, maxLength: WINDOWS })),
);

const item: fc.Arbitrary<Item> = fc.record({
  ring: fc.constantFrom<0 | 3>(0, 0, 3),
  statement,
});

const ending: fc.Arbitrary<readonly Item[]> = fc.oneof(
  { arbitrary: fc.constant([]), weight: 15 },
  { arbitrary: lastStatement.map((last): readonly Item[] => [{ ring: 0, statement: last }]), weight: 1 },
);

/** Programs of up to `most` statements for both rings. */
export const guestProgram = (most = 40): fc.Arbitrary<GuestProgram> =>
  fc
    .record({
      items: fc.array(item, { minLength: 1, maxLength: most, size: 'max' }),
      last: ending,
      pages: windows,
    })
    .map(({ items, last, pages }) => new GuestProgram([...items, ...last], pages));

/** Programs of loops over integer instructions. */
export const integerProgram = (most = 4): fc.Arbitrary<GuestProgram> =>
  fc
    .record({
      items: fc.array(fc.record({ ring: fc.constantFrom<0 | 3>(0, 3), statement: hotLoop }), {
        minLength: 1,
        maxLength: most,
        size: 'max',
      }),
      pages: windows,
    })
    .map(({ items, pages }) => new GuestProgram(items, pages));
