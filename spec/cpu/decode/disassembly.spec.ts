// The disassembly in all sizes: examples, and the text of iced-x86 for everything whose style is the same.
import { Formatter, FormatterSyntax, MemorySizeOptions } from 'iced-x86';
import { describe, expect, test } from 'vitest';
import { differences } from '../../../scripts/decoder/difference';
import { addRandom, RANDOM_KINDS } from '../../../scripts/decoder/random';
import { ADDRESS, SLOT_BYTES, withReference } from '../../../scripts/decoder/reference';
import { Slots } from '../../../scripts/decoder/slots';
import { type CodeSize, decode, disassemble } from '../../../src/cpu/decode';
import { instructionOf, textOf } from './bytes';

const EXAMPLES: Record<string, readonly (readonly [bytes: string, text: string, codeSize: CodeSize])[]> = {
  'names that tell the operand size': [
    ['cf', 'iret', 16],
    ['66 cf', 'iretd', 16],
    ['cf', 'iretd', 32],
    ['48 cf', 'iretq', 64],
    ['9c', 'pushf', 16],
    ['9c', 'pushfd', 32],
    ['9d', 'popfq', 64],
    ['66 60', 'pusha', 32],
    ['61', 'popad', 32],
    ['48 cb', 'retfq', 64],
    ['48 0f 07', 'sysretq', 64],
    ['48 0f 35', 'sysexitq', 64],
  ],
  'operand sizes that a prefix changes and nothing else shows': [
    ['c3', 'ret', 16],
    ['66 c3', 'o32 ret', 16],
    ['66 c3', 'o16 ret', 32],
    ['66 c3', 'ret', 64],
    ['66 cb', 'o32 retf', 16],
    ['66 0f 01 16 00 7c', 'o32 lgdt fword ptr [0x7c00]', 16],
    ['66 ea 00 00 10 00 08 00', 'o32 jmp far 0x8:0x100000', 16],
    ['66 e9 fa ff ff ff', 'o32 jmp 0x401000', 16],
    ['66 6a 01', 'o32 push 0x1', 16],
    ['66 0e', 'o32 push cs', 16],
    ['66 c9', 'o16 leave', 64],
    ['66 c8 10 00 00', 'o32 enter 0x10, 0x0', 16],
  ],
  'address sizes that a prefix changes and nothing else shows': [
    ['67 f3 a4', 'rep a32 movsb', 16],
    ['67 a4', 'a16 movsb', 32],
    ['67 ac', 'a32 lodsb', 64],
    ['67 d7', 'a16 xlat', 32],
    ['67 e2 fd', 'a32 loop 0x1000', 16],
    ['67 8b 00', 'mov ax, word ptr [eax]', 16],
  ],
  'memory operands': [
    ['8b 04 2d 00 10 00 00', 'mov eax, dword ptr [ebp*1+0x1000]', 32],
    ['36 8b 04 2d 00 10 00 00', 'mov eax, dword ptr ss:[ebp*1+0x1000]', 32],
    ['8b 85 00 10 00 00', 'mov eax, dword ptr [ebp+0x1000]', 32],
    ['3e 8b 46 02', 'mov ax, word ptr ds:[bp+0x2]', 16],
    ['2e 8d 46 02', 'lea ax, [bp+0x2]', 16],
    ['8b 36 ff ff', 'mov si, word ptr [0xffff]', 16],
    ['26 a1 34 12', 'mov ax, word ptr es:[0x1234]', 16],
    ['ff 1e 34 12', 'call far dword ptr [0x1234]', 16],
    ['62 46 02', 'bound ax, dword ptr [bp+0x2]', 16],
    ['c4 06 34 12', 'les ax, dword ptr [0x1234]', 16],
    ['63 c8', 'arpl ax, cx', 32],
    ['63 c8', 'movsxd ecx, eax', 64],
    ['82 c8 01', 'or al, 0x1', 16],
  ],
  'string instructions': [
    ['f3 a6', 'repe cmpsb', 16],
    ['f3 ae', 'repe scasb', 32],
    ['f2 26 a7', 'repne es cmpsw', 16],
    ['64 aa', 'stosb', 32],
    ['2e 6e', 'cs outsb', 16],
  ],
};

describe.each(Object.entries(EXAMPLES))('%s', (_, examples) => {
  test.each(examples)('%s: %s in %i-bit code', (bytes, text, codeSize) => {
    expect(textOf(bytes, codeSize)).toBe(text);
  });
});

test('XBEGIN does not truncate the address of its handler', () => {
  expect(disassemble(instructionOf('c7 f8 00 00 00 00'), 0x7f00_0040_1000n)).toBe('xbegin 0x7f0000401006');
});

const masm = new Formatter(FormatterSyntax.Masm);
Object.assign(masm, {
  hexPrefix: '0x',
  hexSuffix: '',
  uppercaseHex: false,
  spaceAfterOperandSeparator: true,
  memorySizeOptions: MemorySizeOptions.Always,
  smallHexNumbersInDecimal: false,
  usePseudoOps: false,
  signedImmediateOperands: false,
  addLeadingZeroToHexNumbers: false,
  branchLeadingZeros: false,
  showBranchSize: false,
  masmAddDsPrefix32: false,
  preferSt0: true,
});

/** Spellings of the reference that are not the manual's, and hints that do nothing. */
const inOurSpelling = (text: string): string =>
  text
    .replace(/^(?:(?:hnt|ht|bnd|notrack|xacquire|xrelease|rep(?= ret)) )+/, '')
    .replace(/ bcst (.*\])/, ' ptr $1')
    .replace(/(\{(?:r[nduz]-)?sae\})/, ', $1')
    .replace(/^(getsec|v?pcmpestr[im])(?:q|64)/, '$1')
    .replace(/^aa[dm]$/, '$& 0xa')
    .replace('oword', 'xmmword')
    .replace('mmword', 'qword')
    .replace('xqword', 'xmmword')
    .replace('yqword', 'ymmword')
    .replace('zqword', 'zmmword')
    .replace(/mem\d+ ptr /, '')
    .replace(/^((?:lock )?)sal /, '$1shl ');

/**
 * What the two write in other ways: operands that one leaves out, the order of XCHG, names with the size, sizes as a prefix. Their text is
 * held by examples.
 */
const OTHER_STYLE =
  /^(?:movs|cmps|scas|lods|stos|ins|outs|xlat|nop|xchg|int3|fwait|lar|lsl|mov_sreg|[ls][gi]dt|incssp|rdssp|wru?ss|call_far|jmp_far|pusha|popa|v?maskmov(?:q|dqu)|p?blendv(?:b|ps|pd)|sha256rnds2|f?[a-z]*rstor.*|f(?:ld|nst)env|fnsave|vm(?:run|load|save)|invlpga|monitor|umonitor|tpause|umwait)$/;

describe.each([64, 32, 16] as const)('in %i-bit code', (codeSize) => {
  test.each(RANDOM_KINDS.map(({ name }, kind) => ({ name, kind })))(
    'random bytes, $name: as iced-x86 writes it',
    ({ kind }) => {
      const wrong: string[] = [];
      let compared = 0;
      const slots = new Slots(codeSize, (bytes) =>
        withReference(bytes, codeSize, (slot, theirs) => {
          const result = decode(bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES), codeSize);
          if (
            theirs === undefined ||
            result.kind !== 'instruction' ||
            OTHER_STYLE.test(result.instruction.mnemonic)
          )
            return;
          if (differences(result.instruction, theirs, codeSize).length > 0) return;
          const ours = disassemble(result.instruction, ADDRESS).replace(/\{1to\d+\}/, '');
          if (/^[ao](?:16|32) /.test(ours)) return;
          compared++;
          const their = inOurSpelling(masm.format(theirs));
          if (ours !== their) wrong.push(`${ours}, not ${their}`);
        }),
      );
      addRandom(slots, codeSize, kind, 8_000);
      slots.end();
      expect(wrong.slice(0, 10)).toEqual([]);
      expect(compared).toBeGreaterThan(50);
    },
  );
});
