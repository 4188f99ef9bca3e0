// Statements of random guest programs: what a kernel or a user program may do, the sensitive weighted up.
import fc from 'fast-check';
import { type Assembler, REG } from './assembler';
import { AT, GUEST_MEMORY, LINEAR, SELECTOR, VECTOR, WINDOWS } from './guest-layout';
import { MSR, SYSTEM_CALL, TABLE_OPERANDS, windowEntry, wrmsr } from './guest-runtime';
import { integerInstruction, offset, setRegister, word64 } from './instructions';
import { windowPage } from './window-pages';

const { rax, rcx, rdx, rbx, rsp, rsi, rdi, r13, r14, r15 } = REG;

/** Emits one statement. */
export type Statement = (asm: Assembler) => void;

type Weighted = fc.WeightedArbitrary<Statement>;

const bytes = (...values: number[]): Statement => {
  return (asm) => {
    asm.emit(...values);
  };
};

const always = (statement: Statement): fc.Arbitrary<Statement> => fc.constant(statement);

// ---- memory

/** Addresses of every kind: user, kernel, absent, without memory, not canonical. */
const address: fc.Arbitrary<bigint> = fc.oneof(
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

const access: fc.Arbitrary<Statement> = fc
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
const accessNothing: fc.Arbitrary<Statement> = fc
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
const localApic: fc.Arbitrary<Statement> = fc.oneof(
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
const changeWindow: fc.Arbitrary<Statement> = fc
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

const writeCr3: fc.Arbitrary<Statement> = fc
  .constantFrom(AT.pml4[0], AT.pml4[0], AT.pml4[1], AT.pml4[0] | 0x18, 2n ** 40n, 2n ** 63n)
  .map((root) => (asm) => {
    asm.mov(rax, root).toControl(3, rax);
  });

/** MOV EAX, n and RET written to a window and called there. */
const callWindow: fc.Arbitrary<Statement> = fc
  .record({ at: offset, value: fc.nat(255), write: fc.boolean() })
  .map(({ at, value, write }) => (asm) => {
    asm.mov(rbx, LINEAR.windows + at);
    if (write) {
      asm.mov(rax, 0x90_90c3_0000_00b8n | (BigInt(value) << 8n)).store({ base: rbx }, rax);
    }
    asm.callRegister(rbx);
  });

/** MOV AL, n whose constant the instruction before, or two before, overwrites. */
const selfModification: fc.Arbitrary<Statement> = fc
  .record({ between: fc.nat(2), value: fc.nat(255), jump: fc.boolean() })
  .map(({ between, value, jump }) => (asm) => {
    asm.storeAhead(between + (jump ? 2 : 0) + 1, value);
    if (jump) asm.emit(0xeb, 0);
    for (let i = 0; i < between; i++) asm.emit(0x90);
    asm.emit(0xb0, 0x5a, 0x01, 0xc1);
  });

// ---- system state

const CR0_BITS = [1, 2, 3, 5, 6, 16, 18, 29, 30, 31, 0] as const;
const CR4_BITS = [2, 3, 4, 5, 6, 7, 11, 13, 14, 16, 17, 18, 20, 21, 22] as const;

/** A bit of CR0 or CR4 inverted. BTC: SDM Vol. 2 */
const toggle = (control: number, bits: readonly number[]): fc.Arbitrary<Statement> =>
  fc.constantFrom(...bits).map((bit) => (asm) => {
    asm.fromControl(rax, control).rr([0x0f, 0xba], 7, rax).emit(bit).toControl(control, rax);
  });

const controlRegisters: fc.Arbitrary<Statement> = fc.oneof(
  toggle(0, CR0_BITS),
  toggle(4, CR4_BITS),
  writeCr3,
  fc.constantFrom(0, 2, 3, 4, 8, 1).map((control) => (asm: Assembler) => {
    asm.fromControl(rax, control);
  }),
  fc.constantFrom(0, 1, 2, 3, 4, 16).map((priority) => (asm: Assembler) => {
    asm.mov(rax, priority).toControl(8, rax);
  }),
  word64.map((value) => (asm: Assembler) => {
    asm.mov(rax, value).toControl(2, rax);
  }),
  // LMSW never clears PE; MP, EM and TS.
  fc.nat(15).map((value) => (asm: Assembler) => {
    asm.mov(rax, value).rr([0x0f, 0x01], 6, rax, 32);
  }),
  always(bytes(0x0f, 0x06)),
  always((asm) => asm.rr([0x0f, 0x01], 4, rcx)),
);

const READ_MSRS: readonly number[] = [
  ...[0x10, 0x1b, 0x3a, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x480, 0x48c],
  ...[0xc000_0080, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084, 0xc000_0100, 0xc000_0101, 0xc000_0102],
  ...[0xc000_0103, 0x3fff, 0x800, 0x830, 0x4000_0000, 0xc001_0010, 0xffff_ffff],
];

const MSR_WRITES: readonly (readonly [index: number, value: bigint])[] = [
  [MSR.efer, 0xd00n],
  [MSR.efer, 0xd01n],
  [MSR.efer, 0x501n],
  [MSR.efer, 0xd03n],
  [MSR.efer, 0x001n],
  [MSR.lstar, BigInt(SYSTEM_CALL)],
  [MSR.lstar, 1n << 63n],
  [MSR.fmask, 0x4_7700n],
  [MSR.fmask, 1n << 32n],
  [0x174, 0x8n],
  [0x175, BigInt(AT.kernelStackTop)],
  [0x176, 1n << 47n],
  [0x277, 0x0007_0406_0007_0106n],
  [0x277, 0x0007_0406_0007_0402n],
  [0x1b, 0xfee0_0900n],
  [0x1b, 0xfee0_0901n],
  [0x1d9, 0n],
  [0x1d9, 1n << 20n],
  [0xc000_0083, 0x1234n],
  [0xc000_0100, 0x0012_3456_7000n],
  [0xc000_0101, BigInt(LINEAR.windows)],
  [0xc000_0102, 0x8000_0000_0000n],
  [0xc000_0103, 0xabcdn],
  [0xc000_0103, 1n << 32n],
  [0x3fff, 0n],
  [0x480, 0n],
  [0x830, 0n],
];

const msrs: fc.Arbitrary<Statement> = fc.oneof(
  fc.constantFrom(...READ_MSRS).map((index) => (asm: Assembler) => {
    asm.mov(rcx, index).emit(0x0f, 0x32);
  }),
  fc.constantFrom(...MSR_WRITES).map(
    ([index, value]) =>
      (asm: Assembler) =>
        wrmsr(asm, index, value),
  ),
);

const cpuid: fc.Arbitrary<Statement> = fc
  .tuple(
    fc.constantFrom(
      0,
      1,
      2,
      4,
      6,
      7,
      0xb,
      0xd,
      0x15,
      0x16,
      0x4000_0000,
      0x8000_0000,
      0x8000_0001,
      0x8000_0008,
      0xffff_ffff,
    ),
    fc.nat(2),
  )
  .map(([leaf, subleaf]) => (asm) => {
    asm.mov(rax, leaf).mov(rcx, subleaf).emit(0x0f, 0xa2);
  });

/** Table registers: reads in every ring, loads of what is loaded, LTR of the busy task, LLDT of nothing. */
const descriptorTables: fc.Arbitrary<Statement> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 1), offset).map(([digit, at]) => (asm: Assembler) => {
    asm.mov(rbx, LINEAR.windows + at).rm([0x0f, 0x01], digit, { base: rbx }, 32);
  }),
  fc.constantFrom(0, 1).map((digit) => (asm: Assembler) => {
    asm.rr([0x0f, 0x00], digit, rax);
  }),
  always((asm) => asm.rm([0x0f, 0x01], 2, { displacement: TABLE_OPERANDS.gdt }, 32)),
  always((asm) => asm.rm([0x0f, 0x01], 3, { displacement: TABLE_OPERANDS.idt }, 32)),
  fc
    .tuple(fc.constantFrom(2, 3, 4, 5), fc.constantFrom(0, 0x10, 0x23, 0x30, 0x38, 0xfff8))
    .map(([digit, selector]) => (asm: Assembler) => {
      asm.mov(rax, selector).rr([0x0f, 0x00], digit, rax, 32);
    }),
  // LAR and LSL
  fc
    .tuple(fc.constantFrom(2, 3), fc.constantFrom(0, 8, 0x1b, 0x23, 0x2b, 0x30, 0x100))
    .map(([code, selector]) => (asm: Assembler) => {
      asm.mov(rax, selector).rr([0x0f, code], rdx, rax);
    }),
);

const segments: fc.Arbitrary<Statement> = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 3, 4, 5, 2), fc.constantFrom(0, 0x10, 0x23, 0x2b, 0x30, 0x40))
    .map(([segment, selector]) => (asm: Assembler) => {
      asm.mov(rax, selector).rr([0x8e], segment, rax, 32);
      if (segment === 2) asm.emit(0x90);
    }),
  // SWAPGS, RDFSBASE, WRGSBASE
  always(bytes(0x0f, 0x01, 0xf8)),
  fc.nat(3).map((digit) => (asm: Assembler) => asm.rr([0x0f, 0xae], digit, rdx, 64, [0xf3])),
  // A load through GS.
  always(bytes(0x65, 0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0)),
);

// ---- flags, events, time

const FLAG_BITS = [1 << 8, 1 << 9, 1 << 10, 3 << 12, 1 << 14, 1 << 18, 1 << 21, 0x8d5] as const;

const flags: fc.Arbitrary<Statement> = fc.oneof(
  fc.subarray([...FLAG_BITS]).map((chosen) => (asm: Assembler) => {
    asm.pushConstant(chosen.reduce((all, bit) => all | bit, 2)).emit(0x9d, 0x90);
  }),
  always(bytes(0x9c, 0x58)),
  always(bytes(0xfa)),
  always(bytes(0xfb, 0x90, 0x90)),
  // STAC, CLAC
  fc.constantFrom(0xca, 0xcb).map((code) => bytes(0x0f, 0x01, code)),
);

const events: fc.Arbitrary<Statement> = fc.oneof(
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
const iretq: fc.Arbitrary<Statement> = fc
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
const lostStack: fc.Arbitrary<Statement> = fc
  .constantFrom(0x8000_0100n, 1n << 50n, BigInt(LINEAR.windows + 0x8010))
  .map((stack) => (asm) => {
    asm.mov(rsp, stack).push(rax);
  });

const time: fc.Arbitrary<Statement> = fc.constantFrom(
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
const halt: fc.Arbitrary<Statement> = fc.integer({ min: 100, max: 3000 }).map((count) => (asm) => {
  asm.emit(0xfa);
  asm.storeConstant({ base: r13, displacement: 0x80 }, 0);
  armTimer(asm, count, false);
  asm.emit(0xfb, 0xf4, 0xfa);
});

/** Lets the timer interrupt what follows. */
const timer: fc.Arbitrary<Statement> = fc
  .record({ count: fc.integer({ min: 200, max: 4000 }), periodic: fc.boolean(), open: fc.boolean() })
  .map(({ count, periodic, open }) => (asm) => {
    armTimer(asm, periodic ? count + 2000 : count, periodic);
    asm.emit(open ? 0xfb : 0x90);
  });

// ---- debug registers

const debugRegisters: fc.Arbitrary<Statement> = fc.oneof(
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

// ---- ports

const PORTS: readonly number[] = [
  0x3f8, 0x3f9, 0x3fb, 0x3fd, 0x3ff, 0x3ff, 0x21, 0xa1, 0x510, 0x511, 0xe0, 0xf5, 0xcf8,
];

const ports: fc.Arbitrary<Statement> = fc
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

const stringPorts: fc.Arbitrary<Statement> = fc
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

// ---- what only a hypervisor may

const AT_RBX = 0x03;
const VMX: readonly (readonly number[])[] = [
  [0x0f, 0x01, 0xc1],
  [0x0f, 0x01, 0xc2],
  [0x0f, 0x01, 0xc3],
  [0x0f, 0x01, 0xc4],
  [0xf3, 0x0f, 0xc7, 0x30 | AT_RBX],
  [0x66, 0x0f, 0xc7, 0x30 | AT_RBX],
  [0x0f, 0xc7, 0x30 | AT_RBX],
  [0x0f, 0xc7, 0x38 | AT_RBX],
  [0x0f, 0x78, 0xc3],
  [0x0f, 0x79, 0xc3],
  [0x66, 0x0f, 0x38, 0x80, AT_RBX],
  [0x66, 0x0f, 0x38, 0x81, AT_RBX],
  // VMFUNC, XGETBV, XSETBV, RDRAND, MONITOR, MWAIT, RSM
  [0x0f, 0x01, 0xd4],
  [0x0f, 0x01, 0xd0],
  [0x0f, 0x01, 0xd1],
  [0x0f, 0xc7, 0xf0],
  [0x0f, 0x01, 0xc8],
  [0x0f, 0x01, 0xc9],
  [0x0f, 0xaa],
];

const virtualMachine: fc.Arbitrary<Statement> = fc.constantFrom(...VMX).map((code) => (asm) => {
  asm.mov(rbx, LINEAR.windows).emit(...code);
});

const caches: fc.Arbitrary<Statement> = fc.oneof(
  always(bytes(0x0f, 0x08)),
  always(bytes(0x0f, 0x09)),
  address.map((at) => (asm: Assembler) => asm.mov(rbx, at).rm([0x0f, 0x01], 7, { base: rbx }, 32)),
);

/** An IDT without gates and an event: nothing can be delivered. */
const loseEverything: fc.Arbitrary<Statement> = always((asm) => {
  asm
    .arithmetic(5, rsp, 16)
    .storeConstant({ base: rsp }, 0, 64)
    .storeConstant({ base: rsp, displacement: 8 }, 0, 64);
  asm.rm([0x0f, 0x01], 3, { base: rsp }, 32).emit(0xcc);
});

const sleepForEver: fc.Arbitrary<Statement> = always(bytes(0xfa, 0xf4));

/** Every statement that is no loop. */
const simple: readonly Weighted[] = [
  {
    arbitrary: fc.array(integerInstruction, { minLength: 1, maxLength: 6 }).map((all) => (asm: Assembler) => {
      for (const emit of all) emit(asm);
    }),
    weight: 20,
  },
  { arbitrary: access, weight: 8 },
  { arbitrary: accessNothing, weight: 1 },
  { arbitrary: localApic, weight: 3 },
  { arbitrary: changeWindow, weight: 3 },
  { arbitrary: callWindow, weight: 3 },
  { arbitrary: selfModification, weight: 3 },
  { arbitrary: controlRegisters, weight: 10 },
  { arbitrary: msrs, weight: 8 },
  { arbitrary: cpuid, weight: 5 },
  { arbitrary: descriptorTables, weight: 4 },
  { arbitrary: segments, weight: 3 },
  { arbitrary: flags, weight: 6 },
  { arbitrary: events, weight: 5 },
  { arbitrary: iretq, weight: 2 },
  { arbitrary: lostStack, weight: 1 },
  { arbitrary: time, weight: 2 },
  { arbitrary: timer, weight: 3 },
  { arbitrary: debugRegisters, weight: 3 },
  { arbitrary: ports, weight: 5 },
  { arbitrary: stringPorts, weight: 3 },
  { arbitrary: virtualMachine, weight: 6 },
  { arbitrary: caches, weight: 3 },
];

const halting: readonly Weighted[] = [{ arbitrary: halt, weight: 4 }];

/** A statement with its landing place for faults in R15. */
const guarded =
  (statement: Statement): Statement =>
  (asm) => {
    const end = asm.label();
    asm.lea(r15, end);
    statement(asm);
    asm.bind(end);
  };

/** A body repeated; R14 counts. */
const loop: fc.Arbitrary<Statement> = fc
  .record({
    count: fc.integer({ min: 1, max: 12 }),
    body: fc.array(
      fc.oneof(
        { arbitrary: integerInstruction, weight: 8 },
        { arbitrary: access, weight: 2 },
        { arbitrary: selfModification, weight: 1 },
        { arbitrary: cpuid, weight: 1 },
        { arbitrary: setRegister, weight: 1 },
      ),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ count, body }) => (asm) => {
    const top = asm.label();
    const after = asm.label();
    asm.mov(r14, count).bind(top);
    for (const statement of body) guarded(statement)(asm);
    asm.lea(r15, after);
    asm.rr([0xff], 1, r14, 32).jcc(5, top);
    asm.bind(after);
  });

/** A guarded statement of any kind. */
export const statement: fc.Arbitrary<Statement> = fc.oneof(
  ...[...simple, ...halting].map(({ arbitrary, weight }) => ({ arbitrary: arbitrary.map(guarded), weight })),
  { arbitrary: loop, weight: 10 },
);

/** A statement after which nothing follows: a triple fault, or a sleep that nothing ends. */
export const lastStatement: fc.Arbitrary<Statement> = fc.oneof(
  { arbitrary: loseEverything.map(guarded), weight: 3 },
  { arbitrary: sleepForEver.map(guarded), weight: 1 },
);

/** Integer code alone, hot: a loop that every tier runs. */
export const hotLoop: fc.Arbitrary<Statement> = fc
  .record({
    count: fc.integer({ min: 4, max: 40 }),
    body: fc.array(integerInstruction, { minLength: 1, maxLength: 12 }),
  })
  .map(({ count, body }) => (asm) => {
    const top = asm.label();
    const end = asm.label();
    asm.mov(r14, count).bind(top);
    // A fault leaves the rest of the body out.
    asm.lea(r15, end);
    for (const emit of body) emit(asm);
    asm.bind(end);
    asm.rr([0xff], 1, r14, 32).jcc(5, top);
  });
