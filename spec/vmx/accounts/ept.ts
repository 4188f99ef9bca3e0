import { type Account, from } from './account';
import { cached, EPT_INVALIDATION } from './ept-invalidation';

const accessedDirty = from('spec/vmx/ept/accessed-dirty.spec.ts');
const delivery = from('spec/vmx/ept/event-delivery.spec.ts');
const fiveLevels = from('spec/vmx/ept/five-levels.spec.ts');
const functions = from('spec/vmx/ept/vm-functions.spec.ts');
const misconfigured = from('spec/vmx/ept/misconfigurations.spec.ts');
const modeBased = from('spec/vmx/ept/mode-based-execute.spec.ts');
const translation = from('spec/vmx/ept/translation.spec.ts');
const violations = from('spec/vmx/ept/violations.spec.ts');
const exceptions = from('spec/vmx/ept/virtualization-exceptions.spec.ts');
const machine = from('spec/vmx/ept/whole-machine.spec.ts');
const formats = from('spec/ept/entry-formats.spec.ts');
const memoryTypes = from('spec/ept/memory-type.spec.ts');
const qualification = from('spec/ept/qualification.spec.ts');
const guestAccess = from('spec/vmx/non-root/ept.spec.ts');

const EPTP = 'SDM Vol. 3C, 25.6.11';
const TRANSLATION = 'SDM Vol. 3C, 29.3.2';
const MISCONFIGURATIONS = 'SDM Vol. 3C, 29.3.3.1';
const VIOLATIONS = 'SDM Vol. 3C, 29.3.3.2';
const QUALIFICATION = 'SDM Vol. 3C, 28.2.1';
const FLAGS = 'SDM Vol. 3C, 29.3.5';
const LOGGING = 'SDM Vol. 3C, 29.3.6';
const TYPES = 'SDM Vol. 3C, 29.3.7.2';
const CONVERTIBLE = 'SDM Vol. 3C, 26.5.7.1';
const INFORMATION = 'SDM Vol. 3C, 26.5.7.2';

const SHADOW_STACKS = { unbuilt: 'supervisor shadow-stack control of EPT' };
const TERTIARY = { unbuilt: 'Activate tertiary controls' };
const SUB_PAGES = { unbuilt: 'Sub-page write permissions for EPT' };
const APIC_ACCESSES = { unbuilt: 'Virtualize APIC accesses' };
const TRACE = { unbuilt: 'Intel PT uses guest physical addresses' };

/** What EPT and its structures do. */
export const EPT: readonly Account[] = [
  {
    id: 'eptp.memoryType.2-0',
    rule: 'Bits 2:0 of the EPTP are the memory type of EPT structures, UC or WB, and each only where the processor enumerates it.',
    section: EPTP,
    shown: [
      ...translation('eptp.memoryType: WB', 'eptp.memoryType: UC', 'eptp.memoryType: WC'),
      ...translation('WB that the processor lacks', 'UC that the processor lacks'),
    ],
  },
  {
    id: 'eptp.walkLengthMinus1.5-3',
    rule: 'Bits 5:3 of the EPTP are one less than the length of the page walk, which is 4 or, where enumerated, 5.',
    section: EPTP,
    shown: [
      ...translation('eptp.walkLengthMinus1: 2', 'eptp.walkLengthMinus1: 5'),
      ...fiveLevels('translates through the PML5 table', 'VM entry refuses it on a processor without it'),
    ],
  },
  {
    id: 'eptp.accessedDirtyEnable.6',
    rule: 'Bit 6 of the EPTP turns on accessed and dirty flags, where the processor has them.',
    section: EPTP,
    shown: [
      ...translation('eptp.accessedDirtyEnable', 'flags that the processor lacks'),
      ...accessedDirty('only where EPTP bit 6 is 1'),
    ],
  },
  {
    id: 'eptp.supervisorShadowStack.7',
    rule: 'Bit 7 of the EPTP has access rights of supervisor shadow stacks enforced, where the processor has them.',
    section: EPTP,
    shown: SHADOW_STACKS,
  },
  {
    id: 'eptp.reserved.11-8',
    rule: 'Bits 11:8 of the EPTP must be 0.',
    section: EPTP,
    shown: translation('eptp.reserved: bit 8', 'eptp.reserved: bit 11'),
  },
  {
    id: 'eptp.rootAddress.N-1-12',
    rule: 'Bits N–1:12 of the EPTP locate the first table of the walk, where N is the physical-address width.',
    section: EPTP,
    shown: [
      ...translation('eptp.rootAddress: the first bit beyond'),
      ...fiveLevels('translates through the PML5 table'),
    ],
  },
  {
    id: 'eptp.reserved.63-N',
    rule: 'Bits 63:N of the EPTP must be 0.',
    section: EPTP,
    shown: translation('eptp.reserved.63-N', 'eptp.rootAddress: the first bit beyond'),
  },
  {
    id: 'entry.pml5e',
    rule: 'A PML5 entry locates a PML4 table by bits 56:48 of the guest-physical address, and has bits 7:3 and 51:N reserved.',
    section: TRANSLATION,
    shown: [
      ...formats('entry.pml5e'),
      ...fiveLevels(
        'entry.pml5e',
        'bits 9, 11 and 63:52 are ignored',
        'its rights are part of those of the path',
      ),
    ],
  },
  {
    id: 'entry.pml4e',
    rule: 'A PML4 entry controls 512 GBytes by bits 47:39 of the guest-physical address, and has bits 7:3 and 51:N reserved.',
    section: TRANSLATION,
    shown: [...formats('entry.pml4e'), ...misconfigured('in a PML4E', 'bits 62:52 are ignored')],
  },
  {
    id: 'entry.pdpte-table',
    rule: 'An EPT PDPTE with bit 7 = 0 locates a page directory, and has bits 6:3 and 51:N reserved.',
    section: TRANSLATION,
    shown: formats('entry.pdpte-table'),
  },
  {
    id: 'entry.pde-table',
    rule: 'An EPT PDE with bit 7 = 0 locates a page table, and has bits 6:3 and 51:N reserved.',
    section: TRANSLATION,
    shown: formats('entry.pde-table'),
  },
  {
    id: 'entry.pdpte-1g',
    rule: 'An EPT PDPTE with bit 7 = 1 maps a 1-GByte page with a memory type, and has bits 29:12 and 51:N reserved.',
    section: TRANSLATION,
    shown: [...formats('entry.pdpte-1g'), ...misconfigured('entry.pdpte-1g')],
  },
  {
    id: 'entry.pde-2m',
    rule: 'An EPT PDE with bit 7 = 1 maps a 2-MByte page with a memory type, and has bits 20:12 and 51:N reserved.',
    section: TRANSLATION,
    shown: [
      ...formats('entry.pde-2m'),
      ...misconfigured('entry.pde-2m'),
      ...accessedDirty('of a large page the dirty flag is in the entry that maps it'),
    ],
  },
  {
    id: 'entry.pte-4k',
    rule: 'An EPT PTE maps a 4-KByte page with a memory type, ignores bit 7, and has bits 51:N reserved.',
    section: TRANSLATION,
    shown: [...formats('entry.pte-4k'), ...misconfigured('bit 7 is ignored')],
  },
  {
    id: 'entry.not-present',
    rule: 'An entry is not present where bits 2:0 and, under mode-based execute control, bit 10 are all 0, and its other bits are ignored.',
    section: TRANSLATION,
    shown: [...formats('entry.not-present'), ...violations('entry.not-present')],
  },
  {
    id: 'translate.address-bits',
    rule: 'Four levels translate 48 bits of a guest-physical address and five levels 57; a set bit beyond them is an EPT violation.',
    section: TRANSLATION,
    shown: [
      ...violations('4 levels translate 48 bits; beyond them nothing is present'),
      ...fiveLevels('and addresses of more than 48 bits'),
    ],
  },
  {
    id: 'translate.entry-address',
    rule: 'An entry stands at the address of its table plus 8 times 9 bits of the guest-physical address.',
    section: TRANSLATION,
    shown: translation('translate.entry-address'),
  },
  {
    id: 'translate.cr3',
    rule: 'CR3 and the entries of guest paging structures hold guest-physical addresses, and loading CR3 does not translate one.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: translation('translate.cr3'),
  },
  {
    id: 'translate.no-paging',
    rule: 'With CR0.PG = 0 a linear address is the guest-physical address.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: translation('translate.no-paging'),
  },
  {
    id: 'translate.pae',
    rule: 'With PAE paging the load of the PDPTE registers goes through EPT, and the addresses in them are translated on use.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: translation('translate.pae', 'a misconfiguration of the page with PDPTEs leaves CR3 as it was'),
  },
  {
    id: 'apic-access.page-size',
    rule: 'Accesses to the APIC-access page are sure to be virtualized only where a 4-KByte page maps it.',
    section: 'SDM Vol. 3C, 25.6',
    shown: APIC_ACCESSES,
  },
  {
    id: 'misconfig.write-only',
    rule: 'An entry that allows writes and no reads is misconfigured.',
    section: MISCONFIGURATIONS,
    shown: misconfigured('misconfig.write-only'),
  },
  {
    id: 'misconfig.execute-only-unsupported',
    rule: 'An entry that allows fetches and no reads is misconfigured where the processor lacks execute-only translations.',
    section: MISCONFIGURATIONS,
    shown: misconfigured('misconfig.execute-only-unsupported'),
  },
  {
    id: 'misconfig.reserved-low',
    rule: 'An entry that locates a table is misconfigured where one of bits 6:3, and at the upper two levels bit 7, is 1.',
    section: MISCONFIGURATIONS,
    shown: [...misconfigured('misconfig.reserved-low'), ...fiveLevels('reserved bit ')],
  },
  {
    id: 'misconfig.reserved-address',
    rule: 'A present entry with an address bit beyond the physical-address width is misconfigured.',
    section: MISCONFIGURATIONS,
    shown: misconfigured('misconfig.reserved-address'),
  },
  {
    id: 'misconfig.reserved-large-page',
    rule: 'An entry of a large page is misconfigured where an address bit below the page size is 1.',
    section: MISCONFIGURATIONS,
    shown: [...misconfigured('misconfig.reserved-large-page'), ...formats('entry.pde-2m', 'entry.pdpte-1g')],
  },
  {
    id: 'misconfig.large-page-unsupported',
    rule: 'An entry with bit 7 = 1 is misconfigured where the processor lacks pages of its size.',
    section: MISCONFIGURATIONS,
    shown: misconfigured('misconfig.large-page-unsupported'),
  },
  {
    id: 'misconfig.memory-type',
    rule: 'An entry that maps a page is misconfigured where its memory type is 2, 3 or 7.',
    section: MISCONFIGURATIONS,
    shown: misconfigured('misconfig.memory-type'),
  },
  {
    id: 'misconfig.order',
    rule: 'Entries are examined from the top, and a misconfiguration on the path comes before the evaluation of access rights.',
    section: MISCONFIGURATIONS,
    shown: misconfigured(
      'a misconfiguration comes before rights that an entry above it lacks',
      'an entry that is not present comes before a misconfiguration below it',
    ),
  },
  {
    id: 'violation.not-present',
    rule: 'An entry on the path that is not present makes the access an EPT violation.',
    section: VIOLATIONS,
    shown: violations('violation.not-present', 'entry.not-present: bits 2:0 alone decide, at each level'),
  },
  {
    id: 'violation.read',
    rule: 'A data read, also of a guest paging structure, is an EPT violation where an entry used has bit 0 = 0.',
    section: VIOLATIONS,
    shown: violations('violation.read', 'a table that may not be read'),
  },
  {
    id: 'violation.write',
    rule: 'A data write, also of accessed and dirty flags of guest entries, is an EPT violation where an entry used has bit 1 = 0.',
    section: VIOLATIONS,
    shown: violations(
      'violation.write',
      'rights are those that all entries of the path have, at each level',
      'the update of accessed flags is a write',
      'that of the dirty flag too',
    ),
  },
  {
    id: 'violation.paging-structure-as-write',
    rule: 'With bit 6 of the EPTP each access to a guest paging structure counts as a write, except the load of PDPTE registers.',
    section: VIOLATIONS,
    shown: violations('violation.paging-structure-as-write', 'with them, as a read'),
  },
  {
    id: 'violation.fetch',
    rule: 'A fetch is an EPT violation where an entry used has bit 2 = 0.',
    section: VIOLATIONS,
    shown: violations('violation.fetch'),
  },
  {
    id: 'violation.fetch-mbe',
    rule: 'Under mode-based execute control a fetch needs bit 10 of each entry used for a user-mode linear address, and bit 2 for a supervisor-mode one.',
    section: VIOLATIONS,
    shown: modeBased(
      'violation.fetch-mbe',
      'the address decides, not the privilege level',
      'with CR0.PG = 0 every address is user-mode',
      'each entry of the path counts',
    ),
  },
  {
    id: 'violation.supervisor-shadow-stack',
    rule: 'With bit 7 of the EPTP a supervisor shadow-stack access needs bit 60 of the entry that maps the page.',
    section: VIOLATIONS,
    shown: SHADOW_STACKS,
  },
  {
    id: 'violation.paging-write',
    rule: 'Under EPT paging-write control bit 58 of the entry that maps the page allows writes of the processor to guest paging structures.',
    section: VIOLATIONS,
    shown: TERTIARY,
  },
  {
    id: 'violation.guest-paging-verification',
    rule: 'Under guest-paging verification a page with bit 57 needs bit 58 of the entries that map the guest paging structures used.',
    section: VIOLATIONS,
    shown: TERTIARY,
  },
  {
    id: 'violation.sub-page-write',
    rule: 'Under sub-page write permissions bit 61 of a 4-KByte page lets its vector of sub-pages allow a write that the entries do not.',
    section: VIOLATIONS,
    shown: SUB_PAGES,
  },
  {
    id: 'qualification.bit0',
    rule: 'Bit 0 of the qualification says that the access was a data read.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit0'), ...violations('violation.read')],
  },
  {
    id: 'qualification.bit1',
    rule: 'Bit 1 of the qualification says that the access was a data write.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit1'), ...violations('violation.write')],
  },
  {
    id: 'qualification.bit2',
    rule: 'Bit 2 of the qualification says that the access was a fetch.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit2'), ...violations('violation.fetch')],
  },
  {
    id: 'qualification.bit3',
    rule: 'Bit 3 of the qualification is the logical-AND of bit 0 of the entries used.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit3'), ...violations('%s: %s with rights %i')],
  },
  {
    id: 'qualification.bit4',
    rule: 'Bit 4 of the qualification is the logical-AND of bit 1 of the entries used.',
    section: QUALIFICATION,
    shown: [
      ...qualification('qualification.bit4'),
      ...violations('rights are those that all entries of the path have, at each level'),
    ],
  },
  {
    id: 'qualification.bit5',
    rule: 'Bit 5 of the qualification is the logical-AND of bit 2 of the entries used.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit5'), ...violations('%s: %s with rights %i')],
  },
  {
    id: 'qualification.bit6',
    rule: 'Bit 6 of the qualification is, under mode-based execute control, the logical-AND of bit 10 of the entries used.',
    section: QUALIFICATION,
    shown: [
      ...qualification('qualification.bit6'),
      ...modeBased('qualification.bit6', 'is 0 while the control is 0'),
    ],
  },
  {
    id: 'qualification.bit7',
    rule: 'Bit 7 of the qualification says that the guest-linear address is valid, which it is not for a load of PDPTE registers.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit7'), ...violations('qualification.bit7')],
  },
  {
    id: 'qualification.bit8',
    rule: 'Bit 8 of the qualification tells an access to the translation of the linear address from one to a paging-structure entry.',
    section: QUALIFICATION,
    shown: [
      ...qualification('qualification.bit8'),
      ...violations('whatever the access itself is'),
      ...guestAccess('a paging-structure access has bit 8 = 0'),
    ],
  },
  {
    id: 'qualification.bit9',
    rule: 'Bit 9 of the qualification says that the linear address is a user-mode address.',
    section: QUALIFICATION,
    shown: [
      ...qualification('qualification.bit9'),
      ...violations('user-mode', 'a supervisor-mode table makes a supervisor-mode address'),
    ],
  },
  {
    id: 'qualification.bit10',
    rule: 'Bit 10 of the qualification says that paging lets the linear address be written.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit10'), ...violations('read/write')],
  },
  {
    id: 'qualification.bit11',
    rule: 'Bit 11 of the qualification says that paging makes the linear address execute-disable.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.bit11'), ...violations('execute-disable')],
  },
  {
    id: 'qualification.bit12',
    rule: 'Bit 12 of the qualification says that IRET had just unblocked NMIs.',
    section: QUALIFICATION,
    shown: violations('is 1 where IRET had just ended blocking by NMI'),
  },
  {
    id: 'qualification.bit13',
    rule: 'Bit 13 of the qualification says that the access was to a shadow stack.',
    section: QUALIFICATION,
    shown: { unbuilt: 'control-flow enforcement' },
  },
  {
    id: 'qualification.bit14',
    rule: 'Bit 14 of the qualification is bit 60 of the entry that maps the page, where bit 7 of the EPTP is 1.',
    section: QUALIFICATION,
    shown: SHADOW_STACKS,
  },
  {
    id: 'qualification.bit15',
    rule: 'Bit 15 of the qualification says that guest-paging verification caused the violation.',
    section: QUALIFICATION,
    shown: TERTIARY,
  },
  {
    id: 'qualification.bit16',
    rule: 'Bit 16 of the qualification says that the access was asynchronous to the execution of instructions.',
    section: QUALIFICATION,
    shown: TRACE,
  },
  {
    id: 'qualification.advanced-info-when',
    rule: 'Bits 11:9 of the qualification are defined only where the processor has advanced information and bits 8:7 are both 1; without paging the address is user-mode, read/write and executable.',
    section: QUALIFICATION,
    shown: [
      ...violations(
        'qualification.advanced-info-when',
        'with CR0.PG = 0 every address is user-mode, read/write and executable',
      ),
      ...qualification('bits 11:9 of a paging-structure access are 0', 'those without a linear address too'),
    ],
  },
  {
    id: 'qualification.ad-paging-access',
    rule: 'With bit 6 of the EPTP an access to a guest paging structure sets bits 0 and 1 of the qualification both.',
    section: QUALIFICATION,
    shown: violations('qualification.ad-paging-access', 'violation.paging-structure-as-write'),
  },
  {
    id: 'qualification.rmw',
    rule: 'A read-modify-write access sets bit 1 of the qualification, and may set bit 0.',
    section: QUALIFICATION,
    shown: [...qualification('qualification.rmw'), ...machine('qualification.rmw')],
  },
  {
    id: 'qualification.bit12-undefined',
    rule: 'Bit 12 of the qualification is undefined in the delivery of an event, and where NMIs exit without virtual NMIs.',
    section: QUALIFICATION,
    shown: delivery('reason $reason in the delivery of $name'),
  },
  {
    id: 'ad.accessed',
    rule: 'With bit 6 of the EPTP bit 8 of each entry used is set.',
    section: FLAGS,
    shown: [...accessedDirty('ad.accessed'), ...fiveLevels('its accessed flag is set, and no dirty one')],
  },
  {
    id: 'ad.dirty',
    rule: 'A write sets bit 9 of the entry that maps the page.',
    section: FLAGS,
    shown: accessedDirty('ad.dirty', 'of a large page the dirty flag is in the entry that maps it'),
  },
  {
    id: 'ad.paging-structures',
    rule: 'An access to a guest paging structure counts as a write, and sets the dirty flag of the page that holds it.',
    section: FLAGS,
    shown: accessedDirty('ad.paging-structures'),
  },
  {
    id: 'ad.pdpte-loads',
    rule: 'A load of PDPTE registers by MOV to a control register counts as a read, and sets no dirty flag.',
    section: FLAGS,
    shown: accessedDirty('ad.pdpte-loads'),
  },
  {
    id: 'ad.sticky',
    rule: 'The processor never clears the flags, and need not set again what software cleared before software invalidates.',
    section: FLAGS,
    shown: [...accessedDirty('ad.sticky'), ...cached('accessed', 'accessed.a-ept')],
  },
  {
    id: 'ad.vmfunc-switch',
    rule: 'After a switch to an EPTP that newly has bit 6 for the same EP4TA, flags may stay clear until INVEPT.',
    section: FLAGS,
    shown: [
      ...functions('ad.vmfunc-switch'),
      ...cached('tags', 'tags.eptp-low-bits'),
      ...cached('recommended', 'recommended.ept-ad-enable'),
    ],
  },
  {
    id: 'memtype.structures',
    rule: 'EPT structures are accessed with the memory type of the EPTP, and with UC where CR0.CD is 1.',
    section: 'SDM Vol. 3C, 29.3.7.1',
    shown: memoryTypes('memtype.structures'),
  },
  {
    id: 'memtype.pat-type',
    rule: 'The PAT memory type is WB without paging, and otherwise what the guest entry selects in IA32_PAT, with a PAT bit of 0 for paging structures.',
    section: TYPES,
    shown: memoryTypes(
      'of a guest without paging is WB',
      'of an access to a guest paging structure has no PAT bit',
      'of a 2-MiB page selects by bit 12',
    ),
  },
  {
    id: 'memtype.combine',
    rule: 'With CR0.CD and bit 6 of the entry 0, the EPT memory type takes the place of that of the MTRRs beside the PAT memory type.',
    section: TYPES,
    shown: memoryTypes('memtype.combine', 'EPT %i and PAT %i'),
  },
  {
    id: 'memtype.ignore-pat',
    rule: 'With bit 6 of the entry the memory type is the EPT memory type alone.',
    section: TYPES,
    shown: memoryTypes('memtype.ignore-pat'),
  },
  {
    id: 'memtype.cd',
    rule: 'With CR0.CD = 1 guest-physical accesses have the memory type UC.',
    section: TYPES,
    shown: memoryTypes('memtype.cd'),
  },
  {
    id: 'memtype.mtrr',
    rule: 'The MTRRs have no part in the memory type of a guest-physical access.',
    section: TYPES,
    shown: {
      reason:
        'The function that gives the memory type has no MTRRs among its parameters, and a memory type does not show on a machine.',
    },
  },
  {
    id: 've.convertible-not-present',
    rule: 'A violation by an entry that is not present is convertible where bit 63 of that entry is 0.',
    section: CONVERTIBLE,
    shown: exceptions('ve.convertible-not-present', 'a suppressed one that is not present'),
  },
  {
    id: 've.convertible-leaf',
    rule: 'A violation of a page that is mapped is convertible where bit 63 of the entry that maps it is 0, and no other entry counts.',
    section: CONVERTIBLE,
    shown: exceptions(
      've.convertible-leaf',
      'a suppressed page',
      'one entry decides: that of a table counts only where it is not present itself',
      'of a large page its entry decides',
    ),
  },
  {
    id: 've.condition-pe',
    rule: 'A convertible violation stays a VM exit where CR0.PE is 0.',
    section: CONVERTIBLE,
    shown: exceptions('ve.condition-pe'),
  },
  {
    id: 've.condition-no-event-delivery',
    rule: 'A convertible violation in the delivery of an event stays a VM exit.',
    section: CONVERTIBLE,
    shown: exceptions('ve.condition-no-event-delivery'),
  },
  {
    id: 've.condition-area-free',
    rule: 'A convertible violation stays a VM exit where the four bytes at offset 4 of the information area are not 0.',
    section: CONVERTIBLE,
    shown: exceptions(
      've.condition-area-free',
      'a second violation in the handler, while the area is busy, exits',
    ),
  },
  {
    id: 've.condition-not-shadow-stack-busy',
    rule: 'A convertible violation stays a VM exit where it made a shadow stack prematurely busy.',
    section: CONVERTIBLE,
    shown: { unbuilt: 'control-flow enforcement' },
  },
  {
    id: 've.condition-not-asynchronous',
    rule: 'A convertible violation stays a VM exit where the access is asynchronous to the execution of instructions.',
    section: CONVERTIBLE,
    shown: TRACE,
  },
  ...(
    [
      ['offset0', 'The four bytes at offset 0 of the information area get the value 48 of the exit reason.'],
      ['offset4', 'The four bytes at offset 4 of the information area get FFFFFFFFH.'],
      ['offset8', 'The eight bytes at offset 8 of the information area get the exit qualification.'],
      ['offset16', 'The eight bytes at offset 16 of the information area get the guest-linear address.'],
      ['offset24', 'The eight bytes at offset 24 of the information area get the guest-physical address.'],
      ['offset32', 'The two bytes at offset 32 of the information area get the EPTP index.'],
    ] as const
  ).map(([offset, rule]) => ({
    id: `ve-area.${offset}`,
    rule,
    section: INFORMATION,
    shown: exceptions('ve-area: is saved whole'),
  })),
  {
    id: 've.delivery',
    rule: 'A virtualization exception is vector 20 without an error code, counts as a page fault towards double faults, and exits as a hardware exception by bit 20 of the exception bitmap.',
    section: 'SDM Vol. 3C, 26.5.7',
    shown: exceptions(
      'through gate 20, without an error code',
      'bit 20 of the exception bitmap makes it a VM exit, as a hardware exception',
      'a page fault on the way is a double fault',
    ),
  },
  {
    id: 'pml.when',
    rule: 'With a PML index above 511 an access that must set an accessed or dirty flag exits instead, with no flag set.',
    section: LOGGING,
    shown: accessedDirty(
      'pml.when: with %s no flag is set, accessed ones too, and the access is not made',
      'pml.when: no exit where nothing is to set',
    ),
  },
  {
    id: 'pml.write',
    rule: 'When a dirty flag is set, the guest-physical address with bits 11:0 clear is written to the log at the PML index, which is then one less.',
    section: LOGGING,
    shown: accessedDirty(
      'pml.write and pml.order',
      'a flag that is set already logs nothing',
      'an accessed flag logs nothing',
      'bits 11:0 of an entry are 0, also of a large page',
      'the index wraps to FFFFH, and the next flag to set is an exit',
    ),
  },
  {
    id: 'pml.needs-ad',
    rule: 'Without bit 6 of the EPTP nothing is logged.',
    section: LOGGING,
    shown: accessedDirty('pml.needs-ad'),
  },
  {
    id: 'pml.order',
    rule: 'The log has 512 entries of 64 bits, and is filled from the last one downwards.',
    section: LOGGING,
    shown: accessedDirty('pml.write and pml.order'),
  },
  ...(
    [
      [
        'walk',
        'The sub-page permission tables are walked by the same indices as EPT, from the address in their pointer.',
      ],
      ['leaf', 'The last entry has a bit of write permission for each 128 bytes of the page.'],
      [
        'miss',
        'An entry that is not valid above the last is an SPP miss, which exits with bit 11 of the qualification set.',
      ],
      [
        'misconfiguration',
        'A reserved bit in an entry is an SPP misconfiguration, which exits with bit 11 of the qualification clear.',
      ],
    ] as const
  ).map(([name, rule]) => ({ id: `spp.${name}`, rule, section: 'SDM Vol. 3C, 25.6', shown: SUB_PAGES })),
  ...EPT_INVALIDATION,
];
