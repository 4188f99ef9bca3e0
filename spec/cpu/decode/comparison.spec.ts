// Our decoder and iced-x86: the share of `npm run decoder` that every run of the tests can afford.
import { Code } from 'iced-x86';
import { describe, expect, test } from 'vitest';
import { differences } from '../../../scripts/decoder/difference';
import { EXPLAINED, explanation } from '../../../scripts/decoder/explained';
import { Findings } from '../../../scripts/decoder/findings';
import { OPCODE_MAPS } from '../../../scripts/decoder/maps';
import { addRandom, RANDOM_KINDS } from '../../../scripts/decoder/random';
import { SLOT_BYTES, withReference } from '../../../scripts/decoder/reference';
import { decodedForms, referenceForm } from '../../../scripts/decoder/reference-forms';
import { Slots } from '../../../scripts/decoder/slots';
import { type CodeSize, decode, MNEMONICS } from '../../../src/cpu/decode';
import { bytesOf } from './bytes';

const SIZES: readonly CodeSize[] = [64, 32, 16];
const RANDOM_CASES = 40_000;

const unexplainedIn = (findings: Findings): readonly string[] =>
  [...findings.unexplained.values()].map(({ says, bytes }) => `${says}: ${bytes}`);

describe.each(SIZES)('in %i-bit code', (codeSize) => {
  const maps = new Findings(codeSize);

  test.each(OPCODE_MAPS)('$name: nothing differs from iced-x86 but what is explained', ({ fill }) => {
    const slots = new Slots(1, (bytes) => maps.compare(bytes));
    fill(slots, codeSize, 'short');
    slots.end();
    expect(unexplainedIn(maps)).toEqual([]);
  });

  test('every form that iced-x86 knows was among them', () => {
    const missed = decodedForms(codeSize).filter((code) => !maps.forms.has(code));
    expect(missed.map((code) => Code[code])).toEqual([]);
  });

  test('each form that a row refuses is refused wherever it stands', () => {
    const rows = EXPLAINED.filter(({ aspect }) => aspect === 'instruction');
    const named = decodedForms(codeSize).map((code) => Code[code]);
    const listed = rows.flatMap(({ forms }) => named.filter((form) => forms.test(form)));
    const refused = rows.flatMap((row) => [...(maps.explained.get(row)?.forms ?? [])]);
    expect(refused.sort()).toEqual(listed.sort());
    expect(listed.filter((form) => maps.decoded.has(form))).toEqual([]);
  });

  test.each(RANDOM_KINDS.map(({ name }, kind) => ({ name, kind })))('random bytes, $name', ({ kind }) => {
    const findings = new Findings(codeSize);
    const slots = new Slots(codeSize, (bytes) => findings.compare(bytes));
    addRandom(slots, codeSize, kind, RANDOM_CASES);
    slots.end();
    expect(unexplainedIn(findings)).toEqual([]);
    expect(findings.compared).toBe(RANDOM_CASES);
  });
});

test('iced-x86 knows every mnemonic of ours', () => {
  const known = new Set(SIZES.flatMap(decodedForms).map((code) => referenceForm(code).mnemonic));
  expect(MNEMONICS.filter((name) => !known.has(name))).toEqual([]);
});

describe('the differences that stand', () => {
  test.each(EXPLAINED)('$id is still one', (row) => {
    const [bytes, codeSize] = row.example;
    const slot = new Uint8Array(SLOT_BYTES);
    slot.set(bytesOf(bytes));
    withReference(slot, codeSize, (_, theirs) => {
      const result = decode(slot, codeSize);
      const ours = result.kind === 'instruction' ? result.instruction : undefined;
      const form = theirs === undefined ? '' : referenceForm(theirs.code).name;
      const rows = differences(ours, theirs, codeSize).map((difference) => explanation(difference, form));
      expect(rows).toContain(row);
    });
  });
});
