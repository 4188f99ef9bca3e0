export { type Pic8259State, requestsOf } from './chip';
export { type PicPairState, picPair } from './pair';
