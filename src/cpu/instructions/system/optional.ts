import type { Instruction } from '../../decode/instruction';
import type { SystemRow } from '../../engine/row';
import { announces, type FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import { requireExtendedStates } from './extended-control';
import { intercept, systemRow } from './system-row';

/** Instructions that no processor of the model announces: #UD. Were one announced, it would have to be built. */
const UNANNOUNCED: Readonly<Record<string, FeatureName>> = {
  monitor: 'monitor',
  mwait: 'monitor',
  rdrand: 'rdrand',
  rdseed: 'rdseed',
  xbegin: 'rtm',
  xend: 'rtm',
  xtest: 'rtm',
  umonitor: 'waitpkg',
  umwait: 'waitpkg',
  tpause: 'waitpkg',
  serialize: 'serialize',
};

/** What saves and restores the state components that XCR0 names. SDM Vol. 1, 13 Managing State Using the XSAVE Feature Set */
const STATE_COMPONENTS: readonly string[] = ['xsave', 'xsave64', 'xrstor', 'xrstor64'];

/** Of parts that the model does not describe (SGX, TDX, CET, user interrupts, SVM...): #UD on every processor here. */
const ABSENT: readonly string[] = [
  ...['encls', 'enclu', 'enclv', 'pconfig', 'tdcall', 'seamret', 'seamops', 'seamcall', 'ptwrite'],
  ...['rstorssp', 'setssbsy', 'clrssbsy', 'saveprevssp', 'incssp', 'wrss', 'wruss'],
  ...['xsusldtrk', 'xresldtrk', 'uiret', 'testui', 'clui', 'stui', 'senduipi', 'xabort'],
  // CPUID leaf 0DH, subleaf 1, announces none of these.
  ...['xsaveopt', 'xsaveopt64', 'xsavec', 'xsavec64', 'xsaves', 'xsaves64', 'xrstors', 'xrstors64'],
  ...['vmrun', 'vmmcall', 'vmload', 'vmsave', 'stgi', 'clgi', 'skinit', 'invlpga'],
];

const unannounced = ([mnemonic, feature]: readonly [string, FeatureName]): SystemRow =>
  systemRow(mnemonic, (cpu) => {
    if (announces(cpu.cpuid, feature)) cpu.unbuilt(mnemonic);
    cpu.invalidOpcode();
  });

const saveStateComponents = (cpu: ProcessorDraft): void => {
  requireExtendedStates(cpu);
  cpu.unbuilt('XSAVE of state components');
};

const undefinedOpcode = (cpu: ProcessorDraft): void => cpu.invalidOpcode();

// SDM Vol. 2, GETSEC: #UD while CR4.SMXE is 0, before any exit
const getSecure = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.smxe) === 0) cpu.invalidOpcode();
  intercept(cpu, instruction, { id: 'getsec' });
  cpu.unbuilt('getsec');
};

export const OPTIONAL_ROWS: readonly SystemRow[] = [
  ...Object.entries(UNANNOUNCED).map(unannounced),
  ...STATE_COMPONENTS.map((mnemonic) => systemRow(mnemonic, saveStateComponents)),
  ...ABSENT.map((mnemonic) => systemRow(mnemonic, undefinedOpcode)),
  // SDM Vol. 2, RSM: #UD outside system-management mode, which is not built.
  systemRow('rsm', undefinedOpcode),
  systemRow('getsec', getSecure),
  systemRow('pause', (cpu, instruction) => intercept(cpu, instruction, { id: 'pause' })),
];
