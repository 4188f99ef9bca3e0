import { RFLAGS } from './completion';
import { type Exit, withRegister } from './guest';

const RCX = 1;
export const RSI = 6;
export const RDI = 7;

type AddressWidth = 16 | 32 | 64;

/** The part of a register that an address size uses. */
export const addressPart = (exit: Exit, register: number, width: AddressWidth): bigint =>
  BigInt.asUintN(width, exit.registers[register]);

const withAddressPart = (exit: Exit, register: number, width: AddressWidth, value: bigint): Exit => {
  const part = BigInt.asUintN(width, value);
  // A 16-bit part leaves the rest of the register, a 32-bit one clears it.
  const kept = width === 16 ? exit.registers[register] & ~0xffffn : 0n;
  return withRegister(exit, register, kept | part);
};

/** One iteration of a string instruction in registers. */
export interface Iteration {
  readonly addressWidth: AddressWidth;
  readonly repeated: boolean;
  readonly bytes: number;
  /** RSI, RDI or both. */
  readonly indexes: readonly number[];
}

/** Whether a repeated instruction has nothing to do. */
export const isExhausted = (exit: Exit, { repeated, addressWidth }: Iteration): boolean =>
  repeated && addressPart(exit, RCX, addressWidth) === 0n;

/**
 * The registers after one iteration, and whether another follows: the guest then executes the instruction again, so that interrupts come between.
 * SDM Vol. 2, REP/REPE/REPZ/REPNE/REPNZ
 */
export const iterated = (
  exit: Exit,
  { addressWidth, repeated, bytes, indexes }: Iteration,
  rflags: bigint,
): { readonly exit: Exit; readonly again: boolean } => {
  const step = (rflags & RFLAGS.df) === 0n ? BigInt(bytes) : -BigInt(bytes);
  const moved = indexes.reduce(
    (current, register) =>
      withAddressPart(current, register, addressWidth, current.registers[register] + step),
    exit,
  );
  if (!repeated) return { exit: moved, again: false };
  const counted = withAddressPart(moved, RCX, addressWidth, moved.registers[RCX] - 1n);
  return { exit: counted, again: addressPart(counted, RCX, addressWidth) !== 0n };
};
