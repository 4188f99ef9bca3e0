// SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
import { describe, expect, it } from 'vitest';
import type { StaleTranslation } from '../../src/api/caches';
import { describeStale } from '../../src/machine';
import { MachineScene } from './machine-scene';
import { ROWS, type Row } from './rows';
import type { ROW_IDS } from './rows/ids';
import { EPTP_ACCESSED_DIRTY, FRAMES, L, type Scene, USED } from './scene';

type Id = Extract<(typeof ROW_IDS)[number], `recommended.${string}`>;

/** What software should have done after the example of a row, and what a machine says that keeps all that it may when it did not. */
interface Forgotten {
  /** Where it is not the example of the row. */
  readonly example?: Row['example'];
  readonly use?: Row['use'];
  /** The recommended invalidation, or a smaller one. */
  readonly invalidation: (scene: Scene) => void;
  /** What the report of each stale use names. */
  readonly enough: readonly StaleTranslation['enough'][];
  /** Shown after it. */
  readonly result: string;
}
/** No invalidation is needed, or the example has it. */
const NONE = undefined;

const invlpg = (result: string): Forgotten => ({
  invalidation: (scene) => scene.invlpg(L),
  enough: ['INVLPG'],
  result,
});
const invept = (result: string): Forgotten => ({
  invalidation: (scene) => scene.invept(1, scene.now.eptp),
  enough: ['INVEPT single-context'],
  result,
});

const FORGOTTEN: Readonly<Record<Id, Forgotten | undefined>> = {
  'recommended.leaf': {
    ...invlpg('B'),
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B');
    },
  },
  'recommended.rights-lowered': invlpg('#PF'),
  'recommended.rights-raised': NONE,
  'recommended.present-to-not': invlpg('#PF'),
  'recommended.remap': {
    invalidation: (scene) => {
      scene.invlpg(L);
      scene.other.invlpg(L);
    },
    enough: ['INVLPG', 'INVLPG'],
    result: 'B B',
  },
  'recommended.page-size': invlpg('LARGE_B+1'),
  'recommended.page-size-same': NONE,
  'recommended.table-entry': {
    ...invlpg('B'),
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.store(scene.entryAt(L, 2), scene.newTable() | USED).map(L, 'B');
    },
    use: (scene) => scene.read(L),
  },
  'recommended.table-freed': {
    ...invlpg('#PF'),
    example: (scene) => {
      const apart = L + 0x1_0000n;
      scene.map(apart, 'C').read(apart);
      const at = scene.entryAt(L);
      scene.unmap(apart).store(scene.entryAt(L, 2), 0n);
      scene.store(at, BigInt(FRAMES.A << 12) | USED);
    },
  },
  'recommended.pdpte-pae': NONE,
  'recommended.pcid-reuse': {
    invalidation: (scene) => scene.movCr3(scene.now.cr3),
    enough: ['MOV to CR3'],
    result: 'B',
  },
  'recommended.other-pcids': {
    invalidation: (scene) => scene.invpcid(0, { pcid: 5, address: L }),
    enough: ['INVPCID individual-address'],
    result: 'B D',
  },
  'recommended.vpid-reuse': {
    invalidation: (scene) => scene.invvpid(1, { vpid: 1 }),
    enough: ['INVVPID single-context'],
    result: 'B',
  },
  'recommended.vpid-share-ept': NONE,
  'recommended.vmm-writes-guest-cr3': {
    invalidation: (scene) => scene.invvpid(0, { vpid: 1, address: L }),
    enough: ['INVVPID individual-address'],
    result: 'B D',
  },
  'recommended.ept-leaf': invept('violation'),
  'recommended.ept-xu': invept('violation'),
  'recommended.ept-ad-clear': invept('A 1'),
  'recommended.ept-ad-enable': invept('A 1'),
  'recommended.ept-table-freed': invept('D'),
  'recommended.eptp-change': NONE,
  'recommended.eptp-reuse': invept('B'),
  'recommended.apic-access': NONE,
  'recommended.vmxon-vmxoff': {
    invalidation: (scene) => scene.invvpid(2),
    enough: ['INVVPID individual-address'],
    result: 'B',
  },
  'recommended.spp-hlat': NONE,
  'recommended.virtual-apic-page': NONE,
};

const KEEP_ALL = { kind: 'keep-all' } as const;
const rowOf = (id: string): Row => ROWS.find((row) => row.id === id)!;

const shown = (row: Row, forgotten: Partial<Forgotten>, invalidates: boolean) => {
  const { example, use } = { ...row, ...forgotten };
  const scene = MachineScene.under(KEEP_ALL, row.start);
  example(scene);
  expect(scene.reports).toEqual([]);
  if (invalidates) forgotten.invalidation?.(scene);
  const result = use(scene);
  return { result, enough: scene.reports.map((report) => report.enough) };
};

describe.each(Object.entries(FORGOTTEN))('%s', (id, forgotten) => {
  const row = rowOf(id);
  if (forgotten === undefined) {
    it('nothing is told', () => {
      expect(shown(row, {}, false).enough).toEqual([]);
    });
    return;
  }
  it('is told where it was forgotten', () => {
    expect(shown(row, forgotten, false).enough).toEqual(forgotten.enough);
  });
  it('is enough', () => {
    expect(shown(row, forgotten, true)).toEqual({ result: forgotten.result, enough: [] });
  });
});

describe('The report', () => {
  it('says which processor should have invalidated, where another one made the store', () => {
    const scene = MachineScene.under(KEEP_ALL);
    scene.map(L, 'A').read(L);
    scene.map(L, 'B').read(L);
    const [report] = scene.reports;
    expect(report.changed[0].write.processor).not.toBe(report.processor);
    expect(describeStale(report)).toMatch(/; INVLPG on processor 0 would have been enough$/);
  });

  it('says where paging was off when the mapping was made', () => {
    const scene = MachineScene.under(KEEP_ALL);
    const eptp = scene.newEpt();
    const at = 0x30_0000n;
    scene.map(at, 'B').enter({ vpid: 1, eptp, cr0: 0x31n, efer: 0n }).read(at);
    scene.exit().enter({ vpid: 1, eptp });
    expect(scene.read(at)).toBe('A');
    expect(scene.reports).toMatchObject([{ enough: 'INVVPID single-context' }]);
    expect(describeStale(scene.reports[0])).toContain(
      'it was remembered of no tables, a walk now begins with the tables at',
    );
  });

  it('says that the mapping is of an EPTP without accessed and dirty flags', () => {
    const scene = MachineScene.under(KEEP_ALL);
    const eptp = scene.newEpt();
    scene.map(L, 'A').enter({ vpid: 1, eptp }).write(L);
    scene.exit().enter({ vpid: 1, eptp: eptp | EPTP_ACCESSED_DIRTY });
    scene.read(L);
    expect(scene.reports).toEqual([]);
    scene.write(L);
    expect(scene.reports).toMatchObject([{ unflagged: true, changed: [], roots: undefined }]);
  });
});
