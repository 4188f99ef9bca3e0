export { type CheckArguments, type Checker, checkCommand } from './check';
export { main } from './command-line';
export type { CommandIo } from './io';
export { UNBUILT_MODES, UNBUILT_VMX } from './unbuilt-features';
export { cachePolicy } from './values';
