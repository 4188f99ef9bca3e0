// Shifts by CL: every count, in code that is hot and in code that runs once.
import { describe, expect, test } from 'vitest';
import { little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const FORMS = { shl: 0xe0, shr: 0xe8, sar: 0xf8 } as const;
const VALUES = [0x8123_4567_89ab_cdefn, 0x7fff_ffff_8000_0001n, 0n, 0xffff_ffff_0000_0000n];
const COUNTS = 256;
const OUTPUT = 0x10_0000;
const CF = 1n;
const PF = 4n;
const ZF = 0x40n;
const SF = 0x80n;
const OF = 0x800n;
const SHOWN = CF | PF | ZF | SF | OF;
/** What a count of 0 leaves: CMP of the count with itself came before. */
const KEPT = ZF | PF;

/** Result and flags of a shift, from bits alone. OF beyond a count of 1 is that of the last single-bit step, as on Intel processors. */
const expected = (kind: keyof typeof FORMS, value: bigint, width: 32 | 64, count: number) => {
  const size = BigInt(width);
  const operand = BigInt.asUintN(width, value);
  let result = operand;
  let flags = KEPT;
  for (let i = 0; i < (count & (width - 1)); i++) {
    const before = result;
    const top = (before >> (size - 1n)) & 1n;
    const fill = kind === 'sar' ? top << (size - 1n) : 0n;
    result = kind === 'shl' ? BigInt.asUintN(width, before << 1n) : (before >> 1n) | fill;
    const carry = kind === 'shl' ? top : before & 1n;
    const sign = (result >> (size - 1n)) & 1n;
    const overflow = kind === 'shl' ? sign ^ carry : kind === 'shr' ? top : 0n;
    let ones = 0n;
    for (let bit = 0n; bit < 8n; bit++) ones += (result >> bit) & 1n;
    flags =
      (carry * CF) |
      ((ones & 1n) === 0n ? PF : 0n) |
      (result === 0n ? ZF : 0n) |
      (sign * SF) |
      (overflow * OF);
  }
  return { result, flags };
};

/** R8: value, RDI: output, ECX: count; for each count the result and RFLAGS. */
const program = (kind: keyof typeof FORMS, value: bigint, width: 32 | 64): number[] => {
  const code = [0x49, 0xb8, ...little(value, 8), 0xbf, ...little(OUTPUT, 4), 0x31, 0xc9];
  const top = code.length;
  // MOV RAX, R8; CMP ECX, ECX; SHx (R/E)AX, CL; PUSHFQ; POP RDX; MOV [RDI], RAX; MOV [RDI+8], RDX; ADD RDI, 16; INC ECX; CMP ECX, 256; JB
  code.push(0x4c, 0x89, 0xc0, 0x39, 0xc9, ...(width === 64 ? [0x48] : []), 0xd3, FORMS[kind]);
  code.push(0x9c, 0x5a, 0x48, 0x89, 0x07, 0x48, 0x89, 0x57, 0x08, 0x48, 0x83, 0xc7, 0x10);
  code.push(0xff, 0xc1, 0x81, 0xf9, ...little(COUNTS, 4));
  code.push(0x72, (top - (code.length + 2)) & 255, 0xf4);
  return code;
};

describe.each(TIERS)('SHL, SHR and SAR by CL, %s', (tier) => {
  const cases = (Object.keys(FORMS) as (keyof typeof FORMS)[]).flatMap((kind) =>
    ([32, 64] as const).map((width) => [kind, width] as const),
  );
  test.each(cases)('%s of %i bits, every count', (kind, width) => {
    for (const value of VALUES) {
      const { state } = runToHalt(pagedGuest(program(kind, value, width)), tier);
      const words = new BigUint64Array(state.memory.read(OUTPUT, 16 * COUNTS).buffer);
      const counts = Array.from({ length: COUNTS }, (_, count) => count);
      expect(
        counts.map((count) => ({ count, result: words[2 * count], flags: words[2 * count + 1] & SHOWN })),
      ).toEqual(counts.map((count) => ({ count, ...expected(kind, value, width, count) })));
    }
  });
});
