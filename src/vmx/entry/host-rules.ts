import { high32, isCanonical, low32 } from '../../core';
import type { VmxCapabilities } from '../capabilities';
import { fieldIndex, type VmcsField } from '../vmcs';
import { type Extras, is0, is1, not, type Row, rowsOf, valueIs } from './control-terms';
import { allowedPerfGlobalCtrl, EFER_BITS, isPat, wrmsrFaults } from './guest-msr-values';
import {
  all,
  always,
  bits,
  canonical,
  clear,
  intel64,
  lowHalf,
  nameOf,
  ofCapabilities,
  some,
  type Term,
  term,
} from './guest-terms';

const ERROR_8 = { kind: 'VMfailValid', error: 8 } as const;
// SDM Vol. 3C, 27.2.2 Checks on Host Control Registers, MSRs, and SSP
const register = rowsOf('Checks on Host Control Registers, MSRs, and SSP', ERROR_8);
// SDM Vol. 3C, 27.2.3 Checks on Host Segment and Descriptor-Table Registers
const segment = rowsOf('Checks on Host Segment and Descriptor-Table Registers', ERROR_8);
// SDM Vol. 3C, 27.2.4 Checks Related to Address-Space Size
const addressSpace = rowsOf('Checks Related to Address-Space Size', ERROR_8);

const of = (feature: string): Extras => ({ feature });
const CET = of('CET');
const FRED: Extras = { feature: 'FRED', unconfirmed: true };

const NW_CD = bits(30, 29);
type FixedMsr = 'ia32VmxCr0Fixed0' | 'ia32VmxCr0Fixed1' | 'ia32VmxCr4Fixed0' | 'ia32VmxCr4Fixed1';

/** No forbidden bit is set once `invert` turned "must be 1" into "must be 0". */
const fixedBits = (
  field: VmcsField,
  msr: FixedMsr,
  maskOf: (capabilities: VmxCapabilities) => bigint,
  invert: 0 | -1,
): Term => {
  const low = lowHalf(field);
  const mask = ofCapabilities((capabilities) => {
    const all = maskOf(capabilities);
    return { low: low32(all), high: high32(all) };
  });
  return term(
    `${nameOf(field)} obeys ${msr.replace('ia32VmxCr', 'IA32_VMX_CR').replace('Fixed', '_FIXED')}`,
    [field],
    (context) => {
      const { halves } = context.vmcs;
      const forbidden = mask(context);
      return (((halves[low] ^ invert) & forbidden.low) | ((halves[low + 1] ^ invert) & forbidden.high)) === 0;
    },
  );
};
const mustBe1 = (field: VmcsField, msr: FixedMsr, unchecked = 0n): Term =>
  fixedBits(field, msr, (capabilities) => capabilities[msr] & ~unchecked, -1);
const mayBe1 = (field: VmcsField, msr: FixedMsr, unchecked = 0n): Term =>
  fixedBits(field, msr, (capabilities) => ~capabilities[msr] & ~unchecked, 0);

const CR3 = fieldIndex('hostCr3');
const LAM_BITS = bits(62, 61);
const cr3WithinWidth = term(
  'Host CR3 has no bit at or above the physical-address width (but bits 62:61 with LAM)',
  ['hostCr3', 'processor.physicalAddressWidth', 'processor.features'],
  ({ vmcs, processor }) => {
    const excess = vmcs.words[CR3] >> BigInt(processor.physicalAddressWidth);
    return (
      excess === 0n ||
      (processor.features.has('LAM') &&
        (vmcs.words[CR3] & ~LAM_BITS) >> BigInt(processor.physicalAddressWidth) === 0n)
    );
  },
);

const PERF = fieldIndex('hostIa32PerfGlobalCtrl');
const perfGlobalCtrl = term(
  'Host IA32_PERF_GLOBAL_CTRL has no reserved bit',
  ['hostIa32PerfGlobalCtrl', 'processor.perfGlobalCtrlBits'],
  (context) => (context.vmcs.words[PERF] & ~allowedPerfGlobalCtrl(context)) === 0n,
);

const PAT = lowHalf('hostIa32Pat');
const patTypes = term(
  'each byte of Host IA32_PAT is a memory type: 0, 1, 4, 5, 6 or 7',
  ['hostIa32Pat'],
  ({ vmcs }) => isPat(vmcs.halves[PAT], vmcs.halves[PAT + 1]),
);

const IA32_SPEC_CTRL = 0x48;
const SPEC_CTRL = fieldIndex('hostIa32SpecCtrl');
const specCtrl = term(
  'WRMSR could write Host IA32_SPEC_CTRL',
  ['hostIa32SpecCtrl', 'processor.specCtrlBits', 'processor.wrmsrFaults'],
  (context) => !wrmsrFaults(context, IA32_SPEC_CTRL, context.vmcs.words[SPEC_CTRL]),
);

const host64 = is1('hostAddressSpaceSize');
const host32 = is0('hostAddressSpaceSize');
const loadsCet = is1('loadHostCetState');
const loadsEfer = is1('loadHostIa32Efer');
const loadsFred = is1('loadHostFred');

const EFER = lowHalf('hostIa32Efer');
const EXIT_CONTROLS = lowHalf('vmExitControls');
/** A bit of EFER equals "host address-space size" (bit 9 of the VM-exit controls). */
const eferBitIsHost64 = (bit: number, name: string): Term =>
  term(
    `Host IA32_EFER.${name} = "Host address-space size"`,
    ['hostIa32Efer', 'vmExitControls'],
    ({ vmcs }) => ((vmcs.halves[EFER] >>> bit) & 1) === ((vmcs.halves[EXIT_CONTROLS] >>> 9) & 1),
  );

const suppressesWhileTracking = all(
  some('hostIa32SCet', bits(10), 'SUPPRESS = 1'),
  some('hostIa32SCet', bits(11), 'TRACKER = 1'),
);

const CR4 = lowHalf('hostCr4');
const RIP = fieldIndex('hostRip');
const canonicalRip = term(
  'Host RIP is canonical: 57 bits if CR4.LA57 = 1 in the host CR4 field, else 48',
  ['hostRip', 'hostCr4'],
  ({ vmcs }) => isCanonical(vmcs.words[RIP], (vmcs.halves[CR4] & 0x1000) !== 0 ? 57 : 48),
);

const hostLma = term(
  'IA32_EFER.LMA = 1 at VM entry',
  ['processor.ia32eMode'],
  ({ processor }) => processor.ia32eMode,
);
const noHostLma = not(hostLma, 'IA32_EFER.LMA = 0 at VM entry');
const noIntel64 = not(intel64, 'the processor does not support Intel 64');

const one = (field: VmcsField, bit: number, name: string): Term => some(field, bits(bit), `host ${name} = 1`);
const zero = (field: VmcsField, bit: number, name: string): Term =>
  clear(field, bits(bit), `host ${name} = 0`);
const notZero = (field: VmcsField): Term => valueIs(field, 'is not 0', (value) => value !== 0n);

const fredStack = <const Id extends string>(id: Id, field: VmcsField, alignment: number): Row<Id> =>
  register(id, loadsFred, all(canonical(field), clear(field, bits(alignment - 1, 0))), FRED);

const selector = <const Id extends string>(id: Id, field: VmcsField): Row<Id> =>
  segment(id, always, clear(field, bits(2, 0), `${nameOf(field)}: RPL = 0 and TI = 0`));
const base = <const Id extends string>(id: Id, field: VmcsField): Row<Id> =>
  segment(id, intel64, canonical(field));

/** In any order, together with the control rules. SDM Vol. 3C, 27.2.2 to 27.2.4 */
export const hostRules = [
  register('host.cr0.fixed0', always, mustBe1('hostCr0', 'ia32VmxCr0Fixed0', NW_CD)),
  register('host.cr0.fixed1', always, mayBe1('hostCr0', 'ia32VmxCr0Fixed1', NW_CD)),
  register('host.cr4.fixed0', always, mustBe1('hostCr4', 'ia32VmxCr4Fixed0')),
  register('host.cr4.fixed1', always, mayBe1('hostCr4', 'ia32VmxCr4Fixed1')),
  register('host.cr4.cet-needs-wp', one('hostCr4', 23, 'CR4.CET'), one('hostCr0', 16, 'CR0.WP'), CET),
  register('host.cr3.reserved', intel64, cr3WithinWidth),
  register('host.sysenter-esp.canonical', intel64, canonical('hostIa32SysenterEsp')),
  register('host.sysenter-eip.canonical', intel64, canonical('hostIa32SysenterEip')),
  register('host.perf-global-ctrl.reserved', is1('loadHostIa32PerfGlobalCtrl'), perfGlobalCtrl),
  register('host.pat.values', is1('loadHostIa32Pat'), patTypes),
  register('host.efer.reserved', loadsEfer, clear('hostIa32Efer', ((1n << 64n) - 1n) & ~EFER_BITS)),
  register('host.efer.lma', loadsEfer, eferBitIsHost64(10, 'LMA')),
  register('host.efer.lme', loadsEfer, eferBitIsHost64(8, 'LME')),
  register('host.s-cet.canonical', all(loadsCet, intel64), canonical('hostIa32SCet'), CET),
  register(
    'host.interrupt-ssp-table.canonical',
    all(loadsCet, intel64),
    canonical('hostIa32InterruptSspTableAddr'),
    CET,
  ),
  register('host.s-cet.reserved', loadsCet, clear('hostIa32SCet', bits(9, 6)), CET),
  register(
    'host.s-cet.suppress-tracker',
    loadsCet,
    not(suppressesWhileTracking, 'Host IA32_S_CET: SUPPRESS and TRACKER are not both 1'),
    CET,
  ),
  register('host.ssp.aligned', loadsCet, clear('hostSsp', bits(1, 0)), CET),
  register('host.pkrs.reserved', is1('loadHostPkrs'), clear('hostIa32Pkrs', bits(63, 32)), of('PKS')),
  register('host.spec-ctrl.reserved', is1('loadHostSpecCtrl'), specCtrl, {
    feature: 'SPEC_CTRL load',
    unconfirmed: true,
  }),
  register(
    'host.fred-config.reserved',
    loadsFred,
    clear('hostIa32FredConfig', bits(2) | bits(5, 4) | bits(11)),
    FRED,
  ),
  register('host.fred-config.canonical', loadsFred, canonical('hostIa32FredConfig'), FRED),
  fredStack('host.fred-rsp1', 'hostIa32FredRsp1', 6),
  fredStack('host.fred-ssp1', 'hostIa32FredSsp1', 3),
  fredStack('host.fred-rsp2', 'hostIa32FredRsp2', 6),
  fredStack('host.fred-ssp2', 'hostIa32FredSsp2', 3),
  fredStack('host.fred-rsp3', 'hostIa32FredRsp3', 6),
  fredStack('host.fred-ssp3', 'hostIa32FredSsp3', 3),
  selector('host.cs.rpl-ti', 'hostCsSelector'),
  selector('host.ss.rpl-ti', 'hostSsSelector'),
  selector('host.ds.rpl-ti', 'hostDsSelector'),
  selector('host.es.rpl-ti', 'hostEsSelector'),
  selector('host.fs.rpl-ti', 'hostFsSelector'),
  selector('host.gs.rpl-ti', 'hostGsSelector'),
  selector('host.tr.rpl-ti', 'hostTrSelector'),
  segment('host.cs.nonzero', always, notZero('hostCsSelector')),
  segment('host.tr.nonzero', always, notZero('hostTrSelector')),
  segment('host.ss.nonzero', host32, notZero('hostSsSelector')),
  base('host.fs.base-canonical', 'hostFsBase'),
  base('host.gs.base-canonical', 'hostGsBase'),
  base('host.gdtr.base-canonical', 'hostGdtrBase'),
  base('host.idtr.base-canonical', 'hostIdtrBase'),
  base('host.tr.base-canonical', 'hostTrBase'),
  addressSpace('host.address-space.lma0-guest', noHostLma, is0('ia32eModeGuest'), {
    impliedBy: ['host.address-space.host32-guest', 'host.address-space.lma0-host'],
  }),
  addressSpace('host.address-space.lma0-host', noHostLma, host32),
  addressSpace('host.address-space.lma1-host', hostLma, host64),
  addressSpace('host.address-space.host32-guest', host32, is0('ia32eModeGuest'), {
    impliedBy: ['host.address-space.lma0-guest', 'host.address-space.lma1-host'],
  }),
  addressSpace('host.address-space.host32-pcide', host32, zero('hostCr4', 17, 'CR4.PCIDE')),
  addressSpace('host.address-space.host32-fred', host32, zero('hostCr4', 32, 'CR4.FRED'), FRED),
  addressSpace('host.address-space.host32-rip', host32, clear('hostRip', bits(63, 32))),
  addressSpace(
    'host.address-space.host32-s-cet',
    all(host32, loadsCet),
    clear('hostIa32SCet', bits(63, 32)),
    CET,
  ),
  addressSpace('host.address-space.host32-ssp', all(host32, loadsCet), clear('hostSsp', bits(63, 32)), CET),
  addressSpace('host.address-space.host64-pae', host64, one('hostCr4', 5, 'CR4.PAE')),
  addressSpace('host.address-space.host64-rip', host64, canonicalRip),
  addressSpace('host.address-space.host64-ssp', all(host64, loadsCet), canonical('hostSsp'), CET),
  addressSpace('host.address-space.no-intel64-guest', noIntel64, is0('ia32eModeGuest'), {
    impliedBy: [
      'ctl.entry.allowed1',
      'host.address-space.lma0-guest',
      'host.address-space.host32-guest',
      'host.address-space.no-intel64-host',
      'host.address-space.lma0-host',
    ],
  }),
  addressSpace('host.address-space.no-intel64-host', noIntel64, host32, {
    impliedBy: ['host.address-space.lma0-host'],
  }),
] as const satisfies readonly Row<string>[];
