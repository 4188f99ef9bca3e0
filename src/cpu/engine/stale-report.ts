import { join } from '../../core';
import {
  changedEntries,
  isOfOtherOrigin,
  NO_TABLE,
  originOf,
  type Remembered,
  type StaleTranslation,
  viewOf,
  type WalkRoot,
  type Way,
  type WaySetup,
  withOrigin,
  withWrite,
} from '../caching';
import type { ProcessorDraft } from '../processor-draft';
import { type StaleCause, smallestRemedy } from './stale-remedy';

const FRAME_BYTES = 4096;
const walkRoot = (frame: number): WalkRoot => (frame < 0 ? undefined : frame * FRAME_BYTES);

/** What is told of a stale use, and the state in which it was told; undefined where it was told before. `tags` are those in use. */
export const staleReport = (
  cpu: ProcessorDraft,
  state: Remembered,
  tags: readonly string[],
  setup: WaySetup,
  low: number,
  high: number,
  way: Way,
  current: Way,
): { readonly report: StaleTranslation; readonly told: Remembered } | undefined => {
  const changed = changedEntries(state, way);
  const origin = originOf(setup, low);
  const moved = way.used.filter((mapping) => isOfOtherOrigin(mapping, origin));
  if (moved.length === 0 && changed.every(({ write }) => write.reported)) return undefined;
  const { vpid, pcid, stage, access } = setup;
  const root = moved.find((mapping) => mapping.root !== NO_TABLE && mapping.root !== origin.root)?.root;
  const why: StaleCause = {
    changed,
    roots: root === undefined ? undefined : { cached: walkRoot(root), current: walkRoot(origin.root) },
    unflagged: moved.some(({ flagged }) => origin.flagged && !flagged),
  };
  const report: StaleTranslation = Object.freeze({
    processor: cpu.number,
    address: join(low, high),
    access: access.write ? 'write' : access.fetch ? 'fetch' : 'read',
    vpid,
    pcid,
    ep4ta: stage?.ep4ta,
    cached: viewOf(way),
    current: viewOf(current),
    ...why,
    enough: smallestRemedy(cpu, { ...setup, caches: state.caches }, low, high, why),
  });
  let told = state;
  for (const { address, write } of changed) told = withWrite(told, address, { ...write, reported: true });
  for (const mapping of moved)
    told = withOrigin(told, tags, mapping, {
      ...origin,
      root: mapping.root === NO_TABLE ? NO_TABLE : origin.root,
    });
  return { report, told };
};
