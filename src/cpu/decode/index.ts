export { type DecodeResult, decode, isLockable } from './decoder';
export { conditionName, disassemble } from './disassemble';
export * from './instruction';
export { MNEMONICS } from './maps';
