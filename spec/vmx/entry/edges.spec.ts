// SDM Vol. 3C, 27 VM Entries
import { describe, expect, it } from 'vitest';
import { isViolated } from '../../../src/vmx/entry/outcome';
import { VM_ENTRY_TABLES } from '../../../src/vmx/entry/rule-tables';
import { breaking, edgeOf, hasEdge } from './edges';
import { CONTROL_EXAMPLES } from './examples-controls';

const rules = VM_ENTRY_TABLES.flatMap(({ rules, stage }) => rules.map((rule) => ({ rule, stage })));

/** Guests of the examples have no host: only what the rule's own stage checks, or every stage up to it. */
const besides = (id: string, stage: number) =>
  rules.filter((other) =>
    id in CONTROL_EXAMPLES ? other.stage <= Math.max(stage, 1) : other.stage === stage,
  );

/** Where the manual's rules leave no state between: each smallest change breaks another rule too. */
const BREAKS_ANOTHER: Readonly<Record<string, readonly string[]>> = {
  'host.address-space.lma0-host': ['host.address-space.host32-rip'],
  'host.address-space.host32-guest': ['host.address-space.lma1-host'],
  'host.address-space.no-intel64-host': ['host.address-space.host32-rip'],
  'guest.ss.dpl-rpl': ['guest.ss.selector-rpl'],
};

describe('27: at the edge of each rule is a state where it applies and holds', () => {
  it.each(rules.map(({ rule, stage }) => [rule.id, rule, stage] as const))('%s', (id, rule, stage) => {
    expect(isViolated(rule, breaking(id))).toBe(true);
    expect(hasEdge(rule)).toBe(true);
    const edge = edgeOf(rule)!;
    const broken = besides(id, stage).filter((other) => isViolated(other.rule, edge));
    expect(broken.map((other) => other.rule.id)).toEqual(BREAKS_ANOTHER[id] ?? []);
  });
});
