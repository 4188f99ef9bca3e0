import type { Account } from '../account';

const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';
const CONTROL_REGISTERS = 'spec/vmx/non-root/control-registers.spec.ts';

/** What a guest writes to CR0. */
export const CR0_WRITE: readonly Account[] = [
  {
    id: 'cr0-write.exit',
    rule: 'MOV to CR0 causes a VM exit, and leaves CR0, where a masked bit of the source differs from the read shadow.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'a write of CR0 exits where a masked bit differs from the shadow' },
  },
  {
    id: 'cr0-write.merge',
    rule: 'MOV to CR0 that does not exit leaves masked bits of CR0 and takes the others from the source.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'masked bits of CR0 keep their value, the others come from the source' },
  },
  {
    id: 'cr0-write.fixed',
    rule: 'MOV to CR0 is #GP(0) where it would give an unmasked bit a value that VMX operation does not support.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'an unmasked bit of CR0 that VMX fixes' },
  },
  {
    id: 'cr0-write.fixed-unrestricted',
    rule: 'With "unrestricted guest" the fixed values of CR0.PE and CR0.PG do not count; those of other bits do.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'PE and PG of an unrestricted guest are free' },
      { file: EXAMPLES, test: 'but not its other fixed bits' },
    ],
  },
  {
    id: 'cr0-write.pg-without-pe',
    rule: 'MOV to CR0 is #GP(0) where CR0 would have PG = 1 and PE = 0, of an unrestricted guest too.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'PG without PE' },
  },
  {
    id: 'cr0-write.pg-lme-no-pae',
    rule: 'MOV to CR0 is #GP(0) where it sets PG while IA32_EFER.LME is 1 and CR4.PAE is 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'PG without PAE where LME is 1' },
  },
  {
    id: 'cr0-write.nw-without-cd',
    rule: 'MOV to CR0 is #GP(0) where CR0 would have NW = 1 and CD = 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'NW without CD' },
  },
  {
    id: 'cr0-write.checked-value',
    rule: 'Whether a value is legal is asked of what CR0 would hold, with the masked bits as they are.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'the merged value is what must be legal' },
  },
  {
    id: 'cr0-write.pcide',
    rule: 'MOV to CR0 is #GP(0) where it would clear PG while CR4.PCIDE is 1.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: UNCHANGED, test: 'but not while CR4.PCIDE is 1' },
  },
  {
    id: 'cr0-write.long-mode',
    rule: 'MOV to CR0 that sets PG while IA32_EFER.LME is 1 sets LMA, one that clears PG clears it, and the next VM exit puts LMA in the VM-entry control "IA-32e mode guest".',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'paging with LME is IA-32e mode, which the next exit tells' },
      {
        file: UNCHANGED,
        test: 'PG cleared in compatibility mode leaves IA-32e mode, which the next exit tells',
      },
    ],
  },
  {
    id: 'cr0-write.pdpte',
    rule: 'MOV to CR0 that turns PAE paging on, or changes CD or NW while it is on, loads the PDPTE registers, through EPT where there is one; an EPT violation or #GP(0) of that leaves CR0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: UNCHANGED, test: 'PAE paging that comes into use loads the PDPTE registers' },
      { file: UNCHANGED, test: 'a reserved bit of a PDPTE keeps paging from coming into use' },
      { file: UNCHANGED, test: 'an EPT violation of the PDPTEs does so too, without a linear address' },
      { file: UNCHANGED, test: 'a change of CR0.CD and CR0.NW loads the PDPTE registers' },
    ],
  },
  {
    id: 'cr0-write.clts-mask0',
    rule: 'CLTS with bit 3 of the mask 0 clears CR0.TS, or is #GP(0) where VMX operation fixes TS to 1.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'CLTS clears TS of a guest that owns it' },
      { file: CONTROL_REGISTERS, test: '#GP(0) where CLTS or LMSW makes a value that VMX fixes otherwise' },
    ],
  },
  {
    id: 'cr0-write.clts-mask1-shadow0',
    rule: 'CLTS with bit 3 of the mask 1 and of the read shadow 0 completes and leaves CR0.TS.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'CLTS leaves TS alone where mask is 1 and shadow 0' },
  },
  {
    id: 'cr0-write.clts-mask1-shadow1',
    rule: 'CLTS causes a VM exit where bit 3 of mask and of read shadow are 1.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'CLTS exits where both are 1' },
  },
  {
    id: 'cr0-write.lmsw-exit',
    rule: 'LMSW causes a VM exit where it would set a masked PE whose read shadow is 0, or where masked bits 3:1 of the source differ from the read shadow.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXAMPLES, test: 'LMSW exits when it would set a masked PE' },
      { file: EXAMPLES, test: 'LMSW exits when masked bits 3:1 differ from the shadow' },
    ],
  },
  {
    id: 'cr0-write.lmsw-merge',
    rule: 'LMSW that does not exit loads the unmasked bits of CR0[3:0] from the source, but never clears PE.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'LMSW takes unmasked bits from the source, and never clears PE' },
  },
  {
    id: 'cr0-write.lmsw-pe-clear-masked',
    rule: 'LMSW with bit 0 of the source 0 does not exit by bit 0, whatever the read shadow of PE is.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXAMPLES, test: 'LMSW that does not set a masked PE' },
      { file: CONTROL_REGISTERS, test: 'clears PE where the shadow is 1' },
    ],
  },
  {
    id: 'cr0-write.lmsw-fixed',
    rule: 'LMSW is #GP(0) where it would give an unmasked bit a value that VMX operation does not support.',
    section: 'SDM Vol. 3C, 26.3',
    shown: {
      file: CONTROL_REGISTERS,
      test: '#GP(0) where CLTS or LMSW makes a value that VMX fixes otherwise',
    },
  },
];
