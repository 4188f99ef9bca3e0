// QEMU Firmware Configuration (fw_cfg) Device: port interface without DMA
import { freeze, produce } from 'immer';
import { type BoardConfig, byteString, type Device, NO_EFFECTS } from './device';

/** The selector port (16-bit writes) and the data port after it (bytes). */
export const FW_CFG_PORT = 0x510;

/** Selectors that answer with data; every other one reads as zeros. */
export const FW_CFG_SELECTORS = {
  signature: 0x00,
  id: 0x01,
  uuid: 0x02,
  ramSize: 0x03,
  noGraphic: 0x04,
  processors: 0x05,
  initrdAddress: 0x0a,
  initrdSize: 0x0b,
  numa: 0x0d,
  bootMenu: 0x0e,
  maximumProcessors: 0x0f,
  initrdData: 0x12,
  commandLineAddress: 0x13,
  commandLineSize: 0x14,
  commandLineData: 0x15,
  fileDirectory: 0x19,
  /** The first of the files that the directory names. */
  firstFile: 0x20,
  irq0Override: 0x8002,
} as const;

export interface FwCfgState {
  readonly selector: number;
  /** Of the next byte that the data port gives. */
  readonly offset: number;
  /** Byte strings by selector. */
  readonly items: Readonly<Record<number, string>>;
}

/** Without the bit of the write channel. */
const ENTRY_MASK = 0xbfff;

const little = (value: number, bytes: number): string => {
  let text = '';
  for (let rest = value, i = 0; i < bytes; i++, rest = Math.floor(rest / 256))
    text += String.fromCharCode(rest % 256);
  return text;
};

const big = (value: number, bytes: number): string => [...little(value, bytes)].reverse().join('');

const USABLE = 1;
const RESERVED = 2;
const DEVICE_HOLE = 0xc000_0000;
const FOUR_GIB = 2 ** 32;

interface File {
  readonly name: string;
  readonly data: string;
}

/** The files: the memory map beyond what firmware finds itself, and no second try when nothing can be booted. */
const files = ({ memoryBytes, firmware = 0 }: BoardConfig): readonly File[] => {
  const entry = (base: number, length: number, type: number): string =>
    length > 0 ? `${little(base, 8)}${little(length, 8)}${little(type, 4)}` : '';
  const low = Math.min(memoryBytes, DEVICE_HOLE);
  const map = [
    entry(0, low, USABLE),
    entry(FOUR_GIB, memoryBytes - low, USABLE),
    entry(FOUR_GIB - firmware, firmware, RESERVED),
  ];
  return [
    { name: 'etc/boot-fail-wait', data: little(0xffff_ffff, 4) },
    { name: 'etc/e820', data: map.join('') },
  ];
};

const FILE_NAME_BYTES = 56;

/** The directory: count, then size, selector, two reserved bytes and name of each file. */
const directory = (all: readonly File[]): string =>
  big(all.length, 4) +
  all
    .map(
      ({ name, data }, at) =>
        `${big(data.length, 4)}${big(FW_CFG_SELECTORS.firstFile + at, 2)}\0\0${name.padEnd(FILE_NAME_BYTES, '\0')}`,
    )
    .join('');

const items = (config: BoardConfig): Record<number, string> => {
  const at = FW_CFG_SELECTORS;
  const provided = files(config);
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
    [at.uuid]: '\0'.repeat(16),
    [at.noGraphic]: little(1, 2),
    [at.numa]: '\0'.repeat(8),
    [at.bootMenu]: little(0, 2),
    [at.irq0Override]: little(1, 4),
    [at.fileDirectory]: directory(provided),
    ...Object.fromEntries(provided.map(({ data }, index) => [at.firstFile + index, data])),
  };
};

/** The firmware configuration device: read-only items and files, no DMA. Data past an item's end reads as 0. */
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
