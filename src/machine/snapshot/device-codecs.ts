import { type Pic8259State, type PicPairState, picPair } from '../../platform';
import { byte, type Codec, each, flag, integer, oneOf, record } from './codec';

const pic: Codec<Pic8259State> = record<Pic8259State>({
  expects: oneOf(0, 2, 3, 4),
  ...each(
    [
      'initialized',
      'single',
      'wantsIcw4',
      'autoEoi',
      'specialFullyNested',
      'specialMask',
      'rotatesOnAutoEoi',
      'allLevel',
      'polls',
      'readsInService',
    ],
    flag,
  ),
  lowest: integer(7),
  ...each(['vectorBase', 'slaves', 'level', 'mask', 'lines', 'edges', 'inService'], byte),
});

const untyped = <T>(codec: Codec<T>): Codec<unknown> => codec as unknown as Codec<unknown>;

/** The states of the chips of a PC, by the device's name. */
export const CHIP_STATES: readonly (readonly [string, Codec<unknown>])[] = [
  [picPair.name, untyped(record<PicPairState>({ master: pic, slave: pic }))],
];
