import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ACCOUNT_TABLES, type Account, testsOf } from './accounts';

const ALL = ACCOUNT_TABLES.flatMap(({ accounts }) => accounts);

const literals = new Map<string, readonly string[]>();

/** The texts of all literals of a source file, so that a comment names no test. */
const literalsOf = (file: string): readonly string[] => {
  const known = literals.get(file);
  if (known !== undefined) return known;
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext));
  literals.set(file, texts);
  return texts;
};

/** What is wrong with the tests that it names. */
const missingTests = (account: Account): readonly string[] =>
  testsOf(account)
    .filter(({ file, test }) => {
      if (!/^(?:spec|property-tests)\/.*\.ts$/.test(file) || !existsSync(file)) return true;
      return test.length < 8 || !literalsOf(file).some((text) => text.includes(test));
    })
    .map(({ file, test }) => `${account.id}: ${file}: ${test}`);

describe('accounts of the rules of VMX', () => {
  it.each(ACCOUNT_TABLES)('$name: the rules are there', ({ expected, complete, accounts }) => {
    expect(accounts.length).toBeLessThanOrEqual(expected);
    expect(complete, 'set complete in spec/vmx/accounts/index.ts').toBe(accounts.length === expected);
  });

  it.each(ACCOUNT_TABLES)('$name: every id stands once', ({ accounts }) => {
    const ids = accounts.map(({ id }) => id);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  it('every rule is one sentence, and is shown, not built, or has a reason', () => {
    const wrong = ALL.filter(({ rule, shown }) => {
      if (!/^\S.{10,}\.$/.test(rule)) return true;
      if ('reason' in shown) return shown.reason.length < 10;
      return Array.isArray(shown) && shown.length === 0;
    });
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });

  it('every test stands in its file', () => {
    expect(ALL.flatMap(missingTests)).toEqual([]);
  });

  it('what is not built stands in docs/unbuilt.txt', () => {
    const names = readFileSync('docs/unbuilt.txt', 'utf8')
      .split('\n')
      .map((line) => line.replace(/^.*?: /, ''))
      .flatMap((name) => [name, name.replace(/ \(\w+\)$/, '')]);
    const wrong = ALL.filter(({ shown }) => 'unbuilt' in shown && !names.includes(shown.unbuilt));
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });

  it('finds a test that is not there', () => {
    const account = (file: string, test: string): Account => ({ ...ALL[0], shown: { file, test } });
    expect(missingTests(account('spec/vmx/accounts.spec.ts', 'finds a test that is not there'))).toEqual([]);
    expect(missingTests(account('spec/vmx/accounts.spec.ts', `${'so that a'} comment names`))).toHaveLength(
      1,
    );
    expect(missingTests(account('spec/vmx/gone.spec.ts', 'finds a test'))).toHaveLength(1);
  });
});
