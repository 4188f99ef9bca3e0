// Statements about system state: control registers, MSRs, CPUID, descriptor tables and segments.
import fc from 'fast-check';
import { type Assembler, REG } from '../assembler';
import { AT, LINEAR } from '../guest-layout';
import { MSR, SYSTEM_CALL, TABLE_OPERANDS, wrmsr } from '../guest-runtime';
import { offset, word64 } from '../instructions';
import { always, bytes, type Statement } from './statement';

const { rax, rcx, rdx, rbx } = REG;

const CR0_BITS = [1, 2, 3, 5, 6, 16, 18, 29, 30, 31, 0] as const;
const CR4_BITS = [2, 3, 4, 5, 6, 7, 11, 13, 14, 16, 17, 18, 20, 21, 22] as const;

/** A bit of CR0 or CR4 inverted. BTC: SDM Vol. 2 */
const toggle = (control: number, bits: readonly number[]): fc.Arbitrary<Statement> =>
  fc.constantFrom(...bits).map((bit) => (asm) => {
    asm.fromControl(rax, control).rr([0x0f, 0xba], 7, rax).emit(bit).toControl(control, rax);
  });

const writeCr3: fc.Arbitrary<Statement> = fc
  .constantFrom(AT.pml4[0], AT.pml4[0], AT.pml4[1], AT.pml4[0] | 0x18, 2n ** 50n, 2n ** 63n)
  .map((root) => (asm) => {
    asm.mov(rax, root).toControl(3, rax);
  });

export const controlRegisters: fc.Arbitrary<Statement> = fc.oneof(
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

/** XGETBV or XSETBV, most often after CR4.OSXSAVE is set. */
export const extendedControl: fc.Arbitrary<Statement> = fc
  .record({
    enabled: fc.nat(7),
    code: fc.constantFrom<readonly number[]>([0x0f, 0x01, 0xd0], [0x0f, 0x01, 0xd1], [0x0f, 0x01, 0xd1]),
    index: fc.constantFrom(0, 0, 0, 0, 1),
    low: fc.constantFrom(1, 3, 3, 0, 2, 7),
    high: fc.constantFrom(0, 0, 0, 1),
  })
  .map(({ enabled, code, index, low, high }) => (asm) => {
    // BTS: SDM Vol. 2
    if (enabled > 0) asm.fromControl(rax, 4).rr([0x0f, 0xba], 5, rax).emit(18).toControl(4, rax);
    asm
      .mov(rcx, index)
      .mov(rax, low)
      .mov(rdx, high)
      .emit(...code);
  });

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

export const msrs: fc.Arbitrary<Statement> = fc.oneof(
  fc.constantFrom(...READ_MSRS).map((index) => (asm: Assembler) => {
    asm.mov(rcx, index).emit(0x0f, 0x32);
  }),
  fc.constantFrom(...MSR_WRITES).map(
    ([index, value]) =>
      (asm: Assembler) =>
        wrmsr(asm, index, value),
  ),
);

export const cpuid: fc.Arbitrary<Statement> = fc
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
export const descriptorTables: fc.Arbitrary<Statement> = fc.oneof(
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

export const segments: fc.Arbitrary<Statement> = fc.oneof(
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
