import { hex } from '../core';
import { EPT_RIGHTS, eptViolationQualification } from '../ept';
import type { PageFault } from '../ept/walk';
import { rightsText } from './names';
import type { ShownReference, WalkView } from './view';

/** An outcome for people. */
export interface Explanation {
  /** In one word, as answers and pictures have it: `host-physical 0x...`, `EPT violation`. */
  readonly short: string;
  /** What happened, one line a sentence. */
  readonly lines: readonly string[];
}

const ERROR_BITS: readonly (readonly [number, string, string])[] = [
  [1, 'the entry is present', 'an entry is not present'],
  [2, 'write', ''],
  [4, 'user mode', 'supervisor mode'],
  [8, 'reserved bit', ''],
  [16, 'fetch', ''],
  [32, 'protection key', ''],
];

/** The bits of a page-fault error code in words. SDM Vol. 3A, 4.7 Page-Fault Exceptions */
const errorCodeText = (code: number): string =>
  ERROR_BITS.map(([bit, on, off]) => ((code & bit) !== 0 ? on : off))
    .filter((text) => text !== '')
    .join(', ');

const where = (one: ShownReference): string => `Step ${one.number}, ${one.name} at ${hex(one.address)}`;

const pageFaultLines = (
  { address, errorCode }: PageFault,
  failed: ShownReference | undefined,
): readonly string[] => {
  const first = `Page fault (vector 14) of the guest itself: error code ${hex(errorCode)} (${errorCodeText(errorCode)}), CR2 ${hex(address)}.`;
  if (failed === undefined)
    return [first, 'The PDPTE register for this address is not present: no entry was read.'];
  if (failed.kind === 'absent') return [first, `${where(failed)}: bit 0 (present) is 0.`];
  if (failed.kind === 'reserved') return [first, `${where(failed)}: a bit is set that is reserved there.`];
  return [first, `${where(failed)}: it does not allow the access.`];
};

/** An EPT violation or misconfiguration, and the entry behind it. */
const eptLines = (
  fault: Exclude<Extract<WalkView['outcome'], { ok: false }>['fault'], PageFault>,
  failed: ShownReference | undefined,
): readonly string[] => {
  const at = `guest-physical ${hex(fault.gpa)}`;
  if (fault.kind === 'ept-misconfiguration')
    return [
      `EPT misconfiguration (exit reason 49) at ${at}: an entry holds what no entry may hold.`,
      'There is no exit qualification.',
      ...(failed === undefined ? [] : [`${where(failed)}: ${whyMisconfigured(failed)}.`]),
    ];
  const qualification = eptViolationQualification(fault);
  const { read, write, fetch: fetches } = fault.access;
  const access = [read ? 'a read' : '', write ? 'a write' : '', fetches ? 'a fetch' : '']
    .filter(Boolean)
    .join(', ');
  const of = fault.pagingStructure ? ' of an entry of the guest’s tables' : '';
  const first = `EPT violation (exit reason 48) at ${at}: ${access}${of}, where EPT allows ${fault.rights === 0 ? 'nothing' : rightsText('ept', fault.rights)}.`;
  const exit = `The exit qualification is ${hex(qualification)}.`;
  if (failed === undefined)
    return [first, 'The address is beyond what the tables translate: no entry was read.'];
  if (failed.kind === 'absent')
    return [first, exit, `${where(failed)}: not present, for bits 2:0 (read, write, execute) are all 0.`];
  return [first, exit, `${where(failed)}: it takes the right away.`];
};

const whyMisconfigured = ({ entry }: ShownReference): string => {
  const rights = Number(entry & 7n);
  if ((rights & 3) === EPT_RIGHTS.write) return 'it allows writes without reads';
  return 'a bit or a memory type is set that is reserved there';
};

/** The outcome of a walk in words. */
export const explain = (view: WalkView): Explanation => {
  const { outcome, references, walkCase } = view;
  const { request } = walkCase;
  const failed = references.find((one) => one.failed);
  const count = `${references.length} reference${references.length === 1 ? '' : 's'}`;
  if (outcome.ok) {
    const host = hex(outcome.value);
    const from = request.cr3 === undefined ? 'Guest-physical' : 'Linear';
    const kind = request.eptp === undefined ? 'physical' : 'host-physical';
    return {
      short: `${kind} ${host}`,
      lines: [`${from} ${hex(request.address)} is ${kind} ${host}, after ${count}.`],
    };
  }
  const { fault } = outcome;
  const after = `The walk ends after ${count}.`;
  if (fault.kind === 'page-fault')
    return {
      short: `page fault, error code ${hex(fault.errorCode)}`,
      lines: [...pageFaultLines(fault, failed), after],
    };
  const short = fault.kind === 'ept-violation' ? 'EPT violation' : 'EPT misconfiguration';
  return { short, lines: [...eptLines(fault, failed), after] };
};
