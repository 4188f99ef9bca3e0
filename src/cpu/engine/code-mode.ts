import type { CodeSize } from '../decode';
import type { SegmentNumber } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import { linearAddressBits, SEGMENT_CHECK, segmentCheck } from '../segmented-address';
import { ACCESS_RIGHTS, SLOT } from '../slots';

const SS_RIGHTS = 2 * SLOT.ss + 1;
const CS_LIMIT = 2 * SLOT.csLimit;

/** Which branch targets the limit of CS may refuse: any, those above FFFFH, or none. */
export const CODE_LIMIT = { any: 0, above64k: 1, none: 2 } as const;

/** What code is made for: the facts of the processor's mode that the text of a closure or a generated function depends on. Interned: equal facts, one object. */
export interface CodeMode {
  /** Small and unique in its `CodeModes`: for keys. */
  readonly number: number;
  readonly codeSize: CodeSize;
  /** SDM Vol. 1, 6.2.3 Address-Size Attributes for Stack Accesses */
  readonly stackWidth: 16 | 32 | 64;
  /** In 64-bit mode an address is canonical when bits 63:32 shifted right by this are 0 or -1. */
  readonly canonicalShift: 15 | 24;
  readonly codeLimit: (typeof CODE_LIMIT)[keyof typeof CODE_LIMIT];
  /** How accesses through a segment register are checked outside 64-bit mode: a value of `SEGMENT_CHECK`. */
  readonly check: (segment: SegmentNumber, write: boolean) => number;
}

const SEGMENTS_SHIFT = 6;
const CHECK_BITS = 3;

const LIMIT_SHIFT = 3;
const STACK_32 = 4;
const IN_64_BIT_MODE = 2;
const LA57 = 4;

const codeLimit = (limit: number): number =>
  limit === 0xffff_ffff ? CODE_LIMIT.none : limit >= 0xffff ? CODE_LIMIT.above64k : CODE_LIMIT.any;

/** The facts as one number of 24 bits. */
const factsOf = (cpu: ProcessorDraft): number => {
  const { W } = cpu;
  const { codeSize } = cpu;
  if (codeSize === 64) return IN_64_BIT_MODE | (linearAddressBits(cpu) === 57 ? LA57 : 0);
  let facts = codeSize === 32 ? 1 : 0;
  if ((W[SS_RIGHTS] & ACCESS_RIGHTS.db) !== 0) facts |= STACK_32;
  facts |= codeLimit(W[CS_LIMIT] >>> 0) << LIMIT_SHIFT;
  for (let segment = 0; segment < 6; segment++)
    facts |= segmentCheck(cpu, segment as SegmentNumber) << (SEGMENTS_SHIFT + CHECK_BITS * segment);
  return facts;
};

const modeOf = (facts: number, number: number): CodeMode => {
  if ((facts & 3) === IN_64_BIT_MODE)
    return Object.freeze({
      number,
      codeSize: 64,
      stackWidth: 64,
      canonicalShift: (facts & LA57) !== 0 ? 24 : 15,
      codeLimit: CODE_LIMIT.none,
      check: () => SEGMENT_CHECK.general,
    });
  return Object.freeze({
    number,
    codeSize: (facts & 1) !== 0 ? 32 : 16,
    stackWidth: (facts & STACK_32) !== 0 ? 32 : 16,
    canonicalShift: 15,
    codeLimit: ((facts >> LIMIT_SHIFT) & 3) as CodeMode['codeLimit'],
    check: (segment: SegmentNumber, write: boolean) => {
      const found = (facts >> (SEGMENTS_SHIFT + CHECK_BITS * segment)) & 7;
      if (write && (found & SEGMENT_CHECK.writable) === 0) return SEGMENT_CHECK.general;
      return found & ~SEGMENT_CHECK.writable;
    },
  });
};

/** The modes that one processor has been in. */
export class CodeModes {
  private readonly modes = new Map<number, CodeMode>();
  private facts = -1;
  private last: CodeMode | undefined;

  /** The mode that the processor is in now. */
  now(cpu: ProcessorDraft): CodeMode {
    const facts = factsOf(cpu);
    if (this.last !== undefined && facts === this.facts) return this.last;
    let mode = this.modes.get(facts);
    if (mode === undefined) {
      mode = modeOf(facts, this.modes.size);
      this.modes.set(facts, mode);
    }
    this.facts = facts;
    this.last = mode;
    return mode;
  }
}
