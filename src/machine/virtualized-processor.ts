import type { LinearMemory } from '../cpu/engine/linear-memory';
import type { InstructionRow } from '../cpu/engine/row';
import { DATA_ROWS, STRING_ROWS } from '../cpu/instructions/data';
import { EXTENDED_ROWS } from '../cpu/instructions/extended';
import { SYSTEM_ROWS } from '../cpu/instructions/system';
import { perfGlobalCtrlBits } from '../cpu/performance-monitoring';
import type { Processor } from '../cpu/presets';
import type { ProcessorDraft } from '../cpu/processor-draft';
import type { VirtualizationState } from '../cpu/processor-state';
import { TableReader } from '../ept';
import { VMX_OFF, VMX_ROWS, Vmx, type VmxState, vmxCapabilities } from '../vmx';

const ROWS: ReadonlyMap<string, InstructionRow> = new Map(
  [...DATA_ROWS.values(), ...STRING_ROWS, ...SYSTEM_ROWS, ...EXTENDED_ROWS, ...VMX_ROWS].map((row) => [
    row.mnemonic,
    row,
  ]),
);

/** Every instruction that the model executes, by mnemonic. Without VMX its instructions are undefined opcodes. */
export const instructionRows = (): ReadonlyMap<string, InstructionRow> => ROWS;

/** VMX of one processor: the draft that the core asks, and its published form. */
export class VirtualizedProcessor implements VirtualizationState {
  readonly vmx: Vmx;

  constructor(processor: Processor, { number }: ProcessorDraft, memory: LinearMemory) {
    const tables = new TableReader((frame) => memory.watchedPage(frame));
    memory.onPagesReplaced = () => tables.forget();
    this.vmx = new Vmx({
      capabilities: vmxCapabilities(processor),
      physicalAddressWidth: processor.physicalAddressWidth,
      linearAddressWidth: processor.linearAddressWidth,
      perfGlobalCtrlBits: perfGlobalCtrlBits(processor.cpuid),
      tables,
      number,
      keep: (frame, keeper) => memory.keep(frame, keeper),
    });
  }

  publish(): VmxState {
    return this.vmx.publish();
  }

  load(state: unknown): void {
    this.vmx.load((state as VmxState | undefined) ?? VMX_OFF);
  }
}

/** VMX where the processor announces it. */
export const virtualizedProcessor = (
  processor: Processor,
  cpu: ProcessorDraft,
  memory: LinearMemory,
): VirtualizedProcessor | undefined => {
  if (!processor.features.has('vmx')) return undefined;
  const virtualized = new VirtualizedProcessor(processor, cpu, memory);
  cpu.virtualization = virtualized.vmx;
  return virtualized;
};
