import fc from 'fast-check';
import type { Assembler } from '../assembler';

/** Emits one statement. */
export type Statement = (asm: Assembler) => void;

/** These bytes, whatever they are. */
export const bytes = (...values: number[]): Statement => {
  return (asm) => {
    asm.emit(...values);
  };
};

/** This statement alone. */
export const always = (statement: Statement): fc.Arbitrary<Statement> => fc.constant(statement);
