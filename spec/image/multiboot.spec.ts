import { describe, expect, it } from 'vitest';
import { concat, elf, multibootHeader, patch, words } from './build';
import { errorOf, longAt, memoryAt, planOf, textAt, wordAt } from './expect';

const LOAD = 0x40_0000;
const code = (flags = 0): Uint8Array => concat(multibootHeader(flags), Uint8Array.of(0xf4, 0xeb, 0xfd));
const kernel = (flags = 0, width: 32 | 64 = 32): Uint8Array =>
  elf(width, LOAD + 12, [
    { virtual: LOAD, physical: LOAD, bytes: code(flags) },
    { virtual: LOAD + 0x2000, physical: LOAD + 0x2000, bytes: new Uint8Array(0), memoryBytes: 0x1000 },
  ]);
const ebx = (plan: ReturnType<typeof planOf>): number => Number(plan.registers.rbx);

describe('Multiboot Specification 3.1.1 The layout of Multiboot header', () => {
  it('is found anywhere 4-byte aligned in the first 8192 bytes', () => {
    const raw = (before: number): Uint8Array =>
      concat(
        new Uint8Array(before),
        multibootHeader(0x1_0000, 0x10_0000 + before, 0x10_0000, 0, 0, 0x10_0000 + before),
      );
    expect(planOf(raw(8180)).entry).toBe(0x10_0000n + 8180n);
    expect(errorOf(raw(8184), { format: 'multiboot' }).field).toBe('multiboot checksum');
    expect(errorOf(raw(8192), { format: 'multiboot' }).field).toBe('multiboot magic');
    expect(errorOf(raw(6), { format: 'multiboot' }).field).toBe('multiboot magic');
  });
});

describe('Multiboot Specification 3.1.2 The magic fields of Multiboot header', () => {
  it('accepts page-aligned modules and memory information', () => {
    expect(planOf(kernel(3)).mode).toBe('protected');
  });
  it('refuses what it cannot provide', () => {
    expect(errorOf(kernel(4)).field).toBe('multiboot flags bit 2');
    expect(errorOf(kernel(0x80)).says).toBe(
      'guest.bin: multiboot flags: unknown requirements 0x80; require page-aligned modules and memory information only',
    );
  });
  it('ignores unknown optional flags', () => {
    expect(planOf(kernel(0x8000_0000)).entry).toBe(BigInt(LOAD + 12));
  });
  it('names a wrong checksum', () => {
    const image = patch(concat(multibootHeader(0)), 8, 1);
    expect(errorOf(image)).toMatchObject({ file: 'guest.bin', field: 'multiboot checksum' });
  });
});

describe('Multiboot Specification 3.1.3 The address fields of Multiboot header', () => {
  const BASE = 0x10_0000;
  const image = (loadEnd: number, bssEnd: number, entry = BASE + 36, load = BASE): Uint8Array =>
    concat(
      words(0),
      multibootHeader(0x1_0000, BASE + 4, load, loadEnd, bssEnd, entry),
      Uint8Array.of(0xf4, 1, 2, 3),
    );
  it('load the bytes before the header too, and clear the bss', () => {
    const plan = planOf(image(BASE + 38, BASE + 0x1000));
    expect(memoryAt(plan, BASE, 38)).toEqual(image(BASE + 38, BASE + 0x1000).slice(0, 38));
    expect(plan.zeros).toEqual([{ address: BASE + 38, length: 0x1000 - 38 }]);
    expect(plan.entry).toBe(BigInt(BASE + 36));
  });
  it('load the whole file when load_end_addr is 0', () => {
    const plan = planOf(image(0, 0));
    expect(memoryAt(plan, BASE, 40)).toHaveLength(40);
    expect(plan.zeros).toEqual([]);
  });
  it.each([
    ['multiboot load_addr', image(0, 0, BASE + 36, BASE + 8)],
    ['multiboot load_addr', image(0, 0, BASE + 36, BASE - 8)],
    ['multiboot load_end_addr', image(BASE + 41, 0)],
    ['multiboot load_end_addr', image(BASE - 1, 0)],
    ['multiboot bss_end_addr', image(0, BASE + 8)],
    ['multiboot load_addr', image(0, 0xffff_ffff)],
    ['multiboot entry_addr', image(0, 0, BASE + 40)],
    ['multiboot header_addr', multibootHeader(0x1_0000)],
  ])('refuse a bad %s', (field, bytes) => {
    expect(errorOf(bytes).field).toBe(field);
  });
});

describe('Multiboot Specification 3.2 Machine state', () => {
  it.each([32, 64] as const)('holds the magic in EAX and loads ELF%i by physical addresses', (width) => {
    const plan = planOf(kernel(0, width));
    expect(plan.registers.rax).toBe(0x2bad_b002n);
    expect(memoryAt(plan, LOAD, 15)).toEqual(code());
    expect(plan.zeros).toEqual([{ address: LOAD + 0x2000, length: 0x1000 }]);
    expect(plan).toMatchObject({ entry: BigInt(LOAD + 12), mode: 'protected' });
    expect(plan.cr3).toBeUndefined();
  });
});

describe('Multiboot Specification 3.3 Boot information format', () => {
  const plan = planOf(kernel(), {
    commandLine: 'smp verbose',
    modules: [
      { name: 'environment', bytes: new Uint8Array(5000).fill(7), commandLine: 'x' },
      { name: 'second', bytes: Uint8Array.of(1, 2, 3) },
    ],
  });
  const info = ebx(plan);
  const field = (offset: number): number => wordAt(plan, info + offset);

  it('says which fields are valid', () => {
    expect(field(0)).toBe(0x24d);
  });
  it('gives lower and upper memory in KiB', () => {
    expect([field(4), field(8)]).toEqual([640, 15 * 1024]);
  });
  it('gives a command line that begins with the file name', () => {
    expect(textAt(plan, field(16))).toBe('guest.bin smp verbose');
    const bare = planOf(kernel());
    expect(textAt(bare, wordAt(bare, ebx(bare) + 16))).toBe('guest.bin');
  });
  it('lists the modules, page-aligned and in order', () => {
    expect(field(20)).toBe(2);
    const table = field(24);
    const [first, firstEnd, firstText] = [0, 4, 8].map((at) => wordAt(plan, table + at));
    const [second, secondEnd, secondText] = [16, 20, 24].map((at) => wordAt(plan, table + at));
    expect([first % 4096, second % 4096]).toEqual([0, 0]);
    expect([firstEnd - first, secondEnd - second]).toEqual([5000, 3]);
    expect(first).toBeGreaterThanOrEqual(LOAD + 0x3000);
    expect([textAt(plan, firstText), textAt(plan, secondText)]).toEqual(['environment x', 'second']);
    expect([...memoryAt(plan, second, 3)]).toEqual([1, 2, 3]);
  });
  it('maps the memory', () => {
    const map = field(48);
    const entries = Array.from({ length: field(44) / 24 }, (_, index) => {
      const at = map + 24 * index;
      return [wordAt(plan, at), longAt(plan, at + 4), longAt(plan, at + 12), wordAt(plan, at + 20)];
    });
    expect(entries).toEqual([
      [20, 0n, 0xa_0000n, 1],
      [20, 0xa_0000n, 0x6_0000n, 2],
      [20, 0x10_0000n, 0xf0_0000n, 1],
    ]);
  });
  it('names the loader', () => {
    expect(textAt(plan, field(64))).toBe('vtmodel');
  });
  it('stands below 640 KiB, or elsewhere when the image is there', () => {
    expect(info).toBeLessThan(0xa_0000);
    const low = elf(32, 0x100c, [
      { virtual: 0x1000, physical: 0x1000, bytes: code(), memoryBytes: 0x9_f000 },
    ]);
    expect(ebx(planOf(low))).toBe(0x10_0000);
  });
  it('refuses when nothing is left', () => {
    const full = elf(32, 0x0c, [{ virtual: 0, physical: 0, bytes: code(), memoryBytes: 0x1_0000 }]);
    expect(errorOf(full, { memoryBytes: 0x1_0000 }).field).toBe('memoryBytes');
    const big = { name: 'big', bytes: new Uint8Array(0x2_0000) };
    expect(errorOf(full, { memoryBytes: 0x2_0000, modules: [big] }).field).toBe('module big');
  });
});
