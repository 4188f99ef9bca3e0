import { fault, ModelError, type Outcome, ok } from './outcome';
import { hex, u64 } from './word';

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Guest-physical address: a byte address of at most 52 bits. */
export type Gpa = Brand<number, 'Gpa'>;
/** Host-physical address: a byte address of at most 52 bits. */
export type Hpa = Brand<number, 'Hpa'>;
/** Linear (virtual) address, 64 bits. */
export type Gva = Brand<bigint, 'Gva'>;
/** Address that a device puts on the bus, before remapping, 64 bits. */
export type Iova = Brand<bigint, 'Iova'>;

/** Why a number is no address; `says` names the kind of address, the value and the limit. */
export interface AddressError {
  readonly kind: 'address';
  readonly says: string;
}

/** Three ways to make an address: checked (throws `ModelError`), tried (an `Outcome`), truncating (drops high bits). */
export interface AddressConstructor<Raw, Address> {
  (value: Raw): Address;
  readonly tried: (value: Raw) => Outcome<Address, AddressError>;
  readonly truncating: (value: Raw | bigint) => Address;
}

const PHYSICAL_LIMIT = 2 ** 52;

const physical = <Address extends number>(name: string): AddressConstructor<number, Address> => {
  const tried = (value: number): Outcome<Address, AddressError> =>
    Number.isInteger(value) && value >= 0 && value < PHYSICAL_LIMIT
      ? ok(value as Address)
      : fault({ kind: 'address', says: `${name} ${value} is not an integer of at most 52 bits` });
  const checked = (value: number): Address => {
    const outcome = tried(value);
    if (!outcome.ok) throw new ModelError(outcome.fault.says);
    return outcome.value;
  };
  const truncating = (value: number | bigint): Address =>
    Number(BigInt.asUintN(52, BigInt(value))) as Address;
  return Object.assign(checked, { tried, truncating });
};

const linear = <Address extends bigint>(name: string): AddressConstructor<bigint, Address> => {
  const tried = (value: bigint): Outcome<Address, AddressError> =>
    value === u64(value)
      ? ok(value as Address)
      : fault({ kind: 'address', says: `${name} ${hex(value)} is not an unsigned 64-bit value` });
  const checked = (value: bigint): Address => {
    const outcome = tried(value);
    if (!outcome.ok) throw new ModelError(outcome.fault.says);
    return outcome.value;
  };
  return Object.assign(checked, { tried, truncating: (value: bigint) => u64(value) as Address });
};

/** A guest-physical address from a number. */
export const gpa: AddressConstructor<number, Gpa> = physical<Gpa>('guest-physical address');
/** A host-physical address from a number. */
export const hpa: AddressConstructor<number, Hpa> = physical<Hpa>('host-physical address');
/** A linear address from an unsigned bigint. */
export const gva: AddressConstructor<bigint, Gva> = linear<Gva>('linear address');
/** An I/O virtual address from an unsigned bigint. */
export const iova: AddressConstructor<bigint, Iova> = linear<Iova>('I/O virtual address');
