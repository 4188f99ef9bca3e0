import type { Processor } from '../cpu/presets';
import {
  CONTROLS,
  checkVmEntry,
  FIELD_NAMES,
  lackedControls,
  roundVmEntry,
  SKYLAKE_CAPABILITIES,
  VM_ENTRY_GUESTS,
  type VmcsValues,
  type VmEntryPlatform,
  type VmEntryProcessor,
  vmEntryTemplate,
  vmxCapabilities,
} from '../vmx';
import { readCapabilities } from './capabilities-file';
import { ENTRY_FORMATS, type EntryCheckArguments } from './entry-check-options';
import { printReport, reportForPrograms } from './entry-report';
import { entryStateOf, readStateFile, type StateFile } from './entry-state';
import { BadInput, EXIT_STATUS } from './exit-status';
import type { CommandIo } from './io';
import { hexText } from './json-input';
import { choice, processorModel } from './values';

/** The processor that would enter. */
const platform = (
  io: CommandIo,
  { capabilities, processor }: EntryCheckArguments,
): VmEntryPlatform | Processor => {
  if (capabilities !== undefined) {
    if (processor !== undefined)
      throw new BadInput('--capabilities: --processor is given too; give one of them');
    return readCapabilities(io, capabilities);
  }
  const name = processor ?? 'skylake';
  const model = processorModel('--processor', name);
  if (!model.features.has('vmx'))
    throw new BadInput(`--processor ${name}: it has no VMX; choose one that has, as in --processor skylake`);
  return model;
};

const capabilitiesOf = (given: VmEntryPlatform | Processor) =>
  'cpuid' in given ? vmxCapabilities(given) : (given.capabilities ?? SKYLAKE_CAPABILITIES);

const printJson = (io: CommandIo, value: unknown): void => {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
};

/** Fields that are not 0, in the order of the table. */
const fieldsOf = (value: (field: keyof VmcsValues) => bigint): Record<string, string> =>
  Object.fromEntries(
    FIELD_NAMES.filter((field) => value(field) !== 0n).map((field) => [field, hexText(value(field))]),
  );

const printTemplate = (io: CommandIo, kind: string, given: VmEntryPlatform | Processor): number => {
  const guest = choice('--template', kind, VM_ENTRY_GUESTS);
  const capabilities = capabilitiesOf(given);
  const [lacked] = lackedControls(guest, capabilities);
  if (lacked !== undefined)
    throw new BadInput(
      `--template ${guest}: the processor lacks "${CONTROLS[lacked].name}"; choose another guest or processor`,
    );
  const values = vmEntryTemplate(guest, capabilities);
  printJson(io, { vmcs: fieldsOf((field) => values[field]), otherFields: 'zero' });
  return EXIT_STATUS.success;
};

/** State of the processor as the file has it: numbers as text, without what stands elsewhere. */
const stateForFile = ({ executiveVmcs: _, features: __, ...state }: Partial<VmEntryProcessor>) =>
  Object.fromEntries(
    Object.entries(state)
      .filter(([name]) => name !== 'physicalAddressWidth' && name !== 'linearAddressWidth')
      .map(([name, value]) => [
        name,
        name !== 'cpl' && (typeof value === 'number' || typeof value === 'bigint') ? hexText(value) : value,
      ]),
  );

const printRounded = (
  io: CommandIo,
  path: string,
  file: StateFile,
  given: VmEntryPlatform | Processor,
): void => {
  const rounded = roundVmEntry(entryStateOf(path, file), given);
  if (rounded === undefined)
    throw new BadInput('--capabilities: no VMCS enters on such a processor; read the MSRs again');
  const { vmcs, state, pdptes } = rounded;
  printJson(io, {
    ...file,
    vmcs: fieldsOf((field) => vmcs.get(field)),
    otherFields: 'zero',
    launched: vmcs.launched,
    shadow: vmcs.shadow,
    state: stateForFile(state),
    ...(pdptes !== undefined && { pdptes: pdptes.map(hexText) }),
  });
};

/** `vtmodel entry-check`: gives the exit status. */
export const entryCheckCommand = (
  io: CommandIo,
  path: string | undefined,
  options: EntryCheckArguments,
): number => {
  const format = choice('--format', options.format ?? 'text', ENTRY_FORMATS);
  const given = platform(io, options);
  if (options.template !== undefined) {
    if (path !== undefined) throw new BadInput(`--template: STATE is given too, ${path}; give one of them`);
    return printTemplate(io, options.template, given);
  }
  if (path === undefined)
    throw new BadInput(
      'STATE: no file is given; vtmodel entry-check --template 64-bit prints one to start from',
    );
  const file = readStateFile(io, path);
  const report = checkVmEntry(entryStateOf(path, file), given);
  if (options.round === true) printRounded(io, path, file, given);
  else if (format === 'json') printJson(io, reportForPrograms(report));
  else printReport(io, report);
  return report.violations.length > 0 ? EXIT_STATUS.doesNotHold : EXIT_STATUS.success;
};
