import { noExecuteDisabled } from '../../control-registers';
import type { CpuidResult } from '../../cpuid';
import type { Instruction } from '../../decode/instruction';
import { MSR } from '../../msr-index';
import { readMsr, readTimeStamp, writeMsr } from '../../msrs';
import { readCounter } from '../../performance-monitoring';
import { FEATURES } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { isLoadableBase } from '../../segments';
import { CR4, SLOT } from '../../slots';
import { compactedBytes, standardBytes } from '../../state-components';
import { general, pair, registerOf, setGeneral, setPair } from './operands';
import {
  require64,
  requireEnabled,
  requireFeature,
  requirePrivilege,
  requireTimeStampPrivilege,
} from './privilege';
import { exits, readingRow, systemRow } from './system-row';
import { MONITOR_ENABLED } from './waiting';

const OSXSAVE = 1 << 27;
const OSPKE = 1 << 4;
const NO_EXECUTE = 1 << FEATURES.nx.bit;
const MONITOR = 1 << FEATURES.monitor.bit;
const APIC = 1 << FEATURES.apic.bit;
const SYSCALL = 1 << FEATURES.syscall.bit;
const APIC_ENABLED = 1 << 11;
const LIMIT_CPUID = 1 << 22;

/** Leaf 0DH: the sizes of areas with what is enabled now. SDM Vol. 1, 13.2 Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features */
const stateSizes = (cpu: ProcessorDraft, subleaf: number, result: CpuidResult): CpuidResult => {
  const { features } = cpu.cpuid;
  if (!features.has('xsave') || subleaf >>> 0 > 1) return result;
  const enabled = cpu.R[SLOT.xcr0];
  if (subleaf === 0) return { ...result, ebx: standardBytes(enabled) };
  const supervisor = features.has('xsaves') ? (readMsr(cpu, MSR.IA32_XSS) ?? 0n) : 0n;
  return { ...result, ebx: features.has('xsavec') ? compactedBytes(enabled | supervisor) : 0 };
};

const HYPER_THREADING = 1 << 28;

/** Bits of an APIC ID that tell the processors of the package apart. */
const idBits = ({ count }: ProcessorDraft): number => (count === 1 ? 0 : 32 - Math.clz32(count - 1));

/** Leaf 1: initial APIC ID, and how many IDs the package has. SDM Vol. 2, CPUID */
const addressing = (cpu: ProcessorDraft, { ebx, edx }: CpuidResult): Pick<CpuidResult, 'ebx' | 'edx'> => ({
  ebx: (ebx & 0xff00) | ((1 << idBits(cpu)) << 16) | (cpu.number << 24),
  edx: cpu.count > 1 ? edx | HYPER_THREADING : edx & ~HYPER_THREADING,
});

/** Leaf 0BH: one thread a core, all cores in one package; EDX is the x2APIC ID. SDM Vol. 2, CPUID */
const topology = (cpu: ProcessorDraft, subleaf: number, result: CpuidResult): CpuidResult => {
  const cores = subleaf === 1;
  return {
    eax: cores ? idBits(cpu) : 0,
    ebx: cores ? cpu.count : subleaf === 0 ? 1 : 0,
    ecx: result.ecx | (subleaf & 0xff),
    edx: cpu.number,
  };
};

/** CPUID with what follows the processor's number and state. SDM Vol. 2, CPUID */
const identification = (cpu: ProcessorDraft, leaf: number, subleaf: number): CpuidResult => {
  const result = cpu.cpuid.lookup(leaf, subleaf);
  switch (leaf >>> 0) {
    case 0: {
      const limited = (cpu.W[2 * SLOT.miscEnable] & LIMIT_CPUID) !== 0;
      return limited ? { ...result, eax: Math.min(result.eax, 2) } : result;
    }
    case 1: {
      const osxsave = (cpu.W[2 * SLOT.cr4] & CR4.osxsave) !== 0;
      const apic = (cpu.W[2 * SLOT.apicBase] & APIC_ENABLED) !== 0;
      const monitor = (cpu.W[2 * SLOT.miscEnable] & MONITOR_ENABLED) !== 0;
      const ecx = monitor ? result.ecx : result.ecx & ~MONITOR;
      const { ebx, edx } = addressing(cpu, result);
      return {
        ...result,
        ebx,
        ecx: osxsave ? ecx | OSXSAVE : ecx & ~OSXSAVE,
        edx: apic ? edx : edx & ~APIC,
      };
    }
    case 7: {
      const ospke = subleaf === 0 && (cpu.W[2 * SLOT.cr4] & CR4.pke) !== 0;
      return ospke ? { ...result, ecx: result.ecx | OSPKE } : result;
    }
    case 0xb:
      return cpu.cpuid.lookup(0, 0).eax >= 0xb ? topology(cpu, subleaf, result) : result;
    case 0x0d:
      return stateSizes(cpu, subleaf, result);
    case 0x80000001: {
      const hidden = (cpu.mode64 ? 0 : SYSCALL) | (noExecuteDisabled(cpu) ? NO_EXECUTE : 0);
      return { ...result, edx: result.edx & ~hidden };
    }
    default:
      return result;
  }
};

const identify = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if (exits(cpu, instruction, { id: 'cpuid' })) return;
  const { eax, ebx, ecx, edx } = identification(cpu, cpu.W[2 * SLOT.rax], cpu.W[2 * SLOT.rcx]);
  setGeneral(cpu, SLOT.rax, 32, BigInt(eax));
  setGeneral(cpu, SLOT.rbx, 32, BigInt(ebx));
  setGeneral(cpu, SLOT.rcx, 32, BigInt(ecx));
  setGeneral(cpu, SLOT.rdx, 32, BigInt(edx));
};

const indexOf = (cpu: ProcessorDraft): number => cpu.W[2 * SLOT.rcx] >>> 0;

const readModelSpecific = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'rdmsr', index: indexOf(cpu) })) return;
  const value = readMsr(cpu, indexOf(cpu));
  if (value === undefined) cpu.generalProtection();
  cpu.watcher?.reachedMsr?.(cpu, indexOf(cpu), 'read');
  setPair(cpu, value);
};

const writeModelSpecific = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'wrmsr', index: indexOf(cpu) })) return;
  if (!writeMsr(cpu, indexOf(cpu), pair(cpu))) cpu.generalProtection();
  cpu.watcher?.reachedMsr?.(cpu, indexOf(cpu), 'write');
  cpu.boundaryWork = true;
};

const readClock = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireFeature(cpu, 'tsc');
  requireTimeStampPrivilege(cpu);
  if (exits(cpu, instruction, { id: 'rdtsc' })) return;
  setPair(cpu, readTimeStamp(cpu));
};

const readCounterAndProcessor = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireFeature(cpu, 'rdtscp');
  requireEnabled(cpu, 'rdtscp');
  requireTimeStampPrivilege(cpu);
  if (exits(cpu, instruction, { id: 'rdtscp' })) return;
  setPair(cpu, readTimeStamp(cpu));
  setGeneral(cpu, SLOT.rcx, 32, cpu.R[SLOT.tscAux]);
};

const readProcessor = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireFeature(cpu, 'rdpid');
  requireEnabled(cpu, 'rdpid');
  const { number, width } = registerOf(instruction.operands[0]);
  setGeneral(cpu, number, width, cpu.R[SLOT.tscAux] & 0xffffffffn);
};

// SDM Vol. 2, RDPMC
const readPerformanceCounter = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.pce) === 0) requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'rdpmc' })) return;
  setPair(cpu, readCounter(cpu, indexOf(cpu)) ?? cpu.generalProtection());
};

/** RDFSBASE and their like. SDM Vol. 3A, 2.5: CR4.FSGSBASE */
const requireBaseAccess = (cpu: ProcessorDraft): void => {
  require64(cpu);
  requireFeature(cpu, 'fsgsbase');
  if ((cpu.W[2 * SLOT.cr4] & CR4.fsgsbase) === 0) cpu.invalidOpcode();
};

const readBase =
  (slot: number) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireBaseAccess(cpu);
    const { number, width } = registerOf(instruction.operands[0]);
    setGeneral(cpu, number, width, cpu.R[slot]);
  };

const writeBase =
  (slot: number) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireBaseAccess(cpu);
    const { number, width } = registerOf(instruction.operands[0]);
    const value = general(cpu, number, width);
    if (!isLoadableBase(cpu, value)) cpu.generalProtection();
    cpu.R[slot] = value;
  };

export const IDENTIFICATION_ROWS = [
  readingRow('cpuid', identify),
  systemRow('rdmsr', readModelSpecific),
  systemRow('wrmsr', writeModelSpecific),
  readingRow('rdtsc', readClock),
  readingRow('rdtscp', readCounterAndProcessor),
  readingRow('rdpid', readProcessor),
  readingRow('rdpmc', readPerformanceCounter),
  readingRow('rdfsbase', readBase(SLOT.fsBase)),
  readingRow('rdgsbase', readBase(SLOT.gsBase)),
  systemRow('wrfsbase', writeBase(SLOT.fsBase)),
  systemRow('wrgsbase', writeBase(SLOT.gsBase)),
];
