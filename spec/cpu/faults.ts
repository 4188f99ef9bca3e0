import { VECTOR } from '../../src/cpu/event';

/** The faults that specs expect: with an error code, or none. */
export const GP = (errorCode: number) => ({ vector: VECTOR.gp, errorCode });
export const NP = (errorCode: number) => ({ vector: VECTOR.np, errorCode });
export const TS = (errorCode: number) => ({ vector: VECTOR.ts, errorCode });
export const SS = (errorCode: number) => ({ vector: VECTOR.ss, errorCode });
export const GP0 = { vector: VECTOR.gp, errorCode: 0 };
export const UD = { vector: VECTOR.ud };
export const NM = { vector: VECTOR.nm };
