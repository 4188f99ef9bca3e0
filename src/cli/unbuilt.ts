import type { Command } from 'commander';
import { EXIT_STATUS } from './exit-status';
import type { CommandIo } from './io';
import { paint } from './paint';
import { unbuiltList } from './unbuilt-features';

export interface UnbuiltArguments {
  readonly json?: true;
}

export const describeUnbuilt = (command: Command): Command =>
  command
    .summary('list what the model lacks')
    .description(
      'Lists every instruction that is decoded but not built, and every other part that raises "not built". The list may only shrink.',
    )
    .option('--json', 'an object with an array for each group')
    .addHelpText(
      'after',
      `
Examples:
  vtmodel unbuilt                       groups with their counts
  vtmodel unbuilt | grep VMX            one line for each part, with its group
  vtmodel unbuilt > docs/unbuilt.txt    what the specs hold the list against`,
    );

const WIDTH = 100;

const wrapped = (words: readonly string[]): string => {
  const lines = [''];
  for (const word of words) {
    if (lines[lines.length - 1].length + word.length > WIDTH) lines.push('');
    lines[lines.length - 1] += `  ${word}`;
  }
  return lines.join('\n');
};

/** `vtmodel unbuilt`: gives the exit status. */
export const unbuiltCommand = (io: CommandIo, { json }: UnbuiltArguments): number => {
  const list = unbuiltList();
  if (json === true) io.stdout.write(`${JSON.stringify(Object.fromEntries(list), null, 2)}\n`);
  else if (io.stdout.isTerminal) {
    const { bold } = paint(io, io.stdout);
    const total = [...list.values()].reduce((sum, { length }) => sum + length, 0);
    for (const [group, members] of list)
      io.stdout.write(`${bold(`${group} (${members.length})`)}\n${wrapped(members)}\n\n`);
    io.stdout.write(`${total} parts in ${list.size} groups\n`);
  } else
    io.stdout.write(
      [...list].flatMap(([group, members]) => members.map((one) => `${group}: ${one}\n`)).join(''),
    );
  return EXIT_STATUS.success;
};
