import fc from 'fast-check';
import { REG } from '../assembler';
import { LINEAR } from '../guest-layout';
import { offset } from '../instructions';
import type { Statement } from './statement';

const { rax, rcx, rdx, rsi, rdi } = REG;

const PORTS: readonly number[] = [
  0x3f8, 0x3f9, 0x3fb, 0x3fd, 0x3ff, 0x3ff, 0x21, 0xa1, 0x510, 0x511, 0xe0, 0xf5, 0xcf8,
];

export const ports: fc.Arbitrary<Statement> = fc
  .record({
    port: fc.constantFrom(...PORTS),
    opcode: fc.constantFrom(0xec, 0xed, 0xee, 0xef),
    word: fc.boolean(),
    value: fc.nat(),
  })
  .map(({ port, opcode, word, value }) => (asm) => {
    asm.mov(rdx, port).mov(rax, value);
    if (word) asm.emit(0x66);
    asm.emit(opcode);
  });

export const stringPorts: fc.Arbitrary<Statement> = fc
  .record({
    port: fc.constantFrom(0x3ff, 0x3f8, 0xe0),
    opcode: fc.constantFrom(0x6c, 0x6d, 0x6e, 0x6f),
    repeat: fc.boolean(),
    count: fc.nat(5),
    at: offset,
    down: fc.boolean(),
  })
  .map(({ port, opcode, repeat, count, at, down }) => (asm) => {
    asm
      .mov(rdx, port)
      .mov(rcx, count)
      .mov(rsi, LINEAR.windows + at)
      .mov(rdi, LINEAR.windows + at);
    asm.emit(down ? 0xfd : 0xfc);
    if (repeat) asm.emit(0xf3);
    asm.emit(opcode, 0xfc);
  });
