/** Exception vectors. SDM Vol. 3A, 6.3.1 External Interrupts, Table 6-1 */
export const VECTOR = {
  de: 0,
  db: 1,
  nmi: 2,
  bp: 3,
  of: 4,
  br: 5,
  ud: 6,
  nm: 7,
  df: 8,
  ts: 10,
  np: 11,
  ss: 12,
  gp: 13,
  pf: 14,
  mf: 16,
  ac: 17,
  mc: 18,
  xm: 19,
  ve: 20,
  cp: 21,
} as const;

/** How an event came about; the numbers are the interruption types of the VMCS. SDM Vol. 3C, 25.8.3 */
export const EVENT_TYPE = {
  externalInterrupt: 0,
  nmi: 2,
  hardwareException: 3,
  softwareInterrupt: 4,
  privilegedSoftwareException: 5,
  softwareException: 6,
} as const;
/** A value of `EVENT_TYPE`. */
export type EventType = (typeof EVENT_TYPE)[keyof typeof EVENT_TYPE];

/** An exception or interrupt on its way to its handler. */
export interface InterruptionEvent {
  readonly vector: number;
  readonly type: EventType;
  readonly errorCode?: number;
  /** Linear address of a page fault (for CR2). */
  readonly address?: bigint;
  /** DR6 bits that a debug exception sets (B3:0, BD, BS). */
  readonly debugStatus?: number;
  /** Length of the instruction behind a software event: the saved RIP is the next one. */
  readonly instructionLength?: number;
  /** Delivered by VM entry: error code as given, CR2 and DR6 untouched, not intercepted again. */
  readonly injected?: true;
}

export const ERROR_CODE_VECTORS: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
