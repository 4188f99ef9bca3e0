export { main } from './command-line';
export { BadInput, EXIT_STATUS } from './exit-status';
export type { CommandIo, FileError, FileWriter, Output } from './io';
export { UNBUILT_MODES, UNBUILT_VMX, type UnbuiltList, unbuiltList } from './unbuilt-features';
