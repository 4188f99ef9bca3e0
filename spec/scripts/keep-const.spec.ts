import { expect, it } from 'vitest';
import { withConstants } from '../../scripts/keep-const';

it('declares what nothing changes as a constant', () => {
  expect(withConstants('var a = 1;\nvar f = (x) => f(x - a);\nvar K = class {};\n')).toBe(
    'const a = 1;\nconst f = (x) => f(x - a);\nconst K = class {};\n',
  );
});

it.each([
  ['is assigned to', 'var a = 1;\nvar set = 0;\nfunction f() { set = a; }'],
  ['is counted up', 'var a = 1;\nvar set = 0;\nfunction f() { return set++ + a; }'],
  ['is assigned by a pattern', 'var a = 1;\nvar set = 0;\nfunction f(o) { ({ x: set } = o); }'],
  ['is assigned by a loop', 'var a = 1;\nvar set = 0;\nfunction f(o) { for (set of o); }'],
  ['has no value yet', 'var a = 1;\nvar set;'],
  ['is declared twice', 'var a = 1;\nvar set = 0;\nvar set = 1;'],
  ['is computed from itself', 'var a = 1;\nvar set = ((s) => s)(set || {});'],
])('leaves alone what %s', (_, code) => {
  expect(withConstants(code)).toBe(code.replace('var a', 'const a'));
});

it('leaves variables of functions alone', () => {
  const code = 'function f() { var a = 1; return a; }';
  expect(withConstants(code)).toBe(code);
});

it('makes constants of what comes from another chunk and of what goes there', () => {
  expect(
    withConstants("import { a, b as c } from './chunk.js';\nvar d = a + c;\nexport {\n  c,\n  d as e\n};\n"),
  ).toBe(
    [
      "import { a as a$in, b as c$in } from './chunk.js';",
      'const a = a$in, c = c$in;',
      'const d = a + c;',
      'const c$out = c, d$out = d;',
      'export { c$out as c, d$out as e };',
      '',
    ].join('\n'),
  );
});

it('leaves alone what comes from a package', () => {
  const code = "import { a } from 'package';\nimport './chunk.js';\n";
  expect(withConstants(code)).toBe(code);
});

it.each(['var a = 0;\nfunction f() { a++; }\nexport { a };', 'var a;\nexport { a };'])(
  'refuses to export what changes: %s',
  (code) => {
    expect(() => withConstants(code)).toThrow('a is exported and changes');
  },
);
