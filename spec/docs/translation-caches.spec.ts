import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as api from '../../src/api';
import * as caches from '../../src/api/caches';
import { decode, disassemble } from '../../src/api/cpu';
import { MemoryIo } from '../cli/memory-io';

const GUIDE = readFileSync('docs/translation-caches.md', 'utf8');
const IMAGES = new Map(
  [...GUIDE.matchAll(/> (\w+\.bin) \\\n +([0-9a-f]+)$/gm)].map(
    ([, name, hex]) => [name, Uint8Array.from(Buffer.from(hex, 'hex'))] as const,
  ),
);
const SHOWN = [...GUIDE.matchAll(/^```\n\$ vtmodel (.+)\n([^`]*)^```/gm)].map(
  ([, command, output]) => [command, output] as const,
);
const INVLPG = Uint8Array.from(Buffer.from('0f013c2500004000', 'hex'));

const lines = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trimEnd().replace(/machine clock \d+/, 'machine clock N'))
    .filter((line) => line !== '')
    .sort();

describe('docs/translation-caches.md', () => {
  it('lists the program whose bytes it gives', () => {
    const rows = [...GUIDE.matchAll(/^\| 0x(\w+) \| `([0-9a-f ]+)` \| `([^`]+)` \|/gm)];
    expect(rows).toHaveLength(12);
    let address = 0x10_0000;
    const program: number[] = [];
    for (const [, at, hex, text] of rows) {
      expect(Number.parseInt(at, 16)).toBe(address);
      const bytes = hex.split(' ').map((byte) => Number.parseInt(byte, 16));
      const decoded = decode(Uint8Array.from(bytes), 64);
      if (decoded.kind !== 'instruction') throw new Error(`no instruction at 0x${at}`);
      expect(disassemble(decoded.instruction, BigInt(address))).toBe(text);
      program.push(...bytes);
      address += bytes.length;
    }
    expect(program).toEqual([...IMAGES.get('forgotten.bin')!]);
  });

  it('mends it by INVLPG behind the store', () => {
    const forgotten = IMAGES.get('forgotten.bin')!;
    const mended = [...forgotten.subarray(0, 0x27), ...INVLPG, ...forgotten.subarray(0x27)];
    expect([...IMAGES.get('mended.bin')!]).toEqual(mended);
  });

  it.each(SHOWN)('vtmodel %s prints what stands below it', async (command, output) => {
    const io = new MemoryIo();
    for (const [name, bytes] of IMAGES) io.files.set(name, bytes);
    const fails = command.startsWith('check forgotten');
    expect(await io.command(...command.split(' '))).toBe(fails || command.startsWith('run') ? 1 : 0);
    expect(lines(`${io.out}\n${io.err}`)).toEqual(lines(output));
  });

  it.each(['none', 'lru:8', 'keep-all', 'adversarial', 'adversarial:7'])(
    'mended.bin prints AB under %s',
    async (policy) => {
      const io = new MemoryIo();
      io.files.set('mended.bin', IMAGES.get('mended.bin')!);
      const command = 'run mended.bin --format raw --mode long --load 0x100000 --quiet --caches';
      await io.command(...command.split(' '), policy);
      expect([io.out, io.err]).toEqual(['AB\n', '']);
    },
  );

  it('shows four commands', () => {
    expect(SHOWN).toHaveLength(4);
  });

  it('the example prints what stands below it', () => {
    const [, example, output] = /^```ts\n(.*?)^```\n.*?^```\n(.*?)^```/ms.exec(GUIDE)!;
    const { outputText } = ts.transpileModule(example, {
      compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
    });
    const printed: string[] = [];
    const take = (name: string): unknown => (name === 'vtmodel' ? api : caches);
    new Function('require', 'exports', 'console', outputText)(
      take,
      {},
      { log: (line: string) => printed.push(line) },
    );
    expect(`${printed.join('\n')}\n`).toBe(output);
  });
});
