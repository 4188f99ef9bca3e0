// Steps that do one thing of a VM exit otherwise: the theorem of entry and exit must reject each.
import { type MachineState, step } from '../../src/api';
import { fieldIndex, type VmcsField, type VmxState } from '../../src/vmx';

export type Step = typeof step;
type Processor = MachineState['processors'][number];
/** Fields of the current VMCS after the exit. */
type Of = (name: VmcsField) => bigint;

/** A step whose VM exits leave the processor otherwise. */
const leaving =
  (change: (cpu: Processor, of: Of) => Processor): Step =>
  (state, choice) => {
    const result = step(state, choice);
    if (!result.events.some(({ kind }) => kind === 'vm-exit')) return result;
    const [cpu] = result.state.processors;
    const [{ words }] = (cpu.virtualization as VmxState).active;
    const changed = change(cpu, (name) => words[fieldIndex(name)]);
    return { ...result, state: { ...result.state, processors: [changed] } };
  };

/** A step whose VM exits save a field otherwise. */
const saving = (name: VmcsField, change: (value: bigint, of: Of) => bigint): Step =>
  leaving((cpu, of) => {
    const vmx = cpu.virtualization as VmxState;
    const [vmcs, ...others] = vmx.active;
    const words = vmcs.words.with(fieldIndex(name), change(of(name), of));
    return { ...cpu, virtualization: { ...vmx, active: [{ ...vmcs, words }, ...others] } };
  });

const UNUSABLE = 0x1_0000n;

export const brokenRoundTrips: Readonly<Record<string, Step>> = {
  // SDM Vol. 3C, 28.2 Recording VM-Exit Information and Updating VM-Entry Control Fields
  'leaves the injected event valid': saving('vmEntryInterruptionInfo', (info) =>
    info === 0n ? info : info | 0x8000_0000n,
  ),
  // SDM Vol. 3C, 28.3 Saving Guest State
  'saves CR0 of the host': saving('guestCr0', (_, of) => of('hostCr0')),
  'saves no CR3': saving('guestCr3', () => 0n),
  'saves IA32_EFER whatever the control': saving('guestIa32Efer', (value) => value ^ 1n),
  'saves IA32_PAT of the host': saving('guestIa32Pat', (_, of) => of('hostIa32Pat')),
  'saves no IA32_PKRS': saving('guestIa32Pkrs', () => 0n),
  'saves no SSP': saving('guestSsp', () => 0n),
  'saves no PDPTEs': saving('guestPdpte1', () => 0n),
  'saves a null selector for a segment that is unusable': saving('guestDsSelector', (selector, of) =>
    (of('guestDsAccessRights') & UNUSABLE) === 0n ? selector : 0n,
  ),
  'saves bits 31:0 of the base of LDTR': saving('guestLdtrBase', (base) => base & 0xffff_ffffn),
  'saves RFLAGS without VM': saving('guestRflags', (flags) => flags & ~0x2_0000n),
  'saves the activity state as active': saving('guestActivityState', () => 0n),
  'saves no blocking by STI': saving('guestInterruptibilityState', (state) => state & ~1n),
  'saves no blocking by NMI': saving('guestInterruptibilityState', (state) => state & ~8n),
  'saves no pending debug exceptions': saving('guestPendingDebugExceptions', () => 0n),
  // SDM Vol. 3C, 28.5 Loading Host State
  'loads all of CR0': leaving((cpu, of) => ({ ...cpu, control: { ...cpu.control, cr0: of('hostCr0') } })),
  'leaves LMA as it was': leaving((cpu, of) => {
    const efer = (cpu.control.efer & ~0x400n) | (of('guestIa32Efer') & 0x400n);
    return { ...cpu, control: { ...cpu.control, efer } };
  }),
  'loads IA32_PAT whatever the control': leaving((cpu, of) => ({
    ...cpu,
    modelSpecific: { ...cpu.modelSpecific, pat: of('hostIa32Pat') },
  })),
  'leaves IA32_PERF_GLOBAL_CTRL to the guest': leaving((cpu, of) => ({
    ...cpu,
    modelSpecific: { ...cpu.modelSpecific, perfGlobalCtrl: of('guestIa32PerfGlobalCtrl') },
  })),
  'leaves IA32_DEBUGCTL as it was': leaving((cpu, of) => ({
    ...cpu,
    modelSpecific: { ...cpu.modelSpecific, debugctl: of('guestIa32Debugctl') },
  })),
  'leaves DR7 as it was': leaving((cpu, of) => ({ ...cpu, debug: { ...cpu.debug, dr7: of('guestDr7') } })),
  'loads CS of a 64-bit host for every host': leaving((cpu) => ({
    ...cpu,
    segments: { ...cpu.segments, cs: { ...cpu.segments.cs, accessRights: 0xa09b } },
  })),
  'loads no base where the selector of GS is null': leaving((cpu) => {
    const { gs } = cpu.segments;
    return { ...cpu, segments: { ...cpu.segments, gs: gs.selector === 0 ? { ...gs, base: 0n } : gs } };
  }),
  'leaves the limit of GDTR as it was': leaving((cpu, of) => {
    const gdtr = { ...cpu.tables.gdtr, limit: Number(of('guestGdtrLimit')) };
    return { ...cpu, tables: { ...cpu.tables, gdtr } };
  }),
  'leaves RFLAGS as they were': leaving((cpu, of) => ({ ...cpu, rflags: of('guestRflags') })),
  'ends blocking by NMI': leaving((cpu) => ({ ...cpu, hidden: { ...cpu.hidden, blockingByNmi: false } })),
  // SDM Vol. 3C, 28.6 Loading MSRs
  'loads no MSRs': leaving((cpu) => ({
    ...cpu,
    modelSpecific: { ...cpu.modelSpecific, kernelGsBase: 0n },
  })),
};
