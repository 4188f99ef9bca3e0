import { Command, CommanderError } from 'commander';
import { version } from '../../package.json';
import { ModelError } from '../core';
import { type CheckArguments, checkCommand, describeCheck } from './check';
import { describeEntryCheck, type EntryCheckArguments } from './entry-check-options';
import { BadInput, EXIT_STATUS } from './exit-status';
import type { CommandIo } from './io';
import { describeProcessorCommand, type ProcessorArguments, processorCommand } from './processor';
import { runCommand } from './run';
import { describeRun, type RunArguments } from './run-options';
import { describeUnbuilt, type UnbuiltArguments, unbuiltCommand } from './unbuilt';
import { describeWalk, type WalkArguments, walkCommand } from './walk';

const ABOUT = `An executable reference model of x86 hardware virtualization: VT-x, EPT and a shared x86-64 core.

Run a guest on the bare model machine, or check that a hardware-assisted monitor runs it as the bare machine does
(the Popek-Goldberg criteria: equivalence, resource control, efficiency).`;

const EXAMPLES = `
Examples:
  vtmodel check                          the criteria on the guests that come with the package
  vtmodel check kernel.elf --json        on your own image, for a program
  vtmodel run kernel.elf --memory 1G     an image on the bare machine, its serial port on stdout
  vtmodel processor skylake              what a processor preset announces
  vtmodel walk --lesson 4x4              a two-dimensional page walk, step by step
  vtmodel entry-check state.json         why a VM entry fails, and what would mend it
  vtmodel run --help                     all about one command`;

/** The command line; `status` is told how the chosen command ended. */
const commandLine = (io: CommandIo, status: (status: number) => void): Command => {
  const program = new Command('vtmodel');
  program
    .description(ABOUT)
    .version(`vtmodel ${version}`, '--version', 'print the version')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: () => {} })
    .helpCommand(false);
  describeCheck(program.command('check')).action(async (images: readonly string[], options: CheckArguments) =>
    status(await checkCommand(io, images, options)),
  );
  describeRun(program.command('run')).action(async (image: string | undefined, options: RunArguments) =>
    status(await runCommand(io, image, options)),
  );
  describeProcessorCommand(program.command('processor')).action(
    (model: string | undefined, options: ProcessorArguments) => status(processorCommand(io, model, options)),
  );
  describeWalk(program.command('walk')).action(async (file: string | undefined, options: WalkArguments) =>
    status(await walkCommand(io, file, options)),
  );
  describeEntryCheck(program.command('entry-check')).action(
    async (path: string | undefined, options: EntryCheckArguments) => {
      // The validator of JSON takes a tenth of a second to load.
      const { entryCheckCommand } = await import('./entry-check');
      status(entryCheckCommand(io, path, options));
    },
  );
  describeUnbuilt(program.command('unbuilt')).action((options: UnbuiltArguments) =>
    status(unbuiltCommand(io, options)),
  );
  return program;
};

const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();

/** What commander refused, in one line: its message without prefix, and where to read on. */
const usageError = ({ message }: CommanderError, command: string | undefined): string => {
  const plain = oneLine(message.replace(/^error: /, '')).replace(/\.$/, '');
  return `${plain}; see vtmodel ${command === undefined ? '' : `${command} `}--help`;
};

/**
 * Runs one command: `argv` without the program's name. Gives the exit status, and never throws; what is wrong with the input is one line on stderr.
 */
export const main = async (argv: readonly string[], io: CommandIo): Promise<number> => {
  const complain = (line: string): void => io.stderr.write(`vtmodel: ${oneLine(line)}\n`);
  let result: number = EXIT_STATUS.success;
  const program = commandLine(io, (status) => {
    result = status;
  });
  try {
    await program.parseAsync(argv.length === 0 ? ['--help'] : argv, { from: 'user' });
    await io.pause();
    const { failure } = io.stdout;
    if (failure !== undefined && failure !== 'reader-gone')
      throw new BadInput(`stdout: ${failure.says}; send it where there is space`);
    return result;
  } catch (error) {
    if (error instanceof BadInput) complain(error.says);
    else if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT_STATUS.success;
      complain(usageError(error, program.commands.find((one) => one.name() === argv[0])?.name()));
    } else {
      const { message } = error as Error;
      complain(error instanceof ModelError ? message : `bug of the model: ${message}`);
      return EXIT_STATUS.notBuilt;
    }
    return EXIT_STATUS.badInput;
  }
};
