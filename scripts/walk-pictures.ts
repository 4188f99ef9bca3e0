// Draws the pictures of docs/guide-walk.md: lessons, each as `vtmodel walk --lesson NAME --format svg` prints it.
import { writeFileSync } from 'node:fs';
import { drawWalk, LESSONS, viewOf } from '../src/walk';

const SEED = 1;

for (const name of ['tiny', '4x4', 'large-pages', 'missing-execute']) {
  const { walkCase } = LESSONS.find((one) => one.name === name)!.make(SEED);
  writeFileSync(`docs/walk-${name}.svg`, drawWalk(viewOf(walkCase)));
  console.log(`wrote docs/walk-${name}.svg`);
}
