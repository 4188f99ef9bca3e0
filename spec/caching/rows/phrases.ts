import { type Scene, USED } from '../scene';

/** What most rows show: the page of before, or that of now. */
export const OLD_OR_NEW = ['A', 'B'] as const;

/** What reads of addresses show, one after another. */
export const reads = (scene: Scene, ...addresses: readonly bigint[]): string =>
  addresses.map((address) => scene.read(address)).join(' ');

/** CR3 with another PCID. */
export const withPcid = (scene: Scene, pcid: number): bigint => (scene.now.cr3 & ~0xfffn) | BigInt(pcid);
/** The processor is in another PCID from now on, with the same tables; nothing is invalidated. */
export const inPcid = (scene: Scene, pcid: number): Scene => scene.become({ cr3: withPcid(scene, pcid) });

/** The pages of the table for an address come from another table from now on. */
export const replaceTable = (scene: Scene, linear: bigint): Scene =>
  scene.store(scene.entryAt(linear, 2), scene.newTable() | USED);
