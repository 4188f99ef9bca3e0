import type { EntryUpdate, TableMemory, Way } from '../caching';
import type { PagingRights } from '../page-fault';
import type { PagingMode } from '../paging-mode';
import type { ProcessorDraft } from '../processor-draft';

/** What the memory of a processor does for its caches. */
export interface WalkingMemory {
  readonly cpu: ProcessorDraft;
  readonly tableMemory: TableMemory;
  /** The paging mode in use; CR0.PG is 1. */
  pagingMode(): PagingMode;
  /** What governs the rights of an access. */
  governing(implicit: boolean): PagingRights;
  /** The walk through memory, with all that it does. */
  walk(low: number, high: number, write: boolean, fetch: boolean, implicit: boolean): number;
  /** Ends the instruction with the fault of a translation. */
  refuse(way: Way, low: number, high: number, write: boolean, fetch: boolean): never;
  /** Sets the flags of a walk that was made in part; may leave with a VM exit. */
  setFlags(updates: readonly EntryUpdate[]): void;
  /** A frame was reached without a walk. */
  reached(frame: number, write: boolean, fetch: boolean): void;
  dropWrites(): void;
  /** Drops what the fast arrays and links were derived from. */
  flush(): void;
}
