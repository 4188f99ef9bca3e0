/** A persistent map from integers of at most 53 bits: a hash trie of 16 ways, changed by copying the path to what changes. */

const BITS = 4;
const FAN = 1 << BITS;
const HASH_LEVELS = 32 / BITS;
const LOW = 2 ** 32;

class Leaf<Value> {
  constructor(
    readonly key: number,
    readonly value: Value,
  ) {}
}

class Branch<Value> {
  constructor(readonly children: readonly (TrieNode<Value> | undefined)[]) {}
}

type TrieNode<Value> = Leaf<Value> | Branch<Value>;

/** A map as a value; undefined when it is empty. */
export type NumberTrie<Value> = TrieNode<Value> | undefined;

const halves = (key: number): readonly [low: number, high: number] => [
  (key % LOW) | 0,
  Math.floor(key / LOW),
];

const mix = (low: number, high: number): number => {
  let hash = low ^ Math.imul(high, 0x9e37_79b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  return hash ^ (hash >>> 13);
};

const hashOf = (key: number): number => mix((key % LOW) | 0, Math.floor(key / LOW));

/** Which child a key has at a level: by its hash, and by its own bits where two keys share all of that. */
const slotAt = (key: number, hash: number, level: number): number => {
  if (level < HASH_LEVELS) return (hash >>> (BITS * level)) & (FAN - 1);
  const own = level - HASH_LEVELS;
  const [low, high] = halves(key);
  return ((own < HASH_LEVELS ? low : high) >>> (BITS * (own % HASH_LEVELS))) & (FAN - 1);
};

/** The value at a key. */
export const trieGet = <Value>(trie: NumberTrie<Value>, key: number): Value | undefined => {
  if (trie === undefined) return undefined;
  const hash = hashOf(key);
  let node: NumberTrie<Value> = trie;
  for (let level = 0; node instanceof Branch; level++) {
    node = (node as Branch<Value>).children[slotAt(key, hash, level)];
    if (node === undefined) return undefined;
  }
  const leaf = node as Leaf<Value>;
  return leaf.key === key ? leaf.value : undefined;
};

const withChild = <Value>(branch: Branch<Value>, slot: number, child: NumberTrie<Value>): Branch<Value> => {
  const children = branch.children.slice();
  children[slot] = child;
  return new Branch(children);
};

const setAt = <Value>(node: NumberTrie<Value>, leaf: Leaf<Value>, level: number): TrieNode<Value> => {
  if (node === undefined) return leaf;
  const { key } = leaf;
  if (node instanceof Leaf) {
    if (node.key === key) return leaf;
    const children: NumberTrie<Value>[] = new Array(FAN).fill(undefined);
    children[slotAt(node.key, hashOf(node.key), level)] = node;
    return setAt(new Branch(children), leaf, level);
  }
  const slot = slotAt(key, hashOf(key), level);
  return withChild(node, slot, setAt(node.children[slot], leaf, level + 1));
};

/** The map with a value at a key. */
export const trieSet = <Value>(trie: NumberTrie<Value>, key: number, value: Value): NumberTrie<Value> =>
  setAt(trie, new Leaf(key, value), 0);

const deleteAt = <Value>(node: NumberTrie<Value>, key: number, level: number): NumberTrie<Value> => {
  if (node === undefined) return undefined;
  if (node instanceof Leaf) return node.key === key ? undefined : node;
  const slot = slotAt(key, hashOf(key), level);
  const child = node.children[slot];
  const next = deleteAt(child, key, level + 1);
  if (next === child) return node;
  const branch = withChild(node, slot, next);
  // A leaf is as near to the root as it can be: equal maps have equal tries.
  const rest = branch.children.filter((one) => one !== undefined);
  return rest.length > 1 || rest[0] instanceof Branch ? branch : rest[0];
};

/** The map without a key; the same map when it has none such. */
export const trieDelete = <Value>(trie: NumberTrie<Value>, key: number): NumberTrie<Value> =>
  deleteAt(trie, key, 0);

/** Keys and values in the order of their hashes: the same for equal maps, however they came about. */
export function* trieEntries<Value>(trie: NumberTrie<Value>): Generator<readonly [number, Value]> {
  if (trie === undefined) return;
  if (trie instanceof Leaf) yield [trie.key, trie.value];
  else for (const child of trie.children) yield* trieEntries(child);
}

/**
 * Tells each key whose value differs between two maps, with both values, undefined where a map has none. What the maps share is not looked at: it costs
 * what changed.
 */
export const eachTrieChange = <Value>(
  before: NumberTrie<Value>,
  after: NumberTrie<Value>,
  tell: (key: number, before: Value | undefined, after: Value | undefined) => void,
): void => {
  if (before === after) return;
  if (before instanceof Branch && after instanceof Branch) {
    for (let slot = 0; slot < FAN; slot++)
      if (before.children[slot] !== after.children[slot])
        eachTrieChange<Value>(before.children[slot], after.children[slot], tell);
    return;
  }
  const old = new Map(trieEntries(before));
  for (const [key, value] of trieEntries(after)) {
    const was = old.get(key);
    old.delete(key);
    if (was !== value) tell(key, was, value);
  }
  for (const [key, value] of old) tell(key, value, undefined);
};
