import type { HostRequest } from '../../machine/host-port';
import { RIGHTS } from './access-rights';
import { controlWrites, switched } from './controls';
import { type Exit, withGuest } from './guest';
import { type Program, tell, vmread, vmwrite } from './program';

/** RFLAGS bits. SDM Vol. 1, 3.4.3 EFLAGS Register */
export const RFLAGS = { tf: 1n << 8n, if: 1n << 9n, df: 1n << 10n, rf: 1n << 16n, ac: 1n << 18n } as const;
/** Guest interruptibility state. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export const BLOCKING = { bySti: 1n, byMovSs: 2n, byNmi: 8n } as const;
const SHADOWS = BLOCKING.bySti | BLOCKING.byMovSs;
const SINGLE_STEP = 1n << 14n;
const ENABLED_BREAKPOINT = 1n << 12n;
const BRANCH_TRAP = 2n;
const IA32E_MODE = 1n << 10n;
const FOUR_GIB = 1n << 32n;
export const ACTIVITY = { active: 0n, hlt: 1n } as const;

/** RIP after an instruction: 32 bits outside 64-bit mode. */
function* nextRip(rip: bigint, length: bigint): Program<bigint> {
  const next = BigInt.asUintN(64, rip + length);
  if (rip >= FOUR_GIB || next < FOUR_GIB) return next;
  const [rights, efer] = yield* vmread('guestCsAccessRights', 'guestIa32Efer');
  return (rights & RIGHTS.long) !== 0n && (efer & IA32E_MODE) !== 0n ? next : BigInt.asUintN(32, next);
}

/** What the emulation of an instruction leaves to say. */
export interface Completion {
  /** Length in bytes; read from the VMCS when left out. 0 leaves RIP: an iteration of a string instruction that goes on. */
  readonly length?: number;
  /** Data and I/O breakpoints that it hit, bits 3:0. */
  readonly breakpoints?: bigint;
  /** Status flags to set, and which. */
  readonly flags?: { readonly value: bigint; readonly mask: bigint };
}

/**
 * Ends an emulated instruction as the processor would: RIP moves on, RF and the shadows of STI and MOV SS end, single step and breakpoints
 * become pending debug exceptions. SDM Vol. 3C, 27.7.3 Delivery of Pending Debug Exceptions after VM Entry
 */
export function* complete(completion: Completion = {}): Program<void> {
  const { length: given, breakpoints = 0n, flags } = completion;
  const writes: HostRequest[] = [];
  const [rip, rflags, blocking] = yield* vmread('guestRip', 'guestRflags', 'guestInterruptibilityState');
  const length = given === undefined ? (yield* vmread('vmExitInstructionLength'))[0] : BigInt(given);
  if (length !== 0n) writes.push(vmwrite('guestRip', yield* nextRip(rip, length)));

  const merged = flags === undefined ? rflags : (rflags & ~flags.mask) | (flags.value & flags.mask);
  // SDM Vol. 3A, 6.12.1.3 Flag Usage By Exception- or Interrupt-Handler Procedure: between iterations RF is 1.
  const newFlags = length === 0n ? merged | RFLAGS.rf : merged & ~RFLAGS.rf;
  if (newFlags !== rflags) writes.push(vmwrite('guestRflags', newFlags));
  if ((blocking & SHADOWS) !== 0n) writes.push(vmwrite('guestInterruptibilityState', blocking & ~SHADOWS));

  let pending = breakpoints === 0n ? 0n : breakpoints | ENABLED_BREAKPOINT;
  if ((rflags & RFLAGS.tf) !== 0n) {
    const [debugctl] = yield* vmread('guestIa32Debugctl');
    if ((debugctl & BRANCH_TRAP) === 0n) pending |= SINGLE_STEP;
  }
  if (pending !== 0n) {
    const [held] = yield* vmread('guestPendingDebugExceptions');
    writes.push(vmwrite('guestPendingDebugExceptions', held | pending));
  }
  yield* tell(writes);
}

/** Whether the guest can take an external interrupt now. SDM Vol. 3C, 27.3.1.5 Checks on Guest Non-Register State */
export function* isInterruptible(): Program<boolean> {
  const [rflags, blocking] = yield* vmread('guestRflags', 'guestInterruptibilityState');
  return (rflags & RFLAGS.if) !== 0n && (blocking & SHADOWS) === 0n;
}

/** Changes controls in the VMCS and in the record of the guest. */
export function* setControls(exit: Exit, settings: Parameters<typeof switched>[1]): Program<Exit> {
  const controls = switched(exit.guest.controls, settings);
  yield* tell(controlWrites(exit.guest.controls, controls));
  return withGuest(exit, { controls });
}
