/** One declarative bit layout; a field is a bit number or a `[high, low]` range. */
export type BitRange = number | readonly [high: number, low: number];

/** Access to the named fields of a word. */
export interface Bitfield<L extends Record<string, BitRange>> {
  readonly layout: L;
  /** The field's value, right-aligned. */
  readonly get: (word: bigint, name: keyof L & string) => bigint;
  /** The word with the field replaced; bits of `value` beyond the field are dropped. */
  readonly set: (word: bigint, name: keyof L & string, value: bigint) => bigint;
  /** Every field by name. */
  readonly decode: (word: bigint) => Readonly<Record<keyof L & string, bigint>>;
  /** The bits that no field covers, of a word of `width` bits. */
  readonly reserved: (width: number) => bigint;
}

export const bitfield = <const L extends Record<string, BitRange>>(layout: L): Bitfield<L> => {
  const bounds = new Map(
    Object.entries(layout).map(([name, range]) => [
      name,
      typeof range === 'number' ? ([range, range] as const) : range,
    ]),
  );
  const mask = (high: number, low: number): bigint => ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
  const get = (word: bigint, name: keyof L & string): bigint => {
    const [high, low] = bounds.get(name)!;
    return (word & mask(high, low)) >> BigInt(low);
  };
  const set = (word: bigint, name: keyof L & string, value: bigint): bigint => {
    const [high, low] = bounds.get(name)!;
    return (word & ~mask(high, low)) | ((value << BigInt(low)) & mask(high, low));
  };
  const decode = (word: bigint): Readonly<Record<keyof L & string, bigint>> =>
    Object.fromEntries([...bounds.keys()].map((name) => [name, get(word, name)])) as Record<
      keyof L & string,
      bigint
    >;
  const covered = [...bounds.values()].reduce((all, [high, low]) => all | mask(high, low), 0n);
  const reserved = (width: number): bigint => mask(width - 1, 0) & ~covered;
  return { layout, get, set, decode, reserved };
};
