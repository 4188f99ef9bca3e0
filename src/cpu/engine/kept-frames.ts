import type { ProcessorDraft } from '../processor-draft';

/** An ordinary access to a kept frame, on one page. */
export interface KeptAccess {
  readonly address: number;
  readonly bytes: number;
  readonly access: 'read' | 'write';
  /** The processor makes it for itself: tables of descriptors, event delivery. */
  readonly implicit: boolean;
}

/** Who keeps a frame that software must leave alone. */
export interface FrameKeeper {
  /** It is reached, before anything of it is read or written; true when `written` is to follow a write. */
  reached(cpu: ProcessorDraft, access: KeptAccess): boolean;
  written(cpu: ProcessorDraft): void;
}

/** Frames that the processors of a machine keep for themselves. They are never in the fast arrays. */
export type KeptFrames = Map<number, FrameKeeper>;
