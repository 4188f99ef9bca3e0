import { RIGHTS } from '../paging-format';
import { type Origin, UNPAGED } from './mapping';
import type { StageWay, WalkPath, WaySetup } from './way';

export const NOTHING: readonly never[] = Object.freeze([]);
const ALL_RIGHTS = RIGHTS.write | RIGHTS.user | RIGHTS.execute;
export const START: WalkPath = {
  rights: ALL_RIGHTS,
  accessed: true,
  unset: '',
  updates: NOTHING,
  from: NOTHING,
  used: NOTHING,
  fills: NOTHING,
};

const FRAME_BYTES = 4096;
/** What a mapping made now comes of. */
export const originOf = ({ mode, stage, W }: WaySetup, low: number): Origin => ({
  root: mode === undefined ? UNPAGED : mode.root(W, low) / FRAME_BYTES,
  flagged: stage?.accessedDirty ?? true,
});

/** A path that goes on through EPT. */
export const joined = (path: WalkPath, way: StageWay): WalkPath => ({
  ...path,
  accessed: path.accessed && way.accessed,
  unset: path.unset + way.unset,
  updates: [...path.updates, ...way.updates],
  from: [...path.from, ...way.from],
  used: [...path.used, ...way.used],
  fills: [...path.fills, ...way.fills],
});
