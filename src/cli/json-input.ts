import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { nearest } from '../core';
import { BadInput } from './exit-status';
import { readInput } from './files';
import type { CommandIo } from './io';

/** A JSON Schema of schemas/, dialect 2020-12; the `description` of each place says what stands there, as an error shows it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const ajv = new Ajv2020({ allowUnionTypes: true, verbose: true, strictTypes: false, strictTuples: false });
const validators = new WeakMap<JsonSchema, ValidateFunction>();

const validatorOf = (schema: JsonSchema): ValidateFunction => {
  const known = validators.get(schema) ?? ajv.compile(schema);
  validators.set(schema, known);
  return known;
};

const LONGEST_SHOWN = 60;
const LONGEST_PATH = 120;

const shortened = (text: string, longest: number): string =>
  text.length <= longest ? text : `${text.slice(0, longest)}...`;

/** Without what stands too deep to be shown: each level takes a character at least. */
const shallow = (value: unknown, levels = LONGEST_SHOWN): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return [];
  if (Array.isArray(value)) return value.map((one) => shallow(one, levels - 1));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shallow(one, levels - 1)]));
};

/** A value as it stands in the file, shortened. */
const shown = (value: unknown): string =>
  shortened(JSON.stringify(shallow(value)) ?? 'nothing', LONGEST_SHOWN);

/** A JSON pointer for people: the whole document is "/". RFC 6901 */
export const jsonPath = (...keys: readonly (string | number)[]): string =>
  `/${keys.map((key) => String(key).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;

/** A file's contents that cannot be used: where, what stands there, what is wrong, and the fix. */
export const badJson = (file: string, path: string, value: unknown, problem: string, fix: string): never => {
  throw new BadInput(`${file}: ${shortened(path, LONGEST_PATH)}: ${shown(value)}: ${problem}; ${fix}`);
};

const describedBy = (schema: unknown): string =>
  (schema as { readonly description?: string } | undefined)?.description ?? 'what the schema says';

const namesOf = (schema: unknown): readonly string[] =>
  Object.keys((schema as { readonly properties?: object } | undefined)?.properties ?? {});

const complain = (
  file: string,
  { instancePath, keyword, params, data, parentSchema }: ErrorObject,
): never => {
  const path = instancePath === '' ? '/' : instancePath;
  const wanted = describedBy(parentSchema);
  switch (keyword) {
    case 'additionalProperties': {
      const name = (params as { readonly additionalProperty: string }).additionalProperty;
      const at = `${instancePath}${jsonPath(name)}`;
      const near = nearest(name, namesOf(parentSchema));
      const fix = near === undefined ? `${path} is ${wanted}` : `did you mean "${near}"?`;
      return badJson(file, at, (data as Record<string, unknown>)[name], 'unknown name', fix);
    }
    case 'required': {
      const name = (params as { readonly missingProperty: string }).missingProperty;
      return badJson(file, path, data, `"${name}" is missing`, `add "${name}"`);
    }
    default:
      return badJson(file, path, data, 'not what belongs here', `give ${wanted}`);
  }
};

/** Line and column, where the parser says a position. */
const placeIn = (text: string, message: string): string => {
  const position = /position (\d+)/.exec(message)?.[1];
  if (position === undefined) return '';
  const lines = text.slice(0, Number(position)).split('\n');
  return ` at line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
};

const parsed = (file: string, field: string, bytes: Uint8Array): unknown => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BadInput(`${file}: ${field}: not UTF-8 text; give a JSON file`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    throw new BadInput(`${file}: ${field}: not JSON${placeIn(text, message)}; give a JSON file`);
  }
};

/** The contents of a JSON file that its schema accepts; `field` says what the file is for. */
export const readJson = <T>(io: CommandIo, path: string, field: string, schema: JsonSchema): T => {
  const value = parsed(path, field, readInput(io, path, field));
  const accepts = validatorOf(schema);
  if (!accepts(value)) complain(path, accepts.errors![0]);
  return value as T;
};

/** A number that the schemas accept: a whole number, or decimal or hexadecimal text with underlines between digits. */
export type JsonNumber = number | string;

export const numberOf = (value: JsonNumber): bigint =>
  BigInt(typeof value === 'number' ? value : value.replaceAll('_', ''));

/** As numbers are printed in JSON: hexadecimal text. */
export const hexText = (value: bigint | number): string => `0x${value.toString(16)}`;
