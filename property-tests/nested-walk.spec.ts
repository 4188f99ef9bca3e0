// SDM Vol. 3C, 29.3.1 EPT Overview: a nested walk is a walk of the guest's tables in which each address, and the last one, goes through a walk of EPT.
// Both walks are written here once more, on bigints, from the tables of the manual.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gva, type MemoryRoot } from '../src/core';
import { COMMON_EPT, EPTP, type WalkRequest, walk } from '../src/ept';
import { brokenWalks, type Walk } from './mutants/walks';
import { holds, isRefuted, mustBeEqual } from './theorem';

interface Case {
  readonly seed: number;
  readonly guestLevels: 4 | 5;
  readonly eptLevels: 4 | 5;
  /** One entry in this many is broken. */
  readonly soundness: number;
  readonly address: bigint;
  readonly access: 'read' | 'write' | 'fetch';
  readonly user: boolean;
  readonly writeProtect: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly noExecute: boolean;
  readonly executeOnly: boolean;
}

const cases = (): fc.Arbitrary<Case> =>
  fc.record({
    seed: fc.nat(0xffff_ffff),
    guestLevels: fc.constantFrom(4, 5),
    eptLevels: fc.constantFrom(4, 5),
    soundness: fc.constantFrom(3, 10, 60, 1_000_000),
    address: fc.bigInt({ min: 0n, max: (1n << 57n) - 1n }),
    access: fc.constantFrom('read', 'write', 'fetch'),
    user: fc.boolean(),
    writeProtect: fc.boolean(),
    smep: fc.boolean(),
    smap: fc.boolean(),
    noExecute: fc.boolean(),
    executeOnly: fc.boolean(),
  });

const WIDTH = 46n;
/** Host frames 1 to 5 hold EPT tables of that level, the next ones what the guest has. */
const EPT_FRAMES = 6;
const GUEST_FRAMES = 10;

const hashed = (seed: number, a: number, b: number): number => {
  let hash = seed ^ Math.imul(a + 1, 0x9e37_79b1) ^ Math.imul(b + 1, 0x85eb_ca77);
  for (let round = 0; round < 3; round++) {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    hash ^= hash >>> 12;
  }
  return hash >>> 0;
};

/** What breaks an entry: no rights at all, one right less, or any bit. */
const broken = (entry: bigint, kind: number, more: number): bigint => {
  if (kind === 0) return entry & ~7n;
  return entry ^ (1n << BigInt(kind === 1 ? more % 3 : more % 64));
};

/** The entry at an index of a host frame: mostly well-formed tables and pages, now and then a broken one. */
const entryOf = ({ seed, soundness }: Case, frame: number, index: number): bigint => {
  const dice = hashed(seed, frame, index);
  const more = hashed(~seed, index, frame);
  const large = more % 5 === 0;
  let entry: bigint;
  if (frame < EPT_FRAMES) {
    const leaf = frame === 1 || (frame < 4 && large);
    const target = BigInt(leaf ? EPT_FRAMES + (dice % GUEST_FRAMES) : frame - 1);
    const size = leaf ? 12n + 9n * BigInt(frame - 1) : 12n;
    const rights = leaf && more % 37 === 0 ? 4n : 7n;
    entry = (target << size) | rights | (leaf ? 0x30n : 0n) | (leaf && frame > 1 ? 0x80n : 0n);
  } else {
    const target = BigInt(dice % 0x7fff) << (large ? 21n : 12n);
    const rights = more % 7 === 0 ? 5n : 7n;
    entry = target | rights | (large ? 0x80n : 0n) | (more % 11 === 0 ? 1n << 63n : 0n);
  }
  return dice % soundness === 0 ? broken(entry, more % 3, (more >>> 8) % 64) : entry;
};

/** Memory that is as `entryOf` says; made page by page. */
const memoryOf = (one: Case): Pick<MemoryRoot, 'page'> => {
  const pages = new Map<number, ReturnType<MemoryRoot['page']>>();
  return {
    page: (frame) => {
      const known = pages.get(frame);
      if (known !== undefined) return known;
      const entries = BigUint64Array.from({ length: 512 }, (_, index) => entryOf(one, frame, index));
      const page = {
        words: new Int32Array(entries.buffer),
        bytes: new Uint8Array(entries.buffer),
        owner: null,
      };
      pages.set(frame, page);
      return page;
    },
  };
};

/** What a walk comes to: `at` or the name of a fault, with the host-physical addresses of the entries read. */
interface Result {
  readonly ends: string;
  readonly read: readonly bigint[];
}

const field = (word: bigint, high: bigint, low: bigint): bigint =>
  (word >> low) & ((1n << (high - low + 1n)) - 1n);
const bit = (word: bigint, position: bigint): boolean => field(word, position, position) === 1n;
const indexAt = (address: bigint, level: bigint): bigint => field(address, 9n * level + 11n, 9n * level + 3n);

class Composition {
  readonly read: bigint[] = [];

  constructor(
    private readonly one: Case,
    private readonly breaks: 'nothing' | 'final address untranslated',
  ) {}

  private entry(at: bigint): bigint {
    this.read.push(at);
    return entryOf(this.one, Number(at >> 12n), Number(field(at, 11n, 3n)));
  }

  /** Guest-physical to host-physical with what the path allows; text is a fault. */
  private extended(address: bigint): { readonly host: bigint; readonly allows: readonly boolean[] } | string {
    const { eptLevels, executeOnly } = this.one;
    const allows = [true, true, true];
    if (eptLevels === 4 && address >> 48n !== 0n) return 'violation 0';
    let table = BigInt(eptLevels) << 12n;
    for (let level = BigInt(eptLevels); ; level--) {
      const entry = this.entry(table + 8n * indexAt(address, level));
      const [read, write, execute] = [0n, 1n, 2n].map((position) => bit(entry, position));
      if (!read && !write && !execute) return 'violation 0';
      if (!read && (write || !executeOnly)) return 'misconfiguration';
      if (field(entry, 51n, WIDTH) !== 0n) return 'misconfiguration';
      const leaf = level === 1n || (level < 4n && bit(entry, 7n));
      if (leaf) {
        if ([2n, 3n, 7n].includes(field(entry, 5n, 3n))) return 'misconfiguration';
        const size = 12n + 9n * (level - 1n);
        if (level > 1n && field(entry, size - 1n, 12n) !== 0n) return 'misconfiguration';
      } else if (field(entry, level > 3n ? 7n : 6n, 3n) !== 0n) return 'misconfiguration';
      for (const [right, granted] of [read, write, execute].entries()) allows[right] &&= granted;
      const size = leaf ? 12n + 9n * (level - 1n) : 12n;
      const base = (field(entry, 51n, 12n) << 12n) & ~((1n << size) - 1n);
      if (leaf) return { host: base | field(address, size - 1n, 0n), allows };
      table = base;
    }
  }

  private violation(allows: readonly boolean[]): string {
    return `violation ${allows.reduce((sum, granted, right) => sum + (granted ? 1 << right : 0), 0)}`;
  }

  private fault(present: boolean, reserved: boolean): string {
    const { access, user, noExecute, smep } = this.one;
    const code =
      (present ? 1 : 0) +
      (access === 'write' ? 2 : 0) +
      (user ? 4 : 0) +
      (reserved ? 8 : 0) +
      (access === 'fetch' && (noExecute || smep) ? 16 : 0);
    return `page fault ${code}`;
  }

  /** Whether the guest's rights allow the access. SDM Vol. 3A, 4.6.1 Determination of Access Rights */
  private allowed(write: boolean, user: boolean, execute: boolean): boolean {
    const { access, user: mode, writeProtect, smep, smap } = this.one;
    if (mode) return user && (access !== 'write' || write) && (access !== 'fetch' || execute);
    if (access === 'fetch') return execute && !(smep && user);
    if (smap && user) return false;
    return access !== 'write' || write || !writeProtect;
  }

  private end(): string {
    const { guestLevels, address, noExecute, access } = this.one;
    let [write, user, execute] = [true, true, true];
    let table = 0n;
    for (let level = BigInt(guestLevels); ; level--) {
      const host = this.extended(table + 8n * indexAt(address, level));
      if (typeof host === 'string') return host;
      if (!host.allows[0]) return this.violation(host.allows);
      const entry = this.entry(host.host);
      if (!bit(entry, 0n)) return this.fault(false, false);
      const leaf = level === 1n || bit(entry, 7n);
      const size = leaf ? 12n + 9n * (level - 1n) : 12n;
      const reserved =
        field(entry, 51n, WIDTH) !== 0n ||
        (!noExecute && bit(entry, 63n)) ||
        (level > 3n && bit(entry, 7n)) ||
        (leaf && level > 1n && field(entry, size - 1n, 13n) !== 0n);
      if (reserved) return this.fault(true, true);
      write &&= bit(entry, 1n);
      user &&= bit(entry, 2n);
      execute &&= !bit(entry, 63n);
      table = (field(entry, 51n, 12n) << 12n) & ~((1n << size) - 1n);
      if (!leaf) continue;
      if (!this.allowed(write, user, execute)) return this.fault(true, false);
      const physical = table | field(address, size - 1n, 0n);
      if (this.breaks === 'final address untranslated') return `at ${physical}`;
      const last = this.extended(physical);
      if (typeof last === 'string') return last;
      const wanted = ['read', 'write', 'fetch'].indexOf(access);
      return last.allows[wanted] ? `at ${last.host}` : this.violation(last.allows);
    }
  }

  result(): Result {
    return { ends: this.end(), read: this.read };
  }
}

const requestOf = (one: Case): WalkRequest => {
  const { address, access, user, writeProtect, smep, smap, noExecute, guestLevels, eptLevels, executeOnly } =
    one;
  const width = Number(WIDTH);
  return {
    memory: memoryOf(one),
    address: gva(address),
    access,
    cr3: 0n,
    levels: guestLevels,
    rights: { user, writeProtect, smep, smap, noExecute },
    eptp: EPTP.set(6n | (BigInt(eptLevels) << 12n), 'walkLengthMinus1', BigInt(eptLevels - 1)),
    ept: { ...COMMON_EPT, walkLength5: true, executeOnly, physicalAddressWidth: width },
    physicalAddressWidth: width,
  };
};

const resultOf = (one: Case, walked: Walk = walk): Result => {
  const { references, outcome } = walked(requestOf(one));
  const read = references.map(({ address }) => BigInt(address));
  if (outcome.ok) return { ends: `at ${outcome.value}`, read };
  const { fault } = outcome;
  if (fault.kind === 'page-fault') return { ends: `page fault ${fault.errorCode}`, read };
  return { ends: fault.kind === 'ept-violation' ? `violation ${fault.rights}` : 'misconfiguration', read };
};

const isTheirComposition = (
  walked: Walk = walk,
  breaks: ConstructorParameters<typeof Composition>[1] = 'nothing',
) =>
  fc.property(cases(), (one) => {
    mustBeEqual('nested and composed walk', resultOf(one, walked), new Composition(one, breaks).result());
  });

const numRuns = Number(process.env.VTMODEL_WALKS ?? 400);

describe('a nested walk is the composition of two walks', () => {
  it('references and outcome agree', () => {
    holds(isTheirComposition(), numRuns);
  });

  it('the cases reach every outcome', () => {
    const ends = fc.sample(cases(), 600).map((one) => resultOf(one).ends.replace(/ .*/, ''));
    expect(new Set(ends)).toEqual(new Set(['at', 'page', 'violation', 'misconfiguration']));
    expect(ends.filter((one) => one === 'at').length).toBeGreaterThan(20);
  });

  it('is refuted where the last address is not translated', () => {
    expect(isRefuted(isTheirComposition(walk, 'final address untranslated'), numRuns)).toBe(true);
  });

  it.each(Object.entries(brokenWalks))('is refuted by a walk that %s', (_, walked) => {
    expect(isRefuted(isTheirComposition(walked), numRuns)).toBe(true);
  });
});
