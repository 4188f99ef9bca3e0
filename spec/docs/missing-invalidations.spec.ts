import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DOCUMENT, document } from '../../scripts/missing-invalidations/document';
import { MAPPINGS } from '../caching/missing-invalidations/cell';
import { ABSENCES, absenceAt, CELLS, cellsAt, EVENTS, filled } from '../caching/missing-invalidations/matrix';
import { MemoryIo } from '../cli/memory-io';

const text = readFileSync(DOCUMENT, 'utf8');

/** It depends on how long the name of the image is. */
const withoutClock = (shown: string): string =>
  shown.trimEnd().replace(/machine clock \d+/, 'machine clock N');

describe(DOCUMENT, () => {
  it('is what its generator makes now', () => {
    expect(text).toBe(document());
  });

  it('shows what the historical bug prints', async () => {
    const [, command, output] = /^```\n\$ vtmodel (.*)\n([^`]*)^```/m.exec(text)!;
    const io = new MemoryIo();
    const image = command.replace('linear-tables', 'guests/images/linear-tables.elf');
    await io.command(...image.split(' '), '--quiet');
    expect(withoutClock(io.out + io.err)).toBe(withoutClock(output));
  });
});

describe('the matrix of missing invalidations', () => {
  it('has no program twice', () => {
    const names = CELLS.map(({ event, mapping, instead }) => `${event}, ${mapping}, ${instead}`);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    expect(filled()).toBeGreaterThanOrEqual(170);
  });

  it('has a program or a reason at each place, and no reason in vain', () => {
    const used = new Set<unknown>();
    for (const event of EVENTS)
      for (const mapping of MAPPINGS) {
        if (cellsAt(event, mapping).length > 0) continue;
        const absence = absenceAt(event, mapping);
        expect(absence, `${event}, ${mapping}`).toBeDefined();
        used.add(absence);
      }
    expect(ABSENCES.filter((one) => !used.has(one))).toEqual([]);
  });
});
