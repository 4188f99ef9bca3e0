import type { ShownReference } from '../view';

/** A mistake that is often made, recognized by the number that it gives. */
interface Mistake {
  readonly gives: bigint;
  readonly hint: string;
}

const addressMistakes = (right: ShownReference, before: ShownReference | undefined): readonly Mistake[] => {
  const { address, index, bytes, gpa, table } = right;
  const stride = bytes === 2 ? 1 : bytes;
  const base = address - index * stride;
  const flags = before === undefined ? 0n : before.entry - before.target;
  return [
    { gives: BigInt(gpa), hint: 'this is the guest-physical address; EPT says where it is in the host' },
    { gives: BigInt(base), hint: 'this is the beginning of the table; add the index' },
    { gives: BigInt(base + index), hint: `an entry has ${bytes} bytes; multiply the index` },
    { gives: BigInt(address) + flags, hint: 'the flags in the entry before are not part of the address' },
    {
      gives: before === undefined ? -1n : before.entry,
      hint: 'this is what the entry before holds; take its address part and add the index',
    },
    ...(table === 'guest'
      ? [
          {
            gives: before === undefined ? -1n : before.target,
            hint: 'add the offset of the guest-physical address',
          },
        ]
      : []),
  ];
};

const NO_ADDRESS =
  'take the address part of the entry before (of the register, for the first), and add the index of this level';
const NO_GUEST_ADDRESS = 'take the page that EPT gave, and add the offset of the guest-physical address';

/** What to think of for a wrong address of an entry. */
export const addressHint = (
  given: bigint,
  right: ShownReference,
  before: ShownReference | undefined,
): string => {
  const known = addressMistakes(right, before).find(({ gives }) => gives === given);
  if (known !== undefined) return known.hint;
  const root =
    right.table === 'ept' && (before === undefined || before.table === 'guest' || right.level > before.level);
  if (root)
    return 'each walk of EPT begins at the table that the EPTP names, with the index of the guest-physical address';
  return right.table === 'guest' ? NO_GUEST_ADDRESS : NO_ADDRESS;
};

/** What to think of for a wrong value of an entry whose address is right. */
export const entryHint = (given: bigint, right: ShownReference): string =>
  given === right.target
    ? 'this is the address in it; give the whole entry, with its flags'
    : 'look up what memory holds at that address';
