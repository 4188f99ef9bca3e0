import { EMPTY_MEMORY, gpa, gva, hpa, MemoryDraft } from '../src/core';
import { ia32ePaging } from '../src/cpu/paging-format';
import {
  COMMON_EPT,
  EptTables,
  EptWalk,
  eptPaging,
  eptRoot,
  NESTED_END,
  NestedWalk,
  TableReader,
  walk,
} from '../src/ept';
import { atLeast, expect, type Row, repeated, timed } from './measure';

const REFERENCES = 24;
const ADDRESS_BITS = 39;
const PAGES = 512;
const PRESENT_WRITE = 3;

/** Guest page tables at guest-physical 1 MiB, one for each level, for the first 512 pages; the guest's memory stands 4 GiB higher in the host. */
const TABLES = 0x10_0000;
const DATA = 0x20_0000;
const HOST = 2 ** 32;
const EPT_TABLES = hpa(0x100_0000);
const GUEST_BYTES = DATA + PAGES * 4096;

const guestTables = (): MemoryDraft => {
  const draft = new MemoryDraft(EMPTY_MEMORY);
  const entry = (address: number, value: number): void => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    draft.write(HOST + address, bytes);
  };
  for (let table = 0; table < 3; table++)
    entry(TABLES + table * 4096, TABLES + (table + 1) * 4096 + PRESENT_WRITE);
  for (let page = 0; page < PAGES; page++)
    entry(TABLES + 3 * 4096 + page * 8, DATA + page * 4096 + PRESENT_WRITE);
  return draft;
};

/** 4-level guest tables behind 4-level EPT, 4-KiB pages in both, as non-root operation walks them. */
export const nestedWalk: Row = async ({ smoke, runs }) => {
  const ept = new EptTables(guestTables().publish(), EPT_TABLES).mapRange(
    { gpa: gpa(0), hpa: hpa(HOST), size: '4K' },
    GUEST_BYTES,
  );
  const memory = ept.publish();
  const shown = walk({ memory, address: gva(0x5123n), cr3: BigInt(TABLES), eptp: ept.eptp });
  expect(
    shown.references.length === REFERENCES && shown.outcome.ok,
    `a walk of ${shown.references.length} references`,
  );

  const tables = new TableReader((frame) => memory.page(frame));
  const second = new EptWalk(eptPaging(COMMON_EPT), tables);
  second.root = eptRoot(ept.eptp);
  const both = new NestedWalk(ia32ePaging(ADDRESS_BITS, true), second, tables);
  const walks = (count: number): number => {
    let frames = 0;
    for (let i = 0; i < count; i++) {
      const page = (i * 7) & (PAGES - 1);
      expect(both.run(TABLES, page * 4096 + 0x123, 0) === NESTED_END.mapped, `page ${page} is not mapped`);
      frames += both.frame - page;
    }
    return frames;
  };
  const count = smoke ? 20_000 : 500_000;
  const first = (HOST + DATA) / 4096;
  expect(walks(PAGES) === first * PAGES, 'a walk led to another frame');
  return [
    {
      row: 'two-dimensional walk',
      variant: `${REFERENCES} references`,
      unit: 'walks/s',
      target: atLeast(1_000_000),
      runs: repeated(runs, () => count / timed(() => walks(count)).seconds),
    },
  ];
};
