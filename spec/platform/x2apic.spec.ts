import { describe, expect, it } from 'vitest';
import {
  apicBaseOf,
  createLocalApic,
  deliverMessage,
  initLocalApic,
  isAddressed,
  type LocalApicState,
  pendingVector,
  readX2apic,
  writeApicBase,
  writeX2apic,
} from '../../src/platform';

const OPTIONS = {
  initialId: 0x23,
  bootstrap: false,
  tscDeadline: true,
  x2apic: true,
} as const;
const BASE = 0xfee0_0000n;
const ENABLED = 0x800n;
const EXTENDED = 0x400n;

const moved = (state: LocalApicState, ...modes: readonly bigint[]): LocalApicState => {
  let now = state;
  for (const mode of modes) {
    const outcome = writeApicBase(now, BASE | mode);
    if (!outcome.ok) throw new Error(outcome.fault.says);
    now = outcome.value;
  }
  return now;
};

const xapic = createLocalApic(OPTIONS);
const x2apic = moved(xapic, ENABLED | EXTENDED);
const disabled = moved(xapic, 0n);

const written = (state: LocalApicState, index: number, value: bigint): LocalApicState => {
  const after = writeX2apic(state, index, value, 0);
  if (after === undefined) throw new Error('#GP');
  return after.state;
};
const enabled = written(x2apic, 0x80f, 0x1ffn);

describe('SDM Vol. 3A, 11.12.5.1 x2APIC States', () => {
  it.each([
    ['xAPIC', xapic, [ENABLED, ENABLED | EXTENDED, 0n], [EXTENDED]],
    ['x2APIC', x2apic, [ENABLED | EXTENDED, 0n], [EXTENDED, ENABLED]],
    ['disabled', disabled, [0n, ENABLED], [EXTENDED, ENABLED | EXTENDED]],
  ] as const)('from %s', (_, state, possible, impossible) => {
    for (const mode of possible) {
      const outcome = writeApicBase(state, BASE | mode);
      expect(outcome.ok && apicBaseOf(outcome.value)).toBe(BASE | mode);
    }
    for (const mode of impossible)
      expect(writeApicBase(state, BASE | mode)).toMatchObject({
        ok: false,
        fault: { kind: 'general-protection' },
      });
  });
  it('refuses x2APIC mode where there is none', () => {
    const old = createLocalApic({ ...OPTIONS, x2apic: false });
    expect(writeApicBase(old, BASE | ENABLED | EXTENDED).ok).toBe(false);
  });
  it('gives the ID of power-up, a derived logical ID, and no page; disabling gives a reset', () => {
    const written = { ...xapic, id: 9, logicalDestination: 0x0100_0000 };
    const after = moved(written, ENABLED | EXTENDED);
    expect([after.id, after.logicalDestination, after.windows]).toEqual([0x23, 0x0002_0008, []]);
    expect(moved(after, 0n, ENABLED)).toEqual(xapic);
  });
  it('stays in x2APIC mode over an INIT', () => {
    const after = initLocalApic(written(enabled, 0x808, 0x40n));
    expect(after).toEqual(x2apic);
  });
});

describe('SDM Vol. 3A, 11.12.1.2 x2APIC Register Address Space', () => {
  const read = (index: number): bigint | undefined => readX2apic(enabled, index, 0);
  it('has the registers at their MSRs', () => {
    expect([0x802, 0x803, 0x80d, 0x80f].map(read)).toEqual([0x23n, 0x5_0014n, 0x2_0008n, 0x1ffn]);
    for (let index = 0x810; index <= 0x827; index++) expect(read(index)).toBe(0n);
    for (const index of [0x832, 0x833, 0x834, 0x835, 0x836, 0x837]) expect(read(index)).toBe(0x1_0000n);
  });
  it.each([0x800, 0x809, 0x80b, 0x80c, 0x80e, 0x82f, 0x831, 0x83f, 0x840, 0x8ff])(
    'reading %x is #GP',
    (index) => {
      expect(read(index)).toBeUndefined();
    },
  );
  it.each([0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x818, 0x820, 0x831, 0x839])(
    'writing %x is #GP',
    (index) => {
      expect(writeX2apic(enabled, index, 0n, 0)).toBeUndefined();
    },
  );
  it.each([
    [0x808, 0x100n],
    [0x80b, 1n],
    [0x80f, 0x200n],
    [0x828, 1n],
    [0x830, 0x1000n],
    [0x832, 0x8_0000n],
    [0x835, 0x2_0000n],
    [0x837, 0x100n],
    [0x838, 1n << 32n],
    [0x83e, 0x10n],
    [0x83f, 0x100n],
  ])('reserved bits of %x are #GP: %x', (index, value) => {
    expect(writeX2apic(enabled, index, value, 0)).toBeUndefined();
  });
  it('is not there in xAPIC mode', () => {
    expect(readX2apic(xapic, 0x802, 0)).toBeUndefined();
    expect(writeX2apic(xapic, 0x808, 0n, 0)).toBeUndefined();
  });
});

describe('interrupts in x2APIC mode', () => {
  it('SELF IPI requests a vector; 0 to 15 are errors', () => {
    expect(pendingVector(written(enabled, 0x83f, 0x41n))).toBe(0x41);
    const illegal = written(written(enabled, 0x83f, 0xfn), 0x828, 0n);
    expect(readX2apic(illegal, 0x828, 0)).toBe(0x60n);
  });
  it('ICR is one register of 64 bits with a destination of 32', () => {
    const value = (0x0002_0008n << 32n) | 0x0831n;
    const after = writeX2apic(enabled, 0x830, value, 0)!;
    expect(readX2apic(after.state, 0x830, 0)).toBe(value);
    expect(after.effects).toMatchObject([
      { kind: 'ipi', vector: 0x31, destination: { mode: 'logical', id: 0x0002_0008, wide: true } },
    ]);
  });
  it('FFFFFFFFH is everybody, FFH is not', () => {
    const addressed = (id: number, wide?: true): boolean =>
      isAddressed(enabled, { mode: 'physical', id, ...(wide === undefined ? {} : { wide }) });
    expect([
      addressed(0xffff_ffff, true),
      addressed(0xff, true),
      addressed(0xff),
      addressed(0x23, true),
    ]).toEqual([true, false, true, true]);
  });
  it('11.12.10.1: a logical destination is a cluster and its members', () => {
    const addressed = (id: number): boolean => isAddressed(enabled, { mode: 'logical', id, wide: true });
    expect([addressed(0x2_0008), addressed(0x2_fff7), addressed(0x3_0008), addressed(0x2_ffff)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
  it('reaches local APICs in xAPIC mode too', () => {
    const other: LocalApicState = { ...createLocalApic({ ...OPTIONS, initialId: 1 }), spurious: 0x1ff };
    const { apics } = deliverMessage([enabled, other], {
      kind: 'message',
      deliveryMode: 'fixed',
      vector: 0x51,
      trigger: 'edge',
      destination: { mode: 'physical', id: 1, wide: true },
    });
    expect(apics.map(pendingVector)).toEqual([-1, 0x51]);
  });
});
