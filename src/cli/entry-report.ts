import { cite } from '../core';
import {
  EXIT_REASONS,
  exitReasonOf,
  type FieldValue,
  INSTRUCTION_ERRORS,
  instructionErrorOf,
  VMCS_FIELDS,
  type VmcsField,
  type VmEntryFailure,
  type VmEntryOutcome,
  type VmEntryReport,
  type VmEntryViolation,
} from '../vmx';
import { manualName } from './entry-state';
import type { CommandIo } from './io';
import { hexText } from './json-input';
import { paint } from './paint';
import { table } from './table';

/** How a failure shows, for people. */
const failureText = (failure: VmEntryFailure): string => {
  switch (failure.kind) {
    case 'fault':
      return failure.vector;
    case 'VMfailInvalid':
      return 'VMfailInvalid';
    case 'VMfailValid': {
      const error = instructionErrorOf(failure.error);
      const meaning = error === undefined ? '' : `: ${INSTRUCTION_ERRORS[error].meaning}`;
      return `VMfailValid, VM-instruction error ${failure.error}${meaning}`;
    }
    case 'exit': {
      const reason = exitReasonOf(failure.reason);
      const name = reason === undefined ? '' : ` (${EXIT_REASONS[reason].sdmName})`;
      return `VM exit, basic reason ${failure.reason}${name}, exit qualification ${failure.qualification}`;
    }
  }
};

const outcomeText = (outcome: VmEntryOutcome): string => {
  switch (outcome.kind) {
    case 'entered':
      return 'the VM entry succeeds';
    case 'failed':
      return `${failureText(outcome.failure)} [${outcome.because.join(', ')}]`;
    case 'machine-check':
      return `the machine check is delivered as if it had come ${outcome.delivered} the VM entry`;
  }
};

/** The field that the row is about: one of the nearest change, else the last that the rule reads. */
const subject = ({ fields, nearest }: VmEntryViolation): VmcsField | undefined =>
  nearest?.[0]?.field ?? fields.at(-1)?.field;

const valueIn = ({ fields }: VmEntryViolation, field: VmcsField): string =>
  hexText(fields.find((one) => one.field === field)?.value ?? 0n);

const passing = (nearest: readonly FieldValue[] | undefined): string =>
  nearest === undefined
    ? '-'
    : nearest
        .map(({ field, value }, place) =>
          place === 0 ? hexText(value) : `with ${manualName(field)} ${hexText(value)}`,
        )
        .join(' ');

const citation = (section: string): string => cite(section as Parameters<typeof cite>[0]);

const row = (violation: VmEntryViolation): readonly string[] => {
  const field = subject(violation);
  return [
    field === undefined ? '(processor)' : manualName(field),
    field === undefined ? '-' : valueIn(violation, field),
    passing(violation.nearest),
    citation(violation.section).replace(/^SDM Vol\. (\S+ [0-9A-Z.]+).*/, '$1'),
    violation.id,
    violation.says,
  ];
};

/** Rules by what they lack. */
const lacking = ({ notEvaluated }: VmEntryReport): readonly (readonly string[])[] => {
  const rules = new Map<string, string[]>();
  for (const { id, missing } of notEvaluated) {
    const what = missing
      .map((name) => (name in VMCS_FIELDS ? manualName(name as VmcsField) : name))
      .join(', ');
    rules.set(what, [...(rules.get(what) ?? []), id]);
  }
  return [...rules].map(([what, ids]) => [what, ids.join(', ')]);
};

/** The report as a table and a list of outcomes. */
export const printReport = (io: CommandIo, report: VmEntryReport): void => {
  const { bold } = paint(io, io.stdout);
  const { violations, notEvaluated, permitted } = report;
  if (violations.length > 0) {
    const header = ['field', 'value', 'nearest that passes', 'section', 'rule', 'what must hold'].map(
      (word) => bold(word),
    );
    io.stdout.write(`${table([header, ...violations.map(row)])}\n`);
  }
  if (notEvaluated.length > 0) {
    io.stdout.write(
      `${bold(`${notEvaluated.length} ${notEvaluated.length === 1 ? 'rule is' : 'rules are'} not evaluated, for lack of`)}\n`,
    );
    io.stdout.write(`${table(lacking(report).map(([what, ids]) => [`  ${what}`, ids]))}\n`);
  }
  const [only] = permitted;
  const certain = notEvaluated.length === 0 ? '' : ', as far as the rules could be evaluated';
  if (permitted.length === 1) io.stdout.write(`${bold('Outcome')}${certain}: ${outcomeText(only)}\n`);
  else {
    io.stdout.write(`${bold('Outcomes, any of them')}${certain}:\n`);
    for (const outcome of permitted) io.stdout.write(`  ${outcomeText(outcome)}\n`);
  }
};

const forPrograms = ({ field, value }: FieldValue) => ({
  field,
  name: manualName(field),
  encoding: hexText(VMCS_FIELDS[field].encoding),
  value: hexText(value),
});

/** The report as plain JSON: numbers of the architecture as hexadecimal text. */
export const reportForPrograms = ({ violations, notEvaluated, permitted }: VmEntryReport) => ({
  enters: violations.length > 0 ? false : notEvaluated.length > 0 ? 'unknown' : true,
  violations: violations.map(({ id, section, says, failure, fields, nearest }) => ({
    id,
    section: citation(section),
    says,
    failure,
    fields: fields.map(forPrograms),
    nearest: nearest?.map(forPrograms) ?? null,
  })),
  notEvaluated,
  permitted,
});
