import { type Command, Option } from 'commander';
import type { Tier } from '../cpu/engine/block-builder';
import type { ImageModule, ImageOptions } from '../image';
import { createMachine, deserialize, loadImage, type MachineState, type Monitor } from '../machine';
import { hardwareAssistedMonitor } from '../vmm/hardware-assisted';
import { BadInput } from './exit-status';
import { readInput } from './files';
import type { CommandIo } from './io';
import { TRACE_KINDS } from './trace';
import { address, choice, choices, count, memorySize, moduleArgument, processorModel } from './values';

/** What commander makes of the command line: texts, checked here. */
export interface RunArguments {
  readonly format?: string;
  readonly load?: string;
  readonly entry?: string;
  readonly mode?: string;
  readonly append?: string;
  readonly module?: readonly string[];
  readonly memory?: string;
  readonly processor?: string;
  readonly serial: string;
  readonly maxInstructions?: string;
  readonly trace?: string;
  readonly traceFile: string;
  readonly save?: string;
  readonly resume?: string;
  readonly tier?: string;
  readonly quiet?: true;
}

export const FORMATS = ['auto', 'multiboot', 'elf64', 'raw'] as const;
const MODES = ['protected', 'long'] as const;
export const TIERS = ['oracle', 'closures', 'generated'] as const satisfies readonly Tier[];
export const DEFAULT_MEMORY = '128M';
export const DEFAULT_PROCESSOR = 'skylake';

const EXAMPLES = `
Examples:
  vtmodel run guests/images/hello.elf
  vtmodel run kernel.elf --append "console=ttyS0" --module initrd.img --memory 1G
  vtmodel run boot.bin --format raw --load 0x7c00 --mode protected
  vtmodel run kernel.elf --max-instructions 1e6 --save later.vtm
  vtmodel run --resume later.vtm --trace exits,events

Exit status: the guest's, (code << 1) | 1 of what it writes to port 0xF4; 0 when the limit of instructions was reached; 2 bad input;
3 the guest is stuck, in a triple fault or in an endless delivery; 4 the guest needs what the model lacks; 130 Ctrl-C.`;

/** The options of `vtmodel run`. */
export const describeRun = (command: Command): Command =>
  command
    .summary('run an image on the bare machine')
    .description('Runs an image on the bare machine; what the guest sends to its serial port goes to stdout.')
    .argument('[image]', 'multiboot, ELF64 or raw image; not with --resume')
    .addOption(new Option('--format <name>', `image format: ${FORMATS.join(', ')} (default: auto)`))
    .option('--load <address>', 'raw: physical address of the image')
    .option('--entry <address>', 'first instruction, instead of the one that the image names')
    .option('--mode <mode>', `raw: ${MODES.join(' or ')} (default: protected)`)
    .option('--append <text>', 'multiboot: command line after the name of the image')
    .option(
      '--module <file>',
      'multiboot: FILE or FILE=ARGUMENTS, may be repeated',
      (one: string, all: readonly string[] | undefined) => [...(all ?? []), one],
    )
    .option('--memory <size>', `RAM, with K, M or G (default: ${DEFAULT_MEMORY})`)
    .option('--processor <model>', `preset with edits, as skylake,-vmx (default: ${DEFAULT_PROCESSOR})`)
    .option('--serial <where>', 'stdio, or a file for what the guest sends', 'stdio')
    .option('--max-instructions <n>', 'stop after this many instructions')
    .option('--trace <kinds>', `${TRACE_KINDS.join(', ')}; with commas between them`)
    .option('--trace-file <file>', 'where the trace goes, JSON lines', 'vtmodel-trace.jsonl')
    .option('--save <file>', 'write a snapshot at the end')
    .option('--resume <file>', 'go on from a snapshot')
    .option('--tier <name>', `how instructions run: ${TIERS.join(', ')}; the result is the same`)
    .option('--quiet', 'no line about instructions and speed at the end')
    .addHelpText('after', EXAMPLES);

const FOR_AN_IMAGE = [
  'format',
  'load',
  'entry',
  'mode',
  'append',
  'module',
  'memory',
  'processor',
] as const satisfies readonly (keyof RunArguments)[];

/** The monitors that a snapshot may name. */
const MONITORS: readonly Monitor<unknown>[] = [hardwareAssistedMonitor() as Monitor<unknown>];

const resumed = (io: CommandIo, image: string | undefined, options: RunArguments): MachineState => {
  const file = options.resume!;
  if (image !== undefined)
    throw new BadInput(`${image}: image: --resume ${file} brings its own; leave one of them out`);
  for (const name of FOR_AN_IMAGE)
    if (options[name] !== undefined)
      throw new BadInput(`--${name}: it cannot change a snapshot; leave it out with --resume ${file}`);
  const outcome = deserialize(readInput(io, file, 'snapshot'), { monitors: MONITORS });
  if (!outcome.ok) throw new BadInput(`${file}: ${outcome.fault.says}`);
  return outcome.value;
};

const imageModule = (io: CommandIo, text: string): ImageModule => {
  const { file, commandLine } = moduleArgument(text);
  return {
    name: file,
    bytes: readInput(io, file, 'module'),
    ...(commandLine === undefined ? {} : { commandLine }),
  };
};

const imageOptions = (
  io: CommandIo,
  fileName: string,
  options: Pick<RunArguments, (typeof FOR_AN_IMAGE)[number]>,
): Omit<ImageOptions, 'memoryBytes'> => {
  const { format, load, entry, mode, append, module } = options;
  return {
    fileName,
    ...(format === undefined ? {} : { format: choice('--format', format, FORMATS) }),
    ...(load === undefined ? {} : { load: address('--load', load) }),
    ...(entry === undefined ? {} : { entry: BigInt(address('--entry', entry)) }),
    ...(mode === undefined ? {} : { mode: choice('--mode', mode, MODES) }),
    ...(append === undefined ? {} : { commandLine: append }),
    ...(module === undefined ? {} : { modules: module.map((one) => imageModule(io, one)) }),
  };
};

/** A machine with an image loaded. */
export const guestState = (
  io: CommandIo,
  image: string,
  options: Pick<RunArguments, (typeof FOR_AN_IMAGE)[number]>,
): MachineState => {
  const processor = processorModel('--processor', options.processor ?? DEFAULT_PROCESSOR);
  const memoryBytes = memorySize(
    '--memory',
    options.memory ?? DEFAULT_MEMORY,
    processor.physicalAddressWidth,
  );
  const load = imageOptions(io, image, options);
  const board =
    options.append === undefined ? {} : { board: { commandLine: { address: 0, text: options.append } } };
  const machine = createMachine({ processor, memoryBytes, ...board });
  const loaded = loadImage(machine, readInput(io, image, 'image'), load);
  if (!loaded.ok) throw new BadInput(loaded.fault.says);
  return loaded.value;
};

/** The machine to start: from an image, or from a snapshot. */
export const startState = (io: CommandIo, image: string | undefined, options: RunArguments): MachineState => {
  if (options.resume !== undefined) return resumed(io, image, options);
  if (image === undefined)
    throw new BadInput('image: missing; give one, as in vtmodel run kernel.elf, or --resume FILE');
  return guestState(io, image, options);
};

/** What the loop needs to know. */
export const runLimits = (options: RunArguments) => ({
  maxInstructions:
    options.maxInstructions === undefined
      ? Number.MAX_SAFE_INTEGER
      : count('--max-instructions', options.maxInstructions),
  tier: options.tier === undefined ? undefined : choice('--tier', options.tier, TIERS),
  trace: options.trace === undefined ? undefined : new Set(choices('--trace', options.trace, TRACE_KINDS)),
});
