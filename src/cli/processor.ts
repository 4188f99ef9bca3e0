import type { Command } from 'commander';
import { PRESET_NAMES, partOf, processor } from '../cpu/presets';
import { type DescribedMsr, describeProcessor, type ProcessorDescription } from '../machine';
import { EXIT_STATUS } from './exit-status';
import type { CommandIo } from './io';
import { paint } from './paint';
import { table } from './table';
import { choice, processorModel } from './values';

export interface ProcessorArguments {
  readonly format?: string;
}

const FORMATS = ['text', 'json'] as const;

export const describeProcessorCommand = (command: Command): Command =>
  command
    .summary('show the processor presets, or all about one of them')
    .description(
      'Without a name: the presets. With one, and edits: what CPUID announces, what the real part has and the model does not announce and why, CPUID leaf by leaf, ' +
        'the MSRs with their values after power-up, and what VMX can do, control by control.',
    )
    .argument('[model]', 'preset with edits, as in skylake,-pku,+la57')
    .option('--format <name>', `${FORMATS.join(' or ')} (default: text)`)
    .addHelpText(
      'after',
      `
A preset announces what the real part has and the model has built; whatever else is in the tables is shown as not announced. Edits are taken from left to right:
+x adds a feature and what it needs, -x takes it away and what needs it. The same names go to --processor of vtmodel run and vtmodel check. The preset everything is
no real part: it has each feature and each VMX control that is built.

Examples:
  vtmodel processor                              the presets
  vtmodel processor skylake                      everything about one
  vtmodel processor skylake,-pku,+la57           with edits
  vtmodel processor everything                   every control that is built, and those that are not
  vtmodel processor nehalem | grep -i guest      one control, feature or MSR
  vtmodel processor sapphire-rapids --format json   for a program: MSRs as hexadecimal text`,
    );

/** Hexadecimal digits as the manual writes them. */
const digits = (value: number | bigint, least: number): string =>
  value.toString(16).toUpperCase().padStart(least, '0');

const widths = ({
  physicalAddressWidth,
  linearAddressWidth,
}: {
  readonly physicalAddressWidth: number;
  readonly linearAddressWidth: number;
}): string => `${physicalAddressWidth} physical and ${linearAddressWidth} linear address bits`;

const presets = (io: CommandIo): void => {
  const { bold } = paint(io, io.stdout);
  const rows = PRESET_NAMES.map((name) => {
    const model = processor(name);
    const vmx = model.features.has('vmx') ? 'VMX' : 'no VMX';
    return [bold(name), partOf(name).part, widths(model), vmx];
  });
  io.stdout.write(table(rows));
  io.stdout.write(
    '\nAll about one of them: vtmodel processor NAME. Edits follow the name: skylake,-pku,+la57.\n',
  );
};

const place = (leaf: number, subleaf: number): string =>
  `${digits(leaf, 2)}H${subleaf === 0 ? '' : `.${subleaf}`}`;

const featureRows = ({ features }: ProcessorDescription, announced: boolean): readonly string[][] =>
  features
    .filter((one) => one.announced === announced)
    .map(({ name, leaf, subleaf, register, bit, remark }) => [
      `  ${place(leaf, subleaf)}:${register.toUpperCase()}[${bit}]`,
      name,
      remark ?? '',
    ]);

const msrRows = (msrs: readonly DescribedMsr[]): readonly string[][] =>
  msrs.map(({ index, name, reset, writable }) => [
    `  ${digits(index, 3)}H`,
    name,
    reset === undefined ? 'write-only' : `${digits(reset, 16)}H`,
    reset !== undefined && !writable ? 'read-only' : '',
  ]);

const controlRows = ({ vmxControls }: ProcessorDescription): readonly string[][] =>
  vmxControls.map(({ field, bit, name, may, part }) => [
    `  ${field}[${bit}]`,
    name,
    may,
    may === '0' && part ? 'the part has it: not built' : '',
  ]);

const text = (io: CommandIo, description: ProcessorDescription): void => {
  const { bold } = paint(io, io.stdout);
  const section = (title: string, rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) io.stdout.write(`\n${bold(title)}\n${table(rows)}`);
  };
  io.stdout.write(`${bold(description.name)}: ${description.part}, ${widths(description)}\n`);
  section('Features that CPUID announces', featureRows(description, true));
  section('Features of the part that are not announced', featureRows(description, false));
  section('CPUID after power-up (APIC ID, OSXSAVE, OSPKE, SYSCALL and sizes of state follow the processor)', [
    ['  leaf', 'EAX', 'EBX', 'ECX', 'EDX'],
    ...description.cpuid.map(({ leaf, subleaf, ...registers }) => [
      `  ${place(leaf, subleaf)}`,
      ...[registers.eax, registers.ebx, registers.ecx, registers.edx].map((value) => digits(value, 8)),
    ]),
  ]);
  section('MSRs after power-up', msrRows(description.msrs));
  section('VMX capability MSRs', msrRows(description.vmxMsrs));
  section('VMX controls: what each bit may be', controlRows(description));
};

const plain = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `0x${value.toString(16)}` : value;

/** `vtmodel processor`: gives the exit status. */
export const processorCommand = (
  io: CommandIo,
  model: string | undefined,
  { format = 'text' }: ProcessorArguments,
): number => {
  const form = choice('--format', format, FORMATS);
  if (model === undefined) {
    if (form === 'json')
      io.stdout.write(
        `${JSON.stringify(
          PRESET_NAMES.map((name) => ({ name, part: partOf(name).part })),
          null,
          2,
        )}\n`,
      );
    else presets(io);
    return EXIT_STATUS.success;
  }
  const description = describeProcessor(processorModel('processor', model));
  if (form === 'json') io.stdout.write(`${JSON.stringify(description, plain, 2)}\n`);
  else text(io, description);
  return EXIT_STATUS.success;
};
