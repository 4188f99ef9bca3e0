import type { Instruction } from '../../decode/instruction';
import type { SystemRow } from '../../engine/row';
import type { ProcessorDraft } from '../../processor-draft';
import type { InterceptedInstruction } from '../../virtualization';

export type Execute = SystemRow['execute'];

export const systemRow = (mnemonic: string, execute: Execute): SystemRow => ({
  kind: 'system',
  mnemonic,
  execute,
});

/** A row that writes general-purpose registers and flags alone. */
export const readingRow = (mnemonic: string, execute: Execute): SystemRow => ({
  ...systemRow(mnemonic, execute),
  keepsMode: true,
});

/** An instruction that the processor does not have, or that is undefined by name. */
export const undefinedOpcode: Execute = (cpu) => cpu.invalidOpcode();

/** The place of interception of an instruction: whether it exits, in non-root operation. Then the row returns, and writes nothing. */
export const exits = (cpu: ProcessorDraft, instruction: Instruction, what: InterceptedInstruction): boolean =>
  cpu.nonRoot && cpu.virtualization?.intercept(cpu, instruction, what) === true;
