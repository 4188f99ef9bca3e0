import { maskOf, shiftRight } from '../../../core';
import type { PureOperation } from '../../engine/builder';
import { flagIf } from '../../engine/computed-flags';
import { AF, CF, OF, PF, SF, ZF } from './row';

const LOW_BYTE = SF | ZF | AF | PF | CF;
const ALWAYS_SET = 2;

/** Result: the low byte of EFLAGS. SDM Vol. 2, LAHF */
export const loadFlags: PureOperation = {
  name: 'lahf',
  results: 1,
  compute: ({ flags }) => ({ results: [BigInt((flags & LOW_BYTE) | ALWAYS_SET)], flags }),
};

/** Value: AH. SDM Vol. 2, SAHF */
export const storeFlags: PureOperation = {
  name: 'sahf',
  results: 0,
  compute: ({ values: [byte], flags }) => ({
    results: [],
    flags: (flags & OF) | (Number(byte) & LOW_BYTE),
  }),
};

/** Adds with one flag as carry in and out; the other flags stay. SDM Vol. 2, ADCX, ADOX */
const addWith = (name: string, flag: number): PureOperation => ({
  name,
  results: 1,
  compute: ({ width, values: [a, b], flags }) => {
    const sum = a + b + ((flags & flag) !== 0 ? 1n : 0n);
    return {
      results: [sum & maskOf(width)],
      flags: (flags & ~flag) | flagIf(sum > maskOf(width), flag),
    };
  },
});
export const ADDITIONS_WITH_ONE_FLAG = { adcx: addWith('adcx', CF), adox: addWith('adox', OF) } as const;

/** Values: memory, accumulator; ZF alone changes. SDM Vol. 2, CMPXCHG8B/CMPXCHG16B */
const withZero = (flags: number, same: boolean): number => (flags & ~ZF) | flagIf(same, ZF);

/** Values: memory (64 bits), RAX, RBX, RCX, RDX; results: memory, RAX, RDX (64 bits). */
export const compareExchange8: PureOperation = {
  name: 'cmpxchg8b',
  results: 3,
  compute: ({ values: [memory, rax, rbx, rcx, rdx], flags }) => {
    const low = (value: bigint): bigint => value & maskOf(32);
    const same = memory === ((low(rdx) << 32n) | low(rax));
    return {
      results: same
        ? [(low(rcx) << 32n) | low(rbx), rax, rdx]
        : [memory, low(memory), shiftRight(memory, 32n)],
      flags: withZero(flags, same),
    };
  },
};

/** Values: memory low, high, RAX, RBX, RCX, RDX; results: memory low, high, RAX, RDX. */
export const compareExchange16: PureOperation = {
  name: 'cmpxchg16b',
  results: 4,
  compute: ({ values: [low, high, rax, rbx, rcx, rdx], flags }) => {
    const same = low === rax && high === rdx;
    return { results: same ? [rbx, rcx, rax, rdx] : [low, high, low, high], flags: withZero(flags, same) };
  },
};
