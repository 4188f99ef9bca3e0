/** Values as plain JSON and back. Decoding trusts nothing: what does not fit leaves as `Malformed`, with the field's path. */

export type Encoded =
  | null
  | boolean
  | number
  | string
  | readonly Encoded[]
  | { readonly [key: string]: Encoded };

/** Private to the snapshot code: thrown while decoding, caught in `deserialize`. */
export class Malformed {
  constructor(
    readonly field: string,
    readonly problem: string,
    readonly fix: string,
  ) {}
}

export const malformed = (
  field: string,
  problem: string,
  fix = 'save the snapshot again with this version of vtmodel',
): never => {
  throw new Malformed(field, problem, fix);
};

export interface Codec<T> {
  readonly encode: (value: T) => Encoded;
  readonly decode: (encoded: unknown, field: string) => T;
  /** The key may be missing. */
  readonly optional?: true;
}

const SHOWN = 40;

/** A short rendering of a bad value for an error message. */
export const shown = (value: unknown): string => {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
};

const literal = <T extends Encoded>(
  isOne: (value: unknown) => value is T,
  description: string,
): Codec<T> => ({
  encode: (value) => value,
  decode: (encoded, field) =>
    isOne(encoded) ? encoded : malformed(field, `${shown(encoded)} is not ${description}`),
});

export const flag: Codec<boolean> = literal((value) => typeof value === 'boolean', 'true or false');
export const text: Codec<string> = literal((value) => typeof value === 'string', 'a string');
export const nothing: Codec<null> = literal((value) => value === null, 'null');

/** An integer from `least` to `most`. */
export const integer = (most: number, least = 0): Codec<number> =>
  literal(
    (value): value is number =>
      Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
    `an integer from ${least} to ${most}`,
  );

export const byte: Codec<number> = integer(0xff);
export const word16: Codec<number> = integer(0xffff);
export const word32: Codec<number> = integer(0xffff_ffff);
/** A physical address or a count of bytes, at most 52 bits. */
export const physical: Codec<number> = integer(2 ** 52 - 1);

/** One of the given values. */
export const oneOf = <const T extends string | number>(...values: readonly T[]): Codec<T> =>
  literal((value): value is T => values.includes(value as T), `one of ${values.join(', ')}`);

/** A point in machine time: a number from 0 on, or never (`Infinity`). */
export const time: Codec<number> = {
  encode: (value) => (value === Number.POSITIVE_INFINITY ? 'never' : value),
  decode: (encoded, field) => {
    if (encoded === 'never') return Number.POSITIVE_INFINITY;
    if (typeof encoded === 'number' && encoded >= 0 && encoded <= Number.MAX_SAFE_INTEGER) return encoded;
    return malformed(field, `${shown(encoded)} is not a machine time`);
  },
};

const HEXADECIMAL = /^0x(?:0|[1-9a-f][0-9a-f]{0,15})$/;

/** An unsigned 64-bit value, as canonical hexadecimal text. */
export const word64: Codec<bigint> = {
  encode: (value) => `0x${value.toString(16)}`,
  decode: (encoded, field) =>
    typeof encoded === 'string' && HEXADECIMAL.test(encoded)
      ? BigInt(encoded)
      : malformed(field, `${shown(encoded)} is not a 64-bit value in hexadecimal`),
};

const WIDE = /^0x(?:0|[1-9a-f][0-9a-f]*)$/;

/** An unsigned value of at most `width` bits, as canonical hexadecimal text. */
export const wideWord = (width: number): Codec<bigint> => ({
  encode: word64.encode,
  decode: (encoded, field) =>
    typeof encoded === 'string' && WIDE.test(encoded) && encoded.length <= 2 + width / 4
      ? BigInt(encoded)
      : malformed(field, `${shown(encoded)} is not a ${width}-bit value in hexadecimal`),
});

/** The value or `undefined`, which is written as null. */
export const orUndefined = <T>(inner: Codec<T>): Codec<T | undefined> => ({
  encode: (value) => (value === undefined ? null : inner.encode(value)),
  decode: (encoded, field) => (encoded === null ? undefined : inner.decode(encoded, field)),
});

/** A field that may be absent. */
export const optional = <T>(inner: Codec<T>): Codec<T> => ({ ...inner, optional: true });

/** An array, of `length` elements when that is given. */
export const list = <T>(inner: Codec<T>, length?: number): Codec<readonly T[]> => ({
  encode: (value) => value.map(inner.encode),
  decode: (encoded, field) => {
    if (!Array.isArray(encoded)) return malformed(field, `${shown(encoded)} is not an array`);
    if (length !== undefined && encoded.length !== length)
      return malformed(field, `${encoded.length} elements instead of ${length}`);
    return Object.freeze(encoded.map((one, index) => inner.decode(one, `${field}[${index}]`)));
  },
});

type Plain = Readonly<Record<string, unknown>>;

const plainObject = (encoded: unknown, field: string): Plain =>
  typeof encoded === 'object' && encoded !== null && !Array.isArray(encoded)
    ? (encoded as Plain)
    : malformed(field, `${shown(encoded)} is not an object`);

const within = (field: string, key: string): string => (field === '' ? key : `${field}.${key}`);

/** One codec for every field of `T`, none forgotten. */
export type Fields<T> = { readonly [K in keyof T]-?: Codec<Exclude<T[K], undefined>> | Codec<T[K]> };

/** An object with exactly these fields, written in this order. */
export const record = <T extends object>(fields: Fields<T>): Codec<T> => {
  const entries = Object.entries(fields) as [string, Codec<unknown>][];
  return {
    encode: (value) =>
      Object.fromEntries(
        entries
          .filter(([key, codec]) => codec.optional !== true || Object.hasOwn(value, key))
          .map(([key, codec]) => [key, codec.encode(value[key as keyof T])]),
      ),
    decode: (encoded, field) => {
      const given = plainObject(encoded, field);
      for (const key of Object.keys(given))
        if (!Object.hasOwn(fields, key)) malformed(within(field, key), 'an unknown field');
      const decoded = entries
        .filter(([key, codec]) => codec.optional !== true || Object.hasOwn(given, key))
        .map(([key, codec]) => [
          key,
          codec.decode(Object.hasOwn(given, key) ? given[key] : undefined, within(field, key)),
        ]);
      return Object.freeze(Object.fromEntries(decoded)) as T;
    },
  };
};

/** The same codec for each of the given names. */
export const each = <const Name extends string, T>(
  names: readonly Name[],
  codec: Codec<T>,
): { readonly [K in Name]: Codec<T> } =>
  Object.fromEntries(names.map((name) => [name, codec])) as { readonly [K in Name]: Codec<T> };

/** Some of the given names with a value each, in the order of the names. */
export const partial = <const Name extends string, T>(
  names: readonly Name[],
  codec: Codec<T>,
): Codec<Readonly<Partial<Record<Name, T>>>> =>
  record(each(names, optional(codec)) as Fields<Readonly<Partial<Record<Name, T>>>>);

/** A map from integers, written in ascending order of its keys. */
export const integerMap = <T>(key: Codec<number>, inner: Codec<T>): Codec<ReadonlyMap<number, T>> => ({
  encode: (value) =>
    [...value].sort(([a], [b]) => a - b).map(([index, one]) => [index, inner.encode(one)] as const),
  decode: (encoded, field) => {
    if (!Array.isArray(encoded)) return malformed(field, `${shown(encoded)} is not an array of pairs`);
    const map = new Map<number, T>();
    for (const [at, pair] of (encoded as unknown[]).entries()) {
      if (!Array.isArray(pair) || pair.length !== 2)
        return malformed(`${field}[${at}]`, `${shown(pair)} is not a pair`);
      const index = key.decode(pair[0], `${field}[${at}] key`);
      if (map.has(index)) malformed(`${field}[${at}] key`, `${index} occurs twice`);
      map.set(index, inner.decode(pair[1], `${field}[${at}]`));
    }
    return map;
  },
});

/** Another form of a value: `to` is written, and `from` may refuse through `malformed`. */
export const mapped = <T, U>(
  inner: Codec<U>,
  to: (value: T) => U,
  from: (value: U, field: string) => T,
): Codec<T> => ({
  encode: (value) => inner.encode(to(value)),
  decode: (encoded, field) => from(inner.decode(encoded, field), field),
});
