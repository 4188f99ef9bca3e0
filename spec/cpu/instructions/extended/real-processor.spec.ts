import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { processor } from '../../../../src/cpu/presets';
import { createMachine, loadImage, run } from '../../../../src/machine';

interface Form {
  readonly text: string;
  readonly code: string;
  /** 112 bytes of memory from RDI on, then `>` and what they are after from byte 80 on. */
  readonly rows: readonly string[];
}
const { forms } = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as {
  readonly forms: readonly Form[];
};

const LOAD = 0x10_0000;
const DATA = 0x10_1000;
// CR4.OSFXSR, OSXMMEXCPT, OSXSAVE; XCR0 with x87, SSE and AVX; RDI.
const PROLOGUE = `0f20e0 0d00060400 0f22e0 b807000000 31d2 31c9 0f01d1 bf00101000`.replaceAll(' ', '');
const HLT = 'f4';

const machine = createMachine({
  processor: processor('skylake', ['+avx2', '+sse3']),
  memoryBytes: 4 << 20,
});

const replay = (code: string, before: string): string => {
  const program = Buffer.from(PROLOGUE + code + HLT, 'hex');
  const image = Buffer.alloc(0x1000 + before.length / 2);
  program.copy(image);
  Buffer.from(before, 'hex').copy(image, DATA - LOAD);
  const loaded = loadImage(machine, image, { format: 'raw', load: LOAD, mode: 'long' });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  const { state, stop } = run(loaded.value, { maxInstructions: 1000 });
  expect(stop.kind).toBe('stuck');
  const page = state.memory.page(DATA / 4096).bytes;
  return Buffer.from(page.subarray(80, 112)).toString('hex');
};

describe('SDM Vol. 1, 8, 9 and 11: what a real processor does with x87, MMX and SSE2 registers', () => {
  test.each(forms)('$text', ({ code, rows }) => {
    for (const row of rows) {
      const [before, after] = row.split('>');
      expect(replay(code, before), row).toBe(after);
    }
  });
});
