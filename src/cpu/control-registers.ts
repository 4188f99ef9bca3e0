import { maskOf, shiftRight } from '../core';
import { withoutByCr0, withoutByCr4, withoutPcid, withoutVpid } from './caching';
import { requireNoEnforcement } from './control-flow-enforcement';
import type { CpuidTable } from './cpuid';
import { readPdptes, setPdptes } from './pdpte-registers';
import { announces, type FeatureName, physicalAddressWidth } from './presets/features';
import type { ProcessorDraft } from './processor-draft';
import { SYSTEM_TYPE, typeOf } from './segments';
import { ACCESS_RIGHTS, CR0, CR4, EFER, SLOT } from './slots';

const CR0_WRITABLE = CR0.pe | CR0.mp | CR0.em | CR0.ts | CR0.ne | CR0.wp | CR0.am | CR0.nw | CR0.cd | CR0.pg;

/** Which feature makes which CR4 bit writable; the others are reserved. SDM Vol. 3A, 2.5 Control Registers */
const CR4_FEATURES: readonly (readonly [bit: number, feature: FeatureName])[] = [
  [CR4.vme | CR4.pvi, 'vme'],
  [CR4.tsd, 'tsc'],
  [CR4.de, 'de'],
  [CR4.pse, 'pse'],
  [CR4.pae, 'pae'],
  [CR4.mce, 'mce'],
  [CR4.pge, 'pge'],
  // RDPMC came with CMOV in the P6 family (and with MMX in the Pentium).
  [CR4.pce, 'cmov'],
  [CR4.osfxsr, 'fxsr'],
  [CR4.osxmmexcpt, 'sse'],
  [CR4.umip, 'umip'],
  [CR4.la57, 'la57'],
  [CR4.vmxe, 'vmx'],
  [CR4.smxe, 'smx'],
  [CR4.fsgsbase, 'fsgsbase'],
  [CR4.pcide, 'pcid'],
  [CR4.osxsave, 'xsave'],
  [CR4.smep, 'smep'],
  [CR4.smap, 'smap'],
  [CR4.pke, 'pku'],
  [CR4.pks, 'pks'],
  [CR4.cet, 'cet-ss'],
  [CR4.cet, 'cet-ibt'],
];

/** CR4 bits that a processor lets software set (int32). */
export const cr4Bits = (cpuid: CpuidTable): number =>
  CR4_FEATURES.reduce((all, [bit, feature]) => (announces(cpuid, feature) ? all | bit : all), 0);

/** CR4 bits that software may set on this processor (int32). */
export const cr4Writable = (cpu: ProcessorDraft): number => cr4Bits(cpu.cpuid);

const low = (value: bigint): number => Number(BigInt.asIntN(32, value));
const high = (value: bigint): bigint => shiftRight(value, 32n);

/** The PDPTEs that a write to a control register loads; #GP(0) for a reserved bit in one. SDM Vol. 3A, 4.4.1 PDPTE Registers */
const checkedPdptes = (cpu: ProcessorDraft, cr3: number): readonly bigint[] =>
  readPdptes(cpu, cr3) ?? cpu.generalProtection();

// SDM Vol. 3A, 10.8.5 Initializing IA-32e Mode
const enterPaging = ({ W }: ProcessorDraft): boolean => {
  if ((W[2 * SLOT.efer] & EFER.lme) === 0) return true;
  const tssType = typeOf(W[2 * SLOT.tr + 1]);
  const tss16 = tssType === SYSTEM_TYPE.tss16 || tssType === SYSTEM_TYPE.busyTss16;
  return (W[2 * SLOT.cr4] & CR4.pae) !== 0 && (W[2 * SLOT.cs + 1] & ACCESS_RIGHTS.l) === 0 && !tss16;
};

// SDM Vol. 3A, 4.1.2 Paging-Mode Enabling
const leavePaging = (cpu: ProcessorDraft): boolean => !cpu.mode64 && (cpu.W[2 * SLOT.cr4] & CR4.pcide) === 0;

const CR0_LOADS_PDPTES = CR0.cd | CR0.nw | CR0.pg;

/**
 * CR0 as MOV to CR0, LMSW and CLTS write it, with IA32_EFER.LMA, the PDPTE registers and the translation caches. In non-root operation `value` has gone
 * through the guest/host mask before. #GP(0) when the value is not allowed; nothing is written then. SDM Vol. 2, MOV—Move to/from Control Registers
 */
export const writeCr0 = (cpu: ProcessorDraft, value: bigint): void => {
  const { W } = cpu;
  const now = W[2 * SLOT.cr0];
  const next = (low(value) & CR0_WRITABLE) | CR0.et;
  const changed = now ^ next;
  const pages = (next & CR0.pg) !== 0;
  if (high(value) !== 0n) cpu.generalProtection();
  if (pages && (next & CR0.pe) === 0) cpu.generalProtection();
  if ((next & CR0.nw) !== 0 && (next & CR0.cd) === 0) cpu.generalProtection();
  if ((next & CR0.wp) === 0 && (W[2 * SLOT.cr4] & CR4.cet) !== 0) cpu.generalProtection();
  if (cpu.virtualization?.controlRegisterAllowed(cpu, 0, BigInt(next >>> 0)) === false)
    cpu.generalProtection();
  const switches = (changed & CR0.pg) !== 0;
  if (switches && !(pages ? enterPaging(cpu) : leavePaging(cpu))) cpu.generalProtection();
  const longMode = pages && (W[2 * SLOT.efer] & EFER.lme) !== 0;
  const pae = pages && !longMode && (W[2 * SLOT.cr4] & CR4.pae) !== 0;
  if (pae && (changed & CR0_LOADS_PDPTES) !== 0) setPdptes(cpu, checkedPdptes(cpu, W[2 * SLOT.cr3]));
  cpu.R[SLOT.cr0] = BigInt(next >>> 0);
  cpu.disarm();
  if (switches) {
    if (longMode) W[2 * SLOT.efer] |= EFER.lma;
    else W[2 * SLOT.efer] &= ~EFER.lma;
    cpu.mmu.invalidate((caches, tags) => withoutByCr0(caches, now, next, tags));
  }
  cpu.mmu.contextChanged();
};

const NO_FLUSH = 1n << 63n;

/**
 * CR3 as MOV to CR3 and task switches write it, with the PDPTE registers. #GP(0) for bits beyond MAXPHYADDR in IA-32e mode, and for a reserved bit in a
 * PDPTE; nothing is written then. Bit 63 keeps what is cached for the PCID. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs
 */
export const writeCr3 = (cpu: ProcessorDraft, value: bigint): void => {
  const keeps = (cpu.W[2 * SLOT.cr4] & CR4.pcide) !== 0 && (value & NO_FLUSH) !== 0n;
  const next = keeps ? value & ~NO_FLUSH : value;
  const reserved = cpu.longMode ? ~maskOf(physicalAddressWidth(cpu.cpuid)) : 0n;
  if ((next & reserved) !== 0n) cpu.generalProtection();
  if (cpu.paePaging) setPdptes(cpu, checkedPdptes(cpu, low(next)));
  cpu.R[SLOT.cr3] = next;
  cpu.disarm();
  if (!keeps) cpu.mmu.invalidate(withoutPcid);
  cpu.mmu.contextChanged();
};

/** Those that change what a translation is: whatever was derived is dropped, which is always legal. */
const TRANSLATION_BITS =
  CR4.pse | CR4.pae | CR4.pge | CR4.la57 | CR4.pcide | CR4.smep | CR4.smap | CR4.pke | CR4.pks;
const CR4_LOADS_PDPTES = CR4.pae | CR4.pge | CR4.pse | CR4.smep;

/**
 * CR4 as MOV to CR4 writes it (in non-root operation after the guest/host mask). #GP(0) when the value is not allowed.
 * SDM Vol. 2, MOV—Move to/from Control Registers
 */
export const writeCr4 = (cpu: ProcessorDraft, value: bigint): void => {
  const { W } = cpu;
  const now = W[2 * SLOT.cr4];
  const next = low(value);
  const changed = now ^ next;
  const sets = (bit: number): boolean => (changed & next & bit) !== 0;
  if (high(value) !== 0n || (next & ~cr4Writable(cpu)) !== 0) cpu.generalProtection();
  if (cpu.longMode) {
    if ((next & CR4.pae) === 0 || (changed & CR4.la57) !== 0) cpu.generalProtection();
  } else if (sets(CR4.pcide)) cpu.generalProtection();
  if (sets(CR4.pcide) && (W[2 * SLOT.cr3] & 0xfff) !== 0) cpu.generalProtection();
  if ((next & CR4.cet) !== 0 && (W[2 * SLOT.cr0] & CR0.wp) === 0) cpu.generalProtection();
  if (cpu.virtualization?.controlRegisterAllowed(cpu, 4, BigInt(next >>> 0)) === false)
    cpu.generalProtection();
  const pae = cpu.paging && !cpu.longMode && (next & CR4.pae) !== 0;
  if (pae && (changed & CR4_LOADS_PDPTES) !== 0) setPdptes(cpu, checkedPdptes(cpu, W[2 * SLOT.cr3]));
  cpu.R[SLOT.cr4] = BigInt(next >>> 0);
  cpu.disarm();
  if (sets(CR4.cet)) requireNoEnforcement(cpu);
  if ((changed & TRANSLATION_BITS) !== 0)
    cpu.mmu.invalidate((caches, tags) => withoutByCr4(caches, now, next, tags));
  cpu.mmu.contextChanged();
  cpu.boundaryWork = true;
};

/** XD bit disable of IA32_MISC_ENABLE: CPUID no longer announces NX. SDM Vol. 4, 2.1 Architectural MSRs */
export const MISC_NO_EXECUTE = 1n << 34n;
export const noExecuteDisabled = (cpu: ProcessorDraft): boolean =>
  (cpu.R[SLOT.miscEnable] & MISC_NO_EXECUTE) !== 0n;

/**
 * IA32_EFER as WRMSR writes it: LMA stays. Returns false (#GP(0)) for reserved bits, and for a change of LME while paging.
 * SDM Vol. 3A, 2.2.1 Extended Feature Enable Register
 */
export const writeEfer = (cpu: ProcessorDraft, value: bigint): boolean => {
  const features: readonly (readonly [number, FeatureName])[] = [
    [EFER.sce, 'syscall'],
    [EFER.lme, 'lm'],
    [EFER.nxe, 'nx'],
  ];
  const known = features.reduce((all, [bit, name]) => (announces(cpu.cpuid, name) ? all | bit : all), 0);
  const writable = noExecuteDisabled(cpu) ? known & ~EFER.nxe : known;
  const now = cpu.W[2 * SLOT.efer];
  const next = low(value) & ~EFER.lma;
  if (high(value) !== 0n || (next & ~writable) !== 0) return false;
  if (cpu.paging && ((now ^ next) & EFER.lme) !== 0) return false;
  cpu.R[SLOT.efer] = BigInt(next | (now & EFER.lma));
  if (((now ^ next) & EFER.nxe) !== 0) cpu.mmu.invalidate((caches, { vpid }) => withoutVpid(caches, vpid));
  cpu.mmu.contextChanged();
  return true;
};
