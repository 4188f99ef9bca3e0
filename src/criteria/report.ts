import { hex } from '../core';
import type { Difference, Divergence, InterruptPart } from './compare';
import type { EfficiencyResult } from './efficiency';
import type { GuestInstruction } from './guest-instruction';
import type { DeliveredEvent, DeviceAccess, GuestEnd, Observation } from './observation';
import type { ResourceControlResult, ResourceViolationKind } from './resource-control';
import type { TimeReads } from './time-sources';

/** A 64-bit value or address as text, such as `0x1f`. */
export type Hex = string;

/** A guest instruction: linear address, disassembly. */
export interface InstructionReport {
  readonly address: Hex;
  readonly text: string;
}

/** A delivered event; error code and address where it has them. */
export interface EventReport {
  readonly vector: number;
  readonly kind: DeliveredEvent['kind'];
  readonly errorCode?: Hex;
  readonly address?: Hex;
}

/** An access; `address` and `value` in hexadecimal. */
export interface AccessReport {
  readonly space: DeviceAccess['space'];
  readonly direction: DeviceAccess['direction'];
  readonly address: Hex;
  readonly bytes: number;
  readonly value: Hex;
}

/** One observation; `position` counts guest instructions before it. */
export interface ObservationReport {
  readonly index: number;
  readonly position: number;
  readonly accesses: readonly AccessReport[];
  readonly event?: EventReport;
  readonly end?: GuestEnd;
  readonly registers: Readonly<Record<string, Hex>>;
  /** Guest-physical addresses of the changed pages. */
  readonly pages: readonly Hex[];
}

/** One difference, the two sides as text; an empty side has nothing. */
export interface DifferenceReport {
  readonly what: string;
  readonly bare: string;
  readonly monitored: string;
}

/** Where and how the two runs part. */
export interface DivergenceReport {
  /** Number of the first differing observation. */
  readonly index: number;
  /** The guest instruction with which the two runs part. */
  readonly instruction: InstructionReport;
  readonly differences: readonly DifferenceReport[];
  readonly bare: ObservationReport;
  readonly monitored: ObservationReport;
}

/** What broke resource control, how often, and the first instruction that did. */
export interface ViolationReport {
  readonly kind: ResourceViolationKind;
  readonly says: string;
  readonly count: number;
  readonly instruction?: InstructionReport;
}

/** How far a check has come. */
export interface Progress {
  readonly kind: 'progress';
  /** Guest instructions. */
  readonly instructions: number;
  readonly observations: number;
  readonly exits: number;
}

/** What a check found: plain data, also for JSON. */
export interface CriteriaReport {
  readonly kind: 'report';
  readonly monitor: string;
  /** All three criteria hold, and no remembered translation was used that memory contradicts. */
  readonly holds: boolean;
  /** Of the monitored run. */
  readonly end: GuestEnd;
  /** Guest instructions of the monitored run. */
  readonly instructions: number;
  readonly equivalence: {
    readonly holds: boolean;
    /** Observations compared. */
    readonly observations: number;
    readonly deviceAccesses: number;
    readonly exceptions: number;
    /** External interrupts, which arrived in the bare run where they arrived in the monitored one. */
    readonly interrupts: number;
    /** Instructions excepted because they read time. */
    readonly timeReads: readonly {
      readonly instruction: string;
      readonly count: number;
      readonly addresses: readonly Hex[];
    }[];
    readonly divergence?: DivergenceReport;
  };
  readonly resourceControl: {
    readonly holds: boolean;
    readonly violations: readonly ViolationReport[];
    readonly framesTouched: number;
    readonly structures: Readonly<Record<string, number>>;
    readonly longestStay: number;
    /** -1: a VM entry without the preemption timer. */
    readonly longestLease: number;
    /** What an endless delivery on both machines means for this criterion; empty otherwise. */
    readonly remark: string;
  };
  readonly efficiency: {
    readonly holds: boolean;
    readonly needless: readonly {
      readonly reason: string;
      readonly instruction: InstructionReport;
      readonly count: number;
    }[];
    readonly direct: number;
    readonly share: number;
    readonly exits: Readonly<Record<string, number>>;
  };
  /** Each use of a remembered translation that memory contradicts, as text, `and more` after 100 of a run; empty under the policy `none`, and where software invalidates as it must. */
  readonly staleTranslations: readonly string[];
}

export const instructionReport = ({ address, text }: GuestInstruction): InstructionReport => ({
  address: hex(address),
  text,
});

const eventReport = ({ vector, kind, errorCode, address }: DeliveredEvent): EventReport => ({
  vector,
  kind,
  ...(errorCode === undefined ? {} : { errorCode: hex(errorCode) }),
  ...(address === undefined ? {} : { address: hex(address) }),
});

const accessReport = ({ space, direction, address, bytes, value }: DeviceAccess): AccessReport => ({
  space,
  direction,
  address: hex(address),
  bytes,
  value: hex(value >>> 0),
});

const observationReport = (observation: Observation): ObservationReport => ({
  index: observation.index,
  position: observation.position,
  accesses: observation.accesses.map(accessReport),
  ...(observation.event === undefined ? {} : { event: eventReport(observation.event) }),
  ...(observation.end === undefined ? {} : { end: observation.end }),
  registers: Object.fromEntries(
    Object.entries(observation.registers).map(([name, value]) => [name, hex(value)]),
  ),
  pages: observation.pages.map(({ frame }) => hex(frame * 4096)),
});

const eventText = (event: DeliveredEvent | undefined): string => {
  if (event === undefined) return '';
  const { kind, vector, errorCode, address } = event;
  return [
    `${kind} ${vector}`,
    ...(errorCode === undefined ? [] : [`error code ${hex(errorCode)}`]),
    ...(address === undefined ? [] : [`address ${hex(address)}`]),
  ].join(', ');
};

const endText = (end: GuestEnd | undefined): string => {
  if (end === undefined) return '';
  if (end.kind === 'exit') return `exit with code ${end.code}`;
  return end.kind === 'monitor-stopped' ? `the monitor stopped: ${end.reason}` : end.kind;
};

const accessText = (access: DeviceAccess | undefined): string =>
  access === undefined
    ? ''
    : `${access.direction} ${access.bytes} at ${access.space} ${hex(access.address)}: ${hex(access.value >>> 0)}`;

const bytesText = (bytes: Uint8Array): string =>
  [...bytes.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') +
  (bytes.length > 16 ? ` ... (${bytes.length} bytes)` : '');

const INTERRUPTS: Readonly<Record<InterruptPart, string>> = {
  requested: 'interrupts requested',
  'in-service': 'interrupts in service',
  'task-priority': 'task priority',
  'lost-interrupt': 'lost interrupts',
};

const vectorsText = (vectors: readonly number[] | undefined): string =>
  (vectors ?? []).map((one) => hex(one)).join(' ');

const differenceReport = (difference: Difference): DifferenceReport => {
  switch (difference.kind) {
    case 'end':
      return { what: 'end', bare: endText(difference.left), monitored: endText(difference.right) };
    case 'event':
      return { what: 'event', bare: eventText(difference.left), monitored: eventText(difference.right) };
    case 'access':
      return {
        what: `device access ${difference.at}`,
        bare: accessText(difference.left),
        monitored: accessText(difference.right),
      };
    case 'register':
      return { what: difference.name, bare: hex(difference.left), monitored: hex(difference.right) };
    case 'page':
      return {
        what: `page ${hex(difference.frame * 4096)}`,
        bare: difference.changed === 'left' ? 'changed' : 'unchanged',
        monitored: difference.changed === 'right' ? 'changed' : 'unchanged',
      };
    case 'bytes':
      return {
        what: `memory ${hex(difference.address)}`,
        bare: bytesText(difference.left),
        monitored: bytesText(difference.right),
      };
    case 'msr':
      return {
        what: difference.name,
        bare: difference.left === undefined ? '' : hex(difference.left),
        monitored: difference.right === undefined ? '' : hex(difference.right),
      };
    case 'interrupts':
      return {
        what: INTERRUPTS[difference.what],
        bare: vectorsText(difference.left),
        monitored: vectorsText(difference.right),
      };
  }
};

export const divergenceReport = (
  left: Observation,
  right: Observation,
  { differences }: Divergence,
  instruction: GuestInstruction,
): DivergenceReport => ({
  index: right.index,
  instruction: instructionReport(instruction),
  differences: differences.map(differenceReport),
  bare: observationReport(left),
  monitored: observationReport(right),
});

export const timeReport = (reads: readonly TimeReads[]): CriteriaReport['equivalence']['timeReads'] =>
  reads.map(({ instruction, count, addresses }) => ({ instruction, count, addresses: addresses.map(hex0) }));

const hex0 = (value: bigint): Hex => hex(value);

const ENDLESS = 'endless delivery on both, the monitor keeps control';

export const resourceReport = (
  result: ResourceControlResult,
  endless: boolean,
): CriteriaReport['resourceControl'] => ({
  holds: result.holds,
  violations: result.violations.map(({ kind, says, count, instruction }) => ({
    kind,
    says,
    count,
    ...(instruction === undefined ? {} : { instruction: instructionReport(instruction) }),
  })),
  framesTouched: result.framesTouched,
  structures: result.structures,
  longestStay: result.longestStay,
  longestLease: result.longestLease === Number.POSITIVE_INFINITY ? -1 : result.longestLease,
  remark: endless && result.holds ? ENDLESS : '',
});

export const efficiencyReport = (result: EfficiencyResult): CriteriaReport['efficiency'] => ({
  holds: result.holds,
  needless: result.needless.map(({ reason, instruction, count }) => ({
    reason,
    instruction: instructionReport(instruction),
    count,
  })),
  direct: result.direct,
  share: result.share,
  exits: result.exits,
});
