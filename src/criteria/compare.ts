import { GUEST_REGISTERS, type GuestRegister } from './guest-registers';
import type { InterruptState } from './interrupt-state';
import type { ChangedPage, DeliveredEvent, DeviceAccess, GuestEnd, Observation } from './observation';

/** One thing in which two observations differ; `left` and `right` are what each has, undefined where it has nothing. */
export type Difference =
  | { readonly kind: 'end'; readonly left: GuestEnd | undefined; readonly right: GuestEnd | undefined }
  | {
      readonly kind: 'event';
      readonly left: DeliveredEvent | undefined;
      readonly right: DeliveredEvent | undefined;
    }
  /** The accesses numbered `at`. */
  | {
      readonly kind: 'access';
      readonly at: number;
      readonly left: DeviceAccess | undefined;
      readonly right: DeviceAccess | undefined;
    }
  | {
      readonly kind: 'register';
      readonly name: GuestRegister;
      readonly left: bigint;
      readonly right: bigint;
    }
  /** A page that only one of the two changed. */
  | { readonly kind: 'page'; readonly frame: number; readonly changed: 'left' | 'right' }
  /** A run of bytes of a page that both changed, from a guest-physical address on. */
  | {
      readonly kind: 'bytes';
      readonly address: number;
      readonly left: Uint8Array;
      readonly right: Uint8Array;
    }
  | {
      readonly kind: 'msr';
      readonly name: string;
      readonly left: bigint | undefined;
      readonly right: bigint | undefined;
    }
  /** Vectors of the local APIC; of the task priority its value alone. */
  | {
      readonly kind: 'interrupts';
      readonly what: InterruptPart;
      readonly left: readonly number[] | undefined;
      readonly right: readonly number[] | undefined;
    };

/** `lost-interrupt`: the monitor took an interrupt from the local APIC and never gave it to the guest. */
export type InterruptPart = 'requested' | 'in-service' | 'task-priority' | 'lost-interrupt';

/** All differences of two observations, in the order: end, event, accesses, registers, MSRs, pages, local APIC. */
export interface Divergence {
  readonly differences: readonly Difference[];
}

const sameEnd = (a: GuestEnd | undefined, b: GuestEnd | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b;
  if (a.kind === 'exit') return b.kind === 'exit' && a.code === b.code;
  if (a.kind === 'monitor-stopped') return b.kind === 'monitor-stopped' && a.reason === b.reason;
  return a.kind === b.kind;
};

const sameEvent = (a: DeliveredEvent | undefined, b: DeliveredEvent | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b;
  return a.vector === b.vector && a.kind === b.kind && a.errorCode === b.errorCode && a.address === b.address;
};

const sameAccess = (a: DeviceAccess | undefined, b: DeviceAccess | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.space === b.space &&
    a.direction === b.direction &&
    a.address === b.address &&
    a.bytes === b.bytes &&
    a.value === b.value
  );
};

const accessDifferences = (a: Observation, b: Observation, differences: Difference[]): void => {
  const count = Math.max(a.accesses.length, b.accesses.length);
  for (let at = 0; at < count; at++) {
    const left = a.accesses[at];
    const right = b.accesses[at];
    if (!sameAccess(left, right)) differences.push({ kind: 'access', at, left, right });
  }
};

/** Bytes of equal value that do not end a run of differing ones. */
const GAP = 8;

const byteDifferences = (a: ChangedPage, b: ChangedPage, differences: Difference[]): void => {
  if (a.bytes === b.bytes) return;
  let first = -1;
  let last = -1;
  const push = (): void => {
    if (first < 0) return;
    differences.push({
      kind: 'bytes',
      address: a.frame * 4096 + first,
      left: a.bytes.slice(first, last + 1),
      right: b.bytes.slice(first, last + 1),
    });
  };
  for (let at = 0; at < 4096; at++) {
    if (a.bytes[at] === b.bytes[at]) continue;
    if (first < 0 || at - last > GAP) {
      push();
      first = at;
    }
    last = at;
  }
  push();
};

const pageDifferences = (a: Observation, b: Observation, differences: Difference[]): void => {
  let i = 0;
  let j = 0;
  while (i < a.pages.length || j < b.pages.length) {
    const left = a.pages[i];
    const right = b.pages[j];
    if (right === undefined || (left !== undefined && left.frame < right.frame)) {
      differences.push({ kind: 'page', frame: left.frame, changed: 'left' });
      i++;
    } else if (left === undefined || right.frame < left.frame) {
      differences.push({ kind: 'page', frame: right.frame, changed: 'right' });
      j++;
    } else {
      byteDifferences(left, right, differences);
      i++;
      j++;
    }
  }
};

const PARTS: readonly (readonly [InterruptPart, (state: InterruptState) => readonly number[]])[] = [
  ['requested', ({ requested }) => requested],
  ['in-service', ({ inService }) => inService],
  ['task-priority', ({ taskPriority }) => [taskPriority]],
  ['lost-interrupt', ({ lost }) => lost],
];

const sameVectors = (a: readonly number[] | undefined, b: readonly number[] | undefined): boolean =>
  a === undefined || b === undefined ? a === b : a.length === b.length && a.every((one, i) => one === b[i]);

const msrDifferences = (a: Observation, b: Observation, differences: Difference[]): void => {
  const compare = (name: string): void => {
    const left = a.msrs[name];
    const right = b.msrs[name];
    if (left !== right) differences.push({ kind: 'msr', name, left, right });
  };
  for (const name in a.msrs) compare(name);
  for (const name in b.msrs) if (!(name in a.msrs)) compare(name);
};

const interruptDifferences = (a: Observation, b: Observation, differences: Difference[]): void => {
  for (const [what, part] of PARTS) {
    const left = a.interrupts && part(a.interrupts);
    const right = b.interrupts && part(b.interrupts);
    if (!sameVectors(left, right)) differences.push({ kind: 'interrupts', what, left, right });
  }
};

/**
 * Whether two observations are the same: accesses, event, end, every register and MSR, the contents of the changed pages, and at the end
 * the local APIC. Index, position and
 * `accessedAt` play no part. It is an equivalence relation; the definition is in docs/equivalence.md.
 */
export const compareObservations = (a: Observation, b: Observation): 'equal' | Divergence => {
  const differences: Difference[] = [];
  if (!sameEnd(a.end, b.end)) differences.push({ kind: 'end', left: a.end, right: b.end });
  if (!sameEvent(a.event, b.event)) differences.push({ kind: 'event', left: a.event, right: b.event });
  accessDifferences(a, b, differences);
  for (const name of GUEST_REGISTERS) {
    const left = a.registers[name];
    const right = b.registers[name];
    if (left !== right) differences.push({ kind: 'register', name, left, right });
  }
  msrDifferences(a, b, differences);
  pageDifferences(a, b, differences);
  interruptDifferences(a, b, differences);
  return differences.length === 0 ? 'equal' : { differences };
};
