import {
  CR4_BITS,
  CR4_PCIDE,
  EPT_DIRTY,
  EPTP_ACCESSED_DIRTY,
  FRAMES,
  type FrameName,
  KEEPS,
  L,
  M,
  N,
  P,
  type Scene,
  USED,
  W,
} from '../scene';
import { ROWS as OPTIONAL } from './optional';
import { as, type Row } from './row';

const RECOMMENDED = 'SDM Vol. 3A, 4.10.4.2';
const INVVPID_GUIDELINES = 'SDM Vol. 3C, 29.4.3.3';
const INVEPT_GUIDELINES = 'SDM Vol. 3C, 29.4.3.4';

/** Why one does not see the old page while another sees the new one. */
const ONE_POLICY = 'the processors of a machine keep what they may by one policy';

const leaf = (frame: FrameName): bigint => BigInt(FRAMES[frame] << 12) | USED;
const eptLeaf = (frame: FrameName): bigint => BigInt(FRAMES[frame] << 12) | 0x37n;
const optional = (name: string): Row => OPTIONAL.find(({ id }) => id === `optional.${name}`)!;
const indexOf = (at: number): number => at & 0xfff;

/** Execute right for user-mode linear addresses, in the leaf or on the whole way to it. */
const EPT_EXECUTE_USER = 0x400n;
const grantUserFetch = (scene: Scene, eptp: bigint): void => {
  for (const frame of [0, FRAMES.A])
    for (const level of [4, 3, 2, 1])
      scene.change(scene.eptEntryAt(frame, level, eptp), { set: EPT_EXECUTE_USER });
};

/** A guest reads a page by one EPTP, then by another that sends it elsewhere. */
const underAnotherEptp: Row['example'] = (scene) => {
  const [eptp, other] = [scene.newEpt(), scene.newEpt()];
  scene.mapEpt('A', 'B', 7n, other).map(L, 'A').enter({ vpid: 1, eptp }).read(L);
  scene.exit().enter({ vpid: 1, eptp: other });
};

export const ROWS: readonly Row[] = [
  {
    id: 'recommended.leaf',
    rule: 'After a change of an entry that maps a page: INVLPG for each linear address that uses it, under each PCID.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'recommended.rights-lowered',
    rule: 'After a right is taken away, and without invalidation, the access may still be allowed.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.change(scene.entryAt(L), { clear: W });
    },
    use: (scene) => scene.write(L),
    legal: ['A', '#PF'],
  },
  as(optional('rw-set'), {
    id: 'recommended.rights-raised',
    rule: 'After a right is given no invalidation is recommended; without one an access may fault once.',
    section: RECOMMENDED,
  }),
  {
    id: 'recommended.present-to-not',
    rule: 'After the P flag is cleared, and without invalidation, an access may still reach the frame.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.unmap(L);
    },
    use: (scene) => scene.write(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'recommended.remap',
    rule: 'After one store sends a page to another frame, and until all have invalidated, processors may see different frames.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.other.read(L);
      scene.map(L, 'B');
    },
    use: (scene) => `${scene.read(L)} ${scene.other.read(L)}`,
    legal: ['A A', 'A B', 'B A', 'B B'],
    unseen: { 'A B': ONE_POLICY, 'B A': ONE_POLICY },
  },
  {
    id: 'recommended.page-size',
    rule: 'A change of page size together with the frame takes three steps (clear P, invalidate, set): in one, either translation may be used.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'LARGE_B');
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'LARGE_B+1'],
  },
  {
    id: 'recommended.page-size-same',
    rule: 'A change of page size that keeps frames and rights gives the same whichever translation is used.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(L, 'LARGE_A').read(L);
      const table = scene.newTable();
      scene.store(Number(table) + 8, BigInt((FRAMES.LARGE_A + 1) << 12) | USED);
      scene.store(scene.entryAt(L, 2), table | USED);
    },
    use: (scene) => scene.read(L),
    legal: ['LARGE_A+1'],
  },
  {
    id: 'recommended.table-entry',
    rule: 'After a change of an entry that locates a table: INVLPG once for the paging-structure caches, and for each page that is remembered through it.',
    section: RECOMMENDED,
    example: (scene) => {
      const never = M + 0x1_0000n;
      scene.map(L, 'A').map(M, 'C').map(never, 'E').read(L);
      scene.read(M);
      scene.store(scene.entryAt(L, 2), scene.newTable() | USED);
      scene.map(L, 'B').map(M, 'D').map(never, 'A').invlpg(L);
    },
    use: (scene) => [L, M, M + 0x1_0000n].map((at) => scene.read(at)).join(' '),
    legal: ['B C A', 'B D A'],
  },
  {
    id: 'recommended.table-freed',
    rule: 'Before the frame of a table is used for something else: INVLPG, even where none of its entries is present.',
    section: RECOMMENDED,
    example: (scene) => {
      scene.map(N, 'C').read(N);
      const at = scene.entryAt(L);
      scene.store(at, 0n).speculate(L);
      scene.store(scene.entryAt(L, 2), 0n).store(at, leaf('A'));
    },
    use: (scene) => scene.read(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'recommended.pdpte-pae',
    rule: 'With PAE paging a PDPTE in memory counts when CR3 is loaded: INVLPG does not load it.',
    section: 'SDM Vol. 3A, 4.4.1',
    start: { cr3: 0n, cr4: CR4_BITS.pae, efer: 0n },
    example: (scene) => {
      scene.map(L, 'A').read(L);
      const [directory, table] = [scene.newTable(), scene.newTable()];
      scene.store(Number(table) + indexOf(scene.entryAt(L)), leaf('B'));
      scene.store(Number(directory) + indexOf(scene.entryAt(L, 2)), table | USED);
      scene.store(scene.entryAt(L, 3), directory | P).invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.movCr3(scene.now.cr3).read(L)}`,
    legal: ['A B'],
  },
  {
    id: 'recommended.pcid-reuse',
    rule: 'A PCID that is given to another address space: MOV to CR3 with bit 63 clear.',
    section: RECOMMENDED,
    start: { cr3: 0n, cr4: CR4_PCIDE },
    example: (scene) => {
      const other = scene.newRoot();
      scene.map(L, 'A').map(L, 'B', USED, other);
      scene.movCr3(scene.now.cr3 | 5n).read(L);
      scene.movCr3(other | 5n | KEEPS);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'recommended.other-pcids',
    rule: 'An entry that several PCIDs use: INVLPG is not enough, for it leaves what other PCIDs have.',
    section: RECOMMENDED,
    start: { cr3: 0n, cr4: CR4_PCIDE },
    example: (scene) => {
      const root = scene.now.cr3;
      scene
        .map(L, 'A')
        .map(M, 'C')
        .movCr3(root | 5n)
        .read(L);
      scene.read(M);
      scene
        .movCr3(root | 6n)
        .map(L, 'B')
        .map(M, 'D')
        .invlpg(L);
      scene
        .invlpg(M)
        .invpcid(0, { pcid: 5, address: M })
        .movCr3(root | 5n | KEEPS);
    },
    use: (scene) => `${scene.read(L)} ${scene.read(M)}`,
    legal: ['A D', 'B D'],
  },
  {
    id: 'recommended.vpid-reuse',
    rule: 'A VPID that is given to another guest without EPT: INVVPID, single-context.',
    section: INVVPID_GUIDELINES,
    example: (scene) => {
      const other = scene.newRoot();
      scene.map(L, 'A').map(L, 'B', USED, other).enter({ vpid: 1 }).read(L);
      scene.exit().enter({ vpid: 1, cr3: other });
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'recommended.vpid-share-ept',
    rule: 'Guests with EPTPs of their own may share a VPID: mappings of another EP4TA are not used.',
    section: INVVPID_GUIDELINES,
    example: underAnotherEptp,
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'recommended.vmm-writes-guest-cr3',
    rule: 'A monitor without EPT that carries out MOV to CR3 or INVLPG of its guest: INVVPID, for its guest relies on the invalidation.',
    section: INVVPID_GUIDELINES,
    example: (scene) => {
      const guest = { vpid: 1 };
      scene.map(L, 'A').map(M, 'C').enter(guest).read(L);
      scene.read(M);
      scene.map(L, 'B').map(M, 'D').exit();
      scene.invvpid(0, { vpid: 1, address: M }).enter(guest);
    },
    use: (scene) => `${scene.read(L)} ${scene.read(M)}`,
    legal: ['A D', 'B D'],
  },
  {
    id: 'recommended.ept-leaf',
    rule: 'After rights, address or memory type of an EPT leaf change: INVEPT, single-context.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt() };
      scene.map(L, 'A').enter(guest).write(L);
      scene.exit().mapEpt('A', 'A', 5n, guest.eptp).enter(guest);
    },
    use: (scene) => scene.write(L),
    legal: ['A', 'violation'],
  },
  {
    id: 'recommended.ept-xu',
    rule: 'After the execute right for user-mode linear addresses is taken away: INVEPT, single-context.',
    section: INVEPT_GUIDELINES,
    unconfirmed: true,
    example: (scene) => {
      const eptp = scene.newEpt();
      const guest = { vpid: 1, eptp, modeBased: true };
      grantUserFetch(scene, eptp);
      scene.map(L, 'A').enter(guest).fetch(L);
      scene
        .exit()
        .change(scene.eptEntryAt(FRAMES.A, 1, eptp), { clear: EPT_EXECUTE_USER })
        .enter(guest);
    },
    use: (scene) => scene.fetch(L),
    legal: ['A', 'violation'],
  },
  {
    id: 'recommended.ept-ad-clear',
    rule: 'After accessed or dirty flags of EPT are cleared: INVEPT, single-context; until then they may stay clear.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt(EPTP_ACCESSED_DIRTY) };
      scene.map(L, 'A').enter(guest).write(L);
      scene
        .exit()
        .change(scene.eptEntryAt(FRAMES.A, 1, guest.eptp), { clear: EPT_DIRTY })
        .enter(guest);
    },
    use: (scene) => `${scene.write(L)} ${scene.flag(scene.eptEntryAt(FRAMES.A), EPT_DIRTY)}`,
    legal: ['A 0', 'A 1'],
  },
  {
    id: 'recommended.ept-ad-enable',
    rule: 'Before bit 6 of an EPTP is set whose EP4TA was in use without: INVEPT, single-context; until then flags may stay clear.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').enter({ vpid: 1, eptp }).write(L);
      scene.exit().enter({ vpid: 1, eptp: eptp | EPTP_ACCESSED_DIRTY });
    },
    use: (scene) => `${scene.write(L)} ${scene.flag(scene.eptEntryAt(FRAMES.A), EPT_DIRTY)}`,
    legal: ['A 0', 'A 1'],
  },
  {
    id: 'recommended.ept-table-freed',
    rule: 'Before the frame of an EPT table is used for something else: INVEPT, single-context.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt() };
      const { eptp } = guest;
      const table = scene.newTable();
      const [a, c] = [FRAMES.A, FRAMES.C].map((frame) => scene.eptEntryAt(frame, 1, eptp));
      scene.map(L, 'A').map(N, 'C').enter(guest).read(L);
      scene.exit();
      scene.store(Number(table) + indexOf(a), eptLeaf('A')).store(Number(table) + indexOf(c), eptLeaf('D'));
      scene
        .store(scene.eptEntryAt(FRAMES.A, 2, eptp), table | 7n)
        .store(c, eptLeaf('E'))
        .enter(guest);
    },
    use: (scene) => scene.read(N),
    legal: ['E', 'D'],
  },
  {
    id: 'recommended.eptp-change',
    rule: 'An EPTP whose EP4TA was never used needs no invalidation.',
    section: INVEPT_GUIDELINES,
    example: underAnotherEptp,
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'recommended.eptp-reuse',
    rule: 'Before the frame of an EPT PML4 table is used for another guest: INVEPT, single-context.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const eptp = scene.newEpt();
      const other = scene.newEpt();
      scene.mapEpt('A', 'B', 7n, other).map(L, 'A').enter({ vpid: 1, eptp }).read(L);
      scene.exit().store(scene.eptEntryAt(0, 4, eptp), scene.entry(scene.eptEntryAt(0, 4, other)));
      scene.enter({ vpid: 1, eptp });
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'recommended.apic-access',
    rule: 'Before "virtualize APIC accesses" or the APIC-access address changes: INVEPT or, without EPT, INVVPID, single-context each; nothing that was remembered is used then.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt() };
      scene.map(L, 'A').enter(guest).read(L);
      // In place of the control, which the model lacks, EPT sends the accesses elsewhere.
      scene.exit().mapEpt('A', 'D', 7n, guest.eptp).invept(1, guest.eptp).enter(guest);
    },
    use: (scene) => scene.read(L),
    legal: ['D'],
  },
  {
    id: 'recommended.vmxon-vmxoff',
    rule: 'Before VMXOFF or after VMXON: INVVPID and INVEPT, all-context; neither instruction invalidates.',
    section: INVVPID_GUIDELINES,
    example: (scene) => {
      scene.map(L, 'A').enter({ vpid: 1 }).read(L);
      scene.exit().vmx('vmxoff', 'vmxon').map(L, 'B').enter({ vpid: 1 });
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'recommended.spp-hlat',
    rule: 'After sub-page permissions change: INVEPT. The model has neither them nor HLAT paging: what grants the write is the leaf.',
    section: INVEPT_GUIDELINES,
    unconfirmed: true,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt() };
      scene.map(L, 'A').enter(guest).write(L);
      scene.exit().mapEpt('A', 'A', 5n, guest.eptp).invept(1, guest.eptp).enter(guest);
    },
    use: (scene) => scene.write(L),
    legal: ['violation'],
  },
  {
    id: 'recommended.virtual-apic-page',
    rule: 'What the VMCS points to is changed while no guest runs: the model reads the EPTP list at each VMFUNC, and remembers nothing of it.',
    section: 'SDM Vol. 3C, 25.11.4',
    unconfirmed: true,
    example: (scene) => {
      const [first, second] = [scene.newEpt(), scene.newEpt()];
      scene.mapEpt('A', 'B', 7n, second).map(L, 'A').enter({ vpid: 1, eptp: first }).read(L);
      scene.vmfunc(second);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
];
