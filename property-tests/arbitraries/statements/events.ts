// Statements about flags, events and time: what is delivered, what returns from it, and what cannot be delivered.
import fc from 'fast-check';
import { type Assembler, REG } from '../assembler';
import { LINEAR, SELECTOR, VECTOR } from '../guest-layout';
import { always, bytes, type Statement } from './statement';

const { rax, rdx, rsp, r13, r15 } = REG;

const FLAG_BITS = [1 << 8, 1 << 9, 1 << 10, 3 << 12, 1 << 14, 1 << 18, 1 << 21, 0x8d5] as const;

export const flags: fc.Arbitrary<Statement> = fc.oneof(
  fc.subarray([...FLAG_BITS]).map((chosen) => (asm: Assembler) => {
    asm.pushConstant(chosen.reduce((all, bit) => all | bit, 2)).emit(0x9d, 0x90);
  }),
  always(bytes(0x9c, 0x58)),
  always(bytes(0xfa)),
  always(bytes(0xfb, 0x90, 0x90)),
  // STAC, CLAC
  fc.constantFrom(0xca, 0xcb).map((code) => bytes(0x0f, 0x01, code)),
);

export const events: fc.Arbitrary<Statement> = fc.oneof(
  fc
    .constantFrom(
      VECTOR.call,
      VECTOR.call,
      3,
      4,
      1,
      13,
      VECTOR.notPresent,
      VECTOR.kernelOnly,
      VECTOR.last + 1,
      0xff,
    )
    .map((vector) => bytes(0xcd, vector)),
  always(bytes(0xcc)),
  always(bytes(0xf1)),
  always(bytes(0x0f, 0x0b)),
  always(bytes(0x0f, 0x05)),
  // SYSENTER with SYSENTER_CS 0 or 8.
  always(bytes(0x0f, 0x34)),
  // DIV by zero.
  always((asm) => asm.emit(0x31, 0xd2).rr([0xf7], 6, rdx, 32)),
  // A far return to a selector.
  fc.constantFrom(8, 0x2b, 0x30, 0x43).map((selector) => (asm: Assembler) => {
    asm.pushConstant(selector).push(r15).emit(0x48, 0xcb);
  }),
);

/** IRETQ to the end of the statement, with frames good and bad. */
export const iretq: fc.Arbitrary<Statement> = fc
  .record({
    code: fc.constantFrom(SELECTOR.kernelCode, SELECTOR.kernelCode, SELECTOR.userCode, 0, 0x30),
    stack: fc.constantFrom(SELECTOR.kernelData, SELECTOR.kernelData, SELECTOR.userData, 0),
    flags: fc.constantFrom(2, 0x202, 0x4002, 0x1_0002, 0x102),
  })
  .map(({ code, stack, flags: image }) => (asm) => {
    asm.movRegister(rdx, rsp);
    asm.pushConstant(stack).push(rdx).pushConstant(image).pushConstant(code).push(r15).emit(0x48, 0xcf);
  });

/** A stack where there is none: the page fault cannot be delivered, the double fault has a stack of its own. */
export const lostStack: fc.Arbitrary<Statement> = fc
  .constantFrom(0x8000_0100n, 1n << 50n, BigInt(LINEAR.windows + 0x8010))
  .map((stack) => (asm) => {
    asm.mov(rsp, stack).push(rax);
  });

export const time: fc.Arbitrary<Statement> = fc.constantFrom(
  bytes(0x0f, 0x31),
  bytes(0x0f, 0x01, 0xf9),
  // RDPMC faults or is not there.
  bytes(0x0f, 0x33),
);

const armTimer = (asm: Assembler, count: number, periodic: boolean): void => {
  asm.storeConstant({ base: r13, displacement: 0x320 }, (periodic ? 0x2_0000 : 0) | VECTOR.timer);
  asm.storeConstant({ base: r13, displacement: 0x380 }, count);
};

/** Sleeps until the timer wakes it. */
export const halt: fc.Arbitrary<Statement> = fc.integer({ min: 100, max: 3000 }).map((count) => (asm) => {
  asm.emit(0xfa);
  asm.storeConstant({ base: r13, displacement: 0x80 }, 0);
  armTimer(asm, count, false);
  asm.emit(0xfb, 0xf4, 0xfa);
});

/** Lets the timer interrupt what follows. */
export const timer: fc.Arbitrary<Statement> = fc
  .record({ count: fc.integer({ min: 200, max: 4000 }), periodic: fc.boolean(), open: fc.boolean() })
  .map(({ count, periodic, open }) => (asm) => {
    armTimer(asm, periodic ? count + 2000 : count, periodic);
    asm.emit(open ? 0xfb : 0x90);
  });

/** An IDT without gates and an event: nothing can be delivered. */
export const loseEverything: fc.Arbitrary<Statement> = always((asm) => {
  asm
    .arithmetic(5, rsp, 16)
    .storeConstant({ base: rsp }, 0, 64)
    .storeConstant({ base: rsp, displacement: 8 }, 0, 64);
  asm.rm([0x0f, 0x01], 3, { base: rsp }, 32).emit(0xcc);
});

export const sleepForEver: fc.Arbitrary<Statement> = always(bytes(0xfa, 0xf4));
