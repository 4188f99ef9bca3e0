import {
  acknowledge,
  acknowledgeExternal,
  advanceBoard,
  type Board,
  type BoardConfig,
  createBoard,
  localApicOf,
  nextDeadline,
  pendingVector,
  requestsExternal,
  withLocalApic,
} from '../../src/platform';
import { Driver } from './bus';

/** What the processor would take now, and the board after it has; -1 for nothing. */
const next = (board: Board): { readonly vector: number; readonly after: Board } => {
  const apic = localApicOf(board);
  if (apic !== undefined && pendingVector(apic) >= 0) {
    const { state, vector } = acknowledge(apic);
    return { vector, after: withLocalApic(board, state) };
  }
  if (!requestsExternal(board)) return { vector: -1, after: board };
  const { vector, board: after } = acknowledgeExternal(board);
  return { vector, after };
};

/** A board with its interrupt controllers, driven step by step; the test device's ports drive its lines. */
export class Pc extends Driver {
  constructor(config: Partial<BoardConfig> = {}) {
    super(createBoard({ memoryBytes: 2 ** 24, omit: ['local-apic'], ...config }));
  }

  /** The 8259 pair with vectors from 0x20 and 0x28 on. */
  initialize(icw4 = 1): this {
    for (const [first, base, cascade] of [
      [0x20, 0x20, 4],
      [0xa0, 0x28, 2],
    ]) {
      this.outb(first, 0x11);
      this.outb(first + 1, base);
      this.outb(first + 1, cascade);
      this.outb(first + 1, first === 0x20 ? icw4 : 1);
    }
    return this;
  }
  line(line: number, level: number): void {
    this.outb(0x2000 + line, level);
  }
  pulse(...lines: number[]): void {
    for (const line of lines) this.line(line, 0);
    for (const line of lines) this.line(line, 1);
  }
  get pending(): number {
    return next(this.board).vector;
  }
  take(): number {
    const { vector, after } = next(this.board);
    this.board = after;
    return vector;
  }

  /** Time goes on to a clock value, deadline after deadline; gives the clock values of the deadlines on the way. */
  until(clock: number): readonly number[] {
    const deadlines: number[] = [];
    for (;;) {
      const deadline = nextDeadline(this.board, this.now);
      if (deadline > clock) break;
      deadlines.push(deadline);
      this.advance(deadline);
    }
    this.advance(clock);
    return deadlines;
  }
  private advance(clock: number): void {
    this.now = clock;
    const { board, effects } = advanceBoard(this.board, clock);
    this.board = board;
    this.effects.push(...effects);
  }
}
