import { ModelError } from '../../core';
import { revisionIdentifier } from '../capabilities';
import { fieldIndex, type VmcsData } from '../vmcs';
import type { VmEntryContext } from './context';
import { addressWidth, is0, is1, memoryOf, type Row, rowsOf } from './control-terms';
import { executionControlRules } from './execution-control-rules';
import { all, lowHalf, ofCapabilities, returnsFromSmm, term } from './guest-terms';

// SDM Vol. 3C, 27.2.1.3 VM-Entry Control Fields
const entry = rowsOf('VM-Entry Control Fields', { kind: 'VMfailValid', error: 7 });

const outsideSmm = term(
  'the processor is not in SMM',
  ['processor.inSmm'],
  ({ processor }) => !processor.inSmm,
);

const ENTRY_CONTROLS = lowHalf('vmEntryControls');
const BOTH = 3 << 10;

const POINTER = fieldIndex('executiveVmcsPointer');
const pointer = ({ vmcs }: VmEntryContext): bigint => vmcs.words[POINTER];

const pointsAtVmxonRegion = term(
  'the executive-VMCS pointer is the VMXON pointer',
  ['executiveVmcsPointer', 'processor.vmxonPointer'],
  (context) =>
    context.processor.vmxonPointer !== undefined &&
    pointer(context) === BigInt(context.processor.vmxonPointer),
);
const pointsElsewhere = term(
  'the executive-VMCS pointer is not the VMXON pointer',
  pointsAtVmxonRegion.reads,
  (context) => !pointsAtVmxonRegion.test(context),
);

const revision = ofCapabilities(revisionIdentifier);

const isVmcsPointer = term(
  'the executive-VMCS pointer is a multiple of 4096 within the physical-address width, and the region holds the VMCS revision identifier',
  ['executiveVmcsPointer', 'processor.physicalAddressWidth'],
  (context) => {
    const address = pointer(context);
    return (
      (address & 0xfffn) === 0n &&
      address >> BigInt(addressWidth(context)) === 0n &&
      (memoryOf(context).read32(Number(address)) & 0x7fff_ffff) === revision(context)
    );
  },
);

const executiveVmcsOf = ({ processor }: VmEntryContext): VmcsData => {
  if (processor.executiveVmcs === undefined) throw new ModelError('no executive VMCS was given');
  return processor.executiveVmcs;
};

const launched = term(
  'the executive VMCS is launched',
  ['processor.executiveVmcs'],
  (context) => executiveVmcsOf(context).launched,
);

const controlsAreValid = term(
  'every rule of the VM-execution control fields holds for the executive VMCS',
  ['processor.executiveVmcs', 'processor.physicalAddressWidth', 'processor.traceEnabled'],
  (context) => {
    const executive: VmEntryContext = {
      ...context,
      vmcs: executiveVmcsOf(context),
      processor: { ...context.processor, inSmm: false },
    };
    return (executionControlRules as readonly Row<string>[]).every(
      (rule) =>
        rule.unconfirmed === true ||
        (rule.needsMemory !== undefined && executive.memory === undefined) ||
        !rule.when(executive) ||
        rule.holds(executive),
    );
  },
);

const INFO = lowHalf('vmEntryInterruptionInfo');
const noEventIntoRoot = term(
  'no event but type 7 or vector 0 is injected into VMX root operation',
  ['vmEntryInterruptionInfo'],
  ({ vmcs }) => {
    const info = vmcs.halves[INFO];
    return info >= 0 || ((info >>> 8) & 7) === 7 || (info & 0xff) === 0;
  },
);

const SECTION = 'VM Entries That Return from SMM';
const failing = (error: number) => rowsOf(SECTION, { kind: 'VMfailValid', error });
const needsExecutiveVmcs = { needsState: 'executiveVmcs' } as const;

/** In any order. SDM Vol. 3C, 27.2.1.3 VM-Entry Control Fields; 32.15.4 VM Entries That Return from SMM */
export const smmRules = [
  entry('ctl.smm.entry-to-smm-outside', outsideSmm, is0('entryToSmm')),
  entry('ctl.smm.deactivate-outside', outsideSmm, is0('deactivateDualMonitor')),
  entry(
    'ctl.smm.not-both',
    term('', [], () => true),
    term(
      'not both of "Entry to SMM" and "Deactivate dual-monitor treatment" are 1',
      ['vmEntryControls'],
      ({ vmcs }) => (vmcs.halves[ENTRY_CONTROLS] & BOTH) !== BOTH,
    ),
  ),
  failing(16)('smm.executive-vmcs.pointer', returnsFromSmm, isVmcsPointer, {
    unconfirmed: true,
    needsMemory: 'executive-VMCS region',
  }),
  failing(17)(
    'smm.executive-vmcs.launched',
    all(returnsFromSmm, is0('deactivateDualMonitor'), pointsElsewhere),
    launched,
    { unconfirmed: true, ...needsExecutiveVmcs },
  ),
  failing(18)(
    'smm.executive-vmcs.is-vmxon',
    all(returnsFromSmm, is1('deactivateDualMonitor')),
    pointsAtVmxonRegion,
  ),
  failing(25)(
    'smm.executive-vmcs.controls',
    all(returnsFromSmm, pointsElsewhere),
    controlsAreValid,
    needsExecutiveVmcs,
  ),
  failing(7)('smm.inject-into-root', all(returnsFromSmm, pointsAtVmxonRegion), noEventIntoRoot),
] as const satisfies readonly Row<string>[];
