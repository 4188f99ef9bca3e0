import { CR4_PCIDE, EFER, EPTP_ACCESSED_DIRTY, G, L, M, N, P, type Scene, U, USED } from '../scene';
import { OLD_OR_NEW, reads } from './phrases';
import { as, type Row } from './row';

const SECTION = 'SDM Vol. 3C, 29.4.3.1';
const PAGE_BYTES = 4096;
/** EPT entries: a page that is not written. */
const READ_AND_FETCH = 5n;
const WRITE_ALONE = 2n;

const writes = (scene: Scene, ...addresses: readonly bigint[]): string =>
  addresses.map((address) => scene.write(address)).join(' ');

/** The example shows what it is to show. */
const expectation = (wanted: string, got: string): void => {
  if (got !== wanted) throw new Error(`${got} instead of ${wanted}`);
};

const GUEST = { cr3: 0n, vpid: 1 } as const;

/** Of two accesses. */
const ONE_VIOLATION = ['A A', 'A violation', 'violation A'] as const;

const EPT_VIOLATION: Row = {
  id: 'must.ept-violation',
  rule: 'An EPT violation drops what is remembered of its address, so that one that EPT does not call for does not come again.',
  section: SECTION,
  start: GUEST,
  example: (scene) => {
    scene.map(L, 'A').become({ eptp: scene.newEpt() });
    scene.mapEpt('A', 'A', READ_AND_FETCH).read(L);
    scene.mapEpt('A', 'A');
  },
  use: (scene) => writes(scene, L, L),
  legal: ONE_VIOLATION,
};

export const FAULT_ROWS: readonly Row[] = [
  {
    id: 'must.page-fault-exit',
    rule: 'A page fault of a guest drops the page of its VPID and PCID also where it causes a VM exit.',
    section: SECTION,
    start: { ...GUEST, cr4: CR4_PCIDE, exceptionBitmap: 1 << 14 },
    example: (scene) => {
      scene.map(L, 'A', P | U | (USED & 32n)).read(L);
      scene.map(L, 'A');
    },
    use: (scene) => writes(scene, L, L),
    legal: ['A A', 'A #PF', '#PF A'],
    unconfirmed: true,
  },
  EPT_VIOLATION,
  {
    id: 'must.ept-violation-scope',
    rule: 'An EPT violation drops nothing of other linear addresses, though they have the same guest-physical address.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'A').become({ eptp: scene.newEpt() });
      scene.mapEpt('A', 'A', READ_AND_FETCH);
      reads(scene, L, M);
      scene.mapEpt('A', 'A');
    },
    use: (scene) => writes(scene, L, L, M, M),
    legal: ONE_VIOLATION.flatMap((first) => ONE_VIOLATION.map((second) => `${first} ${second}`)),
  },
  {
    id: 'must.ept-violation-not-final',
    rule: 'An EPT violation of an access to a paging-structure entry of the guest drops no combined mapping.',
    section: SECTION,
    start: { ...GUEST, cr4: CR4_PCIDE },
    example: (scene) => {
      const eptp = scene.newEpt();
      const { cr3 } = scene.now;
      const table = Math.floor(scene.map(L, 'A', USED | G).entryAt(L) / PAGE_BYTES);
      scene.become({ eptp }).change(scene.eptEntryAt(table), { clear: WRITE_ALONE }).read(L);
      // Another PCID has the page, as a global one, and no table; to set the dirty flag counts as a write of one.
      scene.become({ cr3: cr3 | 6n, eptp: eptp | EPTP_ACCESSED_DIRTY });
      expectation('violation', scene.write(L));
      scene.become({ eptp }).map(L, 'B', USED | G);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.ept-misconfiguration',
    rule: 'An EPT misconfiguration drops nothing.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      // Malformed from the beginning: what an entry said before, a processor may remember by itself.
      const eptp = scene.map(L, 'A').map(N, 'C').newEpt();
      scene.mapEpt('C', 'C', WRITE_ALONE, eptp).become({ eptp }).read(L);
      expectation('misconfiguration', scene.read(N));
      scene.mapEpt('A', 'B');
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  as(EPT_VIOLATION, {
    id: 'must.ve',
    rule: 'A virtualization exception drops what an EPT violation drops.',
    section: SECTION,
    pure: 'spec/caching/instructions.spec.ts has it with the exception',
    unconfirmed: true,
  }),
];

export const TRANSITION_ROWS: readonly Row[] = [
  {
    id: 'must.vm-entry-no-vpid',
    rule: 'VM entry and VM exit without VPIDs drop the linear and combined mappings of VPID 0000H: the host loses its own.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene
        .map(L, 'B', USED | G)
        .enter({})
        .exit();
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'must.vm-entry-no-vpid-gpa',
    rule: 'Guest-physical mappings outlive VM entry and VM exit without VPIDs.',
    section: SECTION,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').enter({ eptp }).read(L);
      scene.exit().mapEpt('A', 'B', 7n, eptp).enter({ eptp });
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.vm-transition-vpid',
    rule: 'VM entry and VM exit with VPIDs drop nothing.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').enter({ vpid: 1 }).read(L);
      scene.exit().map(L, 'B').enter({ vpid: 1 });
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.cr-load-by-transition',
    rule: 'Control registers and IA32_EFER that VM entry and VM exit load drop nothing while VPIDs are on.',
    section: SECTION,
    example: (scene) => {
      const other = scene.newRoot();
      scene.map(L, 'A').map(L, 'B', USED, other).enter({ vpid: 1 }).read(L);
      scene.exit().enter({ vpid: 1, cr3: other, cr4: 0x20n, efer: EFER & ~0x800n });
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.pdpte-by-transition',
    rule: 'PDPTE registers that VM entry loads drop nothing while VPIDs are on.',
    section: SECTION,
    example: (scene) => {
      const { efer = EFER, cr3: host } = scene.now;
      const eptp = scene.newEpt();
      const cr3 = scene.become({ efer: 0n }).newRoot();
      const pdpte = scene.become({ cr3 }).map(L, 'A').entryAt(L, 3);
      const guest = { efer: 0n, cr3, eptp, vpid: 1 };
      scene.become({ efer, cr3: host }).enter(guest).read(L);
      scene
        .store(pdpte, scene.newTable() | P)
        .map(L, 'B')
        .exit()
        .enter(guest);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.msr-load-flush',
    rule: 'After a VM entry whose MSR-load area holds what flushes, nothing is used that was cached before.',
    section: 'SDM Vol. 3C, 27.4',
    example: (scene) => {
      scene.map(L, 'A').enter({ vpid: 1 }).read(L);
      scene
        .exit()
        .map(L, 'B')
        .enterLoadingEfer({ vpid: 1, efer: EFER ^ 0x800n });
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'must.smm-return',
    rule: 'A VM entry that returns from SMM drops the linear and combined mappings of all VPIDs; no guest-physical one.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').map(N, 'C').read(L);
      scene.become({ eptp: scene.newEpt() }).read(M);
      scene.map(L, 'B').mapEpt('C', 'D').returnFromSmm();
    },
    use: (scene) => `${reads(scene, L, N)}`,
    legal: ['B C', 'B D'],
    pure: 'SMM is not built',
  },
  {
    id: 'must.vmxon-vmxoff',
    rule: 'VMXON and VMXOFF drop nothing.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').enter({ vpid: 1 }).read(L);
      scene.exit().map(L, 'B').vmx('vmxoff', 'vmxon').enter({ vpid: 1 });
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.vmclear-vmptrld',
    rule: 'VMCLEAR, VMPTRLD, and VMWRITE of a VPID or an EPTP drop nothing.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').enter({ vpid: 1 }).read(L);
      scene.exit().map(L, 'B').vmx('vmclear', 'vmptrld').enter({ vpid: 2 }).exit().enter({ vpid: 1 });
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.vmfunc',
    rule: 'EPTP switching drops the combined mappings of VPID 0000H while VPIDs are off, and nothing while they are on.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C');
      const [eptp, other] = [scene.newEpt(), scene.newEpt()];
      scene.become({ guest: true, eptp }).read(L);
      scene.become({ vpid: 1 }).read(M);
      scene.map(L, 'B').map(M, 'D').vmfunc(other).vmfunc(eptp);
      scene.become({ vpid: 0 }).vmfunc(other).vmfunc(eptp);
    },
    use: (scene) => `${scene.read(L)} ${scene.become({ vpid: 1 }).read(M)}`,
    legal: ['B C', 'B D'],
  },
  {
    id: 'must.reset',
    rule: 'RESET drops everything.',
    section: 'SDM Vol. 3A, 10.1.1',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').reset();
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
    pure: 'a machine without firmware stops at RESET',
  },
];
