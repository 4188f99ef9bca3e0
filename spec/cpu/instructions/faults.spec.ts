import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { linearAddress } from '../../../src/cpu/segmented-address';
import { ACCESS_RIGHTS, CR0, FLAG, SLOT } from '../../../src/cpu/slots';
import { bytesOf, type DataProcessor, dataProcessor, execute } from './data-processor';

const FOLDER = new URL('./vectors/', import.meta.url);
const FORMS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .flatMap(
    (name) =>
      JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')).forms as {
        readonly text: string;
        readonly code: string;
        readonly mode: 32 | 64;
        readonly window: number;
        readonly stores: boolean;
      }[],
  )
  .filter(({ window, text }) => window > 0 && !text.includes(';'));
const MIDDLE = 0x2000_0800n;

const prepared = (mode: 32 | 64): DataProcessor => {
  const processor = dataProcessor(mode);
  const { cpu, memory } = processor;
  for (let number = 0; number < 16; number++) cpu.R[number] = MIDDLE;
  cpu.R[SLOT.rcx] = 3n;
  // So that no division overflows.
  cpu.R[SLOT.rdx] = 0n;
  cpu.rip = 0x3000_0000n;
  for (let index = -64n; index < 64n; index++) memory.put(MIDDLE + index, Number(index & 0xffn));
  return processor;
};

// `execute` itself refuses a data row that changed a register or flag before it left.
describe('SDM Vol. 3A, 6.5 Exception Classifications: a fault leaves no trace', () => {
  test.each(FORMS)('$text with its page closed', ({ code, mode }) => {
    for (const closed of ['absent', 'readOnly'] as const) {
      const { cpu, memory } = prepared(mode);
      const before = memory.dump(MIDDLE - 64n, 128);
      memory[closed].add(MIDDLE / 4096n);
      if (!execute(cpu, bytesOf(code))) expect(cpu.interruption?.vector).toBe(VECTOR.pf);
      expect(memory.dump(MIDDLE - 64n, 128)).toEqual(before);
    }
  });

  test.each(FORMS.filter(({ stores }) => stores))(
    '$text raises #PF with W set on a read-only page',
    ({ code, mode }) => {
      const { cpu, memory } = prepared(mode);
      memory.readOnly.add(MIDDLE / 4096n);
      expect(execute(cpu, bytesOf(code))).toBe(false);
      expect(cpu.interruption?.errorCode).toBe(3);
    },
  );

  test.each([
    ['add [rax], rcx', '480108'],
    ['xchg [rax], rcx', '488708'],
    ['cmpxchg [rax], rcx', '480fb108'],
    ['bts qword [rax], 3', '480fba2803'],
    ['mov [rax], rcx', '488908'],
    ['inc qword [rax]', '48ff00'],
    ['pop qword [rax]', '8f00'],
    ['xadd [rax], rcx', '480fc108'],
    ['shl qword [rax], cl', '48d320'],
  ])('%s over a page whose second half is closed', (_, code) => {
    const { cpu, memory } = prepared(64);
    cpu.R[SLOT.rax] = 0x5ffdn;
    memory.readOnly.add(6n);
    expect(execute(cpu, bytesOf(code))).toBe(false);
    expect(memory.dump(0x5ffdn, 8)).toEqual(new Uint8Array(8));
  });
});

const faultOf = (
  processor: DataProcessor,
  code: string,
): readonly [number, number | undefined] | undefined => {
  if (execute(processor.cpu, bytesOf(code))) return undefined;
  return [processor.cpu.interruption!.vector, processor.cpu.interruption!.errorCode];
};

describe('SDM Vol. 2, DIV, IDIV, AAM: divide errors', () => {
  test.each([
    ['div bl by 0', 'f6f3', 0x1234n, 0n, 0n],
    ['div bl: quotient too large', 'f6f3', 0x1000n, 0x10n, 0n],
    ['idiv bl: -128 over -1', 'f6fb', 0xff80n, 0xffn, 0n],
    ['idiv bl: 128 over 1', 'f6fb', 0x0080n, 1n, 0n],
    ['div rbx: high half equals divisor', '48f7f3', 0n, 5n, 5n],
    ['idiv rbx: most negative over -1', '48f7fb', 1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 1n],
  ])('%s', (_, code, rax, rbx, rdx) => {
    const processor = prepared(64);
    Object.assign(processor.cpu.R, { 0: rax, 3: rbx, 2: rdx });
    expect(faultOf(processor, code)).toEqual([VECTOR.de, undefined]);
  });
  test('idiv bl: -128 over 1 is no error', () => {
    const processor = prepared(64);
    Object.assign(processor.cpu.R, { 0: 0xff80n, 3: 1n });
    expect(faultOf(processor, 'f6fb')).toBeUndefined();
    expect(processor.cpu.R[0]).toBe(0x80n);
  });
  test('aam 0', () => expect(faultOf(prepared(32), 'd400')).toEqual([VECTOR.de, undefined]));
});

describe('SDM Vol. 1, 3.3.7.1 Canonical Addressing', () => {
  const outside = 0x8000_0000_0000n;
  test.each([
    ['mov rax, [rbx]', '488b03', VECTOR.gp],
    ['add [rbx], rax', '480103', VECTOR.gp],
    ['mov rax, [rsp]', '488b0424', VECTOR.ss],
    ['mov rax, [rbp]', '488b4500', VECTOR.ss],
    ['push rax', '50', VECTOR.ss],
    ['pop rax', '58', VECTOR.ss],
    ['leave', 'c9', VECTOR.ss],
    ['ret', 'c3', VECTOR.ss],
    ['call rax', 'ffd0', VECTOR.gp],
    ['jmp rax', 'ffe0', VECTOR.gp],
  ])('%s', (_, code, vector) => {
    const processor = prepared(64);
    for (const slot of [SLOT.rax, SLOT.rbx, SLOT.rsp, SLOT.rbp]) processor.cpu.R[slot] = outside + 0x1000n;
    expect(faultOf(processor, code)).toEqual([vector, 0]);
  });
  test('the last byte counts', () => {
    const processor = prepared(64);
    processor.cpu.R[SLOT.rbx] = outside - 7n;
    expect(faultOf(processor, '488b03')).toEqual([VECTOR.gp, 0]);
    expect(faultOf(processor, '8a03')).toBeUndefined();
  });
  test('ret to a non-canonical address keeps RSP', () => {
    const processor = prepared(64);
    processor.memory.write(MIDDLE, 8, outside);
    expect(faultOf(processor, 'c3')).toEqual([VECTOR.gp, 0]);
  });
  test('a relative branch over the end of the lower half', () => {
    const processor = prepared(64);
    processor.cpu.rip = outside - 2n;
    expect(faultOf(processor, 'eb00')).toEqual([VECTOR.gp, 0]);
    expect(faultOf(processor, 'e2fe')).toBeUndefined();
    processor.cpu.rip = outside - 2n;
    expect(faultOf(processor, 'e200')).toEqual([VECTOR.gp, 0]);
    processor.cpu.rip = outside - 5n;
    expect(faultOf(processor, 'e800000000')).toEqual([VECTOR.gp, 0]);
  });
  test('cmpxchg16b wants 16-byte alignment', () => {
    const processor = prepared(64);
    processor.cpu.R[SLOT.rsi] = MIDDLE + 8n;
    expect(faultOf(processor, '480fc70e')).toEqual([VECTOR.gp, 0]);
  });
  test('only FS and GS have a base', () => {
    const { cpu } = prepared(64);
    cpu.R[SLOT.dsBase] = cpu.R[SLOT.fsBase] = 0x1000n;
    expect(linearAddress(cpu, 3, 0x10n, 1, false)).toBe(0x10n);
    expect(linearAddress(cpu, 4, 0x10n, 1, false)).toBe(0x1010n);
    cpu.R[SLOT.gsBase] = 0xffff_ffff_ffff_fff0n;
    expect(linearAddress(cpu, 5, 0x20n, 8, false)).toBe(0x10n);
  });
});

describe('SDM Vol. 3A, 5.3 Limit Checking and 5.4 Type Checking', () => {
  const usable = ACCESS_RIGHTS.s | ACCESS_RIGHTS.present | ACCESS_RIGHTS.db;
  const withSegment = (segment: number, rights: number, limit: number): DataProcessor => {
    const processor = prepared(32);
    processor.cpu.W[2 * (SLOT.es + segment) + 1] = rights;
    processor.cpu.W[2 * (SLOT.esLimit + segment)] = limit;
    return processor;
  };
  const attempt = (
    { cpu }: DataProcessor,
    segment: 0 | 2 | 3,
    offset: bigint,
    bytes: number,
    write = false,
  ) => {
    try {
      return linearAddress(cpu, segment, offset, bytes, write);
    } catch {
      return cpu.interruption!.vector;
    }
  };
  test('expand-up limit', () => {
    const processor = withSegment(3, usable | 3, 0xfff);
    processor.cpu.R[SLOT.dsBase] = 0xffff_f800n;
    expect(attempt(processor, 3, 0xffcn, 4)).toBe(0x7fcn);
    expect(attempt(processor, 3, 0xffdn, 4)).toBe(VECTOR.gp);
  });
  test('expand-down limit', () => {
    const processor = withSegment(2, usable | 7, 0xfff);
    expect(attempt(processor, 2, 0xfffn, 1)).toBe(VECTOR.ss);
    expect(attempt(processor, 2, 0x1000n, 4)).toBe(0x1000n);
    expect(attempt(processor, 2, 0xffff_fffdn, 4)).toBe(VECTOR.ss);
  });
  test('types', () => {
    expect(attempt(withSegment(3, usable | 1, -1), 3, 0n, 4, true)).toBe(VECTOR.gp);
    expect(attempt(withSegment(3, usable | 1, -1), 3, 0n, 4)).toBe(0n);
    expect(attempt(withSegment(3, usable | 9, -1), 3, 0n, 4)).toBe(VECTOR.gp);
    expect(attempt(withSegment(3, usable | 11, -1), 3, 0n, 4, true)).toBe(VECTOR.gp);
    expect(attempt(withSegment(0, ACCESS_RIGHTS.unusable, -1), 0, 0n, 4)).toBe(VECTOR.gp);
  });
  test('a branch beyond the limit of CS', () => {
    const processor = withSegment(1, usable | 11, 0x3000_0010);
    expect(faultOf(processor, 'eb00')).toBeUndefined();
    processor.cpu.rip = 0x3000_0000n;
    expect(faultOf(processor, 'eb10')).toEqual([VECTOR.gp, 0]);
  });
});

describe('SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 17 Alignment Check Exception', () => {
  const user = (): DataProcessor => {
    const processor = prepared(64);
    const { cpu } = processor;
    cpu.W[2 * SLOT.ss + 1] |= 3 << ACCESS_RIGHTS.dplShift;
    cpu.W[2 * SLOT.cr0] |= CR0.am;
    cpu.rflags = BigInt(FLAG.ac);
    cpu.R[SLOT.rbx] = MIDDLE + 1n;
    return processor;
  };
  test('at CPL 3 with AM and AC', () => expect(faultOf(user(), '488b03')).toEqual([VECTOR.ac, 0]));
  test('bytes are always aligned', () => expect(faultOf(user(), '8a03')).toBeUndefined());
  test.each([
    ['not at CPL 0', SLOT.ss, 1, ~(3 << ACCESS_RIGHTS.dplShift)],
    ['not without CR0.AM', SLOT.cr0, 0, ~CR0.am],
    ['not without RFLAGS.AC', SLOT.rflags, 0, ~FLAG.ac],
  ])('%s', (_, slot, half, mask) => {
    const processor = user();
    processor.cpu.W[2 * slot + half] &= mask;
    expect(faultOf(processor, '488b03')).toBeUndefined();
  });
});
