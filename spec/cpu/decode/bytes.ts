import { type CodeSize, decode, disassemble, type Instruction } from '../../../src/cpu/decode';

/** Bytes from hexadecimal text such as `48 8b 04 25`. */
export const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text.split(' '), (byte) => Number.parseInt(byte, 16));

/** The instruction that the text encodes; a fault is a failed example. */
export const instructionOf = (text: string, codeSize: CodeSize = 64): Instruction => {
  const result = decode(bytesOf(text), codeSize);
  if (result.kind !== 'instruction') throw new Error(`${text}: ${JSON.stringify(result)}`);
  return result.instruction;
};

/** What the text disassembles to at 0x401000. */
export const textOf = (text: string, codeSize: CodeSize = 64): string =>
  disassemble(instructionOf(text, codeSize), 0x401000n);

/** `ok`, `undefined-opcode`, `too-long` or `incomplete n`. */
export const outcomeOf = (text: string, codeSize: CodeSize = 64): string => {
  const result = decode(bytesOf(text), codeSize);
  if (result.kind === 'fault') return result.fault;
  return result.kind === 'incomplete' ? `incomplete ${result.needed}` : 'ok';
};
