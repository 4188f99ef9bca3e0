import fc from 'fast-check';
import { type Assembler, REG } from '../assembler';
import { address } from './memory';
import { always, type Statement } from './statement';

const { rax } = REG;

/** Breakpoints and what else MOV to and from debug registers does. */
export const debugRegisters: fc.Arbitrary<Statement> = fc.oneof(
  fc.tuple(fc.nat(3), address).map(([register, at]) => (asm: Assembler) => {
    asm.mov(rax, at).rr([0x0f, 0x23], register, rax, 32);
  }),
  fc
    .tuple(fc.nat(3), fc.constantFrom(0, 1, 2, 3), fc.nat(3))
    .map(([register, kind, length]) => (asm: Assembler) => {
      const control = 0x400 | (2 << (2 * register)) | ((kind | (length << 2)) << (16 + 4 * register));
      asm.mov(rax, BigInt.asUintN(32, BigInt(control))).rr([0x0f, 0x23], 7, rax, 32);
    }),
  fc.constantFrom(0x400n, 0x2400n, 1n << 40n).map((control) => (asm: Assembler) => {
    asm.mov(rax, control).rr([0x0f, 0x23], 7, rax, 32);
  }),
  fc
    .constantFrom(0, 3, 4, 5, 6, 7)
    .map((register) => (asm: Assembler) => asm.rr([0x0f, 0x21], register, rax, 32)),
  always((asm) => asm.mov(rax, 0xffff_0ff0n).rr([0x0f, 0x23], 6, rax, 32)),
);
