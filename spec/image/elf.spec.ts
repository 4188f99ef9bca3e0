import { describe, expect, it } from 'vitest';
import { elf, patch, type Segment } from './build';
import { errorOf, longAt, memoryAt, planOf } from './expect';

const BASE = 0x10_0000;
const CODE = Uint8Array.of(0xb8, 1, 0, 0, 0, 0xf4);
const text: Segment = { virtual: BASE, physical: BASE, bytes: CODE };
const image = elf(64, BASE, [text]);
const with64 = (entry: number, ...segments: readonly Segment[]): Uint8Array => elf(64, entry, segments);

describe('System V ABI: ELF Header', () => {
  it.each([
    ['e_ident class', patch(image, 4, 3)],
    ['e_ident class', elf(32, BASE, [text])],
    ['e_ident data', patch(image, 5, 2)],
    ['e_ident version', patch(image, 6, 0)],
    ['e_type', patch(image, 16, 3)],
    ['e_machine', patch(image, 18, 183)],
    ['e_entry', with64(BASE + CODE.length, text)],
    ['e_phoff', patch(image, 32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['e_phentsize', patch(image, 54, 32)],
    ['e_phnum', patch(image, 56, 0, 0)],
    ['e_phnum', patch(image, 56, 0xff, 0xff)],
    ['e_phoff', patch(image, 56, 0, 1)],
    ['ELF header', image.slice(0, 63)],
    ['ELF header', image.slice(0, 9)],
    ['e_phoff', image.slice(0, 100)],
  ])('refuses a bad %s', (field, bytes) => {
    const error = errorOf(bytes, { format: 'elf64' });
    expect(error).toMatchObject({ file: 'guest.bin', field });
    expect(error.says.startsWith(`guest.bin: ${field}: `)).toBe(true);
    expect(error.says).not.toContain('\n');
  });
  it('is recognized by its magic', () => {
    expect(planOf(image).description).toBe('ELF64 executable, 1 segments, entry 0x100000');
    expect(errorOf(patch(image, 0, 0), { format: 'elf64' }).field).toBe('e_ident magic');
  });
});

describe('System V ABI: Program Header', () => {
  it('loads by physical address and clears the rest of p_memsz', () => {
    const plan = planOf(
      with64(0xffff_0000 + 5, { virtual: 0xffff_0000, physical: BASE, bytes: CODE, memoryBytes: 0x2000 }),
    );
    expect(memoryAt(plan, BASE, CODE.length)).toEqual(CODE);
    expect(plan.zeros).toContainEqual({ address: BASE + CODE.length, length: 0x2000 - CODE.length });
    expect(plan.entry).toBe(BigInt(BASE + 5));
  });
  it('refuses segments that overlap', () => {
    const error = errorOf(with64(BASE, text, { ...text, physical: BASE + 5 }));
    expect(error.says).toBe(
      'guest.bin: program header 1 p_paddr: 0x100005 to 0x10000a overlaps 0x100000 to 0x100005; link the segments to disjoint physical addresses',
    );
  });
  it('refuses a segment outside memory', () => {
    expect(errorOf(with64(BASE, text), { memoryBytes: BASE + 5 }).says).toBe(
      'guest.bin: program header 0 p_paddr: 0x100000 to 0x100005 is outside the 0x100005 bytes of memory; give the machine at least 0x101000 bytes or link the image lower',
    );
  });
  it('refuses a segment that the identity mapping does not reach', () => {
    const high = { ...text, physical: 2 ** 32 };
    expect(errorOf(with64(BASE, high), { memoryBytes: 2 ** 33 }).field).toBe('program header 0 p_paddr');
  });
  it.each([
    ['p_filesz', 64 + 40, [1, 0]],
    ['p_offset', 64 + 8, [0xff]],
    ['p_offset', 64 + 8, [0, 0, 0, 0, 0, 0, 0, 0xff]],
    ['p_paddr', 64 + 24, [0, 0, 0, 0, 0, 0, 0xff, 0xff]],
  ] as const)('refuses a bad %s', (field, at, values) => {
    expect(errorOf(patch(image, at, ...values)).field).toBe(`program header 0 ${field}`);
  });
  it('refuses a file without loadable segments', () => {
    expect(errorOf(patch(image, 64, 4)).field).toBe('program headers');
  });
});

describe('SDM Vol. 3A, 10.8.5 Initializing IA-32e Mode', () => {
  const plan = planOf(image);
  it('maps 4 GiB to themselves with 2-MiB pages', () => {
    const root = plan.cr3 ?? Number.NaN;
    const frame = (entry: bigint): number => Number(entry & ~0xfffn);
    const translate = (address: number): number => {
      const table = frame(longAt(plan, root));
      const directory = frame(longAt(plan, table + 8 * Math.floor(address / 2 ** 30)));
      const entry = longAt(plan, directory + 8 * (Math.floor(address / 2 ** 21) % 512));
      expect(entry & 0xfffn).toBe(0x83n);
      return Number(entry & ~0x1f_ffffn) + (address % 2 ** 21);
    };
    for (const address of [0, BASE, 0x4000_1234, 0xfee0_0030, 0xffff_ffff])
      expect(translate(address)).toBe(address);
  });
  it('gives a GDT with a 64-bit code segment and flat data', () => {
    const { base, limit, code, data } = plan.descriptorTable ?? {
      base: 0,
      limit: 0,
      code: 0,
      data: 0,
    };
    expect([limit, code, data]).toEqual([23, 8, 16]);
    expect(longAt(plan, base)).toBe(0n);
    expect((longAt(plan, base + code) >> 52n) & 0xfn).toBe(0xan);
    expect((longAt(plan, base + data) >> 40n) & 0xffn).toBe(0x93n);
  });
  it('gives a stack in free memory', () => {
    const top = Number(plan.registers.rsp);
    expect(top % 16).toBe(0);
    expect(plan.zeros.some(({ address, length }) => address < top && top === address + length)).toBe(true);
  });
  it('refuses when no memory is left for them', () => {
    const low = with64(0, { virtual: 0, physical: 0, bytes: CODE });
    expect(errorOf(low, { memoryBytes: 0x4000 }).field).toBe('memoryBytes');
  });
});

describe('raw images', () => {
  it('stand at the load address, in the mode asked for', () => {
    const plan = planOf(CODE, { load: 0x7c00, entry: 0x7c05n });
    expect(plan).toMatchObject({ entry: 0x7c05n, mode: 'protected', zeros: [] });
    expect(plan.writes).toEqual([{ address: 0x7c00, bytes: CODE }]);
    expect(planOf(CODE, { format: 'raw', load: 0x7c00, mode: 'long' }).cr3).toBeDefined();
  });
  it.each([
    ['load', {}],
    ['load', { load: -1 }],
    ['load', { load: 0.5 }],
    ['load', { load: 16 * 2 ** 20 - 5 }],
    ['load', { load: Number.MAX_VALUE }],
    ['entry', { load: 0, entry: 6n }],
    ['entry', { load: 0, entry: -1n }],
  ] as const)('need a good %s', (field, options) => {
    expect(errorOf(CODE, { format: 'raw', ...options }).field).toBe(field);
  });
  it('are not guessed', () => {
    expect(errorOf(CODE).says).toBe(
      'guest.bin: format: neither a multiboot header nor an ELF file; give a load address for a raw image, as in --load 0x7c00 --mode real for a boot sector',
    );
    expect(errorOf(new Uint8Array(0), { load: 0 }).field).toBe('file');
  });
});

describe('options', () => {
  it.each([
    ['memoryBytes', { memoryBytes: 0 }],
    ['memoryBytes', { memoryBytes: Number.NaN }],
    ['memoryBytes', { memoryBytes: 2 ** 53 }],
    ['commandLine', { commandLine: 'a\0b' }],
    ['commandLine', { commandLine: 'a' }],
    ['modules', { modules: [{ name: 'm', bytes: CODE }] }],
  ] as const)('refuse a bad %s', (field, options) => {
    expect(errorOf(image, options).field).toBe(field);
  });
});
