// PCI Local Bus Specification 2.1, 3.7.4.1 Configuration Mechanism #1; 82441FX (290549) and 82371AB (290562) data sheets
import type { BoardConfig } from '../device';

/** The functions on bus 0, by device and function number (device * 8 + function). */
export const FUNCTIONS = { hostBridge: 0x00, isaBridge: 0x08, powerManagement: 0x0b } as const;
export type FunctionName = keyof typeof FUNCTIONS;

/** Configuration spaces, 256 bytes each. */
export type ConfigurationSpaces = Readonly<Record<FunctionName, readonly number[]>>;

/** Programmable attribute maps of the host bridge. 82441FX data sheet, 3.2.18 PAM[6:0] */
export const PAM_FIRST = 0x59;
export const PAM_COUNT = 7;
export const PM_BASE = 0x40;
export const PM_MISC = 0x80;
const DEVICE_ACTIVITY_B = 0x58;

interface Header {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Class, subclass and interface. */
  readonly classCode: number;
  readonly headerType?: number;
  readonly interruptPin?: number;
  readonly registers?: readonly (readonly [number, number])[];
}

const space = (header: Header): readonly number[] => {
  const bytes = new Array<number>(256).fill(0);
  const put = (at: number, value: number, width: number): void => {
    for (let i = 0; i < width; i++) bytes[at + i] = (value >>> (8 * i)) & 0xff;
  };
  put(0x00, header.vendor, 2);
  put(0x02, header.device, 2);
  put(0x04, 0x0007, 2);
  put(0x06, 0x0280, 2);
  put(0x08, header.revision, 1);
  put(0x09, header.classCode, 3);
  put(0x0e, header.headerType ?? 0, 1);
  // The subsystem by which firmware knows that it runs on an emulated board.
  put(0x2c, 0x1100_1af4, 4);
  put(0x3d, header.interruptPin ?? 0, 1);
  for (const [at, value] of header.registers ?? []) bytes[at] = value;
  return Object.freeze(bytes);
};

/** I/O ports at which firmware puts the power management block. */
export const PM_PORTS = 0x600;
const SCI = 9;

/** All reads and writes of 0xC0000 to 0xFFFFF go to RAM, as firmware leaves it for an image. */
const ALL_RAM: Header['registers'] = Array.from({ length: PAM_COUNT }, (_, at) => [
  PAM_FIRST + at,
  at === 0 ? 0x30 : 0x33,
]);

/** After power-up or reset; without firmware as firmware would have left them. */
export const initialSpaces = ({ firmware }: BoardConfig): ConfigurationSpaces =>
  Object.freeze({
    hostBridge: space({
      vendor: 0x8086,
      device: 0x1237,
      revision: 2,
      classCode: 0x06_0000,
      registers: firmware === undefined ? ALL_RAM : [],
    }),
    isaBridge: space({
      vendor: 0x8086,
      device: 0x7000,
      revision: 0,
      classCode: 0x06_0100,
      headerType: 0x80,
      registers: [0x60, 0x61, 0x62, 0x63].map((at) => [at, 0x80]),
    }),
    powerManagement: space({
      vendor: 0x8086,
      device: 0x7113,
      revision: 3,
      classCode: 0x06_8000,
      interruptPin: 1,
      registers: [
        [0x3c, SCI],
        [PM_BASE, 1],
        // SMIs at the APM port are switched on: there is no system-management mode to be set up.
        [DEVICE_ACTIVITY_B + 3, 2],
        ...(firmware === undefined
          ? ([
              [PM_BASE + 1, PM_PORTS >>> 8],
              [PM_MISC, 1],
            ] as const)
          : []),
      ],
    }),
  });

const WRITABLE_HEADER: readonly number[] = [0x04, 0x05, 0x0c, 0x0d, 0x3c];

/** The space with a byte written; read-only bytes stay. */
export const withByte = (
  bytes: readonly number[],
  name: FunctionName,
  at: number,
  value: number,
): readonly number[] => {
  if (at < 0x40 && !WRITABLE_HEADER.includes(at)) return bytes;
  const written = name === 'powerManagement' && at === PM_BASE ? (value & 0xc0) | 1 : value;
  return bytes[at] === written ? bytes : Object.freeze(bytes.with(at, written));
};

/** The name of a function by bits 15:8 of the configuration address; undefined where there is none. */
export const functionAt = (bus: number, deviceFunction: number): FunctionName | undefined =>
  bus !== 0
    ? undefined
    : (Object.keys(FUNCTIONS) as FunctionName[]).find((name) => FUNCTIONS[name] === deviceFunction);
