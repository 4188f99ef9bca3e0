import { expect, it } from 'vitest';
import { withConstants } from '../../scripts/keep-const';

it('declares what nothing changes as a constant', () => {
  expect(withConstants('var a = 1;\nvar f = (x) => f(x - a);\nvar K = class {};\n')).toBe(
    'const a = 1;\nconst f = (x) => f(x - a);\nconst K = class {};\n',
  );
});

it.each([
  ['is assigned to', 'var a = 1;\nvar set = 0;\nexport { set };\nfunction f() { set = a; }'],
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
