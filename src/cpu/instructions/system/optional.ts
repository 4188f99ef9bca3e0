import type { Instruction } from '../../decode/instruction';
import type { SystemRow } from '../../engine/row';
import { announces, type FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import { requireFeature, requirePrivilege } from './privilege';
import { exits, systemRow, undefinedOpcode } from './system-row';

/** Instructions that no processor of the model announces: #UD. Were one announced, it would have to be built. */
const UNANNOUNCED: Readonly<Record<string, FeatureName>> = {
  xbegin: 'rtm',
  xend: 'rtm',
  xtest: 'rtm',
};

/** Of parts that the model does not describe (SGX, TDX, CET, user interrupts, SVM...): #UD on every processor here. */
const ABSENT: readonly string[] = [
  ...['encls', 'enclu', 'enclv', 'pconfig', 'tdcall', 'seamret', 'seamops', 'seamcall', 'ptwrite'],
  ...['rstorssp', 'setssbsy', 'clrssbsy', 'saveprevssp', 'incssp', 'wrss'],
  ...['xsusldtrk', 'xresldtrk', 'uiret', 'testui', 'clui', 'stui', 'senduipi', 'xabort'],
  ...['vmrun', 'vmmcall', 'vmload', 'vmsave', 'stgi', 'clgi', 'skinit', 'invlpga'],
];

const unannounced = ([mnemonic, feature]: readonly [string, FeatureName]): SystemRow =>
  systemRow(mnemonic, (cpu) => {
    if (announces(cpu.cpuid, feature)) cpu.unbuilt(mnemonic);
    cpu.invalidOpcode();
  });

// SDM Vol. 2, WRUSS: the one instruction on shadow stacks that needs CR4.CET alone
const writeUserShadowStack = (cpu: ProcessorDraft): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.cet) === 0 || !announces(cpu.cpuid, 'cet-ss')) cpu.invalidOpcode();
  requirePrivilege(cpu);
  cpu.unbuilt('control-flow enforcement');
};

// SDM Vol. 2, GETSEC: #UD while CR4.SMXE is 0, before any exit
const getSecure = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.smxe) === 0) cpu.invalidOpcode();
  if (exits(cpu, instruction, { id: 'getsec' })) return;
  cpu.unbuilt('getsec');
};

export const OPTIONAL_ROWS: readonly SystemRow[] = [
  ...Object.entries(UNANNOUNCED).map(unannounced),
  ...ABSENT.map((mnemonic) => systemRow(mnemonic, undefinedOpcode)),
  // SDM Vol. 2, RSM: #UD outside system-management mode, which is not built.
  systemRow('rsm', undefinedOpcode),
  systemRow('getsec', getSecure),
  systemRow('wruss', writeUserShadowStack),
  // SDM Vol. 2, SERIALIZE: every system row ends a block, and the model executes in order.
  systemRow('serialize', (cpu) => requireFeature(cpu, 'serialize')),
  systemRow('pause', (cpu, instruction) => {
    exits(cpu, instruction, { id: 'pause' });
  }),
];
