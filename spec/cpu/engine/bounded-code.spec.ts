import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createMachine, difference, isEqual, loadImage, processor, run } from '../../../src/api';

/** More instructions than the engine keeps decoded. */
const LENGTH = 300_000;

// A guest that runs through memory without end must not fill the heap: code is forgotten, and decoded again when it comes back.
test('more code than is kept decoded runs as on the oracle', () => {
  const code = new Uint8Array(LENGTH + 16).fill(0x90);
  // mov ecx, 2; then inc eax in every 1,000th place
  code.set([0xb9, 2, 0, 0, 0]);
  for (let at = 1000; at < LENGTH; at += 1000) code.set([0xff, 0xc0], at);
  // dec ecx; jnz to the place after the first instruction; hlt
  const back = new Uint8Array(new Int32Array([5 - (LENGTH + 8)]).buffer);
  code.set([0xff, 0xc9, 0x0f, 0x85, ...back, 0xf4], LENGTH);
  const machine = createMachine({ processor: processor('skylake'), memoryBytes: 2 ** 24 });
  const loaded = loadImage(machine, code, { format: 'raw', mode: 'long', load: 0x10_0000 });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  const { state, retired } = run(loaded.value);
  expect(retired).toBeGreaterThan(2 * LENGTH - 1000);
  expect(state.processors[0].registers[0]).toBe(BigInt(2 * (LENGTH / 1000 - 1)));
  expect(isEqual(difference(state, run(loaded.value, { tier: 'oracle' }).state))).toBe(true);
});

// Kept whole, so many decoded instructions do not fit into this heap.
test('code that is run once does not fill the heap', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'vtmodel-bounded-')), 'push.bin');
  writeFileSync(file, Uint8Array.of(0x50));
  const node = ['--max-old-space-size=400', '--import', 'tsx'];
  const image = ['run', file, '--load', '0x100000', '--memory', '16M', '--max-instructions', '600000'];
  const { status, stderr } = spawnSync(process.execPath, [...node, 'src/cli/main.ts', ...image], {
    encoding: 'utf8',
  });
  rmSync(dirname(file), { recursive: true });
  expect(stderr).toContain('600,000 instructions');
  expect(status).toBe(0);
});
