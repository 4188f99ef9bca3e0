// The fixed part of every random guest program: descriptor tables, handlers, page tables, the way in and out.
import { Assembler, bytesOf, type Label, REG } from './assembler';
import {
  AT,
  COUNTER,
  DATA_FRAMES,
  EXIT_CODE,
  isUserPage,
  LINEAR,
  MOST_FAULTS,
  SELECTOR,
  VECTOR,
} from './guest-layout';
import { BASE } from './instructions';

const { rax, rcx, rdx, rsp, rdi, r15 } = REG;

export interface Piece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

const words = (address: number, values: readonly bigint[]): Piece => ({
  address,
  bytes: Uint8Array.from(values.flatMap((value) => bytesOf(value, 8))),
});

const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const LARGE = 1n << 7n;
const GLOBAL = 1n << 8n;
const TABLE = PRESENT | WRITABLE | USER;

/** One page of a program's windows. */
export interface WindowPage {
  /** Which of the data frames. */
  readonly frame: number;
  /** Bits of the entry beyond the frame: P, RW, US, A, D, G, XD, a reserved one. */
  readonly bits: bigint;
}

export const windowEntry = ({ frame, bits }: WindowPage): bigint => BigInt(AT.data + 4096 * frame) | bits;

export const windowTable = (root: number, pages: readonly WindowPage[]): Piece =>
  words(AT.windowTable[root], pages.map(windowEntry));

// SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging
const pageTables: readonly Piece[] = [
  ...[0, 1].flatMap((root) => [
    words(AT.pml4[root], [BigInt(AT.pdpt[root]) | TABLE]),
    words(AT.pdpt[root], [BigInt(AT.directory[root]) | TABLE, 0n, 0n, BigInt(AT.apicDirectory) | TABLE]),
    words(AT.pdpt[root] + 8 * 511, [LARGE | PRESENT | WRITABLE | GLOBAL]),
    words(AT.directory[root], [
      BigInt(AT.lowTable) | TABLE,
      BigInt(AT.windowTable[root]) | TABLE,
      LARGE | PRESENT | WRITABLE,
      0x2000_0000n | LARGE | TABLE,
    ]),
  ]),
  words(
    AT.lowTable,
    Array.from({ length: 512 }, (_, page) => {
      const rights = isUserPage(4096 * page) ? TABLE : PRESENT | WRITABLE;
      return BigInt(4096 * page) | rights;
    }),
  ),
  // PCD: device memory.
  { ...words(0, [0xfee0_0000n | LARGE | TABLE | 0x10n]), address: AT.apicDirectory + 8 * 0x1f7 },
];

// SDM Vol. 3A, 3.4.5 Segment Descriptors; 8.2.3 TSS Descriptor in 64-bit mode
const TSS_LIMIT = 0x68 + 0x81;
const descriptors: Piece = words(AT.gdt, [
  0n,
  0x00af_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00cf_fb00_0000_ffffn,
  0x00cf_f300_0000_ffffn,
  0x00af_fb00_0000_ffffn,
  BigInt(TSS_LIMIT) | (BigInt(AT.tss) << 16n) | (0x89n << 40n),
  0n,
]);

const IO_BITMAP = 0x68;
/** Port 3FFH, the UART's scratch register, is open to ring 3. SDM Vol. 3A, 8.7 Task Management in 64-bit Mode */
const taskState = (): Piece => {
  const bytes = new Uint8Array(TSS_LIMIT + 1);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, AT.handlerStackTop, true);
  view.setUint32(0x24, AT.faultStackTop, true);
  view.setUint16(0x66, IO_BITMAP, true);
  bytes.fill(0xff, IO_BITMAP);
  bytes[IO_BITMAP + (0x3ff >> 3)] = 0x7f;
  return { address: AT.tss, bytes };
};

const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
const EXCEPTIONS = 22;
/** #DB, NMI, #BP and #OF go on where they arose. */
const TRAPS = 4;

/** Saved by the entry of a handler: RCX, RAX, vector, error code, then the frame of the processor. */
const FRAME = { vector: 16, rip: 32, cs: 40, rflags: 48, rsp: 56, ss: 64 } as const;
const TRAP_FLAG = 1 << 8;
const RESUME_FLAG = 1 << 16;
const NESTED_TASK = 1 << 14;

const counter = (place: number) => ({ displacement: AT.counters + place });

/** Faults go on at R15, in the ring whose code that is, on a fresh stack; traps go on where they are. */
const commonHandler = (asm: Assembler, common: Label): void => {
  const trap = asm.label();
  const kernel = asm.label();
  const out = asm.label();
  const goesOn = asm.label();
  asm.bind(common).push(rax).push(rcx);
  asm.load(rax, { base: rsp, displacement: FRAME.vector });
  // INC dword [counters + 4 * RAX]
  asm.emit(0xff, 0x04, 0x85, ...bytesOf(AT.counters + COUNTER.vectors, 4));
  asm.arithmeticAt(5, counter(COUNTER.faultsLeft), 1);
  asm.jcc(9, goesOn);
  asm.mov(rax, EXIT_CODE.faults).emit(0xe6, 0xf4, 0xf4);
  asm.bind(goesOn);
  asm.arithmetic(5, rax, 1);
  asm.arithmetic(7, rax, TRAPS).jcc(2, trap);
  asm.store({ base: rsp, displacement: FRAME.rip }, r15);
  asm.arithmetic(7, r15, AT.userCode).jcc(2, kernel);
  const returnsTo = (cs: number, ss: number, stack: number): void => {
    asm.storeConstant({ base: rsp, displacement: FRAME.cs }, cs, 64);
    asm.storeConstant({ base: rsp, displacement: FRAME.ss }, ss, 64);
    asm.storeConstant({ base: rsp, displacement: FRAME.rsp }, stack, 64);
  };
  returnsTo(SELECTOR.userCode, SELECTOR.userData, AT.userStackTop);
  asm.jmp(out);
  asm.bind(kernel);
  returnsTo(SELECTOR.kernelCode, SELECTOR.kernelData, AT.kernelStackTop);
  asm.bind(out);
  asm.arithmeticAt(4, { base: rsp, displacement: FRAME.rflags }, ~(TRAP_FLAG | NESTED_TASK));
  asm.pop(rcx).pop(rax).arithmetic(0, rsp, 16).emit(0x48, 0xcf);
  asm.bind(trap);
  asm.arithmeticAt(1, { base: rsp, displacement: FRAME.rflags }, RESUME_FLAG);
  asm.jmp(out);
};

interface Gate {
  readonly offset: number;
  readonly stack: number;
  readonly rights: number;
}

const PRESENT_GATE = 0x8e;
const OPEN_GATE = 0xee;
const ABSENT_GATE = 0x0e;

/** A 64-bit interrupt gate. SDM Vol. 3A, 6.14.1 64-Bit Mode IDT */
const gateWords = ({ offset, stack, rights }: Gate): readonly bigint[] => {
  const at = BigInt(offset);
  const low = (at & 0xffffn) | (BigInt(SELECTOR.kernelCode) << 16n) | (BigInt(stack) << 32n);
  return [low | (BigInt(rights) << 40n) | ((at >> 16n) << 48n), 0n];
};

/** Handlers, and where LSTAR points. */
const runtime = (): { readonly pieces: readonly Piece[]; readonly systemCall: number } => {
  const asm = new Assembler(AT.runtime);
  const common = asm.label();
  const gates: Gate[] = [];
  for (let vector = 0; vector < EXCEPTIONS; vector++) {
    const rights = vector === 3 || vector === 4 ? OPEN_GATE : PRESENT_GATE;
    gates.push({ offset: asm.here, stack: vector === 8 ? 1 : 0, rights });
    if (!WITH_ERROR_CODE.has(vector)) asm.pushConstant(0);
    asm.pushConstant(vector).jmp(common);
  }
  commonHandler(asm, common);

  const interrupt = asm.here;
  asm.push(rax);
  asm.arithmeticAt(0, counter(COUNTER.interrupts), 1);
  asm.mov(rax, LINEAR.localApic).storeConstant({ base: rax, displacement: 0xb0 }, 0);
  asm.pop(rax).emit(0x48, 0xcf);
  const call = asm.here;
  asm.arithmeticAt(0, counter(COUNTER.calls), 1).emit(0x48, 0xcf);
  const toKernel = asm.here;
  asm.mov(rsp, AT.kernelStackTop).jmpRegister(r15);

  // A SYSCALL of ring 0 goes on there.
  const systemCall = asm.here;
  const fromKernel = asm.label();
  asm.arithmeticAt(0, counter(COUNTER.calls), 1);
  asm.arithmetic(7, rcx, AT.userCode).jcc(2, fromKernel);
  asm.emit(0x0f, 0x01, 0xf8, 0x0f, 0x01, 0xf8, 0x48, 0x0f, 0x07);
  asm.bind(fromKernel).jmpRegister(rcx);

  const entry = (offset: number, rights = PRESENT_GATE): Gate => ({ offset, stack: 0, rights });
  for (let vector = EXCEPTIONS; vector <= VECTOR.last; vector++) {
    if (vector === VECTOR.call) gates.push(entry(call, OPEN_GATE));
    else if (vector === VECTOR.toKernel) gates.push(entry(toKernel, OPEN_GATE));
    else if (vector === VECTOR.notPresent) gates.push(entry(call, ABSENT_GATE | 0x60));
    else if (vector === VECTOR.kernelOnly) gates.push(entry(call));
    else gates.push(entry(interrupt, OPEN_GATE));
  }
  return {
    pieces: [{ address: AT.runtime, bytes: asm.finish() }, words(AT.idt, gates.flatMap(gateWords))],
    systemCall,
  };
};

const RUNTIME = runtime();
/** What LSTAR holds. */
export const SYSTEM_CALL: number = RUNTIME.systemCall;

const DESCRIPTOR_OPERANDS = AT.counters + 0x800;
/** Operands of LGDT and LIDT. */
export const TABLE_OPERANDS = { gdt: DESCRIPTOR_OPERANDS, idt: DESCRIPTOR_OPERANDS + 16 } as const;
const IDT_LIMIT = 16 * (VECTOR.last + 1) - 1;

const tableOperands: Piece = {
  address: DESCRIPTOR_OPERANDS,
  bytes: Uint8Array.from([
    ...bytesOf(63, 2),
    ...bytesOf(AT.gdt, 8),
    ...bytesOf(0, 6),
    ...bytesOf(IDT_LIMIT, 2),
    ...bytesOf(AT.idt, 8),
  ]),
};

export const MSR = {
  efer: 0xc000_0080,
  star: 0xc000_0081,
  lstar: 0xc000_0082,
  fmask: 0xc000_0084,
} as const;

const EFER = 0xd01n;
const STAR = (0x1bn << 48n) | (BigInt(SELECTOR.kernelCode) << 32n);
const FMASK = 0x4_7700n;

export const wrmsr = (asm: Assembler, index: number, value: bigint): void => {
  asm
    .mov(rcx, index)
    .mov(rax, value & 0xffff_ffffn)
    .mov(rdx, value >> 32n)
    .emit(0x0f, 0x30);
};

/** From the loader's state to the first statement. */
const start = (): Piece => {
  const asm = new Assembler(AT.start);
  wrmsr(asm, MSR.efer, EFER);
  asm.mov(rax, AT.pml4[0]).toControl(3, rax);
  asm.rm([0x0f, 0x01], 2, { displacement: TABLE_OPERANDS.gdt }, 32);
  asm.rm([0x0f, 0x01], 3, { displacement: TABLE_OPERANDS.idt }, 32);
  asm.mov(rax, SELECTOR.task).rr([0x0f, 0x00], 3, rax, 32);
  asm.mov(rsp, AT.kernelStackTop);
  wrmsr(asm, MSR.star, STAR);
  wrmsr(asm, MSR.lstar, BigInt(SYSTEM_CALL));
  wrmsr(asm, MSR.fmask, FMASK);
  asm.storeConstant(counter(COUNTER.faultsLeft), MOST_FAULTS);
  asm.mov(rax, 0xff).emit(0xe6, 0x21, 0xe6, 0xa1);
  asm.mov(rdi, LINEAR.localApic);
  asm.storeConstant({ base: rdi, displacement: 0xf0 }, 0x100 | VECTOR.spurious);
  asm.storeConstant({ base: rdi, displacement: 0x3e0 }, 0xb);
  asm.storeConstant({ base: rdi, displacement: 0x320 }, VECTOR.timer);
  for (let register = 0; register < 16; register++) if (register !== rsp) asm.mov(register, 0x11 * register);
  asm.mov(BASE, LINEAR.windows).mov(REG.r13, LINEAR.localApic);
  asm.mov(rax, AT.kernelCode).jmpRegister(rax);
  return { address: AT.start, bytes: asm.finish() };
};

/** Data frames begin with bytes of their own. */
const data = (): Piece => {
  const bytes = new Uint8Array(DATA_FRAMES * 4096);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 37 + (at >> 8) * 11) & 0xff;
  return { address: AT.data, bytes };
};

/** Everything but the program's own code and windows. */
export const FIXED_PIECES: readonly Piece[] = [
  start(),
  descriptors,
  taskState(),
  ...RUNTIME.pieces,
  tableOperands,
  ...pageTables,
  data(),
];

/** Ends a program: the debug-exit port, then nothing. */
export const exitProgram = (asm: Assembler): void => {
  asm.mov(rax, EXIT_CODE.end).emit(0xe6, 0xf4, 0xfa, 0xf4);
};

/** Ring 0 to ring 3 by IRETQ: `after` is where ring 0 goes on, also when the IRETQ faults. */
export const enterUser = (asm: Assembler, user: Label, after: Label): void => {
  asm.mov(rsp, AT.kernelStackTop).lea(r15, after);
  asm.pushConstant(SELECTOR.userData).pushConstant(AT.userStackTop).pushConstant(2);
  asm.pushConstant(SELECTOR.userCode).lea(rax, user).push(rax).emit(0x48, 0xcf);
};

/** Ring 3 to ring 0. */
export const enterKernel = (asm: Assembler, after: Label): void => {
  asm.lea(r15, after).emit(0xcd, VECTOR.toKernel);
};
