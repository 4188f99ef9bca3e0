import type { DataRow } from '../../engine/builder';
import { row } from './row';

// SDM Vol. 2, NOP, PREFETCHh, LFENCE, ENDBR64: nothing that a program can see. RDSSP is a NOP while its feature is off.
const MNEMONICS = [
  ...['nop', 'endbr64', 'endbr32', 'rdssp', 'cldemote'],
  ...['prefetchnta', 'prefetcht0', 'prefetcht1', 'prefetcht2', 'prefetchw', 'prefetchwt1'],
  ...['lfence', 'mfence', 'sfence', 'pcommit'],
];

/** Cache-line operations access their byte as a load does. SDM Vol. 2, CLFLUSH, CLFLUSHOPT, CLWB */
const cacheLineRows = ['clflush', 'clflushopt', 'clwb'].map((mnemonic) =>
  row(mnemonic, (x, { operands: [line] }) => {
    if (line.kind === 'memory') x.load(line.segment, x.effectiveAddress(line), 8);
  }),
);

export const HINT_ROWS: readonly DataRow[] = [
  ...MNEMONICS.map((mnemonic) => row(mnemonic, () => {})),
  ...cacheLineRows,
];
