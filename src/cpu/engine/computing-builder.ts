import { ModelError, maskOf, shiftRight, u64, type Width } from '../../core';
import {
  type Instruction,
  type MemoryOperand,
  type Operand,
  type RegisterOperand,
  RIP_BASE,
  type SegmentNumber,
} from '../decode/instruction';
import { VECTOR } from '../event';
import type { LinearAccess } from '../mmu';
import type { ProcessorDraft } from '../processor-draft';
import { checkBranchTarget, checkPushAll, linearAddress } from '../segmented-address';
import { ACCESS_RIGHTS, FLAG, SLOT, STATUS_FLAGS } from '../slots';
import { statusFlagsOf, storeStatusFlags } from '../status-flags';
import type { Builder, DataRow, FlagKind, PureOperation } from './builder';
import { addFlags, conditionOf, flagIf, resultFlags, subFlags } from './computed-flags';
import { type ShiftKind, shiftBy } from './computed-shift';
import { chosenFlags } from './undefined-flags';
import { chosenResults } from './undefined-results';

/** An unsigned value of known width. */
export interface Value {
  readonly width: Width;
  readonly value: bigint;
}

const RSP = 4;
const SS: SegmentNumber = 2;
const UPDATE: LinearAccess = { update: true };

const sized = (width: Width, value: bigint): Value => ({ width, value: value & maskOf(width) });

/** Runs a row at once on the draft, on bigints: the oracle for the emitted forms. */
export class ComputingBuilder implements Builder<Value, boolean> {
  readonly stackWidth: 16 | 32 | 64;
  private updated: { readonly operand: Operand; readonly linear: bigint } | undefined;

  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly instruction: Instruction,
  ) {
    const big = (cpu.W[2 * SLOT.ss + 1] & ACCESS_RIGHTS.db) !== 0;
    this.stackWidth = cpu.mode64 ? 64 : big ? 32 : 16;
  }

  private get statusFlags(): number {
    return statusFlagsOf(this.cpu.W);
  }
  private set statusFlags(flags: number) {
    storeStatusFlags(this.cpu.W, flags);
  }

  // ---- operands
  constant(value: bigint, width: Width): Value {
    return sized(width, value);
  }

  read(operand: Operand): Value {
    switch (operand.kind) {
      case 'register':
        return this.readRegister(operand);
      case 'immediate':
        return sized(operand.width, operand.value);
      case 'memory':
        return this.load(operand.segment, this.effectiveAddress(operand), operand.width as Width);
      default:
        throw new ModelError(`a data row reads a ${operand.kind} operand`);
    }
  }

  readForUpdate(operand: Operand): Value {
    if (operand.kind !== 'memory') return this.read(operand);
    const bytes = operand.width / 8;
    const linear = this.linear(operand.segment, this.effectiveAddress(operand), bytes, true);
    this.cpu.mmu.probeWrite(linear, bytes, UPDATE);
    this.updated = { operand, linear };
    return sized(operand.width as Width, this.cpu.mmu.read(linear, bytes));
  }

  write(operand: Operand, value: Value): void {
    if (operand.kind === 'register') {
      this.writeRegister(operand, value.value);
      return;
    }
    if (operand.kind !== 'memory') throw new ModelError(`a data row writes a ${operand.kind} operand`);
    const bytes = operand.width / 8;
    const linear =
      this.updated?.operand === operand
        ? this.updated.linear
        : this.linear(operand.segment, this.effectiveAddress(operand), bytes, true);
    this.cpu.mmu.write(linear, bytes, value.value);
  }

  // SDM Vol. 1, 3.7.5 Specifying an Offset
  effectiveAddress(operand: MemoryOperand): Value {
    const { base, index, scale, displacement, addressWidth } = operand;
    let offset = displacement;
    if (base === RIP_BASE) offset += this.cpu.rip + BigInt(this.instruction.length);
    else if (base >= 0) offset += this.cpu.R[base];
    if (index >= 0) offset += this.cpu.R[index] << BigInt(scale);
    return sized(64, offset & maskOf(addressWidth));
  }

  load(segment: SegmentNumber, offset: Value, width: Width): Value {
    const bytes = width / 8;
    return sized(width, this.cpu.mmu.read(this.linear(segment, offset, bytes, false), bytes));
  }

  loadForUpdate(segment: SegmentNumber, offset: Value, width: Width): Value {
    const bytes = width / 8;
    const linear = this.linear(segment, offset, bytes, true);
    this.cpu.mmu.probeWrite(linear, bytes, UPDATE);
    return sized(width, this.cpu.mmu.read(linear, bytes));
  }

  store(segment: SegmentNumber, offset: Value, value: Value): void {
    const bytes = value.width / 8;
    this.cpu.mmu.write(this.linear(segment, offset, bytes, true), bytes, value.value);
  }

  checkAlignment(segment: SegmentNumber, offset: Value, bytes: number): void {
    const linear = linearAddress(this.cpu, segment, offset.value, bytes, false, 1);
    if (linear % BigInt(bytes) !== 0n) this.cpu.generalProtection();
  }

  private linear(segment: SegmentNumber, offset: Value, bytes: number, write: boolean): bigint {
    return linearAddress(this.cpu, segment, offset.value, bytes, write);
  }

  // ---- registers. SDM Vol. 1, 3.4.1.1 General-Purpose Registers in 64-Bit Mode
  register(number: number, width: Width): Value {
    return sized(width, this.cpu.R[number]);
  }

  setRegister(number: number, width: Width, { value }: Value): void {
    const R = this.cpu.R;
    R[number] = width >= 32 ? value : (R[number] & ~maskOf(width)) | value;
  }

  private readRegister({ number, width, high }: RegisterOperand): Value {
    return sized(width, high ? shiftRight(this.cpu.R[number], 8n) : this.cpu.R[number]);
  }

  private writeRegister({ number, width, high }: RegisterOperand, value: bigint): void {
    const R = this.cpu.R;
    if (high) R[number] = (R[number] & ~0xff00n) | (value << 8n);
    else this.setRegister(number, width, sized(width, value));
  }

  // ---- stack
  checkPushAll(): void {
    if (this.stackWidth === 16) checkPushAll(this.cpu);
  }

  push(value: Value): void {
    const bytes = value.width / 8;
    const pointer = this.stackPointer(-bytes);
    this.cpu.mmu.write(this.linear(SS, pointer, bytes, true), bytes, value.value);
    this.setRegister(RSP, this.stackWidth, pointer);
  }

  pop(width: Width): Value {
    return this.load(SS, this.stackPointer(0), width);
  }

  releaseStack(bytes: number): void {
    this.setRegister(RSP, this.stackWidth, this.stackPointer(bytes));
  }

  private stackPointer(distance: number): Value {
    return sized(this.stackWidth, this.cpu.R[RSP] + BigInt(distance));
  }

  // ---- operations
  add(a: Value, b: Value): Value {
    return sized(a.width, a.value + b.value);
  }
  sub(a: Value, b: Value): Value {
    return sized(a.width, a.value - b.value);
  }
  and(a: Value, b: Value): Value {
    return sized(a.width, a.value & b.value);
  }
  or(a: Value, b: Value): Value {
    return sized(a.width, a.value | b.value);
  }
  xor(a: Value, b: Value): Value {
    return sized(a.width, a.value ^ b.value);
  }
  not(a: Value): Value {
    return sized(a.width, ~a.value);
  }
  mul(a: Value, b: Value): Value {
    return sized(a.width, a.value * b.value);
  }
  signedProductOverflows(a: Value, b: Value): boolean {
    const product = BigInt.asIntN(a.width, a.value) * BigInt.asIntN(a.width, b.value);
    return product !== BigInt.asIntN(a.width, product);
  }
  addWithCarry(a: Value, b: Value): Value {
    const carry = BigInt(this.statusFlags & FLAG.cf);
    this.statusFlags = addFlags(a.value, b.value, carry, a.width);
    return sized(a.width, a.value + b.value + carry);
  }
  subWithBorrow(a: Value, b: Value): Value {
    const borrow = BigInt(this.statusFlags & FLAG.cf);
    this.statusFlags = subFlags(a.value, b.value, borrow, a.width);
    return sized(a.width, a.value - b.value - borrow);
  }
  byteSwap(a: Value): Value {
    let swapped = 0n;
    for (let rest = a.value, left = a.width; left > 0; left -= 8, rest = shiftRight(rest, 8n))
      swapped = (swapped << 8n) | (rest & 0xffn);
    return sized(a.width, swapped);
  }
  zeroExtend(value: Value, width: Width): Value {
    return sized(width, value.value);
  }
  signExtend(value: Value, width: Width): Value {
    return sized(width, BigInt.asIntN(value.width, value.value));
  }
  truncate(value: Value, width: Width): Value {
    return sized(width, value.value);
  }
  shift(kind: ShiftKind, a: Value, count: number): Value {
    const { result, flags } = shiftBy(kind, a.value, count, a.width, this.statusFlags);
    this.statusFlags = flags;
    return sized(a.width, result);
  }

  // ---- flags. SDM Vol. 1, 3.4.3.1 Status Flags
  flags(kind: FlagKind, a: Value, b: Value, result: Value): void {
    const { width } = result;
    const carry = this.statusFlags & FLAG.cf;
    switch (kind) {
      case 'add':
        this.statusFlags = addFlags(a.value, b.value, 0n, width);
        break;
      case 'sub':
        this.statusFlags = subFlags(a.value, b.value, 0n, width);
        break;
      case 'inc':
        this.statusFlags = (addFlags(a.value, 1n, 0n, width) & ~FLAG.cf) | carry;
        break;
      case 'dec':
        this.statusFlags = (subFlags(a.value, 1n, 0n, width) & ~FLAG.cf) | carry;
        break;
      case 'logic':
        this.statusFlags = resultFlags(result.value, width);
    }
  }
  setCarry(carry: boolean): void {
    this.statusFlags = (this.statusFlags & ~FLAG.cf) | flagIf(carry, FLAG.cf);
  }
  setCarryOverflow(both: boolean, result: Value): void {
    this.statusFlags = resultFlags(result.value, result.width) | flagIf(both, FLAG.cf | FLAG.of);
  }
  undefinedFlags(mask: number): void {
    const { cpu } = this;
    if (cpu.asksUndefinedFlags && mask !== 0) this.statusFlags = chosenFlags(cpu, this.statusFlags, mask);
  }
  setDirection(down: boolean): void {
    const R = this.cpu.R;
    R[SLOT.rflags] = down ? R[SLOT.rflags] | BigInt(FLAG.df) : R[SLOT.rflags] & ~BigInt(FLAG.df);
  }
  condition(code: number): boolean {
    return conditionOf(this.statusFlags, code);
  }
  isZero(value: Value): boolean {
    return value.value === 0n;
  }
  equal(a: Value, b: Value): boolean {
    return a.value === b.value;
  }
  select(condition: boolean, whenTrue: Value, whenFalse: Value): Value {
    return condition ? whenTrue : whenFalse;
  }
  fromCondition(condition: boolean): Value {
    return sized(8, condition ? 1n : 0n);
  }

  pure(operation: PureOperation, width: Width, values: readonly Value[]): readonly Value[] {
    const result = operation.compute({
      width,
      values: values.map(({ value }) => value),
      flags: this.statusFlags,
    });
    if ('divideError' in result) return this.cpu.raise(VECTOR.de);
    this.statusFlags = result.flags & STATUS_FLAGS;
    this.undefinedFlags(result.undefinedFlags ?? 0);
    return chosenResults(this.cpu, result, width).map((value) => sized(width, value));
  }

  // ---- branches
  private relativeTarget(displacement: bigint): bigint {
    const { cpu, instruction } = this;
    return (cpu.rip + BigInt(instruction.length) + displacement) & maskOf(this.branchWidth);
  }
  private get branchWidth(): number {
    return this.cpu.mode64 ? 64 : this.instruction.operandWidth === 16 ? 16 : 32;
  }
  checkTarget(target: Value): void {
    checkBranchTarget(this.cpu, target.value);
  }
  checkRelative(displacement: bigint, when = true): void {
    if (when) checkBranchTarget(this.cpu, this.relativeTarget(displacement));
  }
  jumpRelative(displacement: bigint): void {
    this.jumpTo(sized(64, this.relativeTarget(displacement)));
  }
  jumpTo(target: Value): void {
    this.checkTarget(target);
    this.cpu.nextRip = target.value;
  }
  branchRelative(condition: boolean, displacement: bigint): void {
    if (condition) this.jumpRelative(displacement);
  }
  nextInstruction(width: Width): Value {
    return sized(width, this.cpu.rip + BigInt(this.instruction.length));
  }
}

/**
 * Executes a data row at once: on entry `cpu.rip` is the instruction's address; on return `cpu.nextRip` says where execution continues. Leaves
 * with `LEFT` on a fault, and then no register or flag has changed.
 */
export const runRow = (cpu: ProcessorDraft, row: DataRow, instruction: Instruction): void => {
  const next = cpu.rip + BigInt(instruction.length);
  cpu.nextRip = cpu.mode64 ? u64(next) : BigInt.asUintN(32, next);
  row.build(new ComputingBuilder(cpu, instruction), instruction);
};
