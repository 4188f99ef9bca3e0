import type { Instruction } from '../../decode/instruction';
import { VECTOR } from '../../event';
import { MXCSR_MASK } from '../../extended-state';
import type { ProcessorDraft } from '../../processor-draft';
import { CR0, CR4, SLOT } from '../../slots';
import { bytesOf, MemoryArea, wordOf } from '../memory-area';
import { memoryOf } from '../system/operands';
import { requireFeature } from '../system/privilege';
import { systemRow } from '../system/system-row';
import { loadSse, loadX87, setMxcsr, sseImage, vectorCount, x87Image } from './components';

const BYTES = 512;
const MXCSR_AT = 24;
const REGISTERS_AT = 32;
export const XMM_AT = 160;

const begin = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'fxsr');
  if ((cpu.W[2 * SLOT.cr0] & (CR0.em | CR0.ts)) !== 0) cpu.raise(VECTOR.nm);
};

/** MXCSR and its mask, 8 bytes. */
export const mxcsrImage = (cpu: ProcessorDraft): Uint8Array =>
  bytesOf((BigInt(MXCSR_MASK) << 32n) | BigInt(cpu.extended.mxcsr), 8);

/** CR4.OSFXSR: without it XMM and MXCSR are neither saved nor loaded. */
const withSse = (cpu: ProcessorDraft): boolean => (cpu.W[2 * SLOT.cr4] & CR4.osfxsr) !== 0;

const save =
  (wide: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    begin(cpu);
    const area = new MemoryArea(cpu, memoryOf(instruction.operands[0]), BYTES, true, 16);
    area.probe(0, BYTES);
    const [head, registers] = x87Image(cpu, wide);
    area.write(0, head);
    area.write(REGISTERS_AT, registers);
    if (!withSse(cpu)) return;
    area.write(MXCSR_AT, mxcsrImage(cpu));
    area.write(XMM_AT, sseImage(cpu));
  };

/** MXCSR of a legacy region; #GP(0) when it sets a bit that does not exist. */
export const mxcsrOf = (cpu: ProcessorDraft, legacy: Uint8Array): number => {
  const mxcsr = Number(wordOf(legacy, MXCSR_AT, 4));
  if ((mxcsr & ~MXCSR_MASK) !== 0) cpu.generalProtection();
  return mxcsr;
};

const restore =
  (wide: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    begin(cpu);
    const area = new MemoryArea(cpu, memoryOf(instruction.operands[0]), BYTES, false, 16);
    const image = area.read(0, BYTES);
    const sse = withSse(cpu);
    const mxcsr = sse ? mxcsrOf(cpu, image) : 0;
    loadX87(cpu, image, wide);
    if (!sse) return;
    setMxcsr(cpu, mxcsr);
    loadSse(cpu, image.subarray(XMM_AT, XMM_AT + 16 * vectorCount(cpu)));
  };

/** SDM Vol. 2, FXSAVE, FXRSTOR */
export const FXSAVE_ROWS = [
  systemRow('fxsave', save(false)),
  systemRow('fxsave64', save(true)),
  systemRow('fxrstor', restore(false)),
  systemRow('fxrstor64', restore(true)),
];
