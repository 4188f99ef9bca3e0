import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { type ImageOptions, type ImagePlan, readImage } from '../../src/image';
import { concat, elf, multibootHeader } from './build';

const MEMORY = 4 * 2 ** 20;
const BASE = 0x10_0000;
const code = concat(multibootHeader(3), new Uint8Array(20).fill(0x90));
const plain = new Uint8Array(32).fill(0x90);
const segments = (bytes: Uint8Array) => [
  { virtual: BASE, physical: BASE, bytes, memoryBytes: 0x1000 },
  { virtual: BASE + 0x2000, physical: BASE + 0x2000, bytes: Uint8Array.of(1, 2, 3) },
];

const VALID: readonly Uint8Array[] = [
  elf(32, BASE + 12, segments(code)),
  elf(64, BASE + 12, segments(code)),
  elf(64, BASE, segments(plain)),
  concat(multibootHeader(0x1_0000, BASE, BASE, 0, BASE + 0x1000, BASE + 32), plain),
];

const options = fc.record(
  {
    format: fc.constantFrom('auto', 'multiboot', 'elf64', 'raw'),
    load: fc.oneof(fc.constant(BASE), fc.double(), fc.integer()),
    entry: fc.oneof(fc.constant(BigInt(BASE)), fc.bigInt()),
    mode: fc.constantFrom('protected', 'long'),
    memoryBytes: fc.oneof(fc.constant(MEMORY), fc.constant(2 ** 40), fc.nat(), fc.double()),
    fileName: fc.constantFrom('a.elf', 'line\nbreak'),
    commandLine: fc.string({ maxLength: 20 }),
    modules: fc.array(
      fc.record({ name: fc.string({ maxLength: 5 }), bytes: fc.uint8Array({ maxLength: 50 }) }),
      {
        maxLength: 3,
      },
    ),
  },
  { requiredKeys: ['memoryBytes', 'fileName'] },
) as fc.Arbitrary<ImageOptions>;

const interesting = fc.constantFrom(0, 1, 2, 3, 0x40, 0x7f, 0x80, 0xfe, 0xff);
const edits = fc.array(fc.tuple(fc.nat({ max: 200 }), fc.oneof(interesting, fc.nat({ max: 255 }))), {
  maxLength: 12,
});

const mutated = fc
  .record({
    image: fc.constantFrom(...VALID),
    edits,
    length: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat({ max: 250 })),
  })
  .map(({ image, edits: changes, length }) => {
    const copy = image.slice(0, Math.min(length, image.length));
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  });

/** What every plan keeps: its parts lie in memory and do not overlap, and the entry is in bytes that it writes. */
const expectSound = (plan: ImagePlan, memoryBytes: number): void => {
  const parts = [
    ...plan.writes.map(({ address, bytes }) => ({ address, length: bytes.length })),
    ...plan.zeros,
  ].sort((a, b) => a.address - b.address);
  let end = 0;
  for (const part of parts) {
    expect(part.address).toBeGreaterThanOrEqual(end);
    end = part.address + part.length;
  }
  expect(end).toBeLessThanOrEqual(memoryBytes);
  expect(
    plan.writes.some(
      ({ address, bytes }) =>
        plan.entry >= BigInt(address) && plan.entry < BigInt(address) + BigInt(bytes.length),
    ),
  ).toBe(true);
};

const expectAnswer = (bytes: Uint8Array, given: ImageOptions): void => {
  const outcome = readImage(bytes, given);
  if (outcome.ok) {
    expectSound(outcome.value, given.memoryBytes);
    return;
  }
  const { file, field, says } = outcome.fault;
  expect(file).toBe(given.fileName);
  expect(field.length).toBeGreaterThan(0);
  expect(says).not.toMatch(/[\n\r]/);
};

const plainOptions: ImageOptions = { memoryBytes: MEMORY, fileName: 'a.elf' };

describe('any bytes give a sound plan or an error of one line', () => {
  test.prop([mutated], { numRuns: 5000 })('mutations of valid images', (bytes) => {
    expectAnswer(bytes, plainOptions);
  });
  test.prop([mutated, options], { numRuns: 5000 })('mutations with any options', expectAnswer);
  test.prop([fc.uint8Array({ maxLength: 300 }), options], { numRuns: 3000 })('random bytes', expectAnswer);
  test.prop([fc.constantFrom(...VALID)])('the valid images load', (bytes) => {
    expect(readImage(bytes, plainOptions).ok).toBe(true);
  });
});
