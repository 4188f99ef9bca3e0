import type { MsrRow } from '../cpu/msr-row';
import { msrsOf } from '../cpu/msrs';
import type { ProcessorDraft } from '../cpu/processor-draft';
import { GUEST_MSRS, type GuestMsrRow, type MsrKeeping, type VmcsField, type Vmx } from '../vmx';
import { isTimeMsr } from './time-sources';

const ROWS: ReadonlyMap<number, GuestMsrRow> = new Map(GUEST_MSRS.map((row) => [row.index, row]));
const MSR_ENTRY = 16;

const isInArea = (
  vmx: Vmx,
  read: (address: number) => bigint,
  index: number,
  address: VmcsField,
  count: VmcsField,
): boolean => {
  const { data } = vmx.current!;
  const first = Number(data.get(address));
  const entries = Math.min(Number(data.get(count)), vmx.mostAreaEntries);
  for (let place = 0; place < entries; place++)
    if (Number(BigInt.asUintN(32, read(first + place * MSR_ENTRY))) === index) return true;
  return false;
};

/**
 * Whether RDMSR or WRMSR in non-root operation reaches a register of the host: neither VM entry (for a read) nor VM exit (for a write) switches it, and
 * it is not lent. `read` reads 8 bytes of host-physical memory. SDM Vol. 3C, 27.3.2.1, 27.4 Loading MSRs; 28.5.1, 28.6 Loading MSRs
 */
export const isHostMsr = (
  vmx: Vmx,
  read: (address: number) => bigint,
  index: number,
  access: 'read' | 'write',
): boolean => {
  const keeping: MsrKeeping = ROWS.get(index)?.[access] ?? 'never';
  if (keeping === 'always' || keeping === 'lent') return false;
  if (keeping !== 'never' && vmx.current!.data.has(keeping)) return false;
  return access === 'read'
    ? !isInArea(vmx, read, index, 'vmEntryMsrLoadAddress', 'vmEntryMsrLoadCount')
    : !isInArea(vmx, read, index, 'vmExitMsrLoadAddress', 'vmExitMsrLoadCount');
};

// What belongs to virtualization is the host's, and time is excepted.
const isCompared = ([index, { feature, write }]: readonly [number, MsrRow]): boolean =>
  write !== undefined && feature !== 'vmx' && !ROWS.has(index) && !isTimeMsr(index);

const compared = new WeakMap<
  object,
  readonly { readonly name: string; readonly index: number; readonly row: MsrRow }[]
>();

/** The compared MSRs of a processor, one an index. */
const comparedMsrs = (cpu: ProcessorDraft) => {
  const known = compared.get(cpu.cpuid);
  if (known !== undefined) return known;
  const rows = msrsOf(cpu)
    .filter(isCompared)
    .map(([index, row]) => ({ name: row.name, index, row }));
  compared.set(cpu.cpuid, rows);
  return rows;
};

/**
 * Writable MSRs that are not among the registers of an observation, by name: those that VM entry and VM exit leave alone, so that under a monitor the
 * processor's are the guest's.
 */
export const readGuestMsrs = (cpu: ProcessorDraft): Readonly<Record<string, bigint>> => {
  const msrs: Record<string, bigint> = {};
  for (const { name, index, row } of comparedMsrs(cpu)) msrs[name] = row.read(cpu, index) ?? 0n;
  return msrs;
};
