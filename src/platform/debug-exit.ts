import { type Device, NO_EFFECTS } from './device';

/** The port at which a guest ends the run. */
export const DEBUG_EXIT_PORT = 0xf4;

/** Four ports from 0xF4: a write of 1, 2 or 4 bytes ends the run with that code; reads give 0. */
export const debugExit: Device<null> = {
  name: 'debug-exit',
  ranges: [{ space: 'port', first: DEBUG_EXIT_PORT, last: DEBUG_EXIT_PORT + 3 }],
  reset: () => null,
  read: (state) => ({ state, value: 0 }),
  write: (state, access, value) => ({
    state,
    effects: access.address === DEBUG_EXIT_PORT ? [{ kind: 'exit', code: value }] : NO_EFFECTS,
  }),
};
