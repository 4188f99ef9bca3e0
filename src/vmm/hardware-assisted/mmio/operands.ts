import { shiftRight, signExtend } from '../../../core';
import { type Instruction, type MemoryOperand, type Operand, RIP_BASE } from '../../../cpu/decode';
import { type Exit, withRegister } from '../guest';
import type { CodeSegment } from '../paging/segment';

/** Offset of a memory operand in its segment. SDM Vol. 1, 3.7.5 Specifying an Offset */
export const offsetOf = (
  exit: Exit,
  operand: MemoryOperand,
  instruction: Instruction,
  code: CodeSegment,
): bigint => {
  const register = (number: number): bigint =>
    number === RIP_BASE ? code.rip + BigInt(instruction.length) : number < 0 ? 0n : exit.registers[number];
  const sum =
    register(operand.base) + (register(operand.index) << BigInt(operand.scale)) + operand.displacement;
  return BigInt.asUintN(operand.addressWidth, sum);
};

/** Value of a register or immediate operand, unsigned; `undefined` for any other. */
export const operandValue = (exit: Exit, operand: Operand): bigint | undefined => {
  if (operand.kind === 'immediate') return operand.value;
  if (operand.kind !== 'register') return undefined;
  const whole = exit.registers[operand.number];
  return BigInt.asUintN(operand.width, operand.high ? shiftRight(whole, 8n) : whole);
};

/** The registers with an operand written: 32 bits clear the high half. SDM Vol. 1, 3.4.1.1 General-Purpose Registers in 64-Bit Mode */
export const withOperand = (exit: Exit, operand: Operand, value: bigint): Exit => {
  if (operand.kind !== 'register') return exit;
  const { number, width, high } = operand;
  if (width >= 32) return withRegister(exit, number, BigInt.asUintN(width, value));
  const shift = high ? 8n : 0n;
  const mask = ((1n << BigInt(width)) - 1n) << shift;
  const kept = exit.registers[number] & ~mask;
  return withRegister(exit, number, kept | ((value << shift) & mask));
};

/** A value of one width as another, zero- or sign-extended. */
export const extended = (value: bigint, from: number, to: number, signed: boolean): bigint =>
  BigInt.asUintN(to, signed ? signExtend(value, from) : value);
