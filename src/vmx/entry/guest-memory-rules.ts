import { high32, low32 } from '../../core';
import { isLegalPdpte } from '../../cpu/paging-format';
import { revisionIdentifier, vmxBasic } from '../capabilities';
import type { VmcsField } from '../vmcs';
import type { GuestEntryContext } from './guest-context';
import {
  addressAt,
  all,
  bits,
  clear,
  fitsWidth,
  lowHalf,
  nameOf,
  ofCapabilities,
  off,
  on,
  one,
  returnsFromSmm,
  rulesOf,
  type Term,
  term,
} from './guest-terms';

// SDM Vol. 3C, 27.3.1.5 Checks on Guest Non-Register State (VMCS link pointer)
const link = rulesOf('Checks on Guest Non-Register State', 4);

const LINK = lowHalf('vmcsLinkPointer');
const EXECUTIVE = lowHalf('executiveVmcsPointer');
const linked = term(
  'the VMCS link pointer is not FFFFFFFF_FFFFFFFFH',
  ['vmcsLinkPointer'],
  ({ vmcs }) => (vmcs.halves[LINK] & vmcs.halves[LINK + 1]) !== -1,
);

const narrow = ofCapabilities((capabilities) => vmxBasic(capabilities).physicalAddressWidth32 === 1n);
const linkAligned = clear('vmcsLinkPointer', bits(11, 0));
const linkFitsWidth = term(
  'the VMCS link pointer is within the width of physical addresses that VMX takes',
  ['vmcsLinkPointer', 'processor.physicalAddressWidth'],
  (context) =>
    fitsWidth(context.vmcs.halves[LINK + 1], narrow(context) ? 32 : context.processor.physicalAddressWidth),
);
const linkUsable = all(linked, linkAligned, linkFitsWidth);

const revision = ofCapabilities(revisionIdentifier);
const REVISION = 0x7fff_ffff;
const shadowing = on('vmcsShadowing');
const readsLinked = { needsMemory: 'region at the VMCS link pointer' } as const;

/** A term over the 32 bits at the link pointer; holds without memory, where the rule is not evaluated. */
const inLinked = (
  says: string,
  reads: Term['reads'],
  test: (word: number, context: GuestEntryContext) => boolean,
): Term =>
  term(says, ['vmcsLinkPointer', ...reads], (context) => {
    const { memory, vmcs } = context;
    return memory === undefined || test(memory.read32(addressAt(vmcs.halves, LINK)), context);
  });

/** The rules of the VMCS link pointer: exit qualification 4. */
export const guestLinkPointerRules = [
  link('guest.link-pointer.aligned', linked, linkAligned),
  link('guest.link-pointer.width', linked, linkFitsWidth),
  link(
    'guest.link-pointer.revision',
    linkUsable,
    inLinked(
      'the linked region has the VMCS revision identifier of the processor',
      [],
      (word, context) => (word & REVISION) === revision(context),
    ),
    readsLinked,
  ),
  link(
    'guest.link-pointer.shadow-indicator',
    linkUsable,
    inLinked(
      `the shadow-VMCS indicator of the linked region is 1 exactly with ${shadowing.says}`,
      shadowing.reads,
      (word, context) => word >>> 31 === (shadowing.test(context) ? 1 : 0),
    ),
    readsLinked,
  ),
  link(
    'guest.link-pointer.not-current',
    all(
      linked,
      term('the VM entry does not return from SMM', returnsFromSmm.reads, (c) => !returnsFromSmm.test(c)),
    ),
    term(
      'the VMCS link pointer is not the current-VMCS pointer',
      ['vmcsLinkPointer', 'processor.currentVmcs'],
      ({ vmcs, processor }) => addressAt(vmcs.halves, LINK) !== processor.currentVmcs,
    ),
    { needsState: 'currentVmcs' },
  ),
  link(
    'guest.link-pointer.not-executive',
    all(linked, returnsFromSmm),
    term(
      'the VMCS link pointer is not the executive-VMCS pointer',
      ['vmcsLinkPointer', 'executiveVmcsPointer'],
      ({ vmcs: { halves } }) =>
        halves[LINK] !== halves[EXECUTIVE] || halves[LINK + 1] !== halves[EXECUTIVE + 1],
    ),
  ),
];

// SDM Vol. 3C, 27.3.1.6 Checks on Guest Page-Directory-Pointer-Table Entries
const pdpte = rulesOf('Checks on Guest Page-Directory-Pointer-Table Entries', 2);

const CR3 = lowHalf('guestCr3');
const PDPT_BASE = ~0x1f;
const pae = all(one('CR0.PG'), one('CR4.PAE'), off('ia32eModeGuest'));
const ept = on('enableEpt');

const legalPdpte = (field: VmcsField): Term => {
  const low = lowHalf(field);
  return term(
    `${nameOf(field)}, if present, has bits 2:1, 8:5 and those above the physical-address width 0`,
    [field, 'processor.physicalAddressWidth'],
    ({ vmcs, processor }) =>
      isLegalPdpte(vmcs.halves[low], vmcs.halves[low + 1], processor.physicalAddressWidth),
  );
};

/** PDPTEs from the guest-state area with EPT, from memory without it: exit qualification 2. */
export const guestPdpteRules = [
  ...([0, 1, 2, 3] as const).map((index) =>
    pdpte(`guest.pdpte${index}.reserved`, all(pae, ept), legalPdpte(`guestPdpte${index}`)),
  ),
  pdpte(
    'guest.pdptes-cr3.reserved',
    all(pae, off('enableEpt')),
    term(
      'each present PDPTE in the table at guest CR3 has its reserved bits 0',
      ['guestCr3', 'processor.physicalAddressWidth'],
      ({ vmcs, processor, memory }) => {
        if (memory === undefined) return true;
        const table = (vmcs.halves[CR3] & PDPT_BASE) >>> 0;
        for (let index = 0; index < 4; index++) {
          const entry = memory.read64(table + 8 * index);
          if (!isLegalPdpte(low32(entry), high32(entry), processor.physicalAddressWidth)) return false;
        }
        return true;
      },
    ),
    { needsMemory: 'PDPTEs' },
  ),
];
