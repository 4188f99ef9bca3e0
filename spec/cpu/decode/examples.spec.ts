import { describe, expect, test } from 'vitest';
import { type CodeSize, isLockable, MNEMONICS, RIP_BASE } from '../../../src/cpu/decode';
import { instructionOf, textOf } from './bytes';

type Example = readonly [bytes: string, text: string, codeSize?: CodeSize];

const EXAMPLES: Record<string, readonly Example[]> = {
  'general-purpose forms': [
    ['48 8b 44 cb 10', 'mov rax, qword ptr [rbx+rcx*8+0x10]'],
    ['88 e0', 'mov al, ah'],
    ['40 88 e0', 'mov al, spl'],
    ['45 8a 7d 00', 'mov r15b, byte ptr [r13]'],
    ['48 b8 08 07 06 05 04 03 02 01', 'mov rax, 0x102030405060708'],
    ['48 c7 c0 ff ff ff ff', 'mov rax, 0xffffffffffffffff'],
    ['66 83 c0 ff', 'add ax, 0xffff'],
    ['83 c0 80', 'add eax, 0xffffff80'],
    ['6b c1 fe', 'imul eax, ecx, 0xfffffffe'],
    ['0f af c1', 'imul eax, ecx'],
    ['f7 e9', 'imul ecx'],
    ['d1 e0', 'shl eax, 0x1'],
    ['c1 f8 05', 'sar eax, 0x5'],
    ['48 d3 c8', 'ror rax, cl'],
    ['48 63 c1', 'movsxd rax, ecx'],
    ['0f b6 c1', 'movzx eax, cl'],
    ['8d 04 8d 00 00 00 00', 'lea eax, [rcx*4]'],
    ['48 a1 88 77 66 55 44 33 22 11', 'mov rax, qword ptr [0x1122334455667788]'],
    ['67 a0 f0 ff ff ff', 'mov al, byte ptr [0xfffffff0]'],
    ['0f c7 0e', 'cmpxchg8b qword ptr [rsi]'],
    ['48 0f c7 0e', 'cmpxchg16b xmmword ptr [rsi]'],
    ['0f 38 f0 06', 'movbe eax, dword ptr [rsi]'],
    ['f2 48 0f 38 f1 c1', 'crc32 rax, rcx'],
    ['f3 48 0f b8 c1', 'popcnt rax, rcx'],
    ['c9', 'leave'],
    ['c8 10 00 01', 'enter 0x10, 0x1'],
    ['6a ff', 'push 0xffffffffffffffff'],
    ['0f a0', 'push fs'],
    ['41 90', 'xchg r8d, eax'],
    ['90', 'nop'],
    ['f3 90', 'pause'],
    ['f3 41 90', 'pause'],
    ['f3 0f 1a 08', 'nop dword ptr [rax]'],
    ['f3 0f 1e fa', 'endbr64'],
  ],
  'branches and conditions': [
    ['75 0e', 'jne 0x401010'],
    ['0f 84 00 00 00 00', 'je 0x401006'],
    ['66 0f 84 00 00 00 00', 'je 0x401007'],
    ['e8 fb ff ff ff', 'call 0x401000'],
    ['eb fe', 'jmp 0x401000'],
    ['e3 00', 'jrcxz 0x401002'],
    ['67 e3 00', 'jecxz 0x401003'],
    ['ff 25 00 00 00 00', 'jmp qword ptr [0x401006]'],
    ['ff 2b', 'jmp far fword ptr [rbx]'],
    ['48 ff 2b', 'jmp far tbyte ptr [rbx]'],
    ['9a 44 33 22 11 08 00', 'call far 0x8:0x11223344', 32],
    ['66 ea 22 11 08 00', 'o16 jmp far 0x8:0x1122', 32],
    ['c3', 'ret'],
    ['ca 08 00', 'retf 0x8'],
    ['0f 9f c0', 'setg al'],
    ['48 0f 42 c1', 'cmovb rax, rcx'],
  ],
  'string instructions, LOCK and segments': [
    ['f3 48 a5', 'rep movsq'],
    ['f2 ae', 'repne scasb'],
    ['a5', 'movsw', 16],
    ['64 ac', 'fs lodsb'],
    ['f3 66 6d', 'rep insw'],
    ['48 6f', 'outsd'],
    ['f0 0f b1 37', 'lock cmpxchg dword ptr [rdi], esi'],
    ['64 48 8b 04 25 28 00 00 00', 'mov rax, qword ptr fs:[0x28]'],
    ['26 8b 00', 'mov eax, dword ptr es:[eax]', 32],
    ['26 8b 00', 'mov eax, dword ptr [rax]'],
    ['e4 60', 'in al, 0x60'],
    ['ef', 'out dx, eax'],
  ],
  'system instructions': [
    ['0f 20 c0', 'mov rax, cr0'],
    ['44 0f 22 c0', 'mov cr8, rax'],
    ['0f 23 f8', 'mov dr7, rax'],
    ['8e d8', 'mov ds, ax'],
    ['0f 01 10', 'lgdt tbyte ptr [rax]'],
    ['0f 01 10', 'lgdt fword ptr [eax]', 32],
    ['0f 01 16 00 7c', 'lgdt fword ptr [0x7c00]', 16],
    ['0f 01 f8', 'swapgs'],
    ['0f 78 d0', 'vmread rax, rdx'],
    ['0f 79 d0', 'vmwrite rdx, rax'],
    ['0f 01 c1', 'vmcall'],
    ['0f c7 30', 'vmptrld qword ptr [rax]'],
    ['66 0f c7 30', 'vmclear qword ptr [rax]'],
    ['f3 0f c7 30', 'vmxon qword ptr [rax]'],
    ['66 0f 38 80 00', 'invept rax, xmmword ptr [rax]'],
    ['0f 01 d8', 'vmrun'],
    ['0f 00 d8', 'ltr ax'],
  ],
  '16-bit addressing (SDM Vol. 2, Table 2-1)': [
    ['8b 00', 'mov ax, word ptr [bx+si]', 16],
    ['8b 46 fe', 'mov ax, word ptr [bp-0x2]', 16],
    ['8b 1e 34 12', 'mov bx, word ptr [0x1234]', 16],
    ['66 67 8b 04 8b', 'mov eax, dword ptr [ebx+ecx*4]', 16],
    ['e9 fd 0f', 'jmp 0x2000', 16],
  ],
  'vector instructions, for their names and lengths': [
    ['0f 58 c1', 'addps xmm0, xmm1'],
    ['66 0f 6f 00', 'movdqa xmm0, xmmword ptr [rax]'],
    ['c5 fc 58 c1', 'vaddps ymm0, ymm0, ymm1'],
    ['62 f1 7c 49 58 44 24 01', 'vaddps zmm0{k1}, zmm0, zmmword ptr [rsp+0x40]'],
    ['62 f1 7c 58 58 40 01', 'vaddps zmm0, zmm0, dword ptr [rax+0x4]{1to16}'],
    ['62 f1 7c 38 58 c1', 'vaddps zmm0, zmm0, zmm1, {rd-sae}'],
    ['62 f1 7c 18 2f c1', 'vcomiss xmm0, xmm1, {sae}'],
    ['c4 e2 69 92 04 8f', 'vgatherdps xmm0, dword ptr [rdi+xmm1*4], xmm2'],
    ['d9 c1', 'fld st(1)'],
    ['0f fc c1', 'paddb mm0, mm1'],
  ],
  'VEX on general-purpose registers': [
    ['c4 e2 60 f2 c1', 'andn eax, ebx, ecx'],
    ['c4 e2 f0 f5 c3', 'bzhi rax, rbx, rcx'],
    ['c4 e2 62 f5 c1', 'pext eax, ebx, ecx'],
    ['c4 e2 63 f5 c1', 'pdep eax, ebx, ecx'],
    ['c4 e2 63 f6 c1', 'mulx eax, ebx, ecx'],
    ['c4 e3 fb f0 c1 07', 'rorx rax, rcx, 0x7'],
    ['c4 e2 62 f7 c1', 'sarx eax, ecx, ebx'],
    ['c4 e2 61 f7 c1', 'shlx eax, ecx, ebx'],
    ['c4 e2 63 f7 c1', 'shrx eax, ecx, ebx'],
    ['c4 e2 60 f7 c1', 'bextr eax, ecx, ebx'],
    ['c4 e2 60 f3 d9', 'blsi ebx, ecx'],
    ['c4 e2 60 f3 d1', 'blsmsk ebx, ecx'],
    ['c4 e2 60 f3 c9', 'blsr ebx, ecx'],
  ],
};

describe.each(Object.entries(EXAMPLES))('%s', (_, examples) => {
  test.each(examples.map((example) => ({ example })))('$example', ({ example: [bytes, text, codeSize] }) => {
    expect(textOf(bytes, codeSize)).toBe(text);
  });
});

describe('what the disassembly does not show', () => {
  test('RIP-relative addressing keeps the displacement and names the base', () => {
    expect(instructionOf('48 8b 05 f0 ff ff ff').operands[1]).toMatchObject({
      base: RIP_BASE,
      displacement: -16n,
      addressWidth: 64,
    });
    expect(instructionOf('67 8b 05 00 00 00 00').operands[1]).toMatchObject({
      base: RIP_BASE,
      addressWidth: 32,
    });
    expect(instructionOf('8b 05 00 00 00 00', 32).operands[1]).toMatchObject({ base: -1 });
  });

  test('the default segment is SS with a base of rSP or rBP, and DS with R12 and R13', () => {
    const segment = (bytes: string, codeSize: CodeSize = 64): unknown =>
      instructionOf(bytes, codeSize).operands[1] as unknown;
    expect(segment('8b 04 24')).toMatchObject({ segment: 2 });
    expect(segment('8b 45 00')).toMatchObject({ segment: 2 });
    expect(segment('3e 8b 45 00')).toMatchObject({ segment: 2 });
    expect(segment('3e 8b 45 00', 32)).toMatchObject({ segment: 3 });
    expect(segment('41 8b 04 24')).toMatchObject({ segment: 3 });
    expect(segment('8b 04 2d 00 00 00 00')).toMatchObject({ segment: 3, base: -1, index: 5 });
    expect(segment('8b 02', 16)).toMatchObject({ segment: 2, base: 5, index: 6 });
  });

  test('operand widths follow the defaults of 64-bit mode', () => {
    const width = (bytes: string, codeSize: CodeSize = 64): number =>
      instructionOf(bytes, codeSize).operandWidth;
    expect(
      ['50', '66 50', 'ff 30', '6a 01', '9c', 'c9', 'c3', 'e8 00 00 00 00'].map((b) => width(b)),
    ).toEqual([64, 16, 64, 64, 64, 64, 64, 64]);
    expect(['01 c0', '66 01 c0', '48 01 c0', '66 48 01 c0', '00 c0'].map((b) => width(b))).toEqual([
      32, 16, 64, 64, 8,
    ]);
    expect([width('01 c0', 16), width('66 01 c0', 16), width('66 01 c0', 32)]).toEqual([16, 32, 16]);
    expect([width('48 6d'), width('48 ed'), width('ec')]).toEqual([32, 32, 8]);
    // SDM Vol. 2, LGDT/LIDT: 24 bits of the base with 16
    expect([width('0f 01 10'), width('66 0f 01 10'), width('0f 01 10', 32)]).toEqual([64, 64, 32]);
    expect([width('66 0f 01 18', 32), width('0f 01 18', 16), width('66 0f 01 18', 16)]).toEqual([16, 16, 32]);
    expect([width('0f 20 c0'), width('0f 20 c0', 32), width('0f 78 c0')]).toEqual([64, 32, 64]);
  });

  test('the opcode of x87 instructions and the encoding of vector instructions', () => {
    const opcodes = ['d9 e8', '66 dd 34 24', '9b', '0f d8 c1'].map((bytes) => instructionOf(bytes).x87Opcode);
    expect(opcodes).toEqual([0x1e8, 0x534, undefined, undefined]);
    expect(instructionOf('67 62 f1 7c 48 58 00').evex).toBe(true);
    expect(instructionOf('c5 fc 58 c1').evex).toBeUndefined();
  });

  test('LOCK is allowed on the memory forms of the lockable instructions alone', () => {
    expect(isLockable(instructionOf('01 08'))).toBe(true);
    expect(isLockable(instructionOf('01 c8'))).toBe(false);
    expect(isLockable(instructionOf('03 08'))).toBe(false);
    expect(isLockable(instructionOf('89 08'))).toBe(false);
  });

  test('the mnemonics are sorted and without repetition', () => {
    expect(MNEMONICS).toEqual([...new Set(MNEMONICS)].sort());
    expect(MNEMONICS).toEqual(
      expect.arrayContaining(['add', 'jcc', 'vmlaunch', 'xsaves', 'vfmadd231ph', 'ud2']),
    );
  });
});
