import { type Account, from, type Shown } from './account';

/** Rows of rules about the translation caches; spec/caching/rows.spec.ts runs the example of each. */
export const cached = (table: string, ...ids: readonly string[]): readonly Shown[] =>
  from(`spec/caching/rows/${table}.ts`)(...ids);

const functions = from('spec/vmx/ept/vm-functions.spec.ts');
const invalidation = from('spec/vmx/instructions/invalidation.spec.ts');
const taskSwitch = from('spec/caching/task-switch.spec.ts');
const msrAreas = from('spec/caching/msr-areas.spec.ts');

const SWITCHING = 'SDM Vol. 3C, 26.5.6.3';
const INSTRUCTIONS = 'SDM Vol. 3C, 31.3';
const KINDS = 'SDM Vol. 3C, 29.4.1';
const USE = 'SDM Vol. 3C, 29.4.2';
const INVALIDATES = 'SDM Vol. 3C, 29.4.3.1';

const LACKS = '%s: error 28, before the operand is read';
const RESERVED = 'bits 63:16 must be 0: type %s';

/** EPTP switching, INVEPT, INVVPID, and what is cached and invalidated. */
export const EPT_INVALIDATION: readonly Account[] = [
  {
    id: 'vmfunc.list',
    rule: 'The EPTP list is a 4-KByte page of 512 entries of 8 bytes, at the physical address in its field.',
    section: SWITCHING,
    shown: functions('vmfunc.list-read', 'vmfunc.effect'),
  },
  {
    id: 'vmfunc.ecx',
    rule: 'EPTP switching with ECX above 511 is a VM exit.',
    section: SWITCHING,
    shown: functions('vmfunc.ecx: index 512', 'vmfunc.ecx: index FFFFFFFFH'),
  },
  {
    id: 'vmfunc.validity',
    rule: 'EPTP switching to an EPTP that VM entry would refuse is a VM exit.',
    section: SWITCHING,
    shown: functions(
      'vmfunc.validity: zero',
      'a reserved bit',
      'a memory type that is not supported',
      'beyond the physical-address width',
    ),
  },
  {
    id: 'vmfunc.effect',
    rule: 'EPTP switching writes the entry to the EPTP field and uses it, and changes no register and no flag.',
    section: SWITCHING,
    shown: functions('vmfunc.effect'),
  },
  {
    id: 'vmfunc.index',
    rule: 'EPTP switching writes bits 15:0 of ECX to the EPTP index, where the processor has virtualization exceptions.',
    section: SWITCHING,
    shown: functions('vmfunc.index'),
  },
  {
    id: 'vmfunc.vpid-off',
    rule: 'EPTP switching without VPIDs invalidates the combined mappings of VPID 0000H.',
    section: SWITCHING,
    shown: [...functions('vmfunc.vpid-off'), ...cached('must-vmx', 'must.vmfunc')],
  },
  {
    id: 'vmfunc.pae',
    rule: 'EPTP switching keeps the PDPTE registers of PAE paging.',
    section: SWITCHING,
    shown: functions('vmfunc.pae'),
  },
  {
    id: 'vmfunc.no-exit-on-cr3',
    rule: 'EPTP switching itself translates neither CR3 nor PDPTEs; the next access does.',
    section: SWITCHING,
    shown: functions('vmfunc.no-exit-on-cr3', 'vmfunc.fetch-next'),
  },
  {
    id: 'invept.type1',
    rule: 'INVEPT of type 1 invalidates the guest-physical and combined mappings of the EP4TA in its descriptor, and fails with error 28 where VM entry would refuse the EPTP.',
    section: INSTRUCTIONS,
    shown: [
      ...cached('must-invept', 'must.invept-1'),
      ...invalidation(
        'type %s drops translations',
        'an EPTP that VM entry would refuse',
        'INVEPT single-context',
        LACKS,
      ),
    ],
  },
  {
    id: 'invept.type2',
    rule: 'INVEPT of type 2 invalidates all guest-physical and combined mappings.',
    section: INSTRUCTIONS,
    shown: [
      ...cached('must-invept', 'must.invept-2'),
      ...invalidation('type %s drops translations', 'INVEPT all-context', LACKS),
    ],
  },
  {
    id: 'invept.other',
    rule: 'INVEPT of another type fails with error 28 before it reads the descriptor.',
    section: INSTRUCTIONS,
    shown: invalidation(
      '%s of a type that is defined nowhere: error 28, before the operand is read',
      'a type beyond 32 bits',
    ),
  },
  {
    id: 'invept.descriptor',
    rule: 'The INVEPT descriptor has the EPTP in bits 63:0; nothing fails for bits 127:64.',
    section: INSTRUCTIONS,
    shown: invalidation('type %s drops translations'),
  },
  {
    id: 'invvpid.type0',
    rule: 'INVVPID of type 0 invalidates the linear and combined mappings of a linear address under a VPID other than 0000H, and fails with error 28 for an address that is not canonical.',
    section: INSTRUCTIONS,
    shown: [
      ...cached('must-invept', 'must.invvpid-0'),
      ...invalidation(
        'VPID 0 with type 0',
        'an address that is not canonical',
        'an address is canonical by the linear-address width of the processor, whatever CR4.LA57 is',
        'INVVPID individual-address',
        RESERVED,
      ),
    ],
  },
  {
    id: 'invvpid.type1',
    rule: 'INVVPID of type 1 invalidates the linear and combined mappings of a VPID other than 0000H.',
    section: INSTRUCTIONS,
    shown: [
      ...cached('must-invept', 'must.invvpid-1'),
      ...invalidation('VPID 0 with type 1', 'INVVPID single-context', RESERVED),
    ],
  },
  {
    id: 'invvpid.type2',
    rule: 'INVVPID of type 2 invalidates the linear and combined mappings of all VPIDs except 0000H.',
    section: INSTRUCTIONS,
    shown: [
      ...cached('must-invept', 'must.invvpid-2'),
      ...invalidation('INVVPID all-context', 'reserved bits of the descriptor, also with type 2', RESERVED),
    ],
  },
  {
    id: 'invvpid.type3',
    rule: 'INVVPID of type 3 invalidates what type 1 does, and need not invalidate global translations.',
    section: INSTRUCTIONS,
    shown: [
      ...cached('must-invept', 'must.invvpid-3'),
      ...cached('global', 'global.invvpid3'),
      ...invalidation('VPID 0 with type 3', 'INVVPID single-context-retaining-globals', RESERVED),
    ],
  },
  {
    id: 'invvpid.other',
    rule: 'INVVPID of another type fails with error 28 before it reads the descriptor.',
    section: INSTRUCTIONS,
    shown: invalidation('%s of a type that is defined nowhere: error 28, before the operand is read'),
  },
  {
    id: 'invvpid.descriptor',
    rule: 'The INVVPID descriptor has the VPID in bits 15:0 and the linear address in bits 127:64; bits 63:16 must be 0 for every type.',
    section: INSTRUCTIONS,
    shown: invalidation(RESERVED, 'type %s drops translations'),
  },
  {
    id: 'cache.linear',
    rule: 'Linear mappings belong to a VPID and a PCID, and are made from guest paging structures only while EPT is off.',
    section: KINDS,
    shown: [...cached('kinds', 'kinds.linear'), ...cached('tags', 'tags.vpid', 'tags.pcid')],
  },
  {
    id: 'cache.guest-physical',
    rule: 'Guest-physical mappings belong to an EP4TA, and are made only while EPT is on.',
    section: KINDS,
    shown: [...cached('kinds', 'kinds.guest-physical'), ...cached('tags', 'tags.ep4ta')],
  },
  {
    id: 'cache.combined',
    rule: 'Combined mappings belong to a VPID, a PCID and an EP4TA, are made only while EPT is on, and without paging only for pages.',
    section: KINDS,
    shown: [
      ...cached('kinds', 'kinds.combined', 'kinds.pg0'),
      ...cached('tags', 'tags.vpid', 'tags.pcid', 'tags.ep4ta'),
    ],
  },
  {
    id: 'cache.use-off',
    rule: 'While EPT is off, linear mappings of the current VPID and PCID are used, and global ones of any PCID.',
    section: USE,
    shown: [
      ...cached('kinds', 'kinds.use-off'),
      ...cached('global', 'global.definition', 'global.vpid-bound'),
      ...cached('tags', 'tags.vpid', 'tags.pcid'),
    ],
  },
  {
    id: 'cache.use-on',
    rule: 'While EPT is on, combined mappings of the current VPID, PCID and EP4TA are used, and guest-physical mappings of that EP4TA.',
    section: USE,
    shown: [...cached('kinds', 'kinds.use-on'), ...cached('tags', 'tags.ep4ta', 'tags.vpid', 'tags.pcid')],
  },
  {
    id: 'cache.never-cached',
    rule: 'Nothing is cached from an entry that is not present, has a reserved bit, or is misconfigured.',
    section: USE,
    shown: cached('no-fill', 'no-fill.not-present', 'no-fill.ept-not-present'),
  },
  {
    id: 'cache.vpid0',
    rule: 'The VPID is 0000H outside VMX non-root operation and where the control is 0, and the PCID 000H while CR4.PCIDE is 0.',
    section: KINDS,
    shown: [
      ...cached('tags', 'tags.host-vpid0', 'tags.pcide-off'),
      ...cached('must-vmx', 'must.vm-entry-no-vpid'),
    ],
  },
  {
    id: 'cache.speculative-fill',
    rule: 'The processor may cache any translation of the current address space at any time, with the accessed flags of its entries set, and holds in it no right and no dirty flag that memory lacked.',
    section: 'SDM Vol. 3A, 4.10.2.3',
    shown: [
      ...cached('speculation', 'speculation.fill-any-time', 'speculation.no-fill-wrong-context'),
      ...cached('accessed', 'accessed.a-speculative', 'accessed.no-fill-a0'),
      ...cached('tlb-content', 'tlb-content.dirty-no-fill'),
    ],
  },
  {
    id: 'cache.rights-raised',
    rule: 'Where rights are raised or an entry becomes present no invalidation is needed, and at most one page fault or EPT violation more comes.',
    section: 'SDM Vol. 3A, 4.10.4.3',
    shown: cached(
      'optional',
      'optional.p-set',
      'optional.rw-set',
      'optional.us-set',
      'optional.xd-clear',
      'optional.ept-rights-set',
      'optional.ept-present',
    ),
  },
  {
    id: 'cache.size-change',
    rule: 'An address may be cached in several entries and page sizes at once, and any of them may be used until it is invalidated.',
    section: 'SDM Vol. 3A, 4.10.2.3',
    shown: [
      ...cached('several', 'several.page-size-change', 'several.same-va-two'),
      ...cached('tlb-content', 'tlb-content.smaller-fraction'),
    ],
  },
  {
    id: 'invalidate.invlpg',
    rule: 'INVLPG invalidates a page under the current VPID and PCID and where it is global, and all entries of paging-structure caches of that PCID, in linear and combined mappings.',
    section: INVALIDATES,
    shown: [
      ...cached('must-paging', 'must.invlpg', 'must.invlpg-linear-and-combined'),
      ...cached('global', 'global.invlpg'),
      ...cached('must-invept', 'must.guest-invlpg-not-gpa'),
      ...cached('several', 'several.two-eptps'),
    ],
  },
  {
    id: 'invalidate.mov-cr3',
    rule: 'MOV to CR3 invalidates the PCID that it loads except global translations, in linear and combined mappings.',
    section: INVALIDATES,
    shown: [
      ...cached('must-registers', 'must.mov-cr3', 'must.mov-cr3-old-pcid', 'must.mov-cr3-same-value'),
      ...cached('global', 'global.mov-cr3'),
      ...cached('must-invept', 'must.guest-invlpg-not-gpa'),
    ],
  },
  {
    id: 'invalidate.mov-cr3-noflush',
    rule: 'MOV to CR3 with bit 63 of the source, while CR4.PCIDE is 1, invalidates nothing.',
    section: INVALIDATES,
    shown: cached('must-registers', 'must.mov-cr3-bit63'),
  },
  {
    id: 'invalidate.mov-cr4',
    rule: 'MOV to CR4 that changes PGE, or clears PCIDE, invalidates all PCIDs and global translations of the current VPID.',
    section: INVALIDATES,
    shown: cached('must-registers', 'must.mov-cr4-pge', 'must.mov-cr4-pcide'),
  },
  {
    id: 'invalidate.mov-cr0',
    rule: 'MOV to CR0 that clears PG invalidates all PCIDs and global translations of the current VPID.',
    section: INVALIDATES,
    shown: cached('must-registers', 'must.mov-cr0-pg', 'must.mov-cr0-other'),
  },
  {
    id: 'invalidate.invpcid',
    rule: 'INVPCID invalidates under the current VPID an address of a PCID, a PCID, all PCIDs with global translations, or all without, by its type.',
    section: INVALIDATES,
    shown: [
      ...cached('must-paging', 'must.invpcid-0', 'must.invpcid-1', 'must.invpcid-2', 'must.invpcid-3'),
      ...cached('global', 'global.invpcid'),
    ],
  },
  {
    id: 'invalidate.wrmsr',
    rule: 'WRMSR that makes the processor flush its TLBs does so for linear and combined mappings of the current VPID.',
    section: INVALIDATES,
    shown: [...cached('must-registers', 'must.mtrr-pat'), ...cached('tlb-content', 'tlb-content.nxe')],
  },
  {
    id: 'invalidate.task-switch',
    rule: 'A task switch that changes CR3 invalidates as MOV to CR3 does.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    shown: [
      ...cached('must-registers', 'must.task-switch'),
      ...taskSwitch('that changes CR3 invalidates', 'that loads the value that CR3 has invalidates nothing'),
    ],
  },
  {
    id: 'invalidate.ept-violation',
    rule: 'An EPT violation invalidates the guest-physical mappings of its address for the current EP4TA, and combined mappings of the linear address that it translates.',
    section: INVALIDATES,
    shown: cached(
      'must-vmx',
      'must.ept-violation',
      'must.ept-violation-scope',
      'must.ept-violation-not-final',
    ),
  },
  {
    id: 'invalidate.ept-misconfiguration',
    rule: 'An EPT misconfiguration need invalidate nothing.',
    section: INVALIDATES,
    shown: cached('must-vmx', 'must.ept-misconfiguration'),
  },
  {
    id: 'invalidate.vm-entry-no-vpid',
    rule: 'VM entry without VPIDs invalidates the linear and combined mappings of VPID 0000H, and need invalidate no guest-physical one.',
    section: INVALIDATES,
    shown: cached('must-vmx', 'must.vm-entry-no-vpid', 'must.vm-entry-no-vpid-gpa'),
  },
  {
    id: 'invalidate.vm-exit-no-vpid',
    rule: 'A VM exit without VPIDs invalidates the linear and combined mappings of VPID 0000H, and need invalidate no guest-physical one.',
    section: INVALIDATES,
    shown: [
      ...cached('must-vmx', 'must.vm-entry-no-vpid', 'must.vm-entry-no-vpid-gpa'),
      ...from('spec/vmx/exit/details.spec.ts')(
        'are selected anew and, without VPID, dropped at each VM entry and each VM exit',
      ),
    ],
  },
  {
    id: 'invalidate.vmx-transition-vpid',
    rule: 'VM entries and VM exits with VPIDs need invalidate nothing.',
    section: INVALIDATES,
    shown: cached('must-vmx', 'must.vm-transition-vpid', 'must.cr-load-by-transition'),
  },
  {
    id: 'invalidate.vmxon-vmxoff',
    rule: 'VMXON and VMXOFF need invalidate nothing.',
    section: INVALIDATES,
    shown: cached('must-vmx', 'must.vmxon-vmxoff'),
  },
  {
    id: 'invalidate.eptp-switching',
    rule: 'EPTP switching invalidates the combined mappings of VPID 0000H without VPIDs, and need invalidate nothing with them.',
    section: INVALIDATES,
    shown: cached('must-vmx', 'must.vmfunc'),
  },
  {
    id: 'invalidate.invept',
    rule: 'INVEPT invalidates guest-physical and combined mappings by its type, under all VPIDs and PCIDs, and need invalidate no linear one.',
    section: INVALIDATES,
    shown: cached('must-invept', 'must.invept-1', 'must.invept-2', 'must.invept-host'),
  },
  {
    id: 'invalidate.invvpid',
    rule: 'INVVPID invalidates linear and combined mappings by its type, and need invalidate no guest-physical one.',
    section: INVALIDATES,
    shown: cached(
      'must-invept',
      'must.invvpid-0',
      'must.invvpid-1',
      'must.invvpid-2',
      'must.invvpid-3',
      'must.invvpid-not-gpa',
    ),
  },
  {
    id: 'invalidate.msr-area',
    rule: 'After a transition that loads an MSR whose write would flush the TLBs, nothing is used that was cached before.',
    section: INVALIDATES,
    shown: [
      ...cached('must-vmx', 'must.msr-load-flush'),
      ...msrAreas(
        'the guest uses nothing that was cached before, where NXE changes',
        'the host uses nothing that was cached before, where NXE changes',
      ),
    ],
  },
  {
    id: 'invalidate.reset',
    rule: 'RESET invalidates all mappings.',
    section: INVALIDATES,
    shown: cached('must-vmx', 'must.reset'),
  },
  {
    id: 'invalidate.page-fault',
    rule: 'A page fault invalidates the page and the paging-structure-cache entries for its address under the current VPID and PCID.',
    section: INVALIDATES,
    shown: [
      ...cached('must-paging', 'must.page-fault', 'must.page-fault-scope'),
      ...cached('must-vmx', 'must.page-fault-exit'),
      ...cached('no-fill', 'no-fill.upper-ok'),
    ],
  },
  {
    id: 'invalidate.mov-cr4-current-pcid',
    rule: 'MOV to CR4 that changes PAE or sets SMEP invalidates the current PCID of the current VPID.',
    section: INVALIDATES,
    shown: cached('must-registers', 'must.mov-cr4-pae-smep'),
  },
  {
    id: 'apic-access.tlb',
    rule: 'Software that changes the APIC-access address or its control invalidates by INVEPT or, without EPT, by INVVPID.',
    section: 'SDM Vol. 3C, 29.4.3.4',
    shown: { unbuilt: 'Virtualize APIC accesses' },
  },
];
