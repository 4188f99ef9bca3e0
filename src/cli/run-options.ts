import type { Command } from 'commander';
import type { Tier } from '../cpu/engine/block-builder';
import { deserialize, type MachineState, type Monitor } from '../machine';
import { hardwareAssistedMonitor } from '../vmm/hardware-assisted';
import { BadInput } from './exit-status';
import { readInput } from './files';
import {
  describeImage,
  firmwareState,
  guestPath,
  guestState,
  IMAGE_OPTIONS,
  type ImageArguments,
} from './image-options';
import type { CommandIo } from './io';
import { TRACE_KINDS } from './trace';
import { choice, choices, count } from './values';

/** What commander makes of the command line: texts, checked here. */
export interface RunArguments extends ImageArguments {
  readonly firmware?: string;
  readonly serial: string;
  readonly debugPort: string;
  readonly maxInstructions?: string;
  readonly trace?: string;
  readonly traceFile: string;
  readonly save?: string;
  readonly resume?: string;
  readonly tier?: string;
  readonly quiet?: true;
}

export const TIERS = ['oracle', 'closures', 'generated'] as const satisfies readonly Tier[];

const EXAMPLES = `
Examples:
  vtmodel run hello
  vtmodel run kernel.elf --append "console=ttyS0" --module initrd.img --memory 1G
  vtmodel run boot.bin --load 0x7c00 --mode real
  vtmodel run kernel.elf --max-instructions 1e6 --save later.vtm
  vtmodel run --firmware bios.bin --max-instructions 1e9
  vtmodel run --resume later.vtm --trace exits,events

Exit status: the guest's, (code << 1) | 1 of what it writes to port 0xF4; 0 when the limit of instructions was reached or the guest switched
the machine off; 2 bad input; 3 the guest is stuck, in a triple fault, in an endless delivery, or has reset a machine without firmware;
4 the guest needs what the model lacks; 130 Ctrl-C.`;

/** The options of `vtmodel run`. */
export const describeRun = (command: Command): Command =>
  describeImage(
    command
      .summary('run an image on the bare machine')
      .description(
        'Runs an image on the bare machine; what the guest sends to its serial port goes to stdout.',
      )
      .argument(
        '[image]',
        'multiboot, ELF64 or raw image, or the name of a bundled guest; not with --resume',
      ),
  )
    .option('--cpus <n>', 'number of logical processors (default: 1)')
    .option('--seed <n>', 'how they take turns: same seed, same run (default: 0)')
    .option('--firmware <file>', 'start this firmware at the reset vector instead of an image')
    .option('--debug-port <where>', 'stderr, or a file for what firmware says at port 0x402', 'stderr')
    .option('--serial <where>', 'stdio, or a file for what the guest sends', 'stdio')
    .option('--max-instructions <n>', 'stop after this many instructions')
    .option('--trace <kinds>', `${TRACE_KINDS.join(', ')}; with commas between them`)
    .option('--trace-file <file>', 'where the trace goes, JSON lines', 'vtmodel-trace.jsonl')
    .option('--save <file>', 'write a snapshot at the end')
    .option('--resume <file>', 'go on from a snapshot')
    .option('--tier <name>', `how instructions run: ${TIERS.join(', ')}; the result is the same`)
    .option('--quiet', 'no line about instructions and speed at the end')
    .addHelpText('after', EXAMPLES);

/** The monitors that a snapshot may name. */
const MONITORS: readonly Monitor<unknown>[] = [hardwareAssistedMonitor() as Monitor<unknown>];

/** The machine that a snapshot holds; `field` says what it is for. */
export const readSnapshot = (io: CommandIo, file: string, field: string): MachineState => {
  const outcome = deserialize(readInput(io, file, field), { monitors: MONITORS });
  if (!outcome.ok) throw new BadInput(`${file}: ${outcome.fault.says}`);
  return outcome.value;
};

const resumed = (io: CommandIo, image: string | undefined, options: RunArguments): MachineState => {
  const file = options.resume!;
  if (image !== undefined)
    throw new BadInput(`${image}: image: --resume ${file} brings its own; leave one of them out`);
  if (options.firmware !== undefined)
    throw new BadInput(`--firmware: --resume ${file} brings its own; leave one of them out`);
  for (const name of IMAGE_OPTIONS)
    if (options[name] !== undefined)
      throw new BadInput(`--${name}: it cannot change a snapshot; leave it out with --resume ${file}`);
  return readSnapshot(io, file, 'snapshot');
};

/** Options that say how an image is read: firmware has none beside it. */
const OF_IMAGES = ['format', 'load', 'entry', 'mode', 'module'] as const;

const fromFirmware = (
  io: CommandIo,
  image: string | undefined,
  file: string,
  options: RunArguments,
): MachineState => {
  if (image !== undefined)
    throw new BadInput(
      `${image}: image: --firmware ${file} looks for something to boot itself; leave one of them out`,
    );
  const surplus = OF_IMAGES.find((name) => options[name] !== undefined);
  if (surplus !== undefined)
    throw new BadInput(`--${surplus}: there is no image; leave it out with --firmware ${file}`);
  return firmwareState(io, file, options);
};

/** The machine to start: from an image, firmware, or a snapshot. */
export const startState = (io: CommandIo, image: string | undefined, options: RunArguments): MachineState => {
  if (options.resume !== undefined) return resumed(io, image, options);
  if (options.firmware !== undefined) return fromFirmware(io, image, options.firmware, options);
  if (image === undefined)
    throw new BadInput(
      'image: missing; give one, as in vtmodel run kernel.elf, or --firmware FILE or --resume FILE',
    );
  return guestState(io, guestPath(io, image), options);
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
