export type { Counter } from './counter';
export { intervalTimer, PIT_HZ, type PitState } from './timer';
