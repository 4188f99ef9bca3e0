import { always } from '../../core';
import type { StateField, VmEntryContext, VmEntryProcessor } from './context';
import type { Row } from './control-terms';
import type { VmEntryFailure } from './vm-entry-rule';

// SDM Vol. 3C, 27.1 Basic VM-Entry Checks
const SECTION = 'Basic VM-Entry Checks';

const UD: VmEntryFailure = { kind: 'fault', vector: '#UD' };
const error = (number: number): VmEntryFailure => ({ kind: 'VMfailValid', error: number });

type Test = (context: VmEntryContext) => boolean;

const basic = <const Id extends string>(
  id: Id,
  failure: VmEntryFailure,
  says: string,
  reads: readonly StateField[],
  holds: Test,
  extras: Partial<Pick<Row<Id>, 'when' | 'unconfirmed' | 'failureIn'>> = {},
): Row<Id> => ({ id, section: SECTION, says, reads, when: always, holds, failure, ...extras });

const operation = ({ operation = 'root' }: VmEntryProcessor): string => operation;

const isOrdinaryMode = ({ processor }: VmEntryContext): boolean =>
  processor.protectedMode !== false &&
  processor.virtual8086Mode !== true &&
  processor.ia32eMode === processor.longMode;

const launching: Test = ({ processor }) => processor.instruction === 'vmlaunch';
const resuming: Test = ({ processor }) => processor.instruction === 'vmresume';

/** In the order of the checks: the first violated one decides. SDM Vol. 3C, 27.1 Basic VM-Entry Checks */
export const basicRules = [
  basic(
    'basic.not-in-vmx-operation',
    UD,
    'the processor is in VMX operation',
    ['processor.operation'],
    ({ processor }) => operation(processor) !== 'none',
  ),
  basic(
    'basic.mode',
    UD,
    'the mode is not real-address, virtual-8086 or compatibility',
    ['processor.protectedMode', 'processor.virtual8086Mode', 'processor.ia32eMode', 'processor.longMode'],
    isOrdinaryMode,
  ),
  basic(
    'basic.non-root',
    { kind: 'exit', reason: 20, qualification: 0 },
    'the processor is in VMX root operation (VMRESUME exits with reason 24)',
    ['processor.operation', 'processor.instruction'],
    ({ processor }) => operation(processor) !== 'non-root',
    {
      failureIn: (context) => ({ kind: 'exit', reason: launching(context) ? 20 : 24, qualification: 0 }),
    },
  ),
  basic(
    'basic.cpl',
    { kind: 'fault', vector: '#GP(0)' },
    'CPL = 0',
    ['processor.cpl'],
    ({ processor }) => processor.cpl === 0,
  ),
  basic(
    'basic.current-vmcs-valid',
    { kind: 'VMfailInvalid' },
    'the current-VMCS pointer is valid',
    ['processor.currentVmcs'],
    ({ processor }) => processor.currentVmcs === undefined || processor.currentVmcs >= 0,
  ),
  basic(
    'basic.not-shadow-vmcs',
    { kind: 'VMfailInvalid' },
    'the current VMCS is not a shadow VMCS',
    ['vmcs.shadow'],
    ({ vmcs }) => !vmcs.shadow,
  ),
  basic(
    'basic.mov-ss-blocking',
    error(26),
    'events are not blocked by MOV SS',
    ['processor.movSsBlocking'],
    ({ processor }) => !processor.movSsBlocking,
  ),
  basic(
    'basic.vmlaunch-clear',
    error(4),
    'VMLAUNCH finds the launch state clear',
    ['processor.instruction', 'vmcs.launched'],
    ({ vmcs }) => !vmcs.launched,
    { when: launching },
  ),
  basic(
    'basic.vmresume-launched',
    error(5),
    'VMRESUME finds the launch state launched',
    ['processor.instruction', 'vmcs.launched'],
    ({ vmcs }) => vmcs.launched,
    { when: resuming },
  ),
  basic(
    'basic.vmresume-after-vmxoff',
    error(6),
    'VMXOFF was not executed since the VMLAUNCH of this VMCS',
    ['processor.instruction', 'processor.vmxoffSinceLaunch'],
    ({ processor }) => processor.vmxoffSinceLaunch !== true,
    { when: resuming, unconfirmed: true },
  ),
] as const satisfies readonly Row<string>[];

/** A machine check may also show before or after the VM entry. SDM Vol. 3C, 27.9 Machine-Check Events During VM Entry */
export const machineCheckRules = [
  {
    id: 'machine-check.during-entry',
    section: 'Machine-Check Events During VM Entry',
    says: 'no machine check arrives during the VM entry',
    reads: ['processor.machineCheck'],
    when: always,
    holds: ({ processor }) => processor.machineCheck !== true,
    failure: { kind: 'exit', reason: 41, qualification: 0 },
  },
] as const satisfies readonly Row<string>[];
