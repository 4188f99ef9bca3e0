import type { HostRequest } from '../../../machine/host-port';
import type { Exit } from '../guest';
import { hostAddress, PAGE } from '../memory-plan';
import { type Program, tell, value } from '../program';

export type Bytes = 1 | 2 | 4 | 8;

/** A guest-physical byte range of at most a page. */
export interface Piece {
  readonly gpa: number;
  readonly bytes: number;
}

const isDevice = ({ guest, layout }: Exit, { gpa, bytes }: Piece): boolean =>
  (guest.apicPage >= 0 && gpa >= guest.apicPage && gpa + bytes <= guest.apicPage + PAGE) ||
  layout.deviceMemory.some((range) => gpa >= range.base && gpa + bytes <= range.base + range.bytes);

/** Where the host finds what the guest calls `gpa`: its RAM, or a device at the same address; `undefined` where nothing answers. */
const hostOf = (exit: Exit, piece: Piece): number | undefined =>
  hostAddress(exit.layout, piece.gpa, piece.bytes) ?? (isDevice(exit, piece) ? piece.gpa : undefined);

const isAccessSize = (bytes: number): bytes is Bytes =>
  bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;

const bytewise = ({ gpa, bytes }: Piece): readonly Piece[] =>
  Array.from({ length: bytes }, (_, offset) => ({ gpa: gpa + offset, bytes: 1 }));

/** Reads guest-physical memory as the guest's processor would: all ones where nothing answers. */
export function* readPhysical(exit: Exit, piece: Piece): Program<bigint> {
  const { bytes } = piece;
  if (!isAccessSize(bytes)) return yield* readPieces(exit, bytewise(piece));
  const host = hostOf(exit, piece);
  if (host === undefined) return (1n << BigInt(8 * bytes)) - 1n;
  return yield* value({ op: 'load', address: BigInt(host), bytes });
}

/** Writes guest-physical memory; the bits beyond `bytes` of `what` do not count. */
export function* writePhysical(exit: Exit, piece: Piece, what: bigint): Program<void> {
  const { bytes } = piece;
  if (!isAccessSize(bytes)) return yield* writePieces(exit, bytewise(piece), what);
  const host = hostOf(exit, piece);
  if (host === undefined) return;
  const store: HostRequest = {
    op: 'store',
    address: BigInt(host),
    bytes,
    value: BigInt.asUintN(8 * bytes, what),
  };
  yield* tell([store]);
}

/** A value that lies in several pieces, the low part first. */
export function* readPieces(exit: Exit, pieces: readonly Piece[]): Program<bigint> {
  let whole = 0n;
  let shift = 0n;
  for (const piece of pieces) {
    whole |= (yield* readPhysical(exit, piece)) << shift;
    shift += BigInt(8 * piece.bytes);
  }
  return whole;
}

export function* writePieces(exit: Exit, pieces: readonly Piece[], what: bigint): Program<void> {
  let rest = what;
  for (const piece of pieces) {
    yield* writePhysical(exit, piece, rest);
    rest >>= BigInt(8 * piece.bytes);
  }
}
