import type { LinearMemory } from '../cpu/engine/linear-memory';
import type { InstructionRow } from '../cpu/engine/row';
import { DATA_ROWS, STRING_ROWS } from '../cpu/instructions/data';
import { SYSTEM_ROWS } from '../cpu/instructions/system';
import type { Processor } from '../cpu/presets';
import type { VirtualizationState } from '../cpu/processor-state';
import type { Virtualization } from '../cpu/virtualization';

/** The virtualization extension of a processor, and its published form. */
export interface VirtualizedProcessor extends VirtualizationState {
  readonly virtualization: Virtualization;
}

const BASE_ROWS: readonly InstructionRow[] = [...DATA_ROWS.values(), ...STRING_ROWS, ...SYSTEM_ROWS];
const byMnemonic = (rows: readonly InstructionRow[]): ReadonlyMap<string, InstructionRow> =>
  new Map(rows.map((row) => [row.mnemonic, row]));

const WITHOUT_VMX = byMnemonic(BASE_ROWS);

/** Every instruction that a processor can execute, by mnemonic. */
export const instructionRows = (_processor: Processor): ReadonlyMap<string, InstructionRow> => WITHOUT_VMX;

export const virtualizedProcessor = (
  _processor: Processor,
  _memory: LinearMemory,
): VirtualizedProcessor | undefined => undefined;
