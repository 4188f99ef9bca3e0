export type { Pic8259State } from './chip';
export { type PicPairState, picPair } from './pair';
