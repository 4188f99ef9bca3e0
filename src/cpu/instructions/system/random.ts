import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { FLAG, STATUS_FLAGS } from '../../slots';
import { registerOf, setGeneral } from './operands';
import { requireFeature } from './privilege';
import { exits, systemRow } from './system-row';

/**
 * One answer for each value of the register, and a last one for failure: then CF and the register are 0. By default it never fails.
 * SDM Vol. 2, RDRAND, RDSEED
 */
const random =
  (feature: 'rdrand' | 'rdseed') =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireFeature(cpu, feature);
    if (exits(cpu, instruction, { id: feature })) return;
    const { number, width } = registerOf(instruction.operands[0]);
    const values = 1n << BigInt(width);
    const answer = cpu.decide('rdrand', values + 1n, 0n);
    const succeeds = answer < values;
    setGeneral(cpu, number, width, succeeds ? answer : 0n);
    cpu.rflags = (cpu.rflags & ~BigInt(STATUS_FLAGS)) | (succeeds ? BigInt(FLAG.cf) : 0n);
  };

export const RANDOM_ROWS = [systemRow('rdrand', random('rdrand')), systemRow('rdseed', random('rdseed'))];
