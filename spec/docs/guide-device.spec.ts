import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as api from '../../src/api';

const GUIDE = readFileSync(fileURLToPath(new URL('../../docs/guide-device.md', import.meta.url)), 'utf8');
const [, example, output] = /^```ts\n(.*?)^```\n.*?^```\n(.*?)^```/ms.exec(GUIDE)!;

it('docs/guide-device.md: the example prints what stands below it', () => {
  const { outputText } = ts.transpileModule(example, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const lines: string[] = [];
  const take = (name: string): unknown => {
    expect(name).toBe('vtmodel');
    return api;
  };
  new Function('require', 'exports', 'console', outputText)(
    take,
    {},
    { log: (line: string) => lines.push(line) },
  );
  expect(`${lines.join('\n')}\n`).toBe(output);
});
