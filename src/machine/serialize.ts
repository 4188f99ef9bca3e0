import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import { deflateSync, inflateSync } from 'fflate';
import { fault, type Outcome, ok, PAGE_BYTES } from '../core';
import type { MachineState } from './machine-state';
import { Malformed, malformed } from './snapshot/codec';
import { decodeMachine, encodeMachine, type SnapshotParts } from './snapshot/machine-codec';

export type { SnapshotParts } from './snapshot/machine-codec';

/** Why bytes are no snapshot. `says` is one line: the field, what is wrong with it, and what would mend it. */
export interface SnapshotError {
  readonly kind: 'snapshot';
  /** Path of the field in the machine state, or a part of the file (`header`, `checksum`, `contents`). */
  readonly field: string;
  readonly says: string;
}

/** The layout of snapshots; raised by every change that older readers would misread. */
export const SNAPSHOT_VERSION = 4;

/*
 * A file: 8 bytes of magic, the version (32 bits), a word of zeros, the length of the body (64 bits), its SHA-256 (32 bytes), and the body deflated.
 * The body: the length of the head (32 bits), the head as JSON, and the pages. All little-endian. The body of a state is canonical: equal states, equal bytes.
 */
const MAGIC = Uint8Array.of(0x56, 0x54, 0x4d, 0x4f, 0x44, 0x45, 0x4c, 0x0a);
const VERSION_AT = 8;
const LENGTH_AT = 16;
const HASH_AT = 24;
const HASH_BYTES = 32;
const HEADER_BYTES = HASH_AT + HASH_BYTES;
const HEAD_AT = 4;
/** No byte of deflated data stands for more bytes than this. */
const LARGEST_EXPANSION = 1032;

const DAMAGED = 'the file is damaged: copy it again';

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const bodyOf = (state: MachineState): Uint8Array => {
  const { head, frames } = encodeMachine(state);
  const json = new TextEncoder().encode(JSON.stringify(head));
  const body = new Uint8Array(HEAD_AT + json.length + frames.length * PAGE_BYTES);
  viewOf(body).setUint32(0, json.length, true);
  body.set(json, HEAD_AT);
  frames.forEach((frame, index) => {
    body.set(state.memory.page(frame).bytes, HEAD_AT + json.length + index * PAGE_BYTES);
  });
  return body;
};

/**
 * A machine as bytes, compressed; only memory that is not zero takes room. Monitors and a user's own devices are written by name. Throws `ModelError`
 * when a monitor's or device's state holds what is not plain data (a function, a class instance).
 */
export const serialize = (state: MachineState): Uint8Array => {
  const body = bodyOf(state);
  const packed = deflateSync(body, { level: 6 });
  const bytes = new Uint8Array(HEADER_BYTES + packed.length);
  const view = viewOf(bytes);
  bytes.set(MAGIC);
  view.setUint32(VERSION_AT, SNAPSHOT_VERSION, true);
  view.setBigUint64(LENGTH_AT, BigInt(body.length), true);
  bytes.set(sha256(body), HASH_AT);
  bytes.set(packed, HEADER_BYTES);
  return bytes;
};

/** SHA-256 of the canonical form of a state, in hexadecimal: equal exactly when the states are. */
export const stateHash = (state: MachineState): string => bytesToHex(sha256(bodyOf(state)));

const unpack = (packed: Uint8Array, length: number): Uint8Array => {
  try {
    return inflateSync(packed, { out: new Uint8Array(length) });
  } catch (error) {
    return malformed('contents', `they do not decompress (${(error as Error).message})`, DAMAGED);
  }
};

/** Whether a file begins as a snapshot does. */
export const isSnapshot = (bytes: Uint8Array): boolean => MAGIC.every((one, at) => bytes[at] === one);

const readBody = (bytes: Uint8Array): Uint8Array => {
  if (!isSnapshot(bytes))
    malformed('header', 'this is no snapshot of vtmodel', 'give a file that vtmodel saved');
  if (bytes.length < HEADER_BYTES)
    malformed('header', `only ${bytes.length} of ${HEADER_BYTES} bytes`, DAMAGED);
  const view = viewOf(bytes);
  const version = view.getUint32(VERSION_AT, true);
  if (version !== SNAPSHOT_VERSION)
    malformed('header version', `${version} is not ${SNAPSHOT_VERSION}, the version that this program reads`);
  if (view.getUint32(VERSION_AT + 4, true) !== 0) malformed('header reserved', 'it is not zero');
  const length = Number(view.getBigUint64(LENGTH_AT, true));
  const packed = bytes.subarray(HEADER_BYTES);
  if (length < HEAD_AT || length > packed.length * LARGEST_EXPANSION)
    malformed('header length', `${length} bytes cannot come from ${packed.length} compressed ones`, DAMAGED);
  const body = unpack(packed, length);
  if (body.length !== length) malformed('contents', `${body.length} of ${length} bytes`, DAMAGED);
  const hash = bytes.subarray(HASH_AT, HEADER_BYTES);
  if (sha256(body).some((one, at) => one !== hash[at]))
    malformed('checksum', 'the contents were changed', DAMAGED);
  return body;
};

const parse = (json: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    return malformed('head', 'it is not JSON');
  }
};

/**
 * The machine behind bytes that `serialize` made. `parts` holds the monitors and devices that the snapshot may name. Whatever the bytes are, the answer
 * is a state or a `SnapshotError` that names the field.
 */
export const deserialize = (
  bytes: Uint8Array,
  parts: Partial<SnapshotParts> = {},
): Outcome<MachineState, SnapshotError> => {
  try {
    const body = readBody(bytes);
    const headLength = viewOf(body).getUint32(0, true);
    if (HEAD_AT + headLength > body.length) malformed('head', 'it ends beyond the contents');
    const head = parse(body.subarray(HEAD_AT, HEAD_AT + headLength));
    const pages = body.subarray(HEAD_AT + headLength);
    return ok(decodeMachine(head, pages, { monitors: [], devices: [], ...parts }));
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const { field, problem, fix } = error;
    return fault({
      kind: 'snapshot',
      field,
      says: `${field || 'head'}: ${problem}; ${fix}`.replace(/[\p{Cc}\u2028\u2029]+/gu, ' '),
    });
  }
};
