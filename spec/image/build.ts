/** Helpers that build small images byte by byte. */

export interface Segment {
  readonly virtual: number;
  readonly physical: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes?: number;
}

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

export const words = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
};

/** A multiboot header with a right checksum. */
export const multibootHeader = (flags: number, ...addresses: readonly number[]): Uint8Array =>
  words(0x1bad_b002, flags, -(0x1bad_b002 + flags), ...addresses);

/** An executable of either width: header, program headers, then the segments' bytes. */
export const elf = (width: 32 | 64, entry: number, segments: readonly Segment[]): Uint8Array => {
  const [headerBytes, entryBytes] = width === 32 ? [52, 32] : [64, 56];
  const head = new Uint8Array(headerBytes + entryBytes * segments.length);
  const view = new DataView(head.buffer);
  const word = (at: number, value: number): void =>
    width === 32 ? view.setUint32(at, value, true) : view.setBigUint64(at, BigInt(value), true);
  const size = width / 8;
  head.set([0x7f, 0x45, 0x4c, 0x46, width === 32 ? 1 : 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, width === 32 ? 3 : 62, true);
  view.setUint32(20, 1, true);
  word(24, entry);
  word(24 + size, headerBytes);
  const tail = 24 + 3 * size + 4;
  view.setUint16(tail, headerBytes, true);
  view.setUint16(tail + 2, entryBytes, true);
  view.setUint16(tail + 4, segments.length, true);
  let offset = head.length;
  segments.forEach((segment, index) => {
    const at = headerBytes + index * entryBytes;
    view.setUint32(at, 1, true);
    const first = width === 32 ? at + 4 : at + 8;
    word(first, offset);
    word(first + size, segment.virtual);
    word(first + 2 * size, segment.physical);
    word(first + 3 * size, segment.bytes.length);
    word(first + 4 * size, segment.memoryBytes ?? segment.bytes.length);
    offset += segment.bytes.length;
  });
  return concat(head, ...segments.map((segment) => segment.bytes));
};

/** A copy with some bytes replaced. */
export const patch = (bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};
