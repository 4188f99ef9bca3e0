// SDM Vol. 3A, 11.5.1 Local Vector Table: what firmware leaves for an operating system
import { writeBus } from './board';
import { type Board, localApicOf, withLocalApic } from './board-value';
import { connectPins } from './local-apic';

/** The board as firmware hands it to an image: the 8259 pair reaches the bootstrap processor through LINT0 (virtual wire), LINT1 is NMI. */
export const afterFirmware = (board: Board): Board => {
  const apic = localApicOf(board);
  return apic === undefined ? board : withLocalApic(board, connectPins(apic));
};

/** What a BIOS writes to ports: the 8259 pair at vectors 8 and 70H, all but timer and cascade masked; counter 0 of the 8254 in mode 3 with the longest period. */
const BIOS_WRITES: readonly (readonly [port: number, value: number])[] = [
  ...([0x11, 0x08, 0x04, 0x01, 0xfa] as const).map((value, n) => [n === 0 ? 0x20 : 0x21, value] as const),
  ...([0x11, 0x70, 0x02, 0x01, 0xff] as const).map((value, n) => [n === 0 ? 0xa0 : 0xa1, value] as const),
  ...([0x36, 0, 0] as const).map((value, n) => [n === 0 ? 0x43 : 0x40, value] as const),
];

/** The board with the interrupt controllers at "the normal BIOS values". Multiboot Specification 0.6.96, 3.2 Machine state */
export const afterBios = (board: Board): Board =>
  BIOS_WRITES.reduce(
    (before, [address, value]) => writeBus(before, { space: 'port', address, bytes: 1, now: 0 }, value).board,
    board,
  );

const SEGMENT = 0xf000;
/** Where a BIOS traditionally has its handler of INT 8, and one that only returns. */
const TIMER_HANDLER = 0xfea5;
const DUMMY_HANDLER = 0xff53;
const TIMER_VECTOR = 8;
const VECTORS = 256;
// PUSH AX; MOV AL, 20H; OUT 20H, AL; POP AX; IRET.
const TIMER_CODE = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf];
const IRET = 0xcf;

/** What of a BIOS is in memory: an interrupt vector table whose handlers return; that of the timer ends its interrupt. No services. */
export const biosMemory = (): readonly { readonly address: number; readonly bytes: Uint8Array }[] => {
  const table = new DataView(new ArrayBuffer(4 * VECTORS));
  for (let vector = 0; vector < VECTORS; vector++) {
    table.setUint16(4 * vector, vector === TIMER_VECTOR ? TIMER_HANDLER : DUMMY_HANDLER, true);
    table.setUint16(4 * vector + 2, SEGMENT, true);
  }
  return [
    { address: 0, bytes: new Uint8Array(table.buffer) },
    { address: 16 * SEGMENT + TIMER_HANDLER, bytes: Uint8Array.from(TIMER_CODE) },
    { address: 16 * SEGMENT + DUMMY_HANDLER, bytes: Uint8Array.of(IRET) },
  ];
};
