/** Arbitraries of valid machines and programs, for the theorems here and for other suites. */

export { Assembler, type Label, type MemoryAt, REG, type Width } from './assembler';
export { EXIT_CODE, GUEST_MEMORY } from './guest-layout';
export { GuestProgram, guestMachine, guestProgram, integerProgram } from './guest-program';
export { lastStatement, type Statement, statement } from './guest-statements';
export { integerInstruction, word64 } from './instructions';
export { type NarrowMode, NarrowProgram, narrowMachine, narrowProgram } from './narrow-program';
export {
  type SharedMemory,
  type SharedProgram,
  type SharedStatement,
  sharedMemory,
  sharedMemoryMachine,
  sharedSums,
  sumsOf,
} from './shared-memory';
