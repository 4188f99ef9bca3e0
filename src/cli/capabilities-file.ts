import vmxCapabilitiesSchema from '../../schemas/vmx-capabilities.schema.json';
import {
  CAPABILITY_MSRS,
  type CapabilityMsr,
  type Control,
  capabilityMsrName,
  controlSupported,
  type VmEntryPlatform,
  type VmxCapabilities,
  vmxBasic,
} from '../vmx';
import { BadInput } from './exit-status';
import type { CommandIo } from './io';
import { badJson, type JsonNumber, jsonPath, numberOf, readJson } from './json-input';

/** What schemas/vmx-capabilities.schema.json accepts. */
interface CapabilitiesFile {
  readonly msrs: Readonly<Record<string, JsonNumber>>;
  readonly physicalAddressWidth?: number;
  readonly linearAddressWidth?: number;
  readonly features?: readonly string[];
}

const ALL = Object.keys(CAPABILITY_MSRS) as readonly CapabilityMsr[];
const byName = new Map<string, CapabilityMsr>(
  ALL.flatMap((msr) => [
    [msr, msr],
    [capabilityMsrName(msr), msr],
  ]),
);
const byIndex = new Map<number, CapabilityMsr>(ALL.map((msr) => [CAPABILITY_MSRS[msr], msr]));

/** Those that every processor with VMX has. SDM Vol. 3D, Appendix A VMX Capability Reporting Facility */
const ALWAYS: readonly CapabilityMsr[] = [
  'ia32VmxBasic',
  'ia32VmxPinbasedCtls',
  'ia32VmxProcbasedCtls',
  'ia32VmxExitCtls',
  'ia32VmxEntryCtls',
  'ia32VmxMisc',
  'ia32VmxCr0Fixed0',
  'ia32VmxCr0Fixed1',
  'ia32VmxCr4Fixed0',
  'ia32VmxCr4Fixed1',
];

const TRUE_CONTROLS: readonly CapabilityMsr[] = [
  'ia32VmxTruePinbasedCtls',
  'ia32VmxTrueProcbasedCtls',
  'ia32VmxTrueExitCtls',
  'ia32VmxTrueEntryCtls',
];

/** Each control that comes with an MSR. */
const WITH_CONTROL: readonly (readonly [Control, CapabilityMsr])[] = [
  ['activateSecondaryControls', 'ia32VmxProcbasedCtls2'],
  ['activateTertiaryControls', 'ia32VmxProcbasedCtls3'],
  ['activateSecondaryVmExitControls', 'ia32VmxExitCtls2'],
  ['enableEpt', 'ia32VmxEptVpidCap'],
  ['enableVpid', 'ia32VmxEptVpidCap'],
  ['enableVmFunctions', 'ia32VmxVmfunc'],
];

const require = (path: string, msrs: ReadonlyMap<CapabilityMsr, bigint>, msr: CapabilityMsr, why: string) => {
  if (msrs.has(msr)) return;
  const index = `0x${CAPABILITY_MSRS[msr].toString(16)}`;
  throw new BadInput(`${path}: /msrs: ${capabilityMsrName(msr)} is missing: ${why}; add "${index}"`);
};

/** The processor of a file of capability MSRs; what it leaves out is as in the Skylake preset. */
export const readCapabilities = (io: CommandIo, path: string): VmEntryPlatform => {
  const file = readJson<CapabilitiesFile>(io, path, '--capabilities', vmxCapabilitiesSchema);
  const msrs = new Map<CapabilityMsr, bigint>();
  for (const [name, value] of Object.entries(file.msrs)) {
    const at = jsonPath('msrs', name);
    const msr =
      byName.get(name) ??
      byIndex.get(Number(name)) ??
      badJson(path, at, value, 'no VMX capability MSR has this index', 'they are 0x3a and 0x480 to 0x493');
    if (msrs.has(msr)) badJson(path, at, value, `${capabilityMsrName(msr)} is there twice`, 'give it once');
    const number = numberOf(value);
    if (BigInt.asUintN(64, number) !== number) badJson(path, at, value, 'more than 64 bits', 'an MSR has 64');
    msrs.set(msr, number);
  }
  for (const msr of ALWAYS) require(path, msrs, msr, 'every processor with VMX has it');
  const capabilities = Object.fromEntries(
    ALL.map((msr) => [msr, msrs.get(msr) ?? (msr === 'ia32VmxVmcsEnum' ? 0n : undefined)]),
  ) as unknown as VmxCapabilities;
  if (vmxBasic(capabilities).trueControls === 1n)
    for (const msr of TRUE_CONTROLS) require(path, msrs, msr, 'bit 55 of IA32_VMX_BASIC announces it');
  for (const [control, msr] of WITH_CONTROL)
    if (controlSupported(capabilities, control)) require(path, msrs, msr, `${control} may be 1`);
  const { physicalAddressWidth, linearAddressWidth, features } = file;
  return {
    capabilities,
    ...(physicalAddressWidth !== undefined && { physicalAddressWidth }),
    ...(linearAddressWidth !== undefined && { linearAddressWidth }),
    ...(features !== undefined && { features: new Set(features) }),
  };
};
