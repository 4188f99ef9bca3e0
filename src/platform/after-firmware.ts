// SDM Vol. 3A, 11.5.1 Local Vector Table: what firmware leaves for an operating system
import { type Board, localApicOf, withLocalApic } from './board-value';
import { connectPins } from './local-apic';

/** The board as firmware hands it to an image: the 8259 pair reaches the bootstrap processor through LINT0 (virtual wire), LINT1 is NMI. */
export const afterFirmware = (board: Board): Board => {
  const apic = localApicOf(board);
  return apic === undefined ? board : withLocalApic(board, connectPins(apic));
};
