import { maskOf } from '../../../core';
import { isCet, isPointer } from '../../control-flow-enforcement';
import type { Instruction } from '../../decode/instruction';
import { VECTOR } from '../../event';
import { MXCSR_INITIAL } from '../../extended-state';
import { MSR } from '../../msr-index';
import type { Check } from '../../msr-row';
import { writeMsr } from '../../msrs';
import type { FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { CR0, CR4, SLOT } from '../../slots';
import {
  compactedBytes,
  compactedOffsets,
  EXTENDED_AT,
  HEADER_BYTES,
  LEGACY_BYTES,
  STATE_COMPONENTS,
  standardBytes,
} from '../../state-components';
import { bytesOf, MemoryArea, wordOf } from '../memory-area';
import { memoryOf, pair } from '../system/operands';
import { requireEnabled, requireFeature, requirePrivilege } from '../system/privilege';
import { writePkru } from '../system/protection-keys';
import { exits, systemRow } from '../system/system-row';
import {
  avxImage,
  initializeX87,
  inUse,
  loadAvx,
  loadSse,
  loadX87,
  readPkru,
  setMxcsr,
  sseImage,
  vectorCount,
  x87Image,
} from './components';
import { mxcsrImage, mxcsrOf, XMM_AT } from './fxsave';

const X87 = 1n;
const SSE = 2n;
const AVX = 4n;
const COMPACTED = 1n << 63n;
const ALIGNMENT = 64;
const BITMAP_AT = LEGACY_BYTES;
const COMPACTION_AT = LEGACY_BYTES + 8;
const MXCSR_AT = 24;
const REGISTERS_AT = 32;

const begin = (cpu: ProcessorDraft, feature: FeatureName): void => {
  requireFeature(cpu, feature);
  if ((cpu.W[2 * SLOT.cr4] & CR4.osxsave) === 0) cpu.invalidOpcode();
  if ((cpu.W[2 * SLOT.cr0] & CR0.ts) !== 0) cpu.raise(VECTOR.nm);
};

/** What IA32_XSS enables. */
const supervisorState = (cpu: ProcessorDraft): bigint => cpu.msrs.get(MSR.IA32_XSS) ?? 0n;

/** The privileged instructions also manage what IA32_XSS enables. Whether they exit. */
const supervisorExits = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  id: 'xsaves' | 'xrstors',
): boolean => {
  requireFeature(cpu, 'xsaves');
  requireEnabled(cpu, 'xsaves');
  begin(cpu, 'xsaves');
  requirePrivilege(cpu);
  return exits(cpu, instruction, { id, components: pair(cpu) & supervisorState(cpu) });
};

const enabledState = (cpu: ProcessorDraft, supervisor: boolean): bigint =>
  supervisor ? cpu.R[SLOT.xcr0] | supervisorState(cpu) : cpu.R[SLOT.xcr0];

/** The requested-feature bitmap. SDM Vol. 1, 13.7 Operation of XSAVE */
const requested = (cpu: ProcessorDraft, supervisor = false): bigint =>
  pair(cpu) & enabledState(cpu, supervisor);

interface ComponentState {
  readonly image: (cpu: ProcessorDraft) => Uint8Array;
  /** Without bytes: the initial configuration. */
  readonly load: (cpu: ProcessorDraft, bytes?: Uint8Array) => void;
  /** Whether XRSTORS may load it, as WRMSR might. */
  readonly allows?: (cpu: ProcessorDraft, bytes: Uint8Array) => boolean;
}

/** A component of MSRs, 8 bytes each, with what each may hold. SDM Vol. 1, 13.5.9 Control-Flow Enforcement Technology (CET) State */
const registers = (...msrs: readonly (readonly [index: number, allows: Check])[]): ComponentState => ({
  image: (cpu) => {
    const bytes = new Uint8Array(8 * msrs.length);
    msrs.forEach(([index], at) => {
      bytes.set(bytesOf(cpu.msrs.get(index) ?? 0n, 8), 8 * at);
    });
    return bytes;
  },
  load: (cpu, bytes) => {
    msrs.forEach(([index], at) => {
      writeMsr(cpu, index, bytes === undefined ? 0n : wordOf(bytes, 8 * at, 8));
    });
  },
  allows: (cpu, bytes) => msrs.every(([, allowed], at) => allowed(cpu, wordOf(bytes, 8 * at, 8))),
});

const STATES: Readonly<Record<number, ComponentState>> = {
  2: { image: avxImage, load: loadAvx },
  9: {
    image: (cpu) => bytesOf(readPkru(cpu), 8),
    load: (cpu, bytes) => writePkru(cpu, bytes === undefined ? 0n : wordOf(bytes, 0, 4)),
  },
  11: registers([MSR.IA32_U_CET, isCet], [MSR.IA32_PL0_SSP + 3, isPointer]),
  12: registers(...[0, 1, 2].map((level) => [MSR.IA32_PL0_SSP + level, isPointer] as const)),
};

const extended = (bitmap: bigint) =>
  STATE_COMPONENTS.filter(({ index, size }) => size > 0 && ((bitmap >> BigInt(index)) & 1n) === 1n);

/** Writes the components of `bitmap` to their places. */
const write = (
  cpu: ProcessorDraft,
  area: MemoryArea,
  bitmap: bigint,
  placeOf: (index: number, offset: number) => number,
  wide: boolean,
): void => {
  if ((bitmap & X87) !== 0n) {
    const [head, registers] = x87Image(cpu, wide);
    area.write(0, head);
    area.write(REGISTERS_AT, registers);
  }
  if ((bitmap & SSE) !== 0n) area.write(XMM_AT, sseImage(cpu));
  for (const { index, offset } of extended(bitmap))
    area.write(placeOf(index, offset), STATES[index].image(cpu));
};

// SDM Vol. 1, 13.7 Operation of XSAVE, 13.9 Operation of XSAVEOPT
const saveStandard =
  (feature: FeatureName, optimizes: boolean, wide: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    begin(cpu, feature);
    const wanted = requested(cpu);
    const bytes = standardBytes(wanted);
    const area = new MemoryArea(cpu, memoryOf(instruction.operands[0]), bytes, true, ALIGNMENT);
    const before = wordOf(area.read(BITMAP_AT, 8));
    area.probe(0, bytes);
    const used = inUse(cpu) & wanted;
    write(cpu, area, optimizes ? used : wanted, (_, offset) => offset, wide);
    if ((wanted & (SSE | AVX)) !== 0n) area.write(MXCSR_AT, mxcsrImage(cpu));
    area.write(BITMAP_AT, bytesOf((before & ~wanted) | used, 8));
  };

// SDM Vol. 1, 13.10 Operation of XSAVEC, 13.11 Operation of XSAVES
const saveCompacted =
  (supervisor: boolean, wide: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    if (supervisor) {
      if (supervisorExits(cpu, instruction, 'xsaves')) return;
    } else begin(cpu, 'xsavec');
    const wanted = requested(cpu, supervisor);
    const bytes = compactedBytes(wanted);
    const area = new MemoryArea(cpu, memoryOf(instruction.operands[0]), bytes, true, ALIGNMENT);
    area.probe(0, bytes);
    // MXCSR is no part of XINUSE, but is saved with SSE state.
    const mxcsr = cpu.extended.mxcsr === MXCSR_INITIAL ? 0n : SSE;
    const used = (inUse(cpu) | mxcsr) & wanted;
    const offsets = compactedOffsets(wanted);
    write(cpu, area, used, (index) => offsets.get(index)!, wide);
    if ((used & SSE) !== 0n) area.write(MXCSR_AT, mxcsrImage(cpu));
    area.write(BITMAP_AT, bytesOf(used, 8));
    area.write(COMPACTION_AT, bytesOf(wanted | COMPACTED, 8));
  };

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

interface Header {
  readonly bitmap: bigint;
  /** Undefined in the standard format. */
  readonly compaction: bigint | undefined;
}

// SDM Vol. 1, 13.8 Operation of XRSTOR, 13.12 Operation of XRSTORS
const checkedHeader = (cpu: ProcessorDraft, header: Uint8Array, supervisor: boolean): Header => {
  const bitmap = wordOf(header, 0, 8);
  const compaction = wordOf(header, 8, 8);
  const enabled = enabledState(cpu, supervisor);
  if ((compaction & COMPACTED) === 0n) {
    const reserved = supervisor || (bitmap & ~enabled) !== 0n || !isZero(header.subarray(8, 24));
    if (reserved) cpu.generalProtection();
    return { bitmap, compaction: undefined };
  }
  const components = compaction & ~COMPACTED;
  const refused =
    !cpu.cpuid.features.has('xsavec') ||
    (components & ~enabled) !== 0n ||
    (bitmap & ~components) !== 0n ||
    !isZero(header.subarray(16));
  if (refused) cpu.generalProtection();
  return { bitmap, compaction: components };
};

const restore =
  (supervisor: boolean, wide: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    if (supervisor) {
      if (supervisorExits(cpu, instruction, 'xrstors')) return;
    } else begin(cpu, 'xsave');
    const wanted = requested(cpu, supervisor);
    const operand = memoryOf(instruction.operands[0]);
    const header = new MemoryArea(cpu, operand, EXTENDED_AT, false, ALIGNMENT).read(
      LEGACY_BYTES,
      HEADER_BYTES,
    );
    const { bitmap, compaction } = checkedHeader(cpu, header, supervisor);
    const loads = wanted & bitmap;
    const offsets = compaction === undefined ? undefined : compactedOffsets(compaction);
    const bytes = compaction === undefined ? standardBytes(loads) : compactedBytes(compaction);
    const area = new MemoryArea(cpu, operand, bytes, false, ALIGNMENT);
    const withMxcsr = compaction === undefined ? (wanted & (SSE | AVX)) !== 0n : (loads & SSE) !== 0n;
    // Everything that may fault comes before the first register changes.
    const legacy = (loads & (X87 | SSE)) !== 0n || withMxcsr ? area.read(0, LEGACY_BYTES) : undefined;
    const images = extended(loads).map(
      ({ index, offset, size }) => [index, area.read(offsets?.get(index) ?? offset, size)] as const,
    );
    if (images.some(([index, image]) => STATES[index].allows?.(cpu, image) === false))
      cpu.generalProtection();
    const mxcsr = withMxcsr ? mxcsrOf(cpu, legacy!) : undefined;
    if ((loads & X87) !== 0n) loadX87(cpu, legacy!, wide);
    else if ((wanted & X87) !== 0n) initializeX87(cpu);
    if ((wanted & SSE) !== 0n)
      loadSse(
        cpu,
        (loads & SSE) === 0n ? undefined : legacy!.subarray(XMM_AT, XMM_AT + 16 * vectorCount(cpu)),
      );
    if (mxcsr !== undefined) setMxcsr(cpu, mxcsr);
    else if ((wanted & SSE) !== 0n) setMxcsr(cpu, MXCSR_INITIAL);
    for (const { index } of extended(wanted & ~bitmap & maskOf(63))) STATES[index].load(cpu);
    for (const [index, image] of images) STATES[index].load(cpu, image);
  };

const forms = (mnemonic: string, execute: (wide: boolean) => ReturnType<typeof restore>) => [
  systemRow(mnemonic, execute(false)),
  systemRow(`${mnemonic}64`, execute(true)),
];

/** SDM Vol. 1, 13 Managing State Using the XSAVE Feature Set */
export const XSAVE_ROWS = [
  ...forms('xsave', (wide) => saveStandard('xsave', false, wide)),
  ...forms('xsaveopt', (wide) => saveStandard('xsaveopt', true, wide)),
  ...forms('xsavec', (wide) => saveCompacted(false, wide)),
  ...forms('xsaves', (wide) => saveCompacted(true, wide)),
  ...forms('xrstor', (wide) => restore(false, wide)),
  ...forms('xrstors', (wide) => restore(true, wide)),
];
