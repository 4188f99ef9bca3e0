import { type Account, from } from '../account';

const modes = from('spec/vmx/entry/injection-modes.spec.ts');
const guestRules = from('spec/vmx/entry/examples-guest.ts');
const controlRules = from('spec/vmx/entry/examples-controls.ts');
const behaviour = from('spec/vmx/non-root/behaviour-examples.ts');
const ve = from('spec/vmx/ept/virtualization-exceptions.spec.ts');
const memoryType = from('spec/ept/memory-type.spec.ts');
const kinds = from('spec/caching/kinds.spec.ts');

/** Unrestricted guests. */
export const UNRESTRICTED: readonly Account[] = [
  {
    id: 'unrestricted.off',
    rule: 'While unrestricted guest is 0 CR0.PE and CR0.PG are 1 in VMX non-root operation, held by VM entry and by MOV to CR0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [...behaviour('PE and PG are 1 without the control'), ...guestRules('guest.cr0.fixed0')],
  },
  {
    id: 'unrestricted.pe-0',
    rule: 'With CR0.PE = 0 the guest is in real-address mode, and its instructions cause VM exits as in protected mode.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      ...modes(
        'a guest in real-address mode',
        '%s: flags, CS and IP on the stack, then the interrupt vector table',
      ),
      ...behaviour('VMCALL exits in real mode'),
    ],
  },
  {
    id: 'unrestricted.pg-0',
    rule: 'With CR0.PG = 0 linear addresses are guest-physical addresses, which EPT translates, with the PAT memory type WB.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: [
      ...behaviour('linear addresses are guest-physical while paging is off'),
      ...memoryType('of a guest without paging is WB'),
    ],
  },
  {
    id: 'unrestricted.ud',
    rule: 'In real-address mode INVEPT, INVVPID, LLDT, LTR, SLDT, STR and the VMX instructions other than VMCALL and VMFUNC are undefined opcodes and cause no VM exit.',
    section: 'SDM Vol. 3C, 26.1.1',
    shown: behaviour(
      'INVEPT in real mode',
      'INVVPID in real mode',
      'LLDT in real mode',
      'LTR in real mode',
      'SLDT in real mode',
      'STR in real mode',
      'VMCLEAR in real mode',
      'VMLAUNCH in real mode',
      'VMPTRLD in real mode',
      'VMPTRST in real mode',
      'VMREAD in real mode',
      'VMRESUME in real mode',
      'VMWRITE in real mode',
      'VMXOFF in real mode',
      'VMXON in real mode',
    ),
  },
  {
    id: 'unrestricted.vmcall',
    rule: 'In real-address mode VMCALL causes its VM exit.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: behaviour('VMCALL exits in real mode'),
  },
  {
    id: 'unrestricted.needs-ept',
    rule: 'Unrestricted guest requires EPT at VM entry.',
    section: 'SDM Vol. 3C, 27.2.1.1',
    shown: controlRules('ctl.unrestricted-guest.needs-ept'),
  },
  {
    id: 'unrestricted.no-page-faults',
    rule: 'With CR0.PG = 0 there are no page faults, and none that cause VM exits.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: behaviour('no page fault while paging is off: what EPT does not map is an EPT violation'),
  },
  {
    id: 'unrestricted.no-combined-psc',
    rule: 'With CR0.PG = 0 there are no combined paging-structure-cache entries.',
    section: 'SDM Vol. 3C, 29.4.2',
    shown: kinds('without paging combined mappings are of pages, and none of tables'),
  },
  {
    id: 'unrestricted.segments',
    rule: 'With CR0.PE = 0 segments are as VM entry has loaded them, limits beyond 64 KBytes too.',
    section: 'SDM Vol. 3C, 27.3.2.2',
    shown: behaviour('segments are as they were loaded: a limit beyond 64 KiB in real mode'),
  },
  {
    id: 'unrestricted.ve',
    rule: 'With CR0.PE = 0 no EPT violation is converted to a virtualization exception.',
    section: 'SDM Vol. 3C, 26.5.7.1',
    shown: ve('ve.condition-pe: real-address mode'),
  },
  {
    id: 'unrestricted.error-code-check',
    rule: 'With CR0.PE = 0 in the guest-state area an exception is injected without error code.',
    section: 'SDM Vol. 3C, 27.2.1.3',
    shown: controlRules('ctl.inject.error-code-real-mode'),
  },
];
