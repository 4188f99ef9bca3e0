import type { Account } from '../account';

const VM_FUNCTIONS = 'spec/vmx/ept/vm-functions.spec.ts';
const CACHE_ROWS = 'spec/caching/rows/must-vmx.ts';
const INVALIDATIONS = 'spec/caching/instructions.spec.ts';
const CACHE_TAGS = 'spec/caching/rows/tags.ts';

/** VM functions. */
export const VMFUNC: readonly Account[] = [
  {
    id: 'vmfunc.disabled',
    rule: 'VMFUNC is #UD while "enable VM functions" is 0, and for EAX above 63.',
    section: 'SDM Vol. 3C, 26.5.6.2',
    shown: [
      { file: VM_FUNCTIONS, test: 'vmfunc.control: the control is 0' },
      { file: VM_FUNCTIONS, test: 'vmfunc.function-range: function 64' },
    ],
  },
  {
    id: 'vmfunc.not-enabled',
    rule: 'VMFUNC causes a VM exit, with its length, where the bit of EAX in the VM-function controls is 0.',
    section: 'SDM Vol. 3C, 26.5.6.2',
    shown: [
      { file: VM_FUNCTIONS, test: 'vmfunc.function-disabled: function %i exits' },
      { file: VM_FUNCTIONS, test: 'function 0 exits where EPTP switching is 0' },
    ],
  },
  {
    id: 'vmfunc.eptp-ecx',
    rule: 'EPTP switching causes a VM exit where ECX is 512 or more.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: [
      { file: VM_FUNCTIONS, test: 'vmfunc.ecx: index 512' },
      { file: VM_FUNCTIONS, test: '%s exits, and changes nothing' },
    ],
  },
  {
    id: 'vmfunc.eptp-invalid',
    rule: 'EPTP switching causes a VM exit, and leaves the EPTP, where the entry of the list would fail VM entry.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: [
      { file: VM_FUNCTIONS, test: 'vmfunc.validity: zero' },
      { file: VM_FUNCTIONS, test: 'a memory type that is not supported' },
      { file: VM_FUNCTIONS, test: 'beyond the physical-address width' },
    ],
  },
  {
    id: 'vmfunc.eptp-switch',
    rule: 'EPTP switching puts the entry of the list into the EPTP and its field, and ECX[15:0] into the EPTP index where the processor has it; registers and flags stay.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: [
      {
        file: VM_FUNCTIONS,
        test: 'vmfunc.effect: the EPTP of the list is in use and in the VMCS; registers and flags stay',
      },
      { file: VM_FUNCTIONS, test: 'vmfunc.index: ECX[15:0] is in the EPTP index' },
    ],
  },
  {
    id: 'vmfunc.cpl',
    rule: 'EPTP switching asks for no privilege.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: { file: VM_FUNCTIONS, test: 'vmfunc.cpl: at CPL 3 too' },
  },
  {
    id: 'vmfunc.flush',
    rule: 'EPTP switching drops the combined mappings of VPID 0000H while "enable VPID" is 0, and nothing while it is 1.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: [
      { file: CACHE_ROWS, test: 'must.vmfunc' },
      { file: INVALIDATIONS, test: 'eptp switching with VPID' },
    ],
  },
  {
    id: 'vmfunc.cr3-later',
    rule: 'With 32-bit paging and in IA-32e mode CR3 goes through the new EPT at the next access, whose VM exit is not one of VMFUNC.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: {
      file: VM_FUNCTIONS,
      test: 'vmfunc.exit-saves and vmfunc.no-exit-on-cr3: guest tables that the new EPT hides fail the next access',
    },
  },
  {
    id: 'vmfunc.pae',
    rule: 'With PAE paging EPTP switching leaves the PDPTE registers and does not translate CR3.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: { file: VM_FUNCTIONS, test: 'vmfunc.pae: PDPTE registers stay' },
  },
  {
    id: 'vmfunc.fetch-next',
    rule: 'The instruction after VMFUNC is fetched through the new EPT, with a VM exit of its own.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: {
      file: VM_FUNCTIONS,
      test: 'vmfunc.fetch-next: the next fetch goes through the new EPT, and its exit is no exit of VMFUNC',
    },
  },
  {
    id: 'vmfunc.ad-change',
    rule: 'After EPTP switching turns accessed and dirty flags on for an EP4TA in use, mappings made before may keep flags from being set until INVEPT.',
    section: 'SDM Vol. 3C, 29.3.5',
    shown: [
      { file: CACHE_TAGS, test: 'tags.eptp-low-bits' },
      {
        file: VM_FUNCTIONS,
        test: 'ad.vmfunc-switch: the new EPTP says whether there are accessed and dirty flags',
      },
    ],
  },
  {
    id: 'vmfunc.list-read',
    rule: 'The EPTP list is read by physical address, not through EPT.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: { file: VM_FUNCTIONS, test: 'vmfunc.list-read: the list is read from physical memory' },
  },
  {
    id: 'vmfunc.exit-saves',
    rule: 'After a VM exit the EPTP field keeps what EPTP switching put there.',
    section: 'SDM Vol. 3C, 26.5.6.3',
    shown: {
      file: VM_FUNCTIONS,
      test: 'vmfunc.exit-saves and vmfunc.no-exit-on-cr3: guest tables that the new EPT hides fail the next access',
    },
  },
];
