import { type Command, Option } from 'commander';
import { PRESET_NAMES } from '../cpu/presets';
import { IMAGE_MODES, type ImageModule, type ImageOptions } from '../image';
import {
  createMachine,
  isSnapshot,
  loadFirmware,
  loadImage,
  type MachineState,
  MOST_PROCESSORS,
} from '../machine';
import { BadInput } from './exit-status';
import { readInput } from './files';
import type { CommandIo } from './io';
import {
  address,
  cachePolicy,
  choice,
  memorySize,
  moduleArgument,
  processorModel,
  wholeNumber,
} from './values';

/** What `run` and `check` take to make a machine with an image: texts, checked here. */
export interface ImageArguments {
  readonly format?: string;
  readonly load?: string;
  readonly entry?: string;
  readonly mode?: string;
  readonly append?: string;
  readonly module?: readonly string[];
  readonly memory?: string;
  readonly processor?: string;
  readonly cpus?: string;
  readonly seed?: string;
  readonly caches?: string;
}

const FORMATS = ['auto', 'multiboot', 'elf64', 'raw'] as const;
const DEFAULT_MEMORY = '128M';
const DEFAULT_PROCESSOR = 'skylake';

/** The names of the options, as in `ImageArguments`. */
export const IMAGE_OPTIONS = [
  'format',
  'load',
  'entry',
  'mode',
  'append',
  'module',
  'memory',
  'processor',
  'cpus',
  'seed',
  'caches',
] as const satisfies readonly (keyof ImageArguments)[];

/** Adds the options of `ImageArguments`. */
export const describeImage = (command: Command): Command =>
  command
    .addOption(new Option('--format <name>', `image format: ${FORMATS.join(', ')} (default: auto)`))
    .option('--load <address>', 'raw: physical address of the image')
    .option('--entry <address>', 'first instruction, instead of the one that the image names')
    .option(
      '--mode <mode>',
      `raw: ${IMAGE_MODES.slice(0, -1).join(', ')} or ${IMAGE_MODES.at(-1)} (default: protected)`,
    )
    .option('--append <text>', 'multiboot: command line after the name of the image')
    .option(
      '--module <file>',
      'multiboot: FILE or FILE=ARGUMENTS, may be repeated',
      (one: string, all: readonly string[] | undefined) => [...(all ?? []), one],
    )
    .option('--memory <size>', `RAM, with K, M or G (default: ${DEFAULT_MEMORY})`)
    .option(
      '--processor <model>',
      `preset with edits: ${PRESET_NAMES.join(', ')}; as skylake,-smep,+umip (default: ${DEFAULT_PROCESSOR})`,
    )
    .option(
      '--caches <policy>',
      'what processors keep of page walks: none, lru:N, keep-all or adversarial[:SEED]; uses of stale translations are told (default: none)',
    );

const baseName = (path: string): string => path.replace(/^.*[\\/]/, '').replace(/\.elf$/, '');

/** A guest by its path, and the name to show: short for those that come with the package. */
export interface GuestPath {
  readonly name: string;
  readonly path: string;
}

/** The guests that come with the package. */
export const bundledGuests = (io: CommandIo): readonly GuestPath[] =>
  io.bundledGuests().map((path) => ({ name: baseName(path), path }));

/** The guest that an argument means: the name of a bundled one, or the path of an image. */
export const guestPath = (io: CommandIo, given: string): GuestPath =>
  bundledGuests(io).find(({ name }) => name === given) ?? {
    name: given,
    path: given,
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
  { format, load, entry, mode, append, module }: ImageArguments,
): Omit<ImageOptions, 'memoryBytes'> => ({
  fileName,
  ...(format === undefined ? {} : { format: choice('--format', format, FORMATS) }),
  ...(load === undefined ? {} : { load: address('--load', load) }),
  ...(entry === undefined ? {} : { entry: BigInt(address('--entry', entry)) }),
  ...(mode === undefined ? {} : { mode: choice('--mode', mode, IMAGE_MODES) }),
  ...(append === undefined ? {} : { commandLine: append }),
  ...(module === undefined ? {} : { modules: module.map((one) => imageModule(io, one)) }),
});

/** The machine that the options describe, without an image. */
const emptyMachine = (options: ImageArguments, edits: readonly string[] = []): MachineState => {
  const processor = processorModel('--processor', options.processor ?? DEFAULT_PROCESSOR, edits);
  const memoryBytes = memorySize(
    '--memory',
    options.memory ?? DEFAULT_MEMORY,
    processor.physicalAddressWidth,
  );
  const board = {
    ...(options.append === undefined ? {} : { commandLine: { address: 0, text: options.append } }),
    ...(options.cpus === undefined
      ? {}
      : { processors: wholeNumber('--cpus', options.cpus, 1, MOST_PROCESSORS) }),
  };
  const seed = wholeNumber('--seed', options.seed ?? '0', 0, 0xffff_ffff);
  const caches = options.caches === undefined ? {} : { caches: cachePolicy('--caches', options.caches) };
  return createMachine({ processor, memoryBytes, board, seed, ...caches });
};

/** A machine with firmware, at its reset vector. */
export const firmwareState = (io: CommandIo, path: string, options: ImageArguments): MachineState => {
  const bytes = readInput(
    io,
    path,
    'firmware',
    'give the path of a firmware image, such as bios.bin of SeaBIOS',
  );
  const loaded = loadFirmware(emptyMachine(options), bytes, { fileName: path });
  if (!loaded.ok) throw new BadInput(loaded.fault.says);
  return loaded.value;
};

/**
 * A machine with an image loaded; `edits` change whatever processor is asked for. The guest's name begins its command line, so that what a bundled
 * guest sees does not depend on where the package is.
 */
export const guestState = (
  io: CommandIo,
  { name, path }: GuestPath,
  options: ImageArguments,
  edits: readonly string[] = [],
): MachineState => {
  const machine = emptyMachine(options, edits);
  const load = imageOptions(io, name, options);
  const names = bundledGuests(io).map((one) => one.name);
  const bytes = readInput(
    io,
    path,
    'image',
    `give the path of a readable file or a bundled guest (${names.join(', ')})`,
  );
  if (options.format === undefined && options.load === undefined && isSnapshot(bytes))
    throw new BadInput(`${name}: image: it is a snapshot; go on from it with vtmodel run --resume ${name}`);
  const loaded = loadImage(machine, bytes, load);
  if (!loaded.ok) throw new BadInput(loaded.fault.says);
  return loaded.value;
};
