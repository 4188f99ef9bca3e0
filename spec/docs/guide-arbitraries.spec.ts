import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as api from '../../src/api';
import * as arbitraries from '../../src/api/arbitraries';
import * as vmx from '../../src/api/vmx';

const GUIDE = readFileSync(
  fileURLToPath(new URL('../../docs/guide-arbitraries.md', import.meta.url)),
  'utf8',
);
const [, example, output] = /^```ts\n(.*?)^```\n.*?^```\n(.*?)^```/ms.exec(GUIDE)!;

const modules: Readonly<Record<string, unknown>> = {
  'fast-check': { __esModule: true, default: fc },
  vtmodel: api,
  'vtmodel/arbitraries': arbitraries,
  'vtmodel/vmx': vmx,
};

it('docs/guide-arbitraries.md: the example prints what stands below it', () => {
  const { outputText } = ts.transpileModule(example, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const lines: string[] = [];
  new Function('require', 'exports', 'console', outputText)(
    (name: string) => modules[name],
    {},
    { log: (line: string) => lines.push(line) },
  );
  expect(`${lines.join('\n')}\n`).toBe(output);
});

it('the guide names every arbitrary', () => {
  for (const name of Object.keys(arbitraries)) expect(GUIDE).toContain(`\`${name}(`);
});
