import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMachine, loadImage, processor, run } from '../../src/api';

const FOLDER = 'guests/images';
/** Their delivery never ends; guests/README.md says why. */
const ENDLESS = new Set(['loop.elf', 'loop-ac.elf']);

// Each bundled guest checks what it sees against the manual, and says by its exit code whether that is right.
describe('the bundled guests', () => {
  it.each(readdirSync(FOLDER).filter((name) => !ENDLESS.has(name)))('%s finds nothing wrong', (name) => {
    const machine = createMachine({ processor: processor('skylake'), memoryBytes: 128 << 20 });
    const loaded = loadImage(machine, readFileSync(`${FOLDER}/${name}`), { fileName: name });
    if (!loaded.ok) throw new Error(loaded.fault.says);
    let text = '';
    const { stop } = run(loaded.value, {
      onEffect: (effect) => {
        if (effect.kind === 'serial') text += String.fromCharCode(effect.byte);
      },
    });
    expect(text.split('\n').filter((line) => line.includes('FAILED'))).toEqual([]);
    expect(stop).toEqual({ kind: 'exit', code: 0, status: 1 });
  });
});
