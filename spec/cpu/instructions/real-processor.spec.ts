import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FLAG, SLOT, type SlotName, STATUS_FLAGS } from '../../../src/cpu/slots';
import { bytesOf, type Decide, dataProcessor, runSnippet } from './data-processor';

interface Form {
  readonly text: string;
  readonly mode: 32 | 64;
  readonly code: string;
  readonly in: readonly SlotName[];
  readonly out: readonly SlotName[];
  /** Bytes of memory on both sides of the middle. */
  readonly window: number;
  readonly stores: boolean;
  /** Inputs, flags and memory, then `>` and outputs, flags and memory if it changes. */
  readonly rows: readonly string[];
}
interface Vectors {
  readonly processor: { readonly vendor: string; readonly name: string };
  readonly codeAddress: string;
  readonly middle: string;
  readonly registers: readonly string[];
  readonly forms: readonly Form[];
}

const FOLDER = new URL('./vectors/', import.meta.url);
const GROUPS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .sort();
const number = (text: string): bigint => BigInt(`0x${text}`);
const SHOWN_FLAGS = STATUS_FLAGS | 0x400;

interface Outcome {
  readonly registers: readonly bigint[];
  readonly flags: number;
  readonly memory: string;
}

const replay = (vectors: Vectors, form: Form, row: string, decide: Decide): Outcome => {
  const processor = dataProcessor(form.mode, decide);
  const { cpu, memory } = processor;
  const middle = number(vectors.middle);
  const from = middle - BigInt(form.window);
  const words = row.split('>')[0].trim().split(' ');
  const wide = (value: bigint): bigint => (form.mode === 32 ? BigInt.asUintN(32, value) : value);
  vectors.registers.forEach((value, index) => {
    cpu.R[index] = wide(number(value));
  });
  for (const name of form.in) cpu.R[SLOT[name]] = number(words.shift()!);
  cpu.rflags = number(words.shift()!) | 2n;
  if (form.window > 0) memory.load(from, bytesOf(words.shift()!));
  cpu.rip = number(vectors.codeAddress);
  cpu.iterationBudget = 100;
  cpu.asksUndefinedFlags = true;
  if (!runSnippet(processor, bytesOf(form.code))) throw new Error(`fault ${cpu.interruption?.vector}`);
  return {
    registers: [...cpu.R.subarray(0, 16)],
    flags: Number(cpu.rflags) & SHOWN_FLAGS,
    memory: Buffer.from(memory.dump(from, 2 * form.window)).toString('hex'),
  };
};

/** What the real processor did, in the same form. */
const observed = (vectors: Vectors, form: Form, row: string): Outcome => {
  const [before, after] = row.split('>').map((side) => side.trim().split(' '));
  const registers = vectors.registers.map((value) =>
    form.mode === 32 ? BigInt.asUintN(32, number(value)) : number(value),
  );
  for (const name of form.in) registers[SLOT[name]] = number(before.shift()!);
  before.shift();
  for (const name of form.out) registers[SLOT[name]] = number(after.shift()!);
  const flags = Number.parseInt(after.shift()!, 16);
  return { registers, flags, memory: (form.stores ? after.shift() : before.shift()) ?? '' };
};

const shown = ({ registers, flags, memory }: Outcome, mask: number): string =>
  `${registers.map((value) => value.toString(16)).join(' ')} | ${(flags & mask).toString(16)} | ${memory}`;

// SDM Vol. 2, SHLD, SHRD: with a count beyond the width the 16-bit result is undefined.
const isResultUndefined = (form: Form, row: string): boolean =>
  /^sh[lr]d ax, bx, cl/.test(form.text) && (number(row.split(' ')[form.in.indexOf('rcx')]) & 31n) > 16n;

const { cf, pf, af, zf, sf, of } = FLAG;
/** Undefined flags in which a vendor's processors (those of the vectors here) do otherwise than the default, by mnemonic. */
const DIFFERS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  GenuineIntel: {},
  AuthenticAMD: {
    ...Object.fromEntries(['shl', 'shr', 'sar', '.byte'].map((name) => [name, af])),
    ...Object.fromEntries(['mul', 'imul', 'div', 'idiv'].map((name) => [name, sf | zf | af | pf])),
    ...Object.fromEntries(['rcl', 'rcr', 'lzcnt', 'tzcnt', 'daa', 'das'].map((name) => [name, of])),
    ...Object.fromEntries(['shld', 'shrd'].map((name) => [name, af | of])),
    ...Object.fromEntries(['aaa', 'aas'].map((name) => [name, sf | zf | pf])),
    aad: of | af | cf,
    bextr: af | pf,
    bzhi: pf,
  },
};

describe.each(GROUPS)('SDM Vol. 2: what a real processor does, %s', (name) => {
  const vectors = JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Vectors;
  const differs = DIFFERS[vectors.processor.vendor];

  test.each(vectors.forms)('$text ($mode-bit mode)', (form) => {
    for (const row of form.rows) {
      if (isResultUndefined(form, row)) continue;
      const real = observed(vectors, form, row);
      const ours = replay(vectors, form, row, (_, preferred) => preferred);
      // A flag is undefined when a Choice can change it; only those may differ, and only where the vendor is known to.
      const none = replay(vectors, form, row, () => 0n);
      const all = replay(vectors, form, row, (alternatives) => alternatives - 1n);
      const free = (none.flags ^ all.flags) & (differs[form.text.split(' ')[0]] ?? 0);
      const mask = SHOWN_FLAGS & ~free;
      expect(shown(ours, mask), row).toBe(shown(real, mask));
    }
  });
});
