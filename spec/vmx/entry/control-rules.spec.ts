// SDM Vol. 3C, 27 VM Entries
import { describe, expect, it } from 'vitest';
import { isViolated, missingInput } from '../../../src/vmx/entry/outcome';
import { VM_ENTRY_TABLES } from '../../../src/vmx/entry/rule-tables';
import { entering } from './entering';
import { CONTROL_EXAMPLES } from './examples-controls';

const rules = VM_ENTRY_TABLES.flatMap((table) => table.rules.map((rule) => ({ rule, stage: table.stage })));

describe('27.1, 27.2 and 27.9: each rule is broken alone, or with rules that it implies', () => {
  it('nothing is broken in the state that enters', () => {
    const context = entering();
    expect(rules.filter(({ rule }) => isViolated(rule, context)).map(({ rule }) => rule.id)).toEqual([]);
  });

  it.each(Object.keys(CONTROL_EXAMPLES))('%s', (id) => {
    const context = entering(CONTROL_EXAMPLES[id as keyof typeof CONTROL_EXAMPLES]);
    const named = rules.find(({ rule }) => rule.id === id);
    expect(named && missingInput(named.rule, context)).toBeUndefined();
    const broken = rules
      .filter(({ rule, stage }) => stage <= named!.stage && isViolated(rule, context))
      .map(({ rule }) => rule.id);
    expect(broken).toContain(id);
    const implied = named?.rule.impliedBy ?? [];
    expect(broken.filter((other) => other !== id && !implied.includes(other))).toEqual([]);
    if (implied.length > 0) expect(broken.length).toBeGreaterThan(1);
  });

  it('every id of impliedBy names a rule, and no id comes twice', () => {
    const ids = rules.map(({ rule }) => rule.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(rules.flatMap(({ rule }) => rule.impliedBy ?? []).filter((id) => !ids.includes(id))).toEqual([]);
  });
});
