import type { MemoryRange, MemoryRoot } from '../core';
import type { CachePolicy } from '../cpu/caching';
import type { Processor } from '../cpu/presets';
import type { ProcessorState } from '../cpu/processor-state';
import { type Board, type BoardConfig, createBoard } from '../platform';
import type { Occurrences } from './decisions';
import type { HostLayout, HostRequest, Monitor } from './host-port';
import type { Turn } from './interleaving';

/** What a machine is made of; it does not change while it runs. */
export interface MachineConfig {
  readonly processor: Processor;
  /** RAM in bytes (a multiple of 4096), from physical address 0 and, beyond the device hole, from 4 GiB on. */
  readonly memoryBytes: number;
  /** The board beyond its defaults. */
  readonly board?: Omit<BoardConfig, 'memoryBytes'>;
  /** What the processors keep of their walks; default `none`. */
  readonly caches?: CachePolicy;
  /** Decides how the processors take turns, 32 bits (default 0). */
  readonly seed?: number;
}

/** The board of a machine: its local APICs have what the processors announce. */
export const boardOf = ({ processor: { features }, board }: MachineConfig, memoryBytes: number): Board =>
  createBoard({
    memoryBytes,
    ...(features.has('apic') ? {} : { localApic: false }),
    tscDeadline: features.has('tsc-deadline'),
    x2apic: features.has('x2apic'),
    ...board,
  });

/** Number of processors: `board.processors`, else 1. */
export const processorCount = ({ board }: MachineConfig): number => board?.processors ?? 1;

/** A monitor that runs on the processor, with the state it is in. */
export interface AttachedMonitor {
  readonly monitor: Monitor<unknown>;
  readonly layout: HostLayout;
  /** Undefined before it is started. */
  readonly progress: MonitorProgress | undefined;
}

/** The monitor's state and the request whose reply it waits for. */
export interface MonitorProgress {
  readonly state: unknown;
  readonly request: HostRequest;
}

/** A whole machine as a value: deeply immutable; a copy costs nothing. */
export interface MachineState {
  readonly config: MachineConfig;
  readonly ram: readonly MemoryRange[];
  /** Retired instructions since power-up, and the time that passed while all processors were idle or an access to a slow device took. */
  readonly clock: number;
  readonly turn: Turn;
  readonly memory: MemoryRoot;
  readonly board: Board;
  /** By number; the first is the bootstrap processor. */
  readonly processors: readonly ProcessorState[];
  readonly occurrences: Occurrences;
  readonly monitor: AttachedMonitor | undefined;
}
