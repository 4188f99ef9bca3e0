import fc from 'fast-check';
import { DATA_FRAMES } from './guest-layout';
import type { WindowPage } from './guest-runtime';

const P = 1n;
const RW = 2n;
const US = 4n;
const ACCESSED = 1n << 5n;
const DIRTY = 1n << 6n;
const GLOBAL = 1n << 8n;
const EXECUTE_DISABLE = 1n << 63n;
/** Beyond MAXPHYADDR. */
const RESERVED = 1n << 49n;

const OPEN = P | RW | US;

/** Mostly open to everybody; read-only, kernel, absent, not executable and malformed pages among them. */
export const windowPage: fc.Arbitrary<WindowPage> = fc.record({
  frame: fc.nat(DATA_FRAMES - 1),
  bits: fc.oneof(
    { arbitrary: fc.constant(OPEN), weight: 4 },
    { arbitrary: fc.constant(OPEN | EXECUTE_DISABLE), weight: 2 },
    { arbitrary: fc.constant(OPEN | ACCESSED | DIRTY | GLOBAL), weight: 1 },
    { arbitrary: fc.constant(P | US), weight: 1 },
    { arbitrary: fc.constant(P | RW), weight: 1 },
    { arbitrary: fc.constant(P), weight: 1 },
    { arbitrary: fc.constant(RW | US), weight: 1 },
    { arbitrary: fc.constant(OPEN | RESERVED), weight: 1 },
  ),
});
