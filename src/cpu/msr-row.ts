import { MSR, type MsrName } from './msr-index';
import type { FeatureName } from './presets/features';
import type { ProcessorDraft } from './processor-draft';

/** Whether WRMSR of a value is allowed. */
export type Check = (cpu: ProcessorDraft, value: bigint) => boolean;

/** One MSR. `write` says whether the value was accepted; without it the MSR is read-only. */
export interface MsrRow {
  readonly index: number;
  readonly name: string;
  /** The MSR exists only with this feature, or with one of these. */
  readonly feature?: FeatureName | readonly FeatureName[];
  /** The MSR exists only on parts of one kind: family 5, or family 6 and later. */
  readonly family?: 'P5' | 'P6';
  /** Undefined where RDMSR is #GP(0): the MSR is a command. */
  readonly read: (cpu: ProcessorDraft, index: number) => bigint | undefined;
  readonly write?: (cpu: ProcessorDraft, value: bigint, index: number) => boolean;
  /** A write invalidates the TLBs, global pages too. */
  readonly invalidates?: true;
}

type Access = Required<Pick<MsrRow, 'read' | 'write'>>;

/** Whether a value has no bit outside a mask. */
export const within =
  (mask: bigint): Check =>
  (_, value) =>
    (value & ~mask) === 0n;
export const anything: Check = () => true;

/** An MSR in a slot of the draft. */
export const bySlot = (slot: number, allows: Check = anything): Access => ({
  read: (cpu) => cpu.R[slot],
  write: (cpu, value) => {
    if (!allows(cpu, value)) return false;
    cpu.R[slot] = value;
    return true;
  },
});

/** An MSR that only holds a value. */
export const stored = (allows: Check = anything): Access => ({
  read: (cpu, index) => cpu.msrs.get(index) ?? 0n,
  write: (cpu, value, index) => {
    if (!allows(cpu, value)) return false;
    cpu.msrs = new Map(cpu.msrs).set(index, value);
    return true;
  },
});

export const named = (name: MsrName): Pick<MsrRow, 'index' | 'name'> => ({ index: MSR[name], name });
/** Equal MSRs with consecutive indexes, each with a name of its own. */
export const consecutive = (
  first: MsrName,
  names: readonly string[],
  row: Omit<MsrRow, 'index' | 'name'>,
): readonly MsrRow[] => names.map((name, offset) => ({ ...row, index: MSR[first] + offset, name }));
export const constant = (value: bigint): Pick<MsrRow, 'read'> => ({ read: () => value });

/** Written to have an effect at once, of which nothing is seen here; read never. */
export const command = (allows: Check = anything): Pick<MsrRow, 'read' | 'write'> => ({
  read: () => undefined,
  write: allows,
});
