/** Number of single-character changes between two words, with exchanges of neighbours. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length];
};

/** The word of a list that a mistyped one most probably means; undefined where none is near. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  const farthest = Math.max(1, Math.floor(word.length / 3));
  const [first] = words
    .filter((one) => Math.abs(one.length - word.length) <= farthest)
    .map((one) => [distance(word, one), one] as const)
    .sort(([a], [b]) => a - b);
  return first !== undefined && first[0] <= farthest ? first[1] : undefined;
};
