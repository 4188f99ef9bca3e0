import { fault, gva, hex, type Outcome, ok } from '../core';
import { GUEST_BITS, walk } from '../ept';
import { tinyWalk } from './tiny';
import { viewOf, type WalkView } from './view';
import { changed, type EntryBytes, entryIn, MEMORY_LIMIT, type WalkCase } from './walk-case';

/** Why an edit cannot be made, and what to write instead: one line. */
export interface EditError {
  readonly kind: 'edit';
  readonly says: string;
}

/** One entry with another value. */
export interface Edit {
  /** How it was named. */
  readonly entry: string;
  readonly table: 'ept' | 'guest' | undefined;
  /** Host-physical address. */
  readonly address: number;
  readonly before: bigint;
  readonly after: bigint;
  readonly bytes: EntryBytes;
}

const EPT_BITS = [
  'read',
  'write',
  'execute',
  '',
  '',
  '',
  'ignore-pat',
  'page-size',
  'accessed',
  'dirty',
] as const;

/** Bits of an entry that an edit may name. */
export const bitNames = (table: 'ept' | 'guest' | undefined): Readonly<Record<string, number>> => {
  const names: readonly string[] = table === undefined ? [] : table === 'ept' ? EPT_BITS : GUEST_BITS;
  const numbered = names
    .map((name, bit) => [name.replace('pageSize', 'page-size'), bit] as const)
    .filter(([name]) => name !== '');
  return Object.fromEntries(table === 'guest' ? [...numbered, ['no-execute', 63]] : numbered);
};

const bad = (says: string): Outcome<never, EditError> => fault({ kind: 'edit', says });

const NUMBER = /^(?:0x[0-9a-f]{1,16}|\d{1,20})$/i;

/** A number as users write them; undefined where it is none of at most 64 bits. */
export const parseNumber = (text: string): bigint | undefined => {
  if (!NUMBER.test(text)) return undefined;
  const value = BigInt(text);
  return value < 2n ** 64n ? value : undefined;
};

const HOW =
  'name it guest.l2, ept.l1@guest.l2, ept.l1@final, ept.l1@0x5000 (a guest-physical address), step7 or by its host-physical address';

interface Found {
  readonly table: 'ept' | 'guest' | undefined;
  readonly address: number;
  readonly bytes: EntryBytes;
}

/** The EPT entry at a level for a guest-physical address, found by a walk of EPT alone. */
const eptEntry = (one: WalkCase, level: number, address: bigint): Found | undefined => {
  const { cr3: _, ...request } = one.request;
  const alone = { ...request, address: gva(address) };
  const { references } = one.machine === 'tiny' ? tinyWalk(alone) : walk(alone);
  const found = references.find((reference) => reference.level === level);
  return found && { table: 'ept', address: found.address, bytes: one.machine === 'tiny' ? 2 : 8 };
};

const findEntry = (view: WalkView, name: string): Outcome<Found, EditError> => {
  const { walkCase, references } = view;
  const known = references.find(({ id, number }) => id === name || `step${number}` === name);
  if (known !== undefined) return ok(known);
  const unread = `${name}: the walk does not read that entry; it reads ${references.length === 0 ? 'none' : `${references[0].id} to ${references.at(-1)!.id}`}`;
  const byAddress = /^ept\.l([1-5])@(0x[0-9a-f]+|\d+)$/i.exec(name);
  if (byAddress !== null) {
    const address = parseNumber(byAddress[2]);
    if (address === undefined)
      return bad(`${name}: ${byAddress[2]} is not an address of at most 64 bits; ${HOW}`);
    if (walkCase.request.eptp === undefined) return bad(`${name}: there is no EPT here; ${HOW}`);
    const found = eptEntry(walkCase, Number(byAddress[1]), address);
    return found === undefined ? bad(unread) : ok(found);
  }
  if (/^(guest|ept)\.l[1-5](@(final|guest\.l[1-5]))?$|^step\d+$/.test(name)) return bad(unread);
  const address = parseNumber(name);
  if (address === undefined) return bad(`${name}: no entry has that name; ${HOW}`);
  const read = references.find((one) => BigInt(one.address) === address);
  if (read !== undefined) return ok(read);
  if (address >= BigInt(MEMORY_LIMIT))
    return bad(`${name}: there is no memory from ${hex(MEMORY_LIMIT)} on; ${HOW}`);
  const bytes: EntryBytes = walkCase.machine === 'tiny' ? 2 : 8;
  if (bytes === 8 && address % 8n !== 0n) return bad(`${name}: an entry begins at a multiple of 8; ${HOW}`);
  if (bytes === 2 && address > 0xffffn) return bad(`${name}: addresses have four digits here; ${HOW}`);
  return ok({ table: undefined, address: Number(address), bytes });
};

const newValue = (text: string, before: bigint, { table, bytes }: Found): Outcome<bigint, EditError> => {
  const limit = 2n ** BigInt(8 * bytes);
  const number = parseNumber(text);
  if (number !== undefined)
    return number < limit
      ? ok(number)
      : bad(`${text}: the entry has ${8 * bytes} bits; give a smaller value`);
  const last = 8 * bytes - 1;
  const names = bitNames(table);
  const list = Object.keys(names)
    .filter((name) => names[name] <= last)
    .join(', ');
  let value = before;
  for (const part of text.split(',')) {
    const match = /^([+-])(?:bit(\d{1,2})|([a-z-]+))$/.exec(part);
    const bit = match === null ? undefined : match[2] === undefined ? names[match[3]] : Number(match[2]);
    if (bit === undefined)
      return bad(
        `${text}: not a value; write a number as 0x1234, or bits as +bit5,-bit${last}${list === '' ? '' : ` (names: ${list})`}`,
      );
    if (bit > last) return bad(`${part}: the entry has bits ${last} to 0; name one of those`);
    const mask = 1n << BigInt(bit);
    value = match![1] === '+' ? value | mask : value & ~mask;
  }
  return ok(value);
};

/** What `ENTRY=VALUE` means in a walk. */
export const parseEdit = (view: WalkView, text: string): Outcome<Edit, EditError> => {
  const at = text.indexOf('=');
  if (at < 0) return bad(`${text}: no "="; write ENTRY=VALUE, as in guest.l1=-write`);
  const entry = text.slice(0, at).trim().toLowerCase();
  const found = findEntry(view, entry);
  if (!found.ok) return found;
  const { table, address, bytes } = found.value;
  const { machine, request } = view.walkCase;
  const before = entryIn(request.memory, machine, address, bytes);
  const after = newValue(
    text
      .slice(at + 1)
      .trim()
      .toLowerCase(),
    before,
    found.value,
  );
  return after.ok ? ok({ entry, table, address, before, after: after.value, bytes }) : after;
};

/** The case after some edits, each of which names entries of the walk that the ones before it left. */
export const edited = (
  one: WalkCase,
  texts: readonly string[],
): Outcome<{ readonly walkCase: WalkCase; readonly edits: readonly Edit[] }, EditError> => {
  let walkCase = one;
  const edits: Edit[] = [];
  for (const text of texts) {
    const edit = parseEdit(viewOf(walkCase), text);
    if (!edit.ok) return edit;
    const { address, after, bytes } = edit.value;
    walkCase = changed(walkCase, address, after, bytes);
    edits.push(edit.value);
  }
  return ok({ walkCase, edits });
};
