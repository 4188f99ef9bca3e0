import type { Remedy, StaleTranslation } from '../../../src/api/caches';
import type { MachineState } from '../../../src/api/machine';

/** What is remembered wrongly: a column of the matrix. */
export const MAPPINGS = [
  'linear page',
  'linear global page',
  'linear table',
  'combined page',
  'combined global page',
  'combined table',
  'guest-physical page',
  'guest-physical table',
] as const;
export type MappingKind = (typeof MAPPINGS)[number];

/** One translation of the report: a byte address of the page in host memory, or the kind of fault. */
export type Seen = number | 'page-fault' | 'ept-violation' | 'ept-misconfiguration';

/** What made it stale: the entry that was written first on the way, another root under the same tags, or EPT that has flags now. */
export type Because =
  | {
      readonly table: 'guest' | 'ept';
      readonly level: number;
      /** Host-physical. */
      readonly address: number;
      /** The instruction that wrote it. */
      readonly rip: number;
      /** Number of the processor that did; 0 when left out. */
      readonly processor?: number;
    }
  | { readonly roots: { readonly cached: number; readonly current: number } };

/** What the report of the seeded bug says. */
export interface Finding {
  readonly address: bigint;
  readonly access: StaleTranslation['access'];
  readonly vpid?: number;
  readonly pcid?: number;
  readonly cached: Seen;
  readonly current: Seen;
  /** Number of the processor that used it; 0 when left out. */
  readonly processor?: number;
  readonly because: Because;
  readonly enough: Remedy['operation'];
}

/** A program that forgets an invalidation, or makes one that is too small, and the same program without the mistake. */
export interface MissingInvalidation {
  /** The row of the matrix: what software changed. */
  readonly event: string;
  readonly mapping: MappingKind;
  /** What stands where the right invalidation should; `nothing` when it was left out. */
  readonly instead: string;
  /** What the correct program does. */
  readonly correctly: string;
  readonly correct: () => MachineState;
  readonly seeded: () => MachineState;
  readonly finds: Finding;
}

export const seenOf = ({ frame, fault }: StaleTranslation['cached']): Seen =>
  fault === undefined ? frame! * 4096 : fault.kind;
