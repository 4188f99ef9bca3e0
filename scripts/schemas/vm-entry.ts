import {
  CAPABILITY_MSRS,
  type CapabilityMsr,
  capabilityMsrName,
  FIELD_NAMES,
  type FieldRow,
  VM_ENTRY_FEATURES,
  VMCS_FIELDS,
} from '../../src/api/vmx';
import { BASE, flag, number, oneOf, ref, width } from './parts';

const numbers = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, ref('number')]));
const ENCODING = '^(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$';

const fieldNames = FIELD_NAMES.flatMap((field) => [field, (VMCS_FIELDS[field] as FieldRow).name]);

const vmcs = {
  description:
    'an object of VMCS fields by name ("guestCr0", "Guest CR0") or encoding ("0x6800"); vtmodel entry-check --template prints one',
  type: 'object',
  properties: numbers(fieldNames),
  patternProperties: { [ENCODING]: ref('number') },
  additionalProperties: false,
};

const stateProperties = {
  instruction: oneOf('vmlaunch', 'vmresume'),
  cpl: { description: 'a whole number from 0 to 3', type: 'integer', minimum: 0, maximum: 3 },
  currentVmcs: ref('number'),
  vmxonPointer: ref('number'),
  operation: oneOf('none', 'root', 'non-root'),
  longMode: flag,
  ia32eMode: flag,
  protectedMode: flag,
  virtual8086Mode: flag,
  movSsBlocking: flag,
  inSmm: flag,
  machineCheck: flag,
  traceEnabled: flag,
  vmxoffSinceLaunch: flag,
  perfGlobalCtrlBits: ref('number'),
  specCtrlBits: ref('number'),
};

const vmEntryState = {
  ...BASE,
  title: 'State at a VM entry, as vtmodel entry-check reads it',
  description: 'an object with "vmcs", and what else is known',
  type: 'object',
  properties: {
    $schema: { description: 'the address of this schema', type: 'string' },
    vmcs: ref('vmcs'),
    launched: flag,
    shadow: flag,
    otherFields: {
      ...oneOf('unknown', 'zero'),
      $comment: 'What fields that are not named in "vmcs" hold; unknown when left out.',
    },
    state: {
      description: 'an object: the processor where it differs from VMLAUNCH at CPL 0 in 64-bit mode',
      type: 'object',
      properties: stateProperties,
      additionalProperties: false,
    },
    memory: {
      description: 'an object of 64-bit words by physical address, a multiple of 8, as in {"0x5000": "0x4"}',
      type: 'object',
      patternProperties: { '^(0[xX][0-9a-fA-F]{1,13}|[0-9]{1,16})$': ref('number') },
      additionalProperties: false,
    },
    pdptes: {
      description: 'an array of the four PDPTEs in the table at guest CR3',
      type: 'array',
      items: ref('number'),
      minItems: 4,
      maxItems: 4,
    },
    msrLoadArea: {
      description: 'an array of the entries of the VM-entry MSR-load area, at most 4096',
      type: 'array',
      maxItems: 4096,
      items: {
        description: 'an object with "index" and "value"',
        type: 'object',
        properties: { index: ref('number'), value: ref('number') },
        required: ['index', 'value'],
        additionalProperties: false,
      },
    },
    executiveVmcs: {
      description: 'an object: the executive VMCS of a VM entry that returns from SMM',
      type: 'object',
      properties: { vmcs: ref('vmcs'), launched: flag },
      required: ['vmcs'],
      additionalProperties: false,
    },
    unconfirmed: flag,
  },
  required: ['vmcs'],
  additionalProperties: false,
  $defs: { number, vmcs },
};

const msrNames = (Object.keys(CAPABILITY_MSRS) as CapabilityMsr[]).flatMap((msr) => [
  msr,
  capabilityMsrName(msr),
]);

const vmxCapabilities = {
  ...BASE,
  title: 'VMX capabilities of a processor, as vtmodel entry-check reads them',
  description: 'an object with "msrs", and what else is known',
  type: 'object',
  properties: {
    $schema: { description: 'the address of this schema', type: 'string' },
    msrs: {
      description:
        'an object of capability MSRs by name ("IA32_VMX_BASIC") or index ("0x480"), as RDMSR reads them',
      type: 'object',
      properties: numbers(msrNames),
      patternProperties: { [ENCODING]: ref('number') },
      additionalProperties: false,
    },
    physicalAddressWidth: width(32, 52),
    linearAddressWidth: { description: '32, 48 or 57', enum: [32, 48, 57] },
    features: {
      description: `an array of features out of ${VM_ENTRY_FEATURES.join(', ')}`,
      type: 'array',
      items: oneOf(...VM_ENTRY_FEATURES),
    },
  },
  required: ['msrs'],
  additionalProperties: false,
  $defs: { number },
};

/** By the name of the file. */
export const vmEntrySchemas = { 'vm-entry-state': vmEntryState, 'vmx-capabilities': vmxCapabilities };
