import { describe, expect, test } from 'vitest';
import { instructionOf, outcomeOf, textOf } from './bytes';

// SDM Vol. 2, 2.1.1 Instruction Prefixes
describe('legacy prefixes', () => {
  test('stand in any order and may be repeated', () => {
    for (const bytes of ['66 67 64 f0 01 08', 'f0 64 67 66 01 08', '66 66 67 f0 f0 64 01 08'])
      expect(textOf(bytes)).toBe('lock add word ptr fs:[eax], cx');
  });

  test('of a group the last one counts', () => {
    expect(instructionOf('f2 f3 a4').repeat).toBe('rep');
    expect(instructionOf('f3 f2 a4').repeat).toBe('repne');
    expect(textOf('64 65 8b 00')).toBe('mov eax, dword ptr gs:[rax]');
    expect(textOf('26 2e 8b 00', 32)).toBe('mov eax, dword ptr cs:[eax]');
  });

  test('ES, CS, SS and DS do not undo FS and GS in 64-bit mode', () => {
    expect(textOf('64 2e 8b 00')).toBe('mov eax, dword ptr fs:[rax]');
    expect(textOf('64 2e 8b 00', 32)).toBe('mov eax, dword ptr cs:[eax]');
  });

  test('a repeat prefix beats 66 as mandatory prefix, and leaves it as operand size', () => {
    expect(textOf('66 f3 0f bd c1')).toBe('lzcnt ax, cx');
    expect(textOf('f2 66 0f 38 f1 c1')).toBe('crc32 eax, cx');
    expect(textOf('f3 f2 0f 10 c1')).toBe('movsd xmm0, xmm1');
    expect(textOf('66 f2 0f 10 c1')).toBe('movsd xmm0, xmm1');
  });

  test('a repeat prefix means nothing to other instructions', () => {
    expect(instructionOf('f3 c3')).toMatchObject({ mnemonic: 'ret', length: 2 });
    expect(instructionOf('f3 01 c0').repeat).toBeUndefined();
  });
});

// SDM Vol. 2, 2.2.1 REX Prefixes
describe('REX', () => {
  test('counts only directly before the opcode', () => {
    expect(textOf('48 01 c0')).toBe('add rax, rax');
    expect(textOf('48 66 01 c0')).toBe('add ax, ax');
    expect(textOf('48 40 01 c0')).toBe('add eax, eax');
    expect(textOf('48 64 8b 00')).toBe('mov eax, dword ptr fs:[rax]');
  });

  test('REX.W beats 66', () => {
    expect(textOf('66 48 01 c0')).toBe('add rax, rax');
  });

  test('is INC and DEC outside 64-bit mode', () => {
    expect(textOf('48', 32)).toBe('dec eax');
  });

  test('and 66, F2, F3 and LOCK are undefined before VEX and EVEX', () => {
    for (const prefix of ['40', '66', 'f2', 'f3', 'f0']) {
      expect(outcomeOf(`${prefix} c5 fc 58 c1`)).toBe('undefined-opcode');
      expect(outcomeOf(`${prefix} 62 f1 7c 48 58 c1`)).toBe('undefined-opcode');
    }
    expect(outcomeOf('64 67 c5 fc 58 00')).toBe('ok');
  });
});

// SDM Vol. 2, LOCK
describe('LOCK', () => {
  test.each([
    ['f0 01 08', 'ok'],
    ['f0 01 c8', 'undefined-opcode'],
    ['f0 03 08', 'undefined-opcode'],
    ['f0 39 08', 'undefined-opcode'],
    ['f0 87 08', 'ok'],
    ['f0 0f c1 08', 'ok'],
    ['f0 0f ab 08', 'ok'],
    ['f0 0f a3 08', 'undefined-opcode'],
    ['f0 0f ba 28 01', 'ok'],
    ['f0 0f ba 20 01', 'undefined-opcode'],
    ['f0 48 0f c7 08', 'ok'],
    ['f0 f6 18', 'ok'],
    ['f0 f6 20', 'undefined-opcode'],
    ['f0 90', 'undefined-opcode'],
    ['f0 0f 20 c0', 'undefined-opcode'],
  ])('%s: %s', (bytes, outcome) => {
    expect(outcomeOf(bytes)).toBe(outcome);
  });
});

// SDM Vol. 2, 2.3.11 AVX Instruction Length
describe('the length limit', () => {
  const repeated = (count: number, rest: string): string => `${'66 '.repeat(count)}${rest}`;

  test('is 15 bytes', () => {
    expect(outcomeOf(repeated(14, '90'))).toBe('ok');
    expect(outcomeOf(repeated(15, '90'))).toBe('too-long');
    expect(outcomeOf(repeated(12, '05 01 02 90'))).toBe('ok');
    expect(outcomeOf(repeated(13, '05 01 02 90'))).toBe('too-long');
  });

  test('bytes that run out before it are asked for, and never more than 15', () => {
    expect(outcomeOf('48')).toBe('incomplete 2');
    expect(outcomeOf('48 8b')).toBe('incomplete 3');
    expect(outcomeOf('48 8b 44')).toBe('incomplete 4');
    expect(outcomeOf('48 8b 44 24')).toBe('incomplete 5');
    expect(outcomeOf('48 b8 01')).toBe('incomplete 10');
    expect(outcomeOf('c4')).toBe('incomplete 2');
    expect(outcomeOf('c4', 32)).toBe('incomplete 2');
    expect(outcomeOf(repeated(13, '48'))).toBe('incomplete 15');
    expect(outcomeOf(repeated(11, '81 c0'))).toBe('incomplete 15');
  });

  test('an opcode that is undefined needs no further byte', () => {
    expect(outcomeOf('0f 04')).toBe('undefined-opcode');
    expect(outcomeOf('06')).toBe('undefined-opcode');
  });
});

// SDM Vol. 2, Table A-2 (i64) and A-3
describe('opcodes that 64-bit mode takes away', () => {
  const INVALID = '06 07 0e 16 17 1e 1f 27 2f 37 3f 60 61 82 9a ce d4 d5 d6 ea'.split(' ');

  test.each(INVALID)('%s', (opcode) => {
    expect(outcomeOf(`${opcode} c0 00 00 00 00 00 00 00`)).toBe('undefined-opcode');
    expect(outcomeOf(`${opcode} c0 00 00 00 00 00 00 00`, 32)).toBe('ok');
  });

  test('62, C4 and C5 are BOUND, LES and LDS outside it when a memory operand follows', () => {
    expect(textOf('62 00', 32)).toBe('bound eax, qword ptr [eax]');
    expect(textOf('c4 00', 32)).toBe('les eax, fword ptr [eax]');
    expect(textOf('c5 00', 16)).toBe('lds ax, dword ptr [bx+si]');
    expect(outcomeOf('62 c0', 32)).toMatch(/incomplete/);
    expect(outcomeOf('c4 00 00 00')).toBe('undefined-opcode');
  });

  test('and those that only it has', () => {
    for (const bytes of ['0f 01 f8', 'f3 0f ae c0', 'f3 0f 01 ec']) {
      expect(outcomeOf(bytes)).toBe('ok');
      expect(outcomeOf(bytes, 32)).toBe('undefined-opcode');
    }
  });
});

describe('reserved encodings', () => {
  const RESERVED: readonly (readonly [bytes: string])[] = [
    ['8e c8'],
    ['8c f0'],
    ['0f 20 c8'],
    ['0f 22 e8'],
    ['44 0f 20 c8'],
    ['44 0f 21 c0'],
    ['8d c0'],
    ['c6 c8 00'],
    ['8f c8'],
    ['ff f8'],
    ['ff d8'],
    ['fe d0'],
    ['0f c7 c8'],
    ['0f 01 eb'],
    ['0f ba c0 00'],
    ['0f 0c'],
    ['0f 24 c0'],
    ['0f a6 c0'],
    ['0f b8 c0'],
    ['0f 38 0c c0'],
    ['66 0f 78 d0'],
    ['f3 0f 78 d0'],
    ['62 41 7f 78 2c da'],
  ];
  test.each(RESERVED)('%s is #UD', (bytes) => {
    expect(outcomeOf(bytes)).toBe('undefined-opcode');
  });
});
