import { initialMsrs } from '../msrs';
import { ACTIVITY, type ProcessorDraft } from '../processor-draft';
import { SEGMENT, setSegmentRaw } from '../segments';
import { FIRST_SCRATCH_SLOT, SLOT } from '../slots';
import type { Processor } from './processor';

const DATA = 0x93;
const LDT = 0x82;
const BUSY_TSS = 0x8b;
const LIMIT = 0xffff;
const BOOTSTRAP = 0x100n;

/**
 * Puts a processor in its state after power-up. `bootstrap` sets IA32_APIC_BASE.BSP; the others wait for a startup IPI.
 * SDM Vol. 3A, 10.1.1 Processor State After Reset
 */
export const resetProcessor = (cpu: ProcessorDraft, processor: Processor, bootstrap = true): void => {
  const { R } = cpu;
  const engine = R[SLOT.engine];
  R.fill(0n, 0, FIRST_SCRATCH_SLOT);
  R[SLOT.engine] = engine;
  R[SLOT.rip] = 0xfff0n;
  R[SLOT.rdx] = BigInt(processor.cpuid.lookup(1, 0).eax >>> 0);
  for (const segment of [SEGMENT.es, SEGMENT.ss, SEGMENT.ds, SEGMENT.fs, SEGMENT.gs])
    setSegmentRaw(cpu, segment, { selector: 0, base: 0n, limit: LIMIT, rights: DATA });
  setSegmentRaw(cpu, SEGMENT.cs, { selector: 0xf000, base: 0xffff0000n, limit: LIMIT, rights: DATA });
  setSegmentRaw(cpu, 'ldtr', { selector: 0, base: 0n, limit: LIMIT, rights: LDT });
  setSegmentRaw(cpu, 'tr', { selector: 0, base: 0n, limit: LIMIT, rights: BUSY_TSS });
  R[SLOT.gdtrLimit] = BigInt(LIMIT);
  R[SLOT.idtrLimit] = BigInt(LIMIT);
  R[SLOT.cr0] = 0x60000010n;
  R[SLOT.dr6] = 0xffff0ff0n;
  R[SLOT.dr7] = 0x400n;
  R[SLOT.xcr0] = 1n;
  R[SLOT.pat] = 0x0007040600070406n;
  R[SLOT.apicBase] = 0xfee00800n | (bootstrap ? BOOTSTRAP : 0n);
  R[SLOT.miscEnable] = 0x811809n;
  cpu.rflags = 2n;
  cpu.msrs = initialMsrs();
  cpu.activity = bootstrap ? ACTIVITY.active : ACTIVITY.waitForSipi;
  cpu.blockingBySti = cpu.blockingByMovSs = cpu.blockingByNmi = cpu.nmiPending = false;
  cpu.pendingDebug = 0;
  cpu.interruption = undefined;
  cpu.exit = undefined;
  cpu.nonRoot = false;
  cpu.boundaryWork = true;
  cpu.mmu.flush();
  cpu.mmu.contextChanged();
};
