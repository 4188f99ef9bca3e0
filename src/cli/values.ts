import { ModelError, PAGE_BYTES } from '../core';
import type { CachePolicy } from '../cpu/caching';
import { type PresetName, type Processor, processor } from '../cpu/presets';
import { DEVICE_HOLE, FOUR_GIB } from '../machine';
import { BadInput } from './exit-status';

/** Values of options: each function gives the value or throws `BadInput` with the option, what is wrong and an example. */

const bad = (option: string, value: string, problem: string, fix: string): never => {
  throw new BadInput(`${option} ${value}: ${problem}; ${fix}`);
};

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Bytes of memory: a multiple of 4 KiB that the processor can address. */
export const memorySize = (option: string, value: string, addressWidth: number): number => {
  const match = /^(0x[0-9a-f]+|\d+)([kmg]?)(?:i?b)?$/i.exec(value);
  if (match === null)
    return bad(option, value, 'not a size', `write bytes with K, M or G, as in ${option} 1G`);
  const bytes = Number(match[1]) * UNITS[match[2].toLowerCase()];
  if (bytes === 0 || bytes % PAGE_BYTES !== 0)
    return bad(option, value, 'not a positive multiple of 4K', `round it, as in ${option} 128M`);
  const end = bytes <= DEVICE_HOLE ? bytes : FOUR_GIB + bytes - DEVICE_HOLE;
  if (end > 2 ** addressWidth)
    return bad(
      option,
      value,
      `more than ${addressWidth} physical address bits reach`,
      `give at most ${(2 ** addressWidth - FOUR_GIB + DEVICE_HOLE) / 2 ** 30}G`,
    );
  return bytes;
};

/** A physical address, hexadecimal with 0x or decimal, at most 52 bits. */
export const address = (option: string, value: string): number => {
  const number = /^(?:0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : Number.NaN;
  return number < 2 ** 52
    ? number
    : bad(option, value, 'not an address of at most 52 bits', `write it as in ${option} 0x100000`);
};

/** A count of instructions. */
export const count = (option: string, value: string): number => {
  const number = /^\d+(?:e\d+)?$/i.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number)
    ? number
    : bad(option, value, 'not a number of instructions', `write it as in ${option} 1000000 or ${option} 1e6`);
};

/** A whole number from `least` to `most`, after `prefix` where the option has one. */
export const wholeNumber = (
  option: string,
  value: string,
  least: number,
  most: number,
  prefix = '',
): number => {
  const digits = value.slice(prefix.length);
  const number = /^(?:0x[0-9a-f]+|\d+)$/i.test(digits) ? Number(digits) : Number.NaN;
  return number >= least && number <= most
    ? number
    : bad(
        option,
        value,
        `not a number from ${least} to ${most}`,
        `write it as in ${option} ${prefix}${Math.min(Math.max(2, least), most)}`,
      );
};

/** One of the given words. */
export const choice = <const T extends string>(option: string, value: string, words: readonly T[]): T =>
  words.includes(value as T)
    ? (value as T)
    : bad(option, value, 'unknown', `choose ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`);

/** Several of the given words, with commas between them. */
export const choices = <const T extends string>(
  option: string,
  value: string,
  words: readonly T[],
): readonly T[] => value.split(',').map((one) => choice(option, one.trim(), words));

/** A preset with edits: `skylake`, `skylake,-vmx,+umip`; `more` edits come after those that were given. */
export const processorModel = (option: string, value: string, more: readonly string[] = []): Processor => {
  const [name, ...edits] = value.split(',');
  try {
    return processor(name as PresetName, [...edits, ...more]);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return bad(
      option,
      value,
      error.message,
      `vtmodel processor lists the presets, and with a name its features`,
    );
  }
};

/** `FILE` or `FILE=arguments`. */
export const moduleArgument = (value: string): { readonly file: string; readonly commandLine?: string } => {
  const at = value.indexOf('=');
  return at < 0 ? { file: value } : { file: value.slice(0, at), commandLine: value.slice(at + 1) };
};

/** A policy of the translation caches. */
export const cachePolicy = (option: string, value: string): CachePolicy => {
  if (value === 'none' || value === 'keep-all') return { kind: value };
  if (value === 'adversarial') return { kind: value, seed: 0 };
  const [kind] = value.split(':', 1);
  const number = (least: number) => wholeNumber(option, value, least, 0xffff_ffff, `${kind}:`);
  if (kind === 'lru' && value !== kind) return { kind, entries: number(1) };
  if (kind === 'adversarial') return { kind, seed: number(0) };
  return bad(option, value, 'unknown', 'choose none, lru:N, keep-all or adversarial[:SEED]');
};
