import { readFileSync } from 'node:fs';

/** What `vtmodel unbuilt` prints; a spec holds the file against it. */
const LIST = 'docs/unbuilt.txt';

let names: ReadonlySet<string> | undefined;

const read = (): ReadonlySet<string> =>
  new Set(
    readFileSync(LIST, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(line.indexOf(': ', line.startsWith('instructions: ') ? 14 : 0) + 2))
      // A control is listed as its name with its field, and raised as `the control "name"`.
      .map((name) => name.replace(/^(.*) \((?:pin|primary|secondary|tertiary|vm)\w+\)$/, 'the control "$1"')),
  );

/** Whether `vtmodel unbuilt` lists what an `Unbuilt` names. */
export const isListed = (what: string): boolean => {
  names ??= read();
  return names.has(what);
};
