import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { linearRip } from '../segmented-address';
import { CR4, SLOT } from '../slots';

/** DR6 bits; B3:0 are bits 3 to 0. SDM Vol. 3B, 18.2.3 Debug Status Register (DR6) */
export const DR6 = { b: 0xf, bd: 1 << 13, bs: 1 << 14, bt: 1 << 15 } as const;
/** Pending debug exceptions: B3:0, enabled breakpoint, BS as in the VMCS field, and BT, which cannot arise in a guest. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export const PENDING = { b: 0xf, enabled: 1 << 12, bs: 1 << 14, bt: 1 << 15 } as const;
/** DR7 bits. SDM Vol. 3B, 18.2.4 Debug Control Register (DR7) */
export const DR7 = { enables: 0xff, gd: 1 << 13 } as const;
/** IA32_DEBUGCTL bits. SDM Vol. 3B, 18.4.1 IA32_DEBUGCTL MSR */
export const DEBUGCTL = { lbr: 1, btf: 2 } as const;

const EXECUTE = 0;
const WRITE = 1;
const IO = 2;
const READ_WRITE = 3;
/** LEN of DR7 as bytes: 1, 2, 8, 4. */
const LENGTHS = [1, 2, 8, 4];

export type DataAccessKind = 'read' | 'write';

/** Breakpoints (bits 3:0) that DR7 enables, whose kind is wanted, and that overlap `bytes` bytes at `address`. */
const matches = (
  cpu: ProcessorDraft,
  address: bigint,
  bytes: number,
  wants: (kind: number) => boolean,
): number => {
  const dr7 = cpu.W[2 * SLOT.dr7];
  if ((dr7 & DR7.enables) === 0) return 0;
  let found = 0;
  for (let n = 0; n < 4; n++) {
    if (((dr7 >> (2 * n)) & 3) === 0 || !wants((dr7 >> (16 + 4 * n)) & 3)) continue;
    const length = BigInt(LENGTHS[(dr7 >> (18 + 4 * n)) & 3]);
    const first = cpu.R[SLOT.dr0 + n] & ~(length - 1n);
    if (first < address + BigInt(bytes) && address < first + length) found |= 1 << n;
  }
  return found;
};

const pend = (cpu: ProcessorDraft, found: number): void => {
  if (found === 0) return;
  cpu.pendingDebug |= found | PENDING.enabled;
  cpu.boundaryWork = true;
};

/** A data access took place: enabled breakpoints that it hits become pending. SDM Vol. 3B, 18.3.1.2 Data Memory and I/O Breakpoint Exception Conditions */
export const dataBreakpoint = (
  cpu: ProcessorDraft,
  linear: bigint,
  bytes: number,
  kind: DataAccessKind,
): void =>
  pend(
    cpu,
    matches(cpu, linear, bytes, (wanted) => wanted === READ_WRITE || (wanted === WRITE && kind === 'write')),
  );

/** An I/O access took place; breakpoints on ports need CR4.DE. */
export const ioBreakpoint = (cpu: ProcessorDraft, port: number, bytes: number): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.de) === 0) return;
  pend(
    cpu,
    matches(cpu, BigInt(port), bytes, (wanted) => wanted === IO),
  );
};

/** Instruction breakpoints (bits 3:0) on the next instruction. SDM Vol. 3B, 18.3.1.1 Instruction-Breakpoint Exception Condition */
export const codeBreakpoints = (cpu: ProcessorDraft): number =>
  matches(cpu, linearRip(cpu), 1, (wanted) => wanted === EXECUTE);

/** Whether DR7 enables an instruction breakpoint at all. */
export const hasCodeBreakpoints = (cpu: ProcessorDraft): boolean => {
  const dr7 = cpu.W[2 * SLOT.dr7];
  if ((dr7 & DR7.enables) === 0) return false;
  return [0, 1, 2, 3].some((n) => ((dr7 >> (2 * n)) & 3) !== 0 && ((dr7 >> (16 + 4 * n)) & 3) === EXECUTE);
};

/** #DB with the DR6 bits that it sets. */
export const debugException = (debugStatus: number): InterruptionEvent => ({
  vector: VECTOR.db,
  type: EVENT_TYPE.hardwareException,
  debugStatus,
});

/** What entering the handler of #DB changes. SDM Vol. 3B, 18.2.3 and 18.2.4; 18.4.1 */
export const enterDebugHandler = (cpu: ProcessorDraft, debugStatus: number): void => {
  const { W } = cpu;
  W[2 * SLOT.dr6] = (W[2 * SLOT.dr6] & ~DR6.b) | debugStatus;
  W[2 * SLOT.dr7] &= ~DR7.gd;
  W[2 * SLOT.debugctl] &= ~(DEBUGCTL.lbr | DEBUGCTL.btf);
};
