import { ModelError } from '../../core';
import { type Codec, type Encoded, malformed, shown } from './codec';

/**
 * Plain immutable data of a shape that only its owner knows (a monitor's state, a user's device): numbers, bigints, strings, booleans, null, undefined,
 * arrays, plain objects, Maps, Sets and Uint8Arrays. What JSON lacks is an object with the one key `$`, whose value is a tagged pair.
 */
const TAG = '$';
const DEEPEST = 200;

const tagged = (tag: string, value: Encoded): Encoded => ({ [TAG]: [tag, value] });

const special = (value: number): Encoded =>
  Number.isFinite(value) && !Object.is(value, -0)
    ? value
    : tagged('number', Object.is(value, -0) ? '-0' : String(value));

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const encodeObject = (value: object, depth: number): Encoded => {
  const inside = (one: unknown): Encoded => encodePlain(one, depth + 1);
  if (depth > DEEPEST) throw new ModelError('a state is nested too deeply for a snapshot');
  if (Array.isArray(value)) return Array.from(value, inside);
  if (value instanceof Map)
    return tagged(
      'map',
      [...value].map(([key, one]) => [inside(key), inside(one)]),
    );
  if (value instanceof Set) return tagged('set', [...value].map(inside));
  if (value instanceof Uint8Array) return tagged('bytes', [...value]);
  if (!isPlain(value))
    throw new ModelError(`a state holds a ${value.constructor.name}, which no snapshot can carry`);
  const entries = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, one]) => [key, inside(one)] as const);
  return Object.hasOwn(value, TAG) ? tagged('object', entries) : Object.fromEntries(entries);
};

const encodePlain = (value: unknown, depth: number): Encoded => {
  switch (typeof value) {
    case 'number':
      return special(value);
    case 'bigint':
      return tagged('bigint', value.toString());
    case 'undefined':
      return tagged('undefined', null);
    case 'string':
    case 'boolean':
      return value;
    case 'object':
      return value === null ? null : encodeObject(value, depth);
    default:
      throw new ModelError(`a state holds a ${typeof value}, which no snapshot can carry`);
  }
};

const NUMBERS: Readonly<Record<string, number>> = {
  '-0': -0,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

const pairs = (value: unknown, field: string): readonly (readonly [unknown, unknown])[] => {
  if (!Array.isArray(value)) return malformed(field, `${shown(value)} is not an array of pairs`);
  return value.map((pair: unknown) =>
    Array.isArray(pair) && pair.length === 2
      ? ([pair[0], pair[1]] as const)
      : malformed(field, `${shown(pair)} is not a pair`),
  );
};

const decodeTagged = (pair: unknown, field: string, depth: number): unknown => {
  if (!Array.isArray(pair) || pair.length !== 2) return malformed(field, `${shown(pair)} is no tagged value`);
  const [tag, value]: readonly unknown[] = pair;
  const inside = (one: unknown): unknown => decodePlain(one, field, depth + 1);
  switch (tag) {
    case 'number':
      if (typeof value === 'string' && Object.hasOwn(NUMBERS, value)) return NUMBERS[value];
      break;
    case 'bigint':
      if (typeof value === 'string' && /^(?:0|-?[1-9][0-9]*)$/.test(value)) return BigInt(value);
      break;
    case 'undefined':
      if (value === null) return undefined;
      break;
    case 'bytes':
      if (Array.isArray(value) && value.every((one) => Number.isInteger(one) && one >= 0 && one <= 0xff))
        return Uint8Array.from(value);
      break;
    case 'set':
      if (Array.isArray(value)) return new Set(value.map(inside));
      break;
    case 'map':
      return new Map(pairs(value, field).map(([key, one]) => [inside(key), inside(one)]));
    case 'object':
      return Object.freeze(
        Object.fromEntries(pairs(value, field).map(([key, one]) => [String(key), inside(one)])),
      );
  }
  return malformed(field, `${shown(pair)} is no tagged value`);
};

const decodePlain = (encoded: unknown, field: string, depth: number): unknown => {
  if (depth > DEEPEST) return malformed(field, 'nested too deeply');
  if (typeof encoded !== 'object' || encoded === null) return encoded;
  if (Array.isArray(encoded))
    return Object.freeze(encoded.map((one, index) => decodePlain(one, `${field}[${index}]`, depth + 1)));
  if (Object.hasOwn(encoded, TAG)) return decodeTagged((encoded as { $: unknown }).$, field, depth);
  return Object.freeze(
    Object.fromEntries(
      Object.entries(encoded).map(([key, one]) => [key, decodePlain(one, `${field}.${key}`, depth + 1)]),
    ),
  );
};

export const plainData: Codec<unknown> = {
  encode: (value) => encodePlain(value, 0),
  decode: (encoded, field) =>
    encoded === undefined ? malformed(field, 'missing') : decodePlain(encoded, field, 0),
};
