import { maskOf } from '../../core';
import type { Instruction } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import { SLOT } from '../slots';
import { conditionHolds } from '../status-flags';

const EQUAL = 4;
const NOT_EQUAL = 5;

/** Instructions that branch whenever they complete. */
const ALWAYS: ReadonlySet<string> = new Set([
  ...['jmp', 'call', 'ret', 'jmp_far', 'call_far', 'ret_far', 'iret'],
  ...['syscall', 'sysret', 'sysenter', 'sysexit'],
]);

/** What must be known of an instruction to say whether it branched. */
export type StepInstruction = Pick<Instruction, 'mnemonic' | 'condition' | 'addressWidth'>;

/** Whether the instruction that has just completed branched: also to the next instruction. SDM Vol. 3B, 18.4.3 Single-Stepping on Branches */
export const tookBranch = (
  { R, W }: ProcessorDraft,
  { mnemonic, condition, addressWidth }: StepInstruction,
): boolean => {
  const remains = (R[SLOT.rcx] & maskOf(addressWidth)) !== 0n;
  switch (mnemonic) {
    case 'jcc':
      return conditionHolds(W, condition!);
    case 'jcxz':
    case 'jecxz':
    case 'jrcxz':
      return !remains;
    case 'loop':
      return remains;
    case 'loope':
      return remains && conditionHolds(W, EQUAL);
    case 'loopne':
      return remains && conditionHolds(W, NOT_EQUAL);
    default:
      return ALWAYS.has(mnemonic);
  }
};
