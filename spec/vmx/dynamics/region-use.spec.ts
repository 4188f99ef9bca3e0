// SDM Vol. 3C, 25.11.1 Software Use of Virtual-Machine Control Structures
import { describe, expect, it } from 'vitest';
import { difference, isEqual, type MachineState, run, step } from '../../../src/api';
import { choiceAt } from '../../../src/core';
import { describeUndefinedUse } from '../../../src/machine';
import { FIELD_NAMES, REGION, VMCS_FIELDS } from '../../../src/vmx';
import { AT, beforeLaunch, field, launched, type Setting, vmxOf, words } from './whole-machine';

const address32 = (at: number): readonly number[] => [...new Uint8Array(Uint32Array.of(at).buffer)];
/** MOV RAX, [address] and MOV [address], RAX; 64-bit operands. */
const load = (at: number): readonly number[] => [0x48, 0x8b, 0x04, 0x25, ...address32(at)];
const store = (at: number): readonly number[] => [0x48, 0x89, 0x04, 0x25, ...address32(at)];
const vmread = (encoding: number): readonly number[] => [0xb8, ...address32(encoding), 0x0f, 0x78, 0xc3];
/** REP STOSB and REP MOVSB. */
const REP_STOSB = [0xf3, 0xaa];
const REP_MOVSB = [0xf3, 0xa4];
const HLT = 0xf4;

const VMCS_WORD = AT.vmcs + REGION.fields + 8 * FIELD_NAMES.indexOf('guestRsp');
const RSP = VMCS_FIELDS.guestRsp.encoding;
const answered = choiceAt(['vmcs-region'], () => 1n);
const [RAX, RCX, RBX, RSI, RDI] = [0, 1, 3, 6, 7];

/** In VMX root operation with a current VMCS, about to run `code`. */
const host = (code: readonly number[], registers: Setting['registers'] = {}): MachineState =>
  beforeLaunch({ memory: { [AT.hostCode]: [...code, HLT] }, registers });

const usesOf = (state: MachineState) =>
  step(state).events.flatMap((event) => (event.kind === 'undefined-use' ? [event.use] : []));

describe('An ordinary access to memory that the processor keeps', () => {
  it('to the region of an active VMCS is told', () => {
    const at = BigInt(AT.hostCode);
    const common = { kind: 'kept-memory', region: 'VMCS', keeper: 0, bytes: 8, rip: at };
    expect(usesOf(host(load(AT.vmcs + 64)))).toEqual([{ ...common, access: 'read', address: AT.vmcs + 64 }]);
    expect(usesOf(host(store(AT.vmcs + 0xff8)))).toEqual([
      { ...common, access: 'write', address: AT.vmcs + 0xff8 },
    ]);
  });

  it('to the VMXON region is told, and one across pages for each', () => {
    const uses = usesOf(host(load(AT.vmxon + 0xffc)));
    expect(uses).toMatchObject([
      { region: 'VMXON', address: AT.vmxon + 0xffc, bytes: 4 },
      { region: 'VMCS', address: AT.vmcs, bytes: 4 },
    ]);
    expect(usesOf(host(store(AT.vmxon + 0xffc)))).toMatchObject([
      { region: 'VMXON', access: 'write' },
      { region: 'VMCS', access: 'write' },
    ]);
  });

  it('to a region of no active VMCS is not', () => {
    expect(usesOf(host(store(AT.otherVmcs)))).toEqual([]);
  });

  it('is told in every tier, each time, and by a guest too', () => {
    const code = [...store(AT.vmcs + 8), ...load(AT.vmcs + 8), ...load(AT.vmcs + 8)];
    for (const tier of ['oracle', 'closures', 'generated'] as const)
      for (const state of [host(code), launched({ guest: [...code, HLT] })]) {
        const told: string[] = [];
        run(state, {
          tier,
          maxInstructions: 3,
          onUndefinedUse: (use) => told.push(describeUndefinedUse(use)),
        });
        expect(told).toHaveLength(3);
        expect(told[0]).toMatch(
          /^write of 8 bytes at 0x2008 by the instruction at 0x[ef]000, in the region of an active VMCS of processor 0 /,
        );
      }
  });

  it('is no matter after VMCLEAR, and none of the VMXON region after VMXOFF', () => {
    const vmclear = [0x66, 0x0f, 0xc7, 0x30];
    const vmxoff = [0x0f, 0x01, 0xc4];
    const code = [...vmclear, ...vmxoff, ...store(AT.vmcs), ...store(AT.vmxon)];
    const state = beforeLaunch({
      memory: { [AT.hostCode]: [...code, HLT], [AT.operand]: words(BigInt(AT.vmcs)) },
      registers: { [RAX]: BigInt(AT.operand) },
    });
    const told: unknown[] = [];
    const ended = run(state, { maxInstructions: 4, onUndefinedUse: (use) => told.push(use) });
    expect(ended.state.processors[0].rip).toBe(BigInt(AT.hostCode + code.length));
    expect(told).toEqual([]);
  });

  it('reaches memory alone: the VMCS is as it was', () => {
    const code = [...load(VMCS_WORD), ...store(VMCS_WORD), ...vmread(RSP)];
    const { state } = run(host(code), { maxInstructions: 4 });
    expect(state.processors[0].registers[RBX]).toBe(BigInt(AT.guestStack));
    expect(field(state, 'guestRsp')).toBe(BigInt(AT.guestStack));
  });

  it('or sees and changes the VMCS, by choice', () => {
    const seen = run(host(load(VMCS_WORD)), { maxInstructions: 1, choice: answered }).state;
    expect(seen.processors[0].registers[RAX]).toBe(BigInt(AT.guestStack));
    const state = host([...store(VMCS_WORD), ...vmread(RSP)], { [RAX]: 0x1234n });
    const changed = run(state, { maxInstructions: 3, choice: answered }).state;
    expect(changed.processors[0].registers[RBX]).toBe(0x1234n);
    expect({ ...vmxOf(changed).active[0], words: [] }).toEqual({ ...vmxOf(state).active[0], words: [] });
  });

  it.each([
    ['a store', store(VMCS_WORD)],
    ['a read and a write', [0x48, 0xff, 0x04, 0x25, ...address32(VMCS_WORD)]],
    ['REP STOSB', REP_STOSB],
    ['REP MOVSB to it', REP_MOVSB],
    ['REP MOVSB from it', [0x48, 0x87, 0xfe, ...REP_MOVSB]],
    ['a call with its stack there', [0xe8, 0, 0, 0, 0]],
  ])('%s: steps and runs of all tiers agree', (_, code) => {
    const start = host(code, {
      [RCX]: 12n,
      [RSI]: BigInt(AT.guestStack),
      [RDI]: BigInt(VMCS_WORD),
      4: BigInt(VMCS_WORD + 8),
    });
    for (const choice of [answered, choiceAt([], (question) => question.preferred)]) {
      let stepped = start;
      for (let i = 0; i < 14; i++) stepped = step(stepped, choice).state;
      for (const tier of ['oracle', 'closures', 'generated'] as const) {
        const ran = run(start, { maxInstructions: 14, choice, tier }).state;
        expect(isEqual(difference(stepped, ran)), tier).toBe(true);
      }
    }
  });
});

// SDM Vol. 3D, A.6 Miscellaneous Data
describe('An MSR area with more entries than recommended', () => {
  const MOST = 512;
  const KERNEL_GS_BASE = 0xc000_0102n;
  const setting: Setting = {
    fields: { vmEntryMsrLoadCount: MOST + 1, vmEntryMsrLoadAddress: 0x4_0000 },
    memory: {
      262144: words(...Array.from({ length: MOST + 1 }, (_, n) => [KERNEL_GS_BASE, BigInt(n)]).flat()),
    },
  };

  it('is told, and fails at the first entry beyond', () => {
    const { state, events } = step(beforeLaunch(setting));
    expect(events).toContainEqual({
      kind: 'undefined-use',
      use: { kind: 'msr-area', area: 'VM-entry MSR-load', entries: MOST + 1, most: MOST },
    });
    expect(field(state, 'exitReason')).toBe(0x8000_0022n);
    expect(field(state, 'exitQualification')).toBe(BigInt(MOST + 1));
  });

  it('is told of a VM exit too', () => {
    const count = MOST + 1;
    const state = launched({
      ...setting,
      guest: [0x0f, 0xa2],
      fields: { vmExitMsrStoreCount: count, vmExitMsrStoreAddress: 0x4_0000 },
    });
    expect(usesOf(state)).toEqual([
      { kind: 'msr-area', area: 'VM-exit MSR-store', entries: count, most: MOST },
    ]);
  });

  it('or is gone through, by choice', () => {
    const { state } = step(
      beforeLaunch(setting),
      choiceAt(['msr-area'], () => 1n),
    );
    expect([state.processors[0].nonRoot, state.processors[0].modelSpecific.kernelGsBase]).toEqual([
      true,
      BigInt(MOST),
    ]);
  });
});

// SDM Vol. 3C, 27.4 Loading MSRs
describe('A VM entry that fails in its MSR-load area', () => {
  it('has loaded the entries before, and guest state', () => {
    const { state } = step(
      beforeLaunch({
        controls: ['loadGuestIa32Pat'],
        without: ['loadHostIa32Pat'],
        fields: {
          vmEntryMsrLoadCount: 2,
          vmEntryMsrLoadAddress: AT.msrArea,
          guestIa32Pat: 0x0606_0606_0606_0606n,
        },
        memory: { [AT.msrArea]: words(0xc000_0102n, 0x77n, 0xc000_0100n, 0n) },
      }),
    );
    expect(field(state, 'exitReason')).toBe(0x8000_0022n);
    expect(field(state, 'exitQualification')).toBe(2n);
    const { kernelGsBase, pat } = state.processors[0].modelSpecific;
    expect([kernelGsBase, pat]).toEqual([0x77n, 0x0606_0606_0606_0606n]);
  });
});
