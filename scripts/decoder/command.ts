import { parseArgs } from 'node:util';
import { type CodeSize, decode, disassemble } from '../../src/cpu/decode';
import { differences } from './difference';
import { EXPLAINED, explanation } from './explained';
import { differenceText, Findings, hexBytes } from './findings';
import { OPCODE_MAPS } from './maps';
import { addRandom, RANDOM_KINDS } from './random';
import { ADDRESS, SLOT_BYTES, theirText, withReference } from './reference';
import { OPTIONS_OFF, referenceForm } from './reference-forms';
import { Slots } from './slots';

export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Overwrites a line on a terminal; left out elsewhere. */
  readonly progress?: (text: string) => void;
}

const SIZES: readonly CodeSize[] = [16, 32, 64];
const CASES = 10_000_000;

const USAGE = `npm run decoder -- [--cases N] [--seed N] [--size 16|32|64] [--no-maps]
npm run decoder -- --bytes HEX [--size 16|32|64]
npm run decoder -- --list

Decodes by our decoder and by iced-x86 and compares length, mnemonic, operands, sizes and prefixes: every opcode of every map with all
prefixes, then random byte strings, ${RANDOM_KINDS.length} kinds in turn. What differs for a reason on the list is counted; anything else fails.

  --cases N    random byte strings in each size (default ${CASES.toLocaleString('en-US')})
  --seed N     32-bit seed of the random bytes (default 1)
  --size N     one code size alone
  --no-maps    random byte strings alone
  --bytes HEX  one instruction alone, such as "f3 0f 1e fa"
  --list       the differences that stand, with their reasons
  --help       this text

Exit status: 0 nothing else differed, 1 something did, 2 bad input.
`;
const STATUS = { same: 0, different: 1, badInput: 2 } as const;

class BadInput extends Error {}

const integer = (option: string, text: string, most: number): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > most)
    throw new BadInput(`--${option} ${text}: give an integer from 0 to ${most.toLocaleString('en-US')}`);
  return value;
};

const bytesOf = (text: string): Uint8Array => {
  const digits = text.replace(/\s/g, '');
  if (!/^(?:[\da-f]{2}){1,16}$/i.test(digits))
    throw new BadInput(`--bytes ${text}: give 1 to 16 bytes in hexadecimal`);
  return Uint8Array.from(digits.match(/../g)!, (byte) => Number.parseInt(byte, 16));
};

const optionsOf = (argv: readonly string[]) => {
  const { values } = ((): { values: Record<string, string | boolean | undefined> } => {
    try {
      return parseArgs({
        args: [...argv],
        options: {
          cases: { type: 'string' },
          seed: { type: 'string' },
          size: { type: 'string' },
          bytes: { type: 'string' },
          'no-maps': { type: 'boolean' },
          list: { type: 'boolean' },
          help: { type: 'boolean' },
        },
      });
    } catch (error) {
      throw new BadInput((error as Error).message.split(/\.\s/)[0]);
    }
  })();
  const text = (name: string): string | undefined => values[name] as string | undefined;
  const size = text('size');
  const sizes = SIZES.filter((one) => size === undefined || String(one) === size);
  if (sizes.length === 0) throw new BadInput(`--size ${size}: give 16, 32 or 64`);
  const bytes = text('bytes');
  return {
    cases: integer('cases', text('cases') ?? String(CASES), 1_000_000_000),
    seed: integer('seed', text('seed') ?? '1', 0xffff_ffff),
    sizes,
    bytes: bytes === undefined ? undefined : bytesOf(bytes),
    maps: values['no-maps'] !== true,
    list: values.list === true,
    help: values.help === true,
  };
};

const number = (value: number, width = 0): string => value.toLocaleString('en-US').padStart(width);

/** The table of differences that stand, and what the reference is not asked for. */
const listText = (): string => {
  const lines = EXPLAINED.map(
    ({ id, aspect, because, section, example: [bytes, codeSize] }) =>
      `  ${id}: ${aspect}; ${because} (${section}); such as ${bytes} in ${codeSize}-bit code\n`,
  );
  const off = OPTIONS_OFF.map(({ option, forms }) => `  ${option}: ${forms} forms\n`);
  return `Differences that stand:\n${lines.join('')}Options of iced-x86 that stay off (other processors' opcodes):\n${off.join('')}`;
};

/** One instruction by both decoders. */
const alone = (given: Uint8Array, sizes: readonly CodeSize[], { out }: Output): number => {
  let status: number = STATUS.same;
  for (const codeSize of sizes) {
    const slot = new Uint8Array(SLOT_BYTES);
    slot.set(given);
    withReference(slot, codeSize, (_, theirs) => {
      const result = decode(slot, codeSize);
      const ours = result.kind === 'instruction' ? result.instruction : undefined;
      const our =
        ours === undefined
          ? result.kind === 'fault'
            ? result.fault
            : 'incomplete'
          : `${disassemble(ours, ADDRESS)}, ${ours.length} bytes`;
      const their =
        theirs === undefined
          ? 'none'
          : `${theirText(theirs)}, ${theirs.length} bytes, ${referenceForm(theirs.code).name}`;
      out(
        `${codeSize}-bit ${hexBytes(slot.subarray(0, given.length))}\n  ours      ${our}\n  iced-x86  ${their}\n`,
      );
      for (const difference of differences(ours, theirs, codeSize)) {
        const row = explanation(difference, theirs === undefined ? '' : referenceForm(theirs.code).name);
        out(`  ${differenceText(difference)}: ${row?.id ?? 'NOT EXPLAINED'}\n`);
        if (row === undefined) status = STATUS.different;
      }
    });
  }
  return status;
};

const MOST_SHOWN = 20;
/** Progress is printed after so many random cases. */
const STRETCH = 500_000;

interface Work {
  readonly cases: number;
  readonly seed: number;
  readonly maps: boolean;
}

const compareIn = (codeSize: CodeSize, { cases, seed, maps }: Work, { out, progress }: Output): Findings => {
  const findings = new Findings(codeSize);
  const slots = new Slots(seed, (bytes) => findings.compare(bytes));
  const stretch = (name: string, work: () => void): void => {
    const before = { ...findings };
    work();
    slots.end();
    out(
      `  ${number(findings.compared - before.compared, 11)} ${name}, ${number(findings.instructions - before.instructions)} instructions in both\n`,
    );
  };
  out(`${codeSize}-bit code\n`);
  if (maps) for (const { name, fill } of OPCODE_MAPS) stretch(name, () => fill(slots, codeSize, 'full'));
  RANDOM_KINDS.forEach(({ name }, kind) => {
    const count = Math.floor(cases / RANDOM_KINDS.length) + (kind < cases % RANDOM_KINDS.length ? 1 : 0);
    stretch(`random: ${name}`, () => {
      for (let done = 0; done < count; done += STRETCH) {
        addRandom(slots, codeSize, kind, Math.min(STRETCH, count - done));
        progress?.(`\r${codeSize}-bit random: ${name} ${number(Math.min(count, done + STRETCH))} `);
      }
      progress?.('\r\x1b[K');
    });
  });
  for (const [{ id, because, section }, { count, forms }] of findings.explained)
    out(`  explained: ${number(count)} ${id}, ${forms.size} forms: ${because} (${section})\n`);
  for (const { says, bytes, count } of [...findings.unexplained.values()].slice(0, MOST_SHOWN))
    out(
      `  DIFFERENT ${number(count)} times: ${says}\n    ${bytes}\n    alone: npm run decoder -- --size ${codeSize} --bytes "${bytes}"\n`,
    );
  return findings;
};

const run = (argv: readonly string[], output: Output): number => {
  const { sizes, bytes, list, help, ...work } = optionsOf(argv);
  if (help || list) {
    output.out(help ? USAGE : listText());
    return STATUS.same;
  }
  if (bytes !== undefined) return alone(bytes, sizes, output);
  const began = performance.now();
  const all = sizes.map((codeSize) => compareIn(codeSize, work, output));
  const sum = (count: (one: Findings) => number): number => all.reduce((total, one) => total + count(one), 0);
  const different = sum(({ unexplained }) => unexplained.size);
  output.out(
    `seed ${work.seed}: ${number(sum(({ compared }) => compared))} cases, ${different} kinds of unexplained difference, ${((performance.now() - began) / 1000).toFixed(0)} s\n`,
  );
  return different === 0 ? STATUS.same : STATUS.different;
};

/** Compares our decoder with iced-x86. Gives the exit status: 0 nothing differed unexplained, 1 something did, 2 bad input. */
export const compareDecoders = (argv: readonly string[], output: Output): number => {
  try {
    return run(argv, output);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    output.error(`decoder: ${error.message}\n`);
    return STATUS.badInput;
  }
};
