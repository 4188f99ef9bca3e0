import { type Command, Option } from 'commander';
import { type PresetName, processor } from '../cpu/presets';
import { type CheckOptions, type CriteriaReport, checkCriteria, type Progress } from '../criteria';
import { HOST_FEATURES, type MachineState } from '../machine';
import { hardwareAssistedMonitor, missingControls } from '../vmm/hardware-assisted';
import { vmxCapabilities } from '../vmx';
import { type CheckedGuest, checkJson, checkText } from './check-report';
import { BadInput, EXIT_STATUS } from './exit-status';
import { bundledGuests, describeImage, guestPath, guestState, type ImageArguments } from './image-options';
import type { CommandIo } from './io';
import { count } from './values';

export interface CheckArguments extends ImageArguments {
  readonly maxInstructions?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** Checks one guest; a test may give its own. */
export type Checker = (
  guest: MachineState,
  options: CheckOptions,
) => AsyncIterable<Progress | CriteriaReport>;

const underHardwareAssistedMonitor: Checker = (guest, options) =>
  checkCriteria(guest, hardwareAssistedMonitor(), options);

const EXAMPLES = `
Examples:
  vtmodel check                         all bundled guests
  vtmodel check kernel sensitive        two of them
  vtmodel check kernel.elf --memory 1G  an image of yours
  vtmodel check boot.bin --load 0x7c00 --mode real
  vtmodel check --json | jq .holds

Each guest runs twice from the same memory: on the bare machine, and unmodified under the hardware-assisted monitor (VMX, EPT).
Exit status: 0 all criteria hold, 1 one does not or a stale translation was used, 2 bad input, 4 a guest needs what the model lacks, 130 Ctrl-C.`;

export const describeCheck = (command: Command): Command =>
  describeImage(
    command
      .summary('check the Popek-Goldberg criteria on guests')
      .description('Checks equivalence, resource control and efficiency of the hardware-assisted monitor.')
      .argument('[guest...]', 'names of bundled guests, or images (default: all bundled guests)'),
  )
    .addOption(new Option('--cpus <n>').hideHelp())
    .addOption(new Option('--seed <n>').hideHelp())
    .option('--max-instructions <n>', 'compare the runs up to this many guest instructions')
    .option('--json', 'the full reports, for programs')
    .option('--quiet', 'no progress')
    .addHelpText('after', EXAMPLES);

interface Guest {
  readonly name: string;
  readonly state: MachineState;
}

/** Edits of the processor: a guest sees no VMX, so the bare machine has none. */
const WITHOUT_VMX = ['-vmx'];

/** The monitor runs on the guest's part with its VMX, as it is. */
const requireVmx = (preset: PresetName): void => {
  const part = processor(preset);
  const lacks = part.features.has('vmx') ? missingControls(vmxCapabilities(part)) : ['VMX'];
  if (lacks.length > 0)
    throw new BadInput(
      `--processor: the monitor needs ${lacks.join(' and ')}, which ${preset} lacks; choose skylake, sapphire-rapids or everything`,
    );
};

/** The monitor hides VMX alone; what else its host needs, the guest must have too. */
const requireHostFeatures = (name: string, { config }: MachineState): void => {
  const lacking = HOST_FEATURES.find((one) => !config.processor.features.has(one));
  if (lacking !== undefined)
    throw new BadInput(
      `--processor: ${name} is to run without ${lacking}, which the monitor needs and does not hide; leave ${lacking} in`,
    );
};

/** The guests that the arguments name, loaded. */
const guests = (io: CommandIo, names: readonly string[], options: CheckArguments): readonly Guest[] => {
  for (const name of ['cpus', 'seed'] as const)
    if (options[name] !== undefined)
      throw new BadInput(
        `--${name} ${options[name]}: the monitor runs guests of one processor; leave it out`,
      );
  const chosen = names.length === 0 ? bundledGuests(io) : names.map((given) => guestPath(io, given));
  return chosen.map((guest) => {
    const state = guestState(io, guest, options, WITHOUT_VMX);
    requireVmx(state.config.processor.name);
    requireHostFeatures(guest.name, state);
    return { name: guest.name, state };
  });
};

const BETWEEN_LINES = 0.1;
const ERASE_LINE = '\r\u001b[K';

/** A line on stderr that replaces itself, on a terminal alone. */
const progressLine = (io: CommandIo, quiet: boolean) => {
  const on = io.stderr.isTerminal && !quiet;
  let last = Number.NEGATIVE_INFINITY;
  return {
    show: (name: string, place: string, { instructions, observations, exits }: Progress): void => {
      if (!on || io.seconds() - last < BETWEEN_LINES) return;
      last = io.seconds();
      const figure = (value: number): string => value.toLocaleString('en-US');
      io.stderr.write(
        `${ERASE_LINE}${place} ${name}: ${figure(instructions)} instructions, ${figure(observations)} observations, ${figure(exits)} VM exits`,
      );
    },
    clear: (): void => {
      if (on && last > Number.NEGATIVE_INFINITY) io.stderr.write(ERASE_LINE);
    },
  };
};

/** `vtmodel check`: gives the exit status. */
export const checkCommand = async (
  io: CommandIo,
  names: readonly string[],
  options: CheckArguments,
  check: Checker = underHardwareAssistedMonitor,
): Promise<number> => {
  const limits: CheckOptions =
    options.maxInstructions === undefined
      ? {}
      : { maxInstructions: count('--max-instructions', options.maxInstructions) };
  const all = guests(io, names, options);
  const line = progressLine(io, options.quiet === true);
  const results: CheckedGuest[] = [];
  let interrupted = false;
  const release = io.onInterrupt(() => {
    interrupted = true;
  });
  try {
    for (const [index, { name, state }] of all.entries()) {
      const began = io.seconds();
      let report: CriteriaReport | undefined;
      let failure: Error | undefined;
      try {
        for await (const step of check(state, limits)) {
          if (step.kind === 'report') report = step;
          else line.show(name, `[${index + 1}/${all.length}]`, step);
          await io.pause();
          if (interrupted) break;
        }
      } catch (error) {
        failure = error as Error;
      }
      line.clear();
      if (interrupted) {
        io.stderr.write(
          `vtmodel: interrupted in ${name}, ${results.length} of ${all.length} guests checked\n`,
        );
        for (const { name: left } of all.slice(index))
          results.push({ name: left, seconds: 0, report: undefined, failure: undefined });
        break;
      }
      results.push({ name, seconds: io.seconds() - began, report, failure });
    }
  } finally {
    release();
  }
  io.stdout.write(options.json === true ? checkJson(results) : checkText(io, results));
  if (interrupted) return EXIT_STATUS.interrupted;
  if (results.some(({ failure }) => failure !== undefined)) return EXIT_STATUS.notBuilt;
  return results.every(({ report }) => report?.holds === true)
    ? EXIT_STATUS.success
    : EXIT_STATUS.doesNotHold;
};
