import { maskOf, u64 } from '../core';
import type { CpuidTable } from './cpuid';
import { MSR } from './msr-index';
import { bySlot, consecutive, constant, type MsrRow, named, stored, within } from './msr-row';
import { announces } from './presets/features';
import type { ProcessorDraft } from './processor-draft';
import { SLOT } from './slots';

// SDM Vol. 3B, 20.2 Architectural Performance Monitoring: CPUID leaf 0AH
const LEAF = 0x0a;
const COUNTERS = [0, 1, 2, 3];
const COUNTER_WIDTH = 48;

/** Bits of IA32_PERF_GLOBAL_CTRL that exist: one a general-purpose counter; no fixed ones. SDM Vol. 3B, 20.2 Architectural Performance Monitoring */
export const perfGlobalCtrlBits = (cpuid: CpuidTable): bigint =>
  announces(cpuid, 'perfmon') ? maskOf((cpuid.lookup(LEAF, 0).eax >> 8) & 0xff) : 0n;

/** Event, unit mask, USR, OS, E, PC, INT, EN, INV and counter mask; bit 21 is not of version 2. */
const EVENT_SELECT = 0xffdf_ffffn;
const OVERFLOW_CLEAR = 0xc000_0000_0000_000fn;

const counter = stored();

/** The counters hold what was written: the processors announce no event that they could count. */
export const PERFORMANCE_MSRS: readonly MsrRow[] = [
  ...consecutive(
    'IA32_PMC',
    COUNTERS.map((n) => `IA32_PMC${n}`),
    {
      feature: 'perfmon',
      read: counter.read,
      write: (cpu, value, index) =>
        counter.write(cpu, u64(BigInt.asIntN(32, value)) & maskOf(COUNTER_WIDTH), index),
    },
  ),
  ...consecutive(
    'IA32_PERFEVTSEL',
    COUNTERS.map((n) => `IA32_PERFEVTSEL${n}`),
    { feature: 'perfmon', ...stored(within(EVENT_SELECT)) },
  ),
  { ...named('IA32_FIXED_CTR_CTRL'), feature: 'perfmon', ...stored(within(0n)) },
  { ...named('IA32_PERF_GLOBAL_STATUS'), feature: 'perfmon', ...constant(0n) },
  {
    ...named('IA32_PERF_GLOBAL_CTRL'),
    feature: 'perfmon',
    ...bySlot(SLOT.perfGlobalCtrl, (cpu, value) => (value & ~perfGlobalCtrlBits(cpu.cpuid)) === 0n),
  },
  {
    ...named('IA32_PERF_GLOBAL_OVF_CTRL'),
    feature: 'perfmon',
    ...constant(0n),
    write: within(OVERFLOW_CLEAR),
  },
];

/** What RDPMC reads; undefined for a counter that does not exist. SDM Vol. 2, RDPMC */
export const readCounter = (cpu: ProcessorDraft, index: number): bigint | undefined =>
  announces(cpu.cpuid, 'perfmon') && index < COUNTERS.length
    ? counter.read(cpu, MSR.IA32_PMC + index)
    : undefined;
