import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VmEntryContext, VmEntryProcessor } from '../../../src/vmx/entry/context';
import { missingInput } from '../../../src/vmx/entry/outcome';
import { VM_ENTRY_TABLES, type VmEntryRow } from '../../../src/vmx/entry/rule-tables';
import { UNWATCHED_RFLAGS, VmEntryChecker } from '../../../src/vmx/entry/vm-entry-checker';
import { FIELD_NAMES, VMCS_FIELDS, VmcsData, type VmcsField } from '../../../src/vmx/vmcs';
import { entering, type VmcsDelta } from './entering';
import { CONTROL_EXAMPLES } from './examples-controls';

const rules = VM_ENTRY_TABLES.flatMap((table) => table.rules);

const state = fc.constantFrom<VmcsDelta>({}, ...Object.values(CONTROL_EXAMPLES));
const field = fc.constantFrom(...FIELD_NAMES);
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.nat({ max: 63 }).map((bit) => 1n << BigInt(bit)),
  fc.constantFrom(0n, 1n, 2n, 0x1000n, 0x7000n, (1n << 64n) - 1n),
);

/** A change of one property of the processor. */
const property = fc.oneof(
  fc.record({ longMode: fc.boolean() }),
  fc.record({ ia32eMode: fc.boolean() }),
  fc.record({ cpl: fc.nat({ max: 3 }) }),
  fc.record({ instruction: fc.constantFrom('vmlaunch' as const, 'vmresume' as const) }),
  fc.record({ currentVmcs: fc.constantFrom(-1, 0x5000, 0x7000) }),
  fc.record({ movSsBlocking: fc.boolean() }),
  fc.record({ inSmm: fc.boolean() }),
  fc.record({ physicalAddressWidth: fc.constantFrom(36, 39, 46, 52) }),
  fc.record({ linearAddressWidth: fc.constantFrom(48, 57) }),
  fc.record({ traceEnabled: fc.boolean() }),
  fc.record({ features: fc.constantFrom(new Set<string>(), new Set(['LAM', 'RTM', 'SGX'])) }),
  fc.record({ operation: fc.constantFrom('none' as const, 'root' as const, 'non-root' as const) }),
  fc.record({ protectedMode: fc.boolean() }),
  fc.record({ virtual8086Mode: fc.boolean() }),
  fc.record({ vmxoffSinceLaunch: fc.boolean() }),
  fc.record({ machineCheck: fc.boolean() }),
  fc.record({ perfGlobalCtrlBits: word }),
  fc.record({ specCtrlBits: word }),
) as fc.Arbitrary<Partial<VmEntryProcessor>>;

const verdict = (rule: VmEntryRow, context: VmEntryContext): string => {
  if (missingInput(rule, context) !== undefined) return 'missing';
  if (!rule.when(context)) return 'does not apply';
  return rule.holds(context) ? 'holds' : 'broken';
};

const withField = (context: VmEntryContext, name: VmcsField, value: bigint): VmEntryContext => {
  const vmcs = new VmcsData(context.vmcs);
  vmcs.set(name, value);
  return { ...context, vmcs };
};

const readers = new Map<string, Set<VmEntryRow>>();
for (const rule of rules)
  for (const name of rule.reads) readers.set(name, (readers.get(name) ?? new Set()).add(rule));

/** Rules whose verdict changed although they do not read `name`. */
const surprised = (before: VmEntryContext, after: VmEntryContext, name: string): readonly string[] =>
  rules
    .filter((rule) => !readers.get(name)?.has(rule) && verdict(rule, before) !== verdict(rule, after))
    .map(({ id }) => id);

describe('reads names everything that a rule looks at', () => {
  it('a change of a VMCS field that a rule does not read leaves its verdict', () => {
    fc.assert(
      fc.property(state, field, word, (delta, name, value) => {
        const before = entering(delta);
        expect(surprised(before, withField(before, name, value), name)).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });

  it('a change of the processor that a rule does not read leaves its verdict', () => {
    fc.assert(
      fc.property(state, property, (delta, change) => {
        const before = entering(delta);
        const after = { ...before, processor: { ...before.processor, ...change } };
        expect(surprised(before, after, `processor.${Object.keys(change)[0]}`)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('a change of the launch state or the shadow indicator leaves rules that do not read it', () => {
    for (const delta of Object.values(CONTROL_EXAMPLES)) {
      const before = entering(delta);
      const launched = entering({ ...delta, launched: !before.vmcs.launched });
      const shadow = entering({ ...delta, shadow: !before.vmcs.shadow });
      expect(surprised(before, launched, 'vmcs.launched')).toEqual([]);
      expect(surprised(before, shadow, 'vmcs.shadow')).toEqual([]);
    }
  });
});

const change = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(field, word) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('processor' as const), property) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('undo' as const), fc.constant(0n)) },
);

describe('the incremental checker', () => {
  it('says after any sequence of changes what a fresh checker says', () => {
    fc.assert(
      fc.property(state, fc.array(change, { minLength: 1, maxLength: 12 }), (delta, changes) => {
        const checker = new VmEntryChecker();
        let context = entering();
        checker.firstFailure(context);
        const target = entering(delta).vmcs;
        const steps: (() => void)[] = changes.map(([what, value]) => () => {
          if (what === 'processor')
            context = { ...context, processor: { ...context.processor, ...(value as object) } };
          else if (what === 'undo')
            for (const name of FIELD_NAMES) context.vmcs.set(name, entering().vmcs.get(name));
          else context.vmcs.set(what, value as bigint);
        });
        const adopt = () => {
          for (const name of FIELD_NAMES) context.vmcs.set(name, target.get(name));
        };
        for (const step of [adopt, ...steps]) {
          step();
          const fresh = { ...context, vmcs: new VmcsData(context.vmcs) };
          expect(checker.firstFailure(context)).toEqual(new VmEntryChecker().firstFailure(fresh));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('may leave out the status flags of guest RFLAGS: no rule looks at them', () => {
    fc.assert(
      fc.property(state, fc.nat({ max: 31 }), fc.array(fc.tuple(field, word)), (delta, bit, changes) => {
        const before = entering(delta);
        for (const [name, value] of changes) before.vmcs.set(name, value);
        const flip = UNWATCHED_RFLAGS & (1 << bit);
        const flags = before.vmcs.get('guestRflags') ^ BigInt(flip >>> 0);
        expect(surprised(before, withField(before, 'guestRflags', flags), 'none')).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('watches every field that the table names', () => {
    const known = rules.flatMap(({ reads }) => reads.filter((name) => !name.includes('.')));
    expect(known.filter((name) => !(name in VMCS_FIELDS))).toEqual([]);
  });
});
