// QEMU Firmware Configuration (fw_cfg) Device: port interface without DMA
import { freeze, produce } from 'immer';
import { type BoardConfig, byteString, type Device, NO_EFFECTS } from './device';

/** The selector port (16-bit writes) and the data port after it (bytes). */
export const FW_CFG_PORT = 0x510;

/** Selectors that answer with data; every other one reads as zeros. */
export const FW_CFG_SELECTORS = {
  signature: 0x00,
  id: 0x01,
  ramSize: 0x03,
  processors: 0x05,
  initrdAddress: 0x0a,
  initrdSize: 0x0b,
  maximumProcessors: 0x0f,
  initrdData: 0x12,
  commandLineAddress: 0x13,
  commandLineSize: 0x14,
  commandLineData: 0x15,
  fileDirectory: 0x19,
} as const;

export interface FwCfgState {
  readonly selector: number;
  /** Of the next byte that the data port gives. */
  readonly offset: number;
  /** Byte strings by selector. */
  readonly items: Readonly<Record<number, string>>;
}

const ENTRY_MASK = 0x3fff;

const little = (value: number, bytes: number): string => {
  let text = '';
  for (let rest = value, i = 0; i < bytes; i++, rest = Math.floor(rest / 256))
    text += String.fromCharCode(rest % 256);
  return text;
};

const items = (config: BoardConfig): Record<number, string> => {
  const at = FW_CFG_SELECTORS;
  const processors = little(config.processors ?? 1, 2);
  const text = config.commandLine;
  const commandLine = text === undefined ? '' : `${byteString(new TextEncoder().encode(text.text))}\0`;
  const initrd = config.initrd?.data ?? '';
  return {
    [at.signature]: 'QEMU',
    [at.id]: little(1, 4),
    [at.ramSize]: little(config.memoryBytes, 8),
    [at.processors]: processors,
    [at.maximumProcessors]: processors,
    [at.initrdAddress]: little(config.initrd?.address ?? 0, 4),
    [at.initrdSize]: little(initrd.length, 4),
    [at.initrdData]: initrd,
    [at.commandLineAddress]: little(text?.address ?? 0, 4),
    [at.commandLineSize]: little(commandLine.length, 4),
    [at.commandLineData]: commandLine,
    [at.fileDirectory]: '\0\0\0\0',
  };
};

/** The firmware configuration device: read-only items, an empty file directory, no DMA. Data past an item's end reads as 0. */
export const fwCfg: Device<FwCfgState> = {
  name: 'fw-cfg',
  ranges: [{ space: 'port', first: FW_CFG_PORT, last: FW_CFG_PORT + 1 }],
  reset: (config) => freeze({ selector: 0, offset: 0, items: items(config) }, true),
  read: (state, { address, bytes }) => {
    if (address !== FW_CFG_PORT + 1 || bytes !== 1) return { state, value: 0 };
    const item = state.items[state.selector & ENTRY_MASK] ?? '';
    if (state.offset >= item.length) return { state, value: 0 };
    const next = produce(state, (draft) => {
      draft.offset++;
    });
    return { state: next, value: item.charCodeAt(state.offset) & 0xff };
  },
  write: (state, { address, bytes }, value) => {
    if (address !== FW_CFG_PORT || bytes !== 2) return { state, effects: NO_EFFECTS };
    const next = produce(state, (draft) => {
      draft.selector = value;
      draft.offset = 0;
    });
    return { state: next, effects: NO_EFFECTS };
  },
};
