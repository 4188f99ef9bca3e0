import type { Command } from 'commander';
import { VM_ENTRY_GUESTS } from '../vmx';

/** Options of `vtmodel entry-check`, as text. */
export interface EntryCheckArguments {
  readonly processor?: string;
  readonly capabilities?: string;
  readonly format?: string;
  readonly round?: true;
  readonly template?: string;
}

export const ENTRY_FORMATS = ['text', 'json'] as const;

export const describeEntryCheck = (command: Command): Command =>
  command
    .summary('say which checks of VM entry a VMCS fails, and what would mend it')
    .description(
      'Reads a VMCS, and what else is known of the state at a VM entry, from a JSON file, and prints every rule that it violates, the nearest value that passes, and what a ' +
        'processor may do. Rules whose inputs the file lacks are listed, never passed.',
    )
    .argument('[state]', 'JSON file: fields by name or encoding, numbers decimal or as text in hexadecimal')
    .option('--processor <model>', 'preset with edits, as in sapphire-rapids (default: skylake)')
    .option('--capabilities <file>', 'instead: the VMX capability MSRs of your processor, a JSON file')
    .option('--format <name>', `${ENTRY_FORMATS.join(' or ')} (default: text)`)
    .option(
      '--round',
      'print the nearest state that enters, as a state file; a state that enters is its own round',
    )
    .option('--template <guest>', `print a state that enters, to start from: ${VM_ENTRY_GUESTS.join(', ')}`)
    .addHelpText(
      'after',
      `
Exit status: 0 when no rule is violated, 1 when one is, 2 for bad input.

Examples:
  vtmodel entry-check --template 64-bit > state.json    a valid state, to change
  vtmodel entry-check state.json                        what is wrong with it
  vtmodel entry-check state.json --round                the nearest one that enters
  vtmodel entry-check state.json --capabilities msrs.json --format json

The files are described by the schemas vm-entry-state and vmx-capabilities in schemas/ of the package, and in docs/command-line.md.`,
    );
