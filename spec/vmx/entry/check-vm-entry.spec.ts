// SDM Vol. 3C, 27 VM Entries
import { describe, expect, it } from 'vitest';
import { FULL_CAPABILITIES, SKYLAKE_CAPABILITIES } from '../../../src/vmx';
import { checkVmEntry } from '../../../src/vmx/entry/check-vm-entry';
import { VmEntryChecker } from '../../../src/vmx/entry/vm-entry-checker';
import { FIELD_NAMES, VmcsData } from '../../../src/vmx/vmcs';
import { ENTERING, entering } from './entering';
import { CONTROL_EXAMPLES } from './examples-controls';

const whole = (changes = {}) => entering({ fields: changes }).vmcs;
const memory = { read32: () => 0, read64: () => 0n };

describe('checkVmEntry', () => {
  it('lets a valid state enter, on the full processor and on Skylake', () => {
    for (const capabilities of [FULL_CAPABILITIES, SKYLAKE_CAPABILITIES]) {
      const report = checkVmEntry(
        { vmcs: whole(), memory, state: { currentVmcs: 0x5000 } },
        { capabilities },
      );
      expect(report.violations).toEqual([]);
      expect(report.notEvaluated).toEqual([]);
      expect(report.permitted).toEqual([{ kind: 'entered' }]);
    }
  });

  it('27.2: permits error 7 and error 8 when controls and host state are both invalid', () => {
    const { permitted } = checkVmEntry({ vmcs: whole({ cr3TargetCount: 9n, hostCr4: 0x20n }), memory });
    expect(permitted).toEqual([
      {
        kind: 'failed',
        failure: { kind: 'VMfailValid', error: 7 },
        because: ['ctl.cr3-target-count'],
      },
      { kind: 'failed', failure: { kind: 'VMfailValid', error: 8 }, because: ['host.cr4.fixed0'] },
    ]);
  });

  it('27.1: reports the first basic check alone', () => {
    const { permitted, violations } = checkVmEntry({
      vmcs: whole({ cr3TargetCount: 9n }),
      memory,
      state: { cpl: 3, movSsBlocking: true },
    });
    expect(violations.map(({ id }) => id)).toEqual([
      'basic.cpl',
      'basic.mov-ss-blocking',
      'ctl.cr3-target-count',
    ]);
    expect(permitted).toEqual([
      { kind: 'failed', failure: { kind: 'fault', vector: '#GP(0)' }, because: ['basic.cpl'] },
    ]);
  });

  it('names fields with values, and the nearest value that passes', () => {
    const { violations } = checkVmEntry({ vmcs: whole({ hostCr4: 0x20n, cr3TargetCount: 9n }), memory });
    const [count, cr4] = violations;
    expect(count?.fields).toContainEqual({ field: 'cr3TargetCount', value: 9n });
    expect(count?.nearest).toEqual([{ field: 'cr3TargetCount', value: 1n }]);
    expect(cr4?.nearest).toEqual([{ field: 'hostCr4', value: 0x2020n }]);
  });

  it('gives a report that the next check of a state given by field leaves alone', () => {
    const fields = Object.fromEntries(FIELD_NAMES.map((field) => [field, whole().get(field)]));
    const { violations } = checkVmEntry({ vmcs: { ...fields, cr3TargetCount: 9n }, memory });
    const { cr3TargetCount, ...rest } = fields;
    const other = checkVmEntry({ vmcs: { ...rest, hostCr4: 0x20n }, memory });
    expect(violations.map(({ id }) => id)).toEqual(['ctl.cr3-target-count']);
    expect(violations[0]?.fields).toContainEqual({ field: 'cr3TargetCount', value: 9n });
    expect(violations[0]?.nearest).toEqual([{ field: 'cr3TargetCount', value: 1n }]);
    expect(other.violations.map(({ id }) => id)).toEqual(['host.cr4.fixed0']);
    expect(other.notEvaluated).toContainEqual({ id: 'ctl.cr3-target-count', missing: ['cr3TargetCount'] });
  });

  it('never passes a rule whose input is missing', () => {
    const { hostCr4: _, ...rest } = ENTERING;
    const report = checkVmEntry({ vmcs: rest });
    const missing = new Map(report.notEvaluated.map(({ id, missing }) => [id, missing]));
    expect(missing.get('host.cr4.fixed0')).toEqual(['hostCr4']);
    expect(report.violations).toEqual([]);
    const withShadow = checkVmEntry(
      { vmcs: entering(CONTROL_EXAMPLES['ctl.tpr-threshold.vtpr']).vmcs },
      { capabilities: FULL_CAPABILITIES },
    );
    expect(withShadow.notEvaluated).toEqual([
      { id: 'ctl.tpr-threshold.vtpr', missing: ['virtual-APIC page'] },
    ]);
  });

  it('nor one about the address of the current VMCS, where that is not given', () => {
    const input = { vmcs: whole({ vmcsLinkPointer: 0n }) };
    const missing = (state: { currentVmcs?: number }) =>
      checkVmEntry({ ...input, state }).notEvaluated.find(({ id }) => id === 'guest.link-pointer.not-current')
        ?.missing;
    expect(missing({})).toEqual(['current-VMCS pointer']);
    expect(missing({ currentVmcs: 0 })).toBeUndefined();
    expect(checkVmEntry({ ...input, state: { currentVmcs: 0 } }).violations.map(({ id }) => id)).toContain(
      'guest.link-pointer.not-current',
    );
  });

  it('27.9: a machine check may show in three ways', () => {
    const { permitted } = checkVmEntry({ vmcs: whole(), memory, state: { machineCheck: true } });
    expect(permitted.map(({ kind }) => kind)).toEqual(['failed', 'machine-check', 'machine-check']);
  });

  it('27.1: VMRESUME in non-root operation exits with its own reason', () => {
    const { permitted } = checkVmEntry({
      vmcs: whole(),
      memory,
      state: { operation: 'non-root', instruction: 'vmresume' },
    });
    expect(permitted[0]).toMatchObject({ failure: { kind: 'exit', reason: 24 } });
  });

  it('leaves unconfirmed rules off unless asked for', () => {
    const input = { vmcs: entering(CONTROL_EXAMPLES['ctl.hlat.needs-ept']).vmcs, memory };
    const platform = { capabilities: FULL_CAPABILITIES };
    expect(checkVmEntry(input, platform).violations).toEqual([]);
    const [violation] = checkVmEntry({ ...input, unconfirmed: true }, platform).violations;
    expect(violation?.id).toBe('ctl.hlat.needs-ept');
  });

  it('gives an answer for any contents', () => {
    const vmcs = new VmcsData();
    vmcs.words.fill((1n << 64n) - 1n);
    expect(checkVmEntry({ vmcs, memory }).violations.length).toBeGreaterThan(10);
    expect(checkVmEntry({ vmcs: {} }).notEvaluated.length).toBeGreaterThan(10);
  });
});

describe('VmEntryChecker', () => {
  it('asks which of several permitted failures is reported', () => {
    const context = entering({ fields: { cr3TargetCount: 9n, hostCr4: 0x20n } });
    const checker = new VmEntryChecker();
    expect(checker.firstFailure(context)).toEqual({ kind: 'VMfailValid', error: 7 });
    expect(checker.firstFailure(context, (permitted) => permitted.length - 1)).toEqual({
      kind: 'VMfailValid',
      error: 8,
    });
  });

  it('clears what was written after a success, and sees what is written then', () => {
    const context = entering();
    const checker = new VmEntryChecker();
    expect(checker.firstFailure(context)).toBeUndefined();
    expect(context.vmcs.written.every((flag) => flag === 0)).toBe(true);
    context.vmcs.set('hostCr4', 0x20n);
    expect(checker.firstFailure(context)).toEqual({ kind: 'VMfailValid', error: 8 });
    context.vmcs.set('hostCr4', 0x2020n);
    expect(checker.firstFailure(context)).toBeUndefined();
  });

  it('looks at everything again when the capabilities change', () => {
    const context = entering(CONTROL_EXAMPLES['ctl.inject.fred-instruction-length']);
    context.vmcs.set('vmEntryInstructionLength', 1n);
    const checker = new VmEntryChecker();
    expect(checker.firstFailure(context)).toBeUndefined();
    expect(checker.firstFailure({ ...context, capabilities: SKYLAKE_CAPABILITIES })).toBeDefined();
  });
});
