import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import {
  compareObservations,
  GUEST_REGISTERS,
  type GuestEnd,
  type GuestRegister,
  type GuestRegisters,
  type Observation,
} from '../src/criteria';

/** Few values, so that equal observations are not rare. */
const value = fc.constantFrom(0n, 1n, 0xffff_ffff_ffff_ffffn);
const bytes = fc
  .record({ at: fc.constantFrom(0, 5, 4095), value: fc.constantFrom(0, 1) })
  .map(({ at, value: byte }) => {
    const page = new Uint8Array(4096);
    page[at] = byte;
    return page;
  });

const registers: fc.Arbitrary<GuestRegisters> = fc
  .record({ name: fc.constantFrom('rax', 'rflags', 'esRights' as GuestRegister), value })
  .map(({ name, value: chosen }) =>
    Object.fromEntries(GUEST_REGISTERS.map((each) => [each, each === name ? chosen : 0n])),
  ) as fc.Arbitrary<GuestRegisters>;

const access = fc.record({
  space: fc.constantFrom('port' as const, 'memory' as const),
  direction: fc.constantFrom('read' as const, 'write' as const),
  address: fc.constantFrom(0x3f8, 0xfee0_0000),
  bytes: fc.constantFrom(1 as const, 4 as const),
  value: fc.constantFrom(0, 0x41),
});

const event = fc.record(
  {
    vector: fc.constantFrom(1, 14),
    kind: fc.constantFrom('interrupt' as const, 'exception' as const),
    errorCode: fc.constantFrom(0, 2),
    address: value,
  },
  { requiredKeys: ['vector', 'kind'] },
);

const end: fc.Arbitrary<GuestEnd> = fc.oneof(
  fc.record({ kind: fc.constant('exit' as const), code: fc.constantFrom(0, 1) }),
  fc.record({ kind: fc.constant('stuck' as const) }),
  fc.record({ kind: fc.constant('monitor-stopped' as const), reason: fc.constantFrom('a', 'b') }),
);

const msrs = fc.record({ IA32_MTRR_DEF_TYPE: value }, { requiredKeys: [] });

const interrupts = fc.record({
  requested: fc.uniqueArray(fc.constantFrom(0x30, 0x40), { maxLength: 1 }),
  inService: fc.constant([]),
  lost: fc.constant([]),
  taskPriority: fc.constantFrom(0, 0x25),
});

const observation: fc.Arbitrary<Observation> = fc.record(
  {
    index: fc.nat(3),
    position: fc.nat(3),
    accessedAt: value,
    accesses: fc.array(access, { maxLength: 2 }),
    event,
    end,
    registers,
    pages: fc
      .uniqueArray(fc.record({ frame: fc.nat(2), bytes }), { selector: ({ frame }) => frame, maxLength: 2 })
      .map((pages) => pages.sort((a, b) => a.frame - b.frame)),
    msrs,
    interrupts,
  },
  { requiredKeys: ['index', 'position', 'accesses', 'registers', 'pages', 'msrs'] },
) as fc.Arbitrary<Observation>;

const copied = (a: Observation): Observation => ({
  ...a,
  registers: { ...a.registers },
  accesses: a.accesses.map((each) => ({ ...each })),
  pages: a.pages.map(({ frame, bytes: page }) => ({ frame, bytes: page.slice() })),
});
const equal = (a: Observation, b: Observation): boolean => compareObservations(a, b) === 'equal';

/** Changes that a comparison must see, by name. */
const VISIBLE: Readonly<Record<string, (a: Observation) => Observation>> = {
  'one more access': (a) => ({
    ...a,
    accesses: [...a.accesses, { space: 'port', direction: 'read', address: 0x60, bytes: 1, value: 0 }],
  }),
  'another value read': (a) => ({
    ...a,
    accesses: a.accesses.map((one) => ({ ...one, value: one.value ^ 2 })),
  }),
  'another width': (a) => ({ ...a, accesses: a.accesses.map((one) => ({ ...one, bytes: 2 })) }),
  'another order': (a) => ({ ...a, accesses: a.accesses.toReversed() }),
  'another event': (a) => ({ ...a, event: { vector: 99, kind: 'nmi' } }),
  'another end': (a) => ({ ...a, end: { kind: 'triple-fault' } }),
  'another byte': (a) => ({
    ...a,
    pages: a.pages.map(({ frame, bytes: page }) => ({ frame, bytes: page.with(100, 7) })),
  }),
  'another MSR': (a) => ({ ...a, msrs: { IA32_MTRR_DEF_TYPE: 9n } }),
  'an MSR less': (a) => ({ ...a, msrs: {} }),
  'no local APIC': ({ interrupts: _, ...a }) => a,
  ...Object.fromEntries(
    (['requested', 'inService', 'lost'] as const).map((part) => [
      `a vector ${part}`,
      (a: Observation): Observation => ({ ...a, interrupts: { ...a.interrupts!, [part]: [0x31] } }),
    ]),
  ),
  'another task priority': (a) => ({ ...a, interrupts: { ...a.interrupts!, taskPriority: 1 } }),
  'one more page': (a) => ({ ...a, pages: [...a.pages, { frame: 1000, bytes: new Uint8Array(4096) }] }),
  ...Object.fromEntries(
    GUEST_REGISTERS.map((name) => [
      name,
      (a: Observation): Observation => ({
        ...a,
        registers: { ...a.registers, [name]: a.registers[name] ^ 0x10n },
      }),
    ]),
  ),
};

describe('comparing observations is an equivalence relation', () => {
  test.prop([observation])('reflexive, also on copies', (a) => {
    expect(compareObservations(a, a)).toBe('equal');
    expect(compareObservations(a, copied(a))).toBe('equal');
  });

  test.prop([observation, observation])('symmetric, with the sides exchanged', (a, b) => {
    const forth = compareObservations(a, b);
    const back = compareObservations(b, a);
    if (forth === 'equal' || back === 'equal') expect(forth).toBe(back);
    else {
      expect(forth.differences.length).toBeGreaterThan(0);
      expect(back.differences.length).toBe(forth.differences.length);
    }
  });

  test.prop([observation, observation, observation])('transitive', (a, b, c) => {
    if (equal(a, b) && equal(b, c)) expect(equal(a, c)).toBe(true);
    if (equal(a, b)) expect(equal(a, c)).toBe(equal(b, c));
  });

  test.prop([observation, fc.nat(9), fc.nat(9), value])(
    'blind to index, position and place of the access',
    (a, index, position, accessedAt) => {
      expect(compareObservations(a, { ...a, index, position, accessedAt })).toBe('equal');
    },
  );
});

describe('comparing observations can be refuted', () => {
  const rich: Observation = {
    index: 0,
    position: 0,
    accesses: [
      { space: 'port', direction: 'write', address: 0x3f8, bytes: 1, value: 0x41 },
      { space: 'port', direction: 'read', address: 0x3fd, bytes: 1, value: 0x60 },
    ],
    registers: Object.fromEntries(GUEST_REGISTERS.map((name) => [name, 0n])) as unknown as GuestRegisters,
    pages: [{ frame: 3, bytes: new Uint8Array(4096) }],
    msrs: { IA32_MTRR_DEF_TYPE: 6n },
    interrupts: { requested: [0x30], inService: [], lost: [], taskPriority: 0 },
  };

  it.each(Object.keys(VISIBLE))('by %s', (name) => {
    expect(equal(rich, VISIBLE[name](rich))).toBe(false);
    expect(equal(VISIBLE[name](rich), rich)).toBe(false);
  });

  it('and says where: bytes are grouped into runs, both sides shown', () => {
    const page = new Uint8Array(4096);
    page.set([1, 2, 0, 4], 0x10);
    page[0x800] = 9;
    const outcome = compareObservations(rich, { ...rich, pages: [{ frame: 3, bytes: page }] });
    expect(outcome).toEqual({
      differences: [
        {
          kind: 'bytes',
          address: 0x3010,
          left: new Uint8Array(4),
          right: Uint8Array.of(1, 2, 0, 4),
        },
        { kind: 'bytes', address: 0x3800, left: new Uint8Array(1), right: Uint8Array.of(9) },
      ],
    });
  });
});
