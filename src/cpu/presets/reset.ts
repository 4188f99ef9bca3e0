import { NOTHING_REMEMBERED, withoutAll } from '../caching';
import { EXTENDED_AT_RESET } from '../extended-state';
import { initialMsrs } from '../msrs';
import { perfGlobalCtrlBits } from '../performance-monitoring';
import { ACTIVITY, type ProcessorDraft } from '../processor-draft';
import { SEGMENT, setSegmentRaw } from '../segments';
import { DEBUG_REGISTERS, FIRST_SCRATCH_SLOT, GENERAL_REGISTERS, SLOT } from '../slots';

const DATA = 0x93;
const LDT = 0x82;
const BUSY_TSS = 0x8b;
const LIMIT = 0xffff;
const BOOTSTRAP = 0x100n;
const CR0_RESET = 0x60000010n;
const CACHE_CONTROL = 0x60000000n;
/** IA32_MISC_ENABLE: performance monitoring is available. SDM Vol. 4, 2.1 Architectural MSRs */
const PERFORMANCE_MONITORING = 0x80n;
const VECTOR_SHIFT = { selector: 8, base: 12n } as const;

const setCode = (cpu: ProcessorDraft, selector: number, base: bigint): void =>
  setSegmentRaw(cpu, SEGMENT.cs, { selector, base, limit: LIMIT, rights: DATA });

/** What RESET and INIT have in common. SDM Vol. 3A, 10.1.1 Processor State After Reset */
const restart = (cpu: ProcessorDraft): void => {
  const { R } = cpu;
  for (const name of GENERAL_REGISTERS) R[SLOT[name]] = 0n;
  for (const slot of [SLOT.cr2, SLOT.cr3, SLOT.cr4, SLOT.efer]) R[slot] = 0n;
  for (const name of DEBUG_REGISTERS) R[SLOT[name]] = 0n;
  R[SLOT.rip] = 0xfff0n;
  R[SLOT.rdx] = BigInt(cpu.cpuid.lookup(1, 0).eax >>> 0);
  for (const segment of [SEGMENT.es, SEGMENT.ss, SEGMENT.ds, SEGMENT.fs, SEGMENT.gs])
    setSegmentRaw(cpu, segment, { selector: 0, base: 0n, limit: LIMIT, rights: DATA });
  setCode(cpu, 0xf000, 0xffff0000n);
  setSegmentRaw(cpu, 'ldtr', { selector: 0, base: 0n, limit: LIMIT, rights: LDT });
  setSegmentRaw(cpu, 'tr', { selector: 0, base: 0n, limit: LIMIT, rights: BUSY_TSS });
  for (const slot of [SLOT.gdtrBase, SLOT.idtrBase]) R[slot] = 0n;
  for (const slot of [SLOT.gdtrLimit, SLOT.idtrLimit]) R[slot] = BigInt(LIMIT);
  R[SLOT.dr6] = 0xffff0ff0n;
  R[SLOT.dr7] = 0x400n;
  cpu.rflags = 2n;
  cpu.activity = (R[SLOT.apicBase] & BOOTSTRAP) !== 0n ? ACTIVITY.active : ACTIVITY.waitForSipi;
  cpu.blockingBySti = cpu.blockingByMovSs = cpu.blockingByNmi = cpu.nmiPending = cpu.initPending = false;
  cpu.pendingDebug = 0;
  cpu.nmiUnblocked = false;
  cpu.endWait();
  cpu.interruption = undefined;
  cpu.exit = undefined;
  cpu.boundaryWork = true;
  cpu.mmu.flush();
  cpu.mmu.contextChanged();
};

/**
 * INIT: the caches, XCR0, the MSRs and the cache-control bits of CR0 stay. The bootstrap processor goes on at its reset vector, the others wait for a
 * startup IPI. SDM Vol. 3A, 10.1.1 Processor State After Reset
 */
export const initializeProcessor = (cpu: ProcessorDraft): void => {
  const { R } = cpu;
  R[SLOT.cr0] = (CR0_RESET & ~CACHE_CONTROL) | (R[SLOT.cr0] & CACHE_CONTROL);
  restart(cpu);
};

/** A startup IPI: the processor begins in real mode at page `vector` of the first megabyte. SDM Vol. 3A, 9.4.3 MP Initialization Protocol Algorithm for MP Systems */
export const startProcessor = (cpu: ProcessorDraft, vector: number): void => {
  setCode(cpu, vector << VECTOR_SHIFT.selector, BigInt(vector) << VECTOR_SHIFT.base);
  cpu.rip = 0n;
  cpu.activity = ACTIVITY.active;
  cpu.mmu.contextChanged();
};

/**
 * Puts a processor in its state after power-up. `bootstrap` sets IA32_APIC_BASE.BSP; the others wait for a startup IPI.
 * SDM Vol. 3A, 10.1.1 Processor State After Reset
 */
export const resetProcessor = (cpu: ProcessorDraft, bootstrap = true): void => {
  const { R } = cpu;
  const engine = R[SLOT.engine];
  R.fill(0n, 0, FIRST_SCRATCH_SLOT);
  R[SLOT.engine] = engine;
  R[SLOT.cr0] = CR0_RESET;
  R[SLOT.xcr0] = 1n;
  R[SLOT.pat] = 0x0007040600070406n;
  R[SLOT.apicBase] = 0xfee00800n | (bootstrap ? BOOTSTRAP : 0n);
  R[SLOT.miscEnable] = 0x811809n | (cpu.cpuid.features.has('monitor') ? 0x40000n : 0n);
  R[SLOT.perfGlobalCtrl] = perfGlobalCtrlBits(cpu.cpuid);
  if (R[SLOT.perfGlobalCtrl] !== 0n) R[SLOT.miscEnable] |= PERFORMANCE_MONITORING;
  cpu.msrs = initialMsrs();
  cpu.extended = EXTENDED_AT_RESET;
  cpu.mmu.invalidate(withoutAll);
  cpu.remembered = NOTHING_REMEMBERED;
  cpu.nonRoot = false;
  cpu.startupVector = undefined;
  restart(cpu);
};
