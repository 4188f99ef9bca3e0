import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuestEntryContext, GuestEntryProcessor } from '../../../src/vmx/entry/guest-context';
import { guestStateRules } from '../../../src/vmx/entry/guest-rules';
import { firstFailingMsrEntry, msrLoadingRules } from '../../../src/vmx/entry/msr-loading-rules';
import { isViolated } from '../../../src/vmx/entry/outcome';
import type { VmEntryRule } from '../../../src/vmx/entry/vm-entry-rule';
import { CONTROLS, type Control, FIELD_NAMES, VmcsData, type VmcsField } from '../../../src/vmx/vmcs';
import { GUEST_EXAMPLES, LEGAL_GUESTS } from './examples-guest';
import {
  CURRENT_VMCS,
  contextOf,
  FEATURES,
  GUEST_STATES,
  type GuestExample,
  type GuestStateName,
  LINKED_VMCS,
  MSR_AREA,
  stateOf,
  UNRESTRICTED,
  VMXON_REGION,
} from './guest-states';

const RULES: readonly VmEntryRule[] = [...guestStateRules, ...msrLoadingRules];
const byId = new Map(RULES.map((rule) => [rule.id, rule]));

const broken = (context: GuestEntryContext): readonly string[] =>
  RULES.filter((rule) => isViolated(rule, context)).map(({ id }) => id);
const brokenBy = (example: GuestExample): readonly string[] => broken(contextOf(stateOf(example)));

describe('SDM Vol. 3C, 27.3.1 Checks on the Guest State Area', () => {
  it('has permanent, distinct ids', () => {
    expect(byId.size).toBe(RULES.length);
    expect(guestStateRules).toHaveLength(198);
    expect(msrLoadingRules).toHaveLength(8);
  });

  it.each(Object.keys(GUEST_STATES) as GuestStateName[])('%s obeys every rule', (from) => {
    expect(brokenBy({ from })).toEqual([]);
  });

  it.each(Object.entries(GUEST_EXAMPLES))('%s is broken alone', (id, example) => {
    const implied = byId.get(id)?.impliedBy ?? [];
    expect([...brokenBy(example)].sort()).toEqual([id, ...implied].sort());
  });

  it('gives every violation exit 33, and 34 to MSR loading', () => {
    for (const { id, failure } of RULES)
      expect(failure).toMatchObject({ kind: 'exit', reason: id.startsWith('msr-load.') ? 34 : 33 });
  });

  it('gives exit qualification 2 to PDPTEs, 3 to NMI with blocking by STI, 4 to the link pointer', () => {
    const qualified = (wanted: number) =>
      guestStateRules.filter(({ failure }) => failure.kind === 'exit' && failure.qualification === wanted);
    expect(qualified(2)).toHaveLength(5);
    expect(qualified(3).map(({ id }) => id)).toEqual(['guest.interruptibility.nmi-sti']);
    expect(qualified(4)).toHaveLength(6);
  });
});

describe('legal states at the edges of the rules', () => {
  it.each(Object.entries(LEGAL_GUESTS))('%s', (_, example) => {
    expect(brokenBy(example)).toEqual([]);
  });

  it('secondary controls count only when they are activated', () => {
    const active: GuestExample = { from: 'realMode' };
    expect(brokenBy({ ...active, off: ['activateSecondaryControls'] })).toContain('guest.cr0.fixed0');
  });
});

describe('SDM Vol. 3C, 32.15.4.4 Checks on the Guest State Area: VM entries that return from SMM', () => {
  const executive = new VmcsData();
  for (const control of UNRESTRICTED) {
    const { field, bit } = CONTROLS[control];
    executive.set(field, executive.get(field) | (1n << BigInt(bit)));
  }
  const returning = (pointer: number, executiveVmcs?: VmcsData): GuestExample => ({
    from: 'realMode',
    fields: { executiveVmcsPointer: BigInt(pointer) },
    off: UNRESTRICTED,
    processor: { inSmm: true, ...(executiveVmcs && { executiveVmcs }) },
  });

  it('takes VM-execution controls from the executive VMCS', () => {
    expect(brokenBy(returning(LINKED_VMCS, executive))).toEqual([]);
    expect(brokenBy(returning(LINKED_VMCS, new VmcsData()))).toContain('guest.cr0.fixed0');
  });

  it('takes them as 0 when there is none: the executive-VMCS pointer is the VMXON pointer', () => {
    const inVmcs: GuestExample = { ...returning(VMXON_REGION), off: [] };
    expect(brokenBy(inVmcs)).toContain('guest.cr0.fixed0');
  });

  it('compares the link pointer with the executive-VMCS pointer, not with the current VMCS', () => {
    const example: GuestExample = {
      from: 'long64',
      fields: { vmcsLinkPointer: BigInt(CURRENT_VMCS), executiveVmcsPointer: BigInt(LINKED_VMCS) },
      processor: { inSmm: true, executiveVmcs: executive },
    };
    expect(brokenBy(example)).toEqual([]);
  });
});

describe('SDM Vol. 3C, 27.4 Loading MSRs', () => {
  const area = (...entries: readonly (readonly [index: bigint, value: bigint])[]) =>
    contextOf(
      stateOf({
        from: 'long64',
        fields: { vmEntryMsrLoadCount: BigInt(entries.length) },
        memory: Object.fromEntries(
          entries.flatMap(([index, value], place) => [
            [MSR_AREA + 16 * place, index],
            [MSR_AREA + 16 * place + 8, value],
          ]),
        ),
      }),
    );
  const STAR = [0xc000_0081n, 0x0023_0010_0000_0000n] as const;

  it('loads what WRMSR accepts', () => {
    expect(firstFailingMsrEntry(area(STAR, [0xc000_0080n, 0xd01n], [0x277n, 0x0606_0606_0606_0606n]))).toBe(
      0,
    );
  });

  it('names the first entry that fails any check in the exit qualification', () => {
    const context = area(STAR, STAR, [0xc000_0100n, 0n], [0x830n, 0n]);
    const failures = RULES.filter((rule) => isViolated(rule, context)).map(({ failureIn }) =>
      failureIn?.(context),
    );
    expect(failures).toHaveLength(2);
    for (const failure of failures) expect(failure).toEqual({ kind: 'exit', reason: 34, qualification: 3 });
  });

  it('fails at the entry after the last that IA32_VMX_MISC recommends, if none fails before', () => {
    // The largest number that bits 27:25 can say: 4096.
    const entries = Array.from({ length: 4100 }, (): readonly [bigint, bigint] => STAR);
    expect(firstFailingMsrEntry(area(...entries))).toBe(4097);
    expect(broken(area(...entries))).toEqual(['msr-load.count']);
    expect(firstFailingMsrEntry(area(...entries.with(4095, [0xc000_0100n, 0n])))).toBe(4096);
    expect(firstFailingMsrEntry(area(...entries.slice(0, 4096)))).toBe(0);
    expect(firstFailingMsrEntry({ ...area(...entries), memory: undefined })).toBe(4097);
  });

  it('does not let EFER.LME change while paging is on', () => {
    expect(broken(area([0xc000_0080n, 0x401n]))).toEqual(['msr-load.wrmsr-faults']);
  });

  it('asks the processor about WRMSR where it can answer', () => {
    const context = area(STAR);
    const processor: GuestEntryProcessor = {
      ...context.processor,
      wrmsrFaults: (index) => BigInt(index) === STAR[0],
    };
    expect(broken({ ...context, processor })).toEqual(['msr-load.wrmsr-faults']);
  });

  it('does not evaluate without memory', () => {
    expect(broken({ ...area([0x79n, 0n]), memory: undefined })).toEqual([]);
  });
});

describe('what a rule reads', () => {
  const contexts = [
    ...(Object.keys(GUEST_STATES) as GuestStateName[]).map((from): GuestExample => ({ from })),
    ...Object.values(GUEST_EXAMPLES),
    ...Object.values(LEGAL_GUESTS),
  ];
  const someBits = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.integer({ min: 0, max: 63 }).map((place) => 1n << BigInt(place)),
    fc.constantFrom(0n, (1n << 64n) - 1n),
  );
  const verdicts = (context: GuestEntryContext): readonly boolean[] =>
    RULES.map((rule) => rule.when(context) && !rule.holds(context));
  const onlyReadersChange = (before: readonly boolean[], after: readonly boolean[], input: string): void => {
    RULES.forEach((rule, place) => {
      if (before[place] !== after[place])
        expect(rule.reads, `${rule.id} depends on ${input}`).toContain(input);
    });
  };

  it('is every VMCS field on which its verdict depends', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...contexts),
        fc.constantFrom<VmcsField>(...FIELD_NAMES),
        someBits,
        fc.boolean(),
        (example, field, flips, replace) => {
          const context = contextOf(stateOf(example));
          const before = verdicts(context);
          context.vmcs.set(field, replace ? flips : context.vmcs.get(field) ^ flips);
          onlyReadersChange(before, verdicts(context), field);
        },
      ),
      { numRuns: 4000 },
    );
  });

  it('is every property of the processor on which its verdict depends', () => {
    const controls = Object.keys(CONTROLS) as Control[];
    const executive = fc.subarray(controls, { maxLength: 6 }).map((on) => {
      const vmcs = new VmcsData();
      for (const control of [...on, 'activateSecondaryControls' as const]) {
        const { field, bit } = CONTROLS[control];
        vmcs.set(field, vmcs.get(field) | (1n << BigInt(bit)));
      }
      return vmcs;
    });
    const properties: { readonly [K in keyof GuestEntryProcessor]-?: fc.Arbitrary<unknown> } = {
      longMode: fc.boolean(),
      ia32eMode: fc.boolean(),
      cpl: fc.nat(3),
      instruction: fc.constantFrom('vmlaunch', 'vmresume'),
      currentVmcs: fc.constantFrom(-1, CURRENT_VMCS, LINKED_VMCS),
      movSsBlocking: fc.boolean(),
      inSmm: fc.boolean(),
      physicalAddressWidth: fc.integer({ min: 32, max: 52 }),
      linearAddressWidth: fc.constantFrom(48, 57),
      traceEnabled: fc.boolean(),
      features: fc.subarray([...FEATURES]).map((features) => new Set(features)),
      operation: fc.constantFrom('none', 'root', 'non-root'),
      protectedMode: fc.boolean(),
      virtual8086Mode: fc.boolean(),
      vmxoffSinceLaunch: fc.boolean(),
      vmxonPointer: fc.constantFrom(0, VMXON_REGION, LINKED_VMCS),
      executiveVmcs: executive,
      machineCheck: fc.boolean(),
      perfGlobalCtrlBits: someBits,
      specCtrlBits: someBits,
      wrmsrFaults: fc.constantFrom(
        () => true,
        () => false,
      ),
    };
    const change = fc.oneof(
      ...Object.entries(properties).map(([name, arbitrary]) => arbitrary.map((value) => ({ name, value }))),
    );
    fc.assert(
      fc.property(fc.constantFrom(...contexts), change, (example, { name, value }) => {
        const context = contextOf(stateOf(example));
        const processor = { ...context.processor, [name]: value } as GuestEntryProcessor;
        onlyReadersChange(verdicts(context), verdicts({ ...context, processor }), `processor.${name}`);
      }),
      { numRuns: 3000 },
    );
  });
});
