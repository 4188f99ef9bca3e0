// Machine code for test programs: the few encodings that they need, with labels. SDM Vol. 2, 2.1 Instruction Format

/** General registers by their encoding. */
export const REG = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
  r12: 12,
  r13: 13,
  r14: 14,
  r15: 15,
} as const;

export type Width = 8 | 16 | 32 | 64;

/** A memory operand: base register (or none: the displacement is the address), 32-bit displacement. */
export interface MemoryAt {
  readonly base?: number;
  readonly displacement?: number;
}

/** A place in the code; bound once. */
export interface Label {
  address: number | undefined;
}

export const bytesOf = (value: bigint | number, count: number): readonly number[] => {
  const bytes: number[] = [];
  for (let i = 0; i < count; i++) bytes.push(Number(BigInt.asUintN(8, BigInt(value) >> BigInt(8 * i))));
  return bytes;
};

/** Writes 64-bit code from an address on. */
export class Assembler {
  private readonly bytes: number[] = [];
  private readonly fixups: { readonly at: number; readonly size: 1 | 4; readonly label: Label }[] = [];

  constructor(readonly origin: number) {}

  get here(): number {
    return this.origin + this.bytes.length;
  }

  emit(...bytes: number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  label(): Label {
    return { address: undefined };
  }

  bind(label: Label): this {
    label.address = this.here;
    return this;
  }

  private relative(label: Label, size: 1 | 4): this {
    this.fixups.push({ at: this.bytes.length, size, label });
    return this.emit(...bytesOf(0, size));
  }

  /** The code, with labels resolved. */
  finish(): Uint8Array {
    for (const { at, size, label } of this.fixups) {
      if (label.address === undefined) throw new Error('an assembler label was never bound');
      const distance = label.address - (this.origin + at + size);
      if (size === 1 && (distance < -128 || distance > 127)) throw new Error('a short jump reaches too far');
      bytesOf(distance, size).forEach((byte, i) => {
        this.bytes[at + i] = byte;
      });
    }
    return Uint8Array.from(this.bytes);
  }

  // ---- operands

  /** Prefixes, opcode and ModRM for a register operand in rm. */
  rr(
    opcode: readonly number[],
    reg: number,
    rm: number,
    width: Width = 64,
    prefix: readonly number[] = [],
  ): this {
    // A REX prefix also for SPL to DIL.
    const rex = 0x40 | (width === 64 ? 8 : 0) | ((reg & 8) >> 1) | ((rm & 8) >> 3);
    if (width === 16) this.emit(0x66);
    this.emit(...prefix);
    if (rex !== 0x40 || width === 8) this.emit(rex);
    return this.emit(...opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7));
  }

  /** Prefixes, opcode and ModRM for a memory operand. */
  rm(
    opcode: readonly number[],
    reg: number,
    memory: MemoryAt,
    width: Width = 64,
    prefix: readonly number[] = [],
  ): this {
    const { base, displacement = 0 } = memory;
    const rex = 0x40 | (width === 64 ? 8 : 0) | ((reg & 8) >> 1) | (((base ?? 0) & 8) >> 3);
    if (width === 16) this.emit(0x66);
    this.emit(...prefix);
    if (rex !== 0x40 || width === 8) this.emit(rex);
    this.emit(...opcode);
    const field = (reg & 7) << 3;
    if (base === undefined) this.emit(0x04 | field, 0x25);
    else if ((base & 7) === 4) this.emit(0x84 | field, 0x24);
    else this.emit(0x80 | field | (base & 7));
    return this.emit(...bytesOf(displacement, 4));
  }

  // ---- instructions

  /** MOV of a constant: 32 bits zero-extended, or 64. */
  mov(register: number, value: bigint | number): this {
    const constant = BigInt.asUintN(64, BigInt(value));
    const high = register >> 3;
    if (constant < 1n << 32n) {
      if (high) this.emit(0x41);
      return this.emit(0xb8 | (register & 7), ...bytesOf(constant, 4));
    }
    return this.emit(0x48 | high, 0xb8 | (register & 7), ...bytesOf(constant, 8));
  }

  movRegister(to: number, from: number): this {
    return this.rr([0x89], from, to);
  }

  load(register: number, memory: MemoryAt, width: Width = 64): this {
    return this.rm([width === 8 ? 0x8a : 0x8b], register, memory, width);
  }

  store(memory: MemoryAt, register: number, width: Width = 64): this {
    return this.rm([width === 8 ? 0x88 : 0x89], register, memory, width);
  }

  /** MOV of a sign-extended 32-bit (or 8-bit) constant to memory. */
  storeConstant(memory: MemoryAt, value: number, width: 8 | 32 | 64 = 32): this {
    return this.rm([width === 8 ? 0xc6 : 0xc7], 0, memory, width).emit(
      ...bytesOf(value, width === 8 ? 1 : 4),
    );
  }

  /** ADD OR ADC SBB AND SUB XOR CMP (0 to 7) with a sign-extended 32-bit constant. */
  arithmetic(operation: number, register: number, value: number): this {
    return this.rr([0x81], operation, register).emit(...bytesOf(value, 4));
  }

  arithmeticAt(operation: number, memory: MemoryAt, value: number, width: 32 | 64 = 64): this {
    return this.rm([0x81], operation, memory, width).emit(...bytesOf(value, 4));
  }

  push(register: number): this {
    if (register >= 8) this.emit(0x41);
    return this.emit(0x50 | (register & 7));
  }

  pop(register: number): this {
    if (register >= 8) this.emit(0x41);
    return this.emit(0x58 | (register & 7));
  }

  pushConstant(value: number): this {
    return this.emit(0x68, ...bytesOf(value, 4));
  }

  lea(register: number, label: Label): this {
    return this.emit(0x48 | ((register & 8) >> 1), 0x8d, 0x05 | ((register & 7) << 3)).relative(label, 4);
  }

  jmp(label: Label): this {
    return this.emit(0xe9).relative(label, 4);
  }

  /** Jcc by condition number. */
  jcc(condition: number, label: Label): this {
    return this.emit(0x0f, 0x80 | condition).relative(label, 4);
  }

  jmpRegister(register: number): this {
    return this.rr([0xff], 4, register, 32);
  }

  callRegister(register: number): this {
    return this.rr([0xff], 2, register, 32);
  }

  fromControl(register: number, control: number): this {
    return this.rr([0x0f, 0x20], control, register, 32);
  }

  toControl(control: number, register: number): this {
    return this.rr([0x0f, 0x22], control, register, 32);
  }

  /** MOV to a byte that lies a distance behind the end of this instruction. */
  storeAhead(distance: number, value: number): this {
    return this.emit(0xc6, 0x05, ...bytesOf(distance, 4), value & 0xff);
  }
}
