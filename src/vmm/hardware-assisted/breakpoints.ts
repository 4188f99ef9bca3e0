import { CR4 } from './initial-vmcs';
import { ask, type Program, resultOf, vmread } from './program';

const ENABLES = 0xffn;
const WRITE = 1;
const IO = 2;
const READ_WRITE = 3;
/** LEN of DR7 as bytes. */
const LENGTHS = [1n, 2n, 8n, 4n];
const REGISTERS = [0, 1, 2, 3] as const;

/** Breakpoints, bits 3:0, that an emulated access hits: the processor did not make it, so it did not see them. */
function* matches(address: bigint, bytes: number, wanted: (kind: number) => boolean): Program<bigint> {
  const [dr7] = yield* vmread('guestDr7');
  if ((dr7 & ENABLES) === 0n) return 0n;
  const replies = yield* ask(REGISTERS.map((debug) => ({ op: 'mov-from-dr', debug }) as const));
  let found = 0n;
  for (const n of REGISTERS) {
    const fields = Number((dr7 >> BigInt(16 + 4 * n)) & 15n);
    if (((dr7 >> BigInt(2 * n)) & 3n) === 0n || !wanted(fields & 3)) continue;
    const length = LENGTHS[fields >> 2];
    const first = (resultOf(replies[n]) ?? 0n) & ~(length - 1n);
    if (first < address + BigInt(bytes) && address < first + length) found |= 1n << BigInt(n);
  }
  return found;
}

/** SDM Vol. 3B, 18.3.1.2 Data Memory and I/O Breakpoint Exception Conditions */
export const dataBreakpoints = (linear: bigint, bytes: number, writes: boolean): Program<bigint> =>
  matches(linear, bytes, (kind) => kind === READ_WRITE || (writes && kind === WRITE));

/** Breakpoints on ports, with CR4.DE alone. */
export function* ioBreakpoints(port: number, bytes: number): Program<bigint> {
  const [cr4] = yield* vmread('guestCr4');
  return (cr4 & CR4.de) === 0n ? 0n : yield* matches(BigInt(port), bytes, (kind) => kind === IO);
}
