import { little } from '../../cpu/engine/paged-guest';

/** Bytes of 64-bit code; RAX, RCX and R8 are changed at will. */
export type Code = readonly number[];

/** A store of eight bytes that a program makes. */
export interface Store {
  readonly address: number;
  readonly value: bigint;
}

const MOV_RAX = [0x48, 0xb8];
const MOV_R8 = [0x49, 0xb8];
const MOV_ECX = 0xb9;
const PUSH_RAX = 0x50;
const PUSH_IMM32 = 0x68;

const at = (address: bigint): Code => [...MOV_R8, ...little(address, 8)];
const rax = (value: bigint | number): Code => [...MOV_RAX, ...little(value, 8)];

/** How a program touches an address. */
export type Access = 'read' | 'write' | 'fetch';

/** What each page begins with, so that it may be called and written over: RET. */
export const RET = 0xc3;
export const HLT = 0xf4;
export const VMCALL: Code = [0x0f, 0x01, 0xc1];

const ACCESS: Readonly<Record<Access, Code>> = {
  read: [0x41, 0x8b, 0x00],
  write: [0x41, 0xc6, 0x00, RET],
  // CALL R8.
  fetch: [0x41, 0xff, 0xd0],
};

export const access = (kind: Access, address: bigint): Code => [...at(address), ...ACCESS[kind]];
export const read = (address: bigint): Code => access('read', address);
export const write = (address: bigint): Code => access('write', address);
export const fetch = (address: bigint): Code => access('fetch', address);

const STORE = [0x48, 0xa3];
/** The instruction of a store that its report names comes after the one that loads the value. */
export const STORE_OFFSET = MOV_RAX.length + 8;
export const store = ({ address, value }: Store): Code => [...rax(value), ...STORE, ...little(address, 8)];

export const invlpg = (...addresses: readonly bigint[]): Code =>
  addresses.flatMap((address) => [...at(address), 0x41, 0x0f, 0x01, 0x38]);

/** An invalidation whose type is in RCX and whose descriptor of two quadwords is written to `operand` first. */
const withDescriptor =
  (opcode: number) =>
  (operand: number) =>
  (type: number, first: bigint | number, second: bigint | number = 0n): Code => [
    ...store({ address: operand, value: BigInt(first) }),
    ...store({ address: operand + 8, value: BigInt(second) }),
    MOV_ECX,
    ...little(type, 4),
    ...at(BigInt(operand)),
    ...[0x66, 0x41, 0x0f, 0x38, opcode, 0x08],
  ];
export const inveptAt = withDescriptor(0x80);
export const invvpidAt = withDescriptor(0x81);
export const invpcidAt = withDescriptor(0x82);

export const movCr3 = (value: bigint | number): Code => [...rax(value), 0x0f, 0x22, 0xd8];
/** MOV CR4 that changes CR4.PGE and MOV CR4 that changes it back: all of the VPID is dropped. */
export const togglePge: Code = [
  ...[0x0f, 0x20, 0xe0],
  ...[0x48, 0x0f, 0xba, 0xf8, 7, 0x0f, 0x22, 0xe0],
  ...[0x48, 0x0f, 0xba, 0xf8, 7, 0x0f, 0x22, 0xe0],
];

/** WRPKRU. */
export const wrpkru = (value: number): Code => [
  ...[0xb8, ...little(value, 4)],
  ...[0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef],
];

export const USER_CODE = 0x1b;
export const USER_DATA = 0x23;
/** IRET to what follows, at CPL 3 with this stack pointer. */
export const toUser = (stack: number): Code => [
  ...[USER_DATA, stack, 2, USER_CODE].flatMap((value) => [PUSH_IMM32, ...little(value, 4)]),
  // LEA RAX, behind IRET.
  ...[0x48, 0x8d, 0x05, ...little(3, 4)],
  ...[PUSH_RAX, 0x48, 0xcf],
];

/** Waits until a byte below 2 GiB has a value: CMP, JNE. */
export const waitFor = (address: number, value: number): Code => [
  ...[0x80, 0x3c, 0x25, ...little(address, 4), value],
  ...[0x75, 0xf6],
];
