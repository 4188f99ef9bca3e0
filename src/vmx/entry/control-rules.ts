import type { VmcsField } from '../vmcs';
import {
  aligned,
  fixedOnes,
  fixedZeros,
  is0,
  is1,
  lastByteWithinWidth,
  type Row,
  rowsOf,
  withinPhysicalWidth,
} from './control-terms';
import { eventInjectionRules } from './event-injection-rules';
import { executionControlRules } from './execution-control-rules';
import { all, always, bits, nameOf, returnsFromSmm, some, term } from './guest-terms';
import { smmRules } from './smm-rules';

// SDM Vol. 3C, 27.2.1.2 VM-Exit Control Fields
const exit = rowsOf('VM-Exit Control Fields', { kind: 'VMfailValid', error: 7 });
// SDM Vol. 3C, 27.2.1.3 VM-Entry Control Fields
const entry = rowsOf('VM-Entry Control Fields', { kind: 'VMfailValid', error: 7 });

const MSR_ENTRY_BYTES = 16n;

/** An MSR area in memory: three rows that apply while its count is not 0. */
const msrArea = <const Name extends string>(
  rule: typeof exit,
  name: Name,
  address: VmcsField,
  count: VmcsField,
) => {
  const used = some(count, bits(31, 0), `${nameOf(count)} is not 0`);
  return [
    rule(`${name}.aligned`, used, aligned(address, 4)),
    rule(`${name}.width`, used, withinPhysicalWidth(address), { impliedBy: [`${name}.last-byte`] }),
    rule(
      `${name}.last-byte`,
      used,
      lastByteWithinWidth(
        address,
        count,
        (entries) => MSR_ENTRY_BYTES * entries,
        `the last byte of the area at ${nameOf(address)} is within the physical-address width`,
      ),
    ),
  ] as const;
};

const staysInSmmOrOutside = term(
  'the VM entry does not return from SMM',
  returnsFromSmm.reads,
  (context) => !returnsFromSmm.test(context),
);

/** In any order, together with the host-state rules. SDM Vol. 3C, 27.2.1 Checks on VMX Controls */
export const controlRules = [
  ...executionControlRules,
  exit('ctl.exit.allowed0', always, fixedOnes('vmExitControls', 'IA32_VMX_(TRUE_)EXIT_CTLS')),
  exit('ctl.exit.allowed1', always, fixedZeros('vmExitControls', 'IA32_VMX_(TRUE_)EXIT_CTLS[63:32]')),
  exit(
    'ctl.exit2.allowed1',
    is1('activateSecondaryVmExitControls'),
    fixedZeros('secondaryVmExitControls', 'IA32_VMX_EXIT_CTLS2'),
    { feature: 'secondary VM-exit controls' },
  ),
  exit(
    'ctl.exit.save-preemption-timer',
    all(is0('activateVmxPreemptionTimer'), staysInSmmOrOutside),
    is0('saveVmxPreemptionTimerValue'),
  ),
  ...msrArea(exit, 'ctl.exit-msr-store', 'vmExitMsrStoreAddress', 'vmExitMsrStoreCount'),
  ...msrArea(exit, 'ctl.exit-msr-load', 'vmExitMsrLoadAddress', 'vmExitMsrLoadCount'),
  entry('ctl.entry.allowed0', always, fixedOnes('vmEntryControls', 'IA32_VMX_(TRUE_)ENTRY_CTLS')),
  entry('ctl.entry.allowed1', always, fixedZeros('vmEntryControls', 'IA32_VMX_(TRUE_)ENTRY_CTLS[63:32]')),
  ...eventInjectionRules,
  ...msrArea(entry, 'ctl.entry-msr-load', 'vmEntryMsrLoadAddress', 'vmEntryMsrLoadCount'),
  ...smmRules,
] as const satisfies readonly Row<string>[];
