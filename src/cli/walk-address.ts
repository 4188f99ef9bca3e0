import { isCanonical } from '../core';
import { CR4, EFER } from '../cpu/slots';
import type { GuestPaging } from '../ept';
import { parseNumber } from '../walk';
import { BadInput } from './exit-status';

/** An address of at most 64 bits that an option gives. */
export const linearAddress = (option: string, text: string): bigint => {
  const value = parseNumber(text);
  if (value === undefined)
    throw new BadInput(
      `${option} ${text}: not an address of at most 64 bits; write it as in ${option} 0x7fff1000`,
    );
  return value;
};

const CANONICAL = { 4: 48, 5: 57 } as const;

/** What is wrong with an address, and the fix; undefined where the processor would walk for it. SDM Vol. 1, 3.3.7.1 Canonical Addressing */
export const addressProblem = (
  address: bigint,
  paging: GuestPaging | 'tiny' | undefined,
): readonly [problem: string, fix: string] | undefined => {
  if (paging === 'tiny')
    return address < 0x1000n
      ? undefined
      : ['too large', 'addresses of the tiny machine have three hexadecimal digits'];
  if (paging === undefined)
    return address < 2n ** 52n ? undefined : ['too large', 'a guest-physical address has at most 52 bits'];
  if ((paging.efer & BigInt(EFER.lma)) === 0n)
    return address < 2n ** 32n
      ? undefined
      : ['too large', 'linear addresses have 32 bits outside IA-32e mode'];
  const levels = (paging.cr4 & BigInt(CR4.la57)) === 0n ? 4 : 5;
  return isCanonical(address, CANONICAL[levels])
    ? undefined
    : ['not canonical', `with ${levels} levels, bits 63 to ${CANONICAL[levels] - 1} are all equal`];
};
