// Statements that reach memory: through the windows, where nothing is, at the local APIC, and code that they write themselves.
import fc from 'fast-check';
import { type Assembler, REG } from '../assembler';
import { AT, GUEST_MEMORY, LINEAR, VECTOR, WINDOWS } from '../guest-layout';
import { windowEntry } from '../guest-runtime';
import { offset } from '../instructions';
import { windowPage } from '../window-pages';
import type { Statement } from './statement';

const { rax, rdx, rbx, rdi, r13 } = REG;

/** Addresses of every kind: user, kernel, absent, without memory, not canonical. */
export const address: fc.Arbitrary<bigint> = fc.oneof(
  { arbitrary: offset.map((at) => BigInt(LINEAR.windows + at)), weight: 6 },
  {
    arbitrary: fc.constantFrom(
      BigInt(AT.counters + 0x700),
      BigInt(AT.userStackTop - 0x800),
      BigInt(AT.userCode + 0xff00),
      BigInt(LINEAR.largeAlias + AT.data),
      BigInt(LINEAR.hugeAlias + AT.data + 0x1000),
      BigInt(LINEAR.largeAlias + GUEST_MEMORY - 0x10),
      BigInt(LINEAR.windows + 0x8000),
      0x8000_0000n,
      0x7fff_ffff_ffffn,
      0x8000_0000_0000n,
      0xffff_7fff_ffff_fff8n,
      0xffff_8000_0000_0000n,
      0xffff_ffff_ffff_fffcn,
    ),
    weight: 2,
  },
);

export const access: fc.Arbitrary<Statement> = fc
  .record({
    address,
    register: fc.constantFrom(rax, rdx, rdi),
    width: fc.constantFrom(8 as const, 16 as const, 32 as const, 64 as const),
    write: fc.boolean(),
  })
  .map(({ address: at, register, width, write }) => (asm) => {
    asm.mov(rbx, at);
    if (write) asm.store({ base: rbx }, register, width);
    else asm.load(register, { base: rbx }, width);
  });

/** Where the guest has neither memory nor device: an EPT violation under the monitor. */
export const accessNothing: fc.Arbitrary<Statement> = fc
  .record({
    offset: fc.nat(0xffff),
    register: fc.constantFrom(rax, rdx),
    width: fc.constantFrom(8 as const, 16 as const, 32 as const, 64 as const),
    write: fc.boolean(),
  })
  .map(({ offset: at, register, width, write }) => (asm) => {
    const memory = { displacement: LINEAR.nothing + at };
    if (write) asm.store(memory, register, width);
    else asm.load(register, memory, width);
  });

const APIC_READ = [
  0x20, 0x30, 0x80, 0xa0, 0xd0, 0xf0, 0x100, 0x200, 0x280, 0x300, 0x320, 0x380, 0x390,
] as const;
export const localApic: fc.Arbitrary<Statement> = fc.oneof(
  fc.constantFrom(...APIC_READ).map((register) => (asm: Assembler) => {
    asm.load(rax, { base: r13, displacement: register }, 32);
  }),
  fc.constantFrom(0, 0x10, 0x20, 0x30).map((priority) => (asm: Assembler) => {
    asm.storeConstant({ base: r13, displacement: 0x80 }, priority);
  }),
  // A fixed interrupt to itself.
  fc.constantFrom(VECTOR.timer, VECTOR.call).map((vector) => (asm: Assembler) => {
    asm.storeConstant({ base: r13, displacement: 0x300 }, 0x4_4000 | vector);
  }),
);

/** The entry of a window changes, with INVLPG or without; under the other root it is not in use. */
export const changeWindow: fc.Arbitrary<Statement> = fc
  .record({
    root: fc.constantFrom(0, 0, 0, 1),
    window: fc.nat(WINDOWS - 1),
    page: windowPage,
    flush: fc.boolean(),
  })
  .map(({ root, window, page, flush }) => (asm) => {
    asm.mov(rax, windowEntry(page));
    asm.store({ displacement: AT.windowTable[root] + 8 * window }, rax);
    if (!flush) return;
    asm.mov(rbx, LINEAR.windows + 4096 * window).rm([0x0f, 0x01], 7, { base: rbx }, 32);
  });

/** MOV EAX, n and RET written to a window and called there. */
export const callWindow: fc.Arbitrary<Statement> = fc
  .record({ at: offset, value: fc.nat(255), write: fc.boolean() })
  .map(({ at, value, write }) => (asm) => {
    asm.mov(rbx, LINEAR.windows + at);
    if (write) {
      asm.mov(rax, 0x90_90c3_0000_00b8n | (BigInt(value) << 8n)).store({ base: rbx }, rax);
    }
    asm.callRegister(rbx);
  });

/** MOV AL, n whose constant the instruction before, or two before, overwrites. */
export const selfModification: fc.Arbitrary<Statement> = fc
  .record({ between: fc.nat(2), value: fc.nat(255), jump: fc.boolean() })
  .map(({ between, value, jump }) => (asm) => {
    asm.storeAhead(between + (jump ? 2 : 0) + 1, value);
    if (jump) asm.emit(0xeb, 0);
    for (let i = 0; i < between; i++) asm.emit(0x90);
    asm.emit(0xb0, 0x5a, 0x01, 0xc1);
  });
