import type { MachineState } from '../../../src/api/machine';
import type { Control, VmcsField } from '../../../src/api/vmx';
import { VMCS_FIELDS } from '../../../src/api/vmx';
import { writtenFrames } from '../../../src/core';
import { AT as GUEST_AT, little } from '../../cpu/engine/paged-guest';
import { AT, beforeLaunch, EPT_TABLES, TABLES, type Values, words } from '../../vmx/dynamics/whole-machine';
import { type Code, HLT, inveptAt, invvpidAt } from './code';
import { TABLE } from './paged';

/** Where the guest's memory begins in that of the host. */
export const GUEST_MEMORY = 0x80_0000;
const HOST_BYTES = 0x200_0000;
const LARGE_PAGE = 0x20_0000;
const PAGE = 4096;
const ENTRIES = 512;
export const VPID = 1;

/** EPT tables: the guest's first 2 MiB by 4-KiB pages, 6 MiB more by pages of 2 MiB. */
export const EPT = {
  pml4: EPT_TABLES,
  pdpt: EPT_TABLES + PAGE,
  pd: EPT_TABLES + 2 * PAGE,
  pt: EPT_TABLES + 3 * PAGE,
  /** For cells to build others in. */
  free: 0x4_0000,
} as const;
/** Readable, writable, executable; a page is also write-back. */
export const EPT_TABLE = 7n;
export const EPT_PAGE = 0x37n;
export const EPT_LARGE = 0xb7n;
export const EPTP = BigInt(EPT.pml4) | 0x1en;

/** Host-physical address of the guest's memory. */
export const host = (guestPhysical: number): number => GUEST_MEMORY + guestPhysical;

const hostTables = {
  [TABLES + 2 * PAGE]: words(
    ...Array.from({ length: HOST_BYTES / LARGE_PAGE }, (_, n) => BigInt(n * LARGE_PAGE) | 0x87n),
  ),
};
const eptTables = {
  [EPT.pd]: words(
    BigInt(EPT.pt) | EPT_TABLE,
    ...[1, 2, 3].map((n) => BigInt(host(n * LARGE_PAGE)) | EPT_LARGE),
  ),
  [EPT.pt]: words(...Array.from({ length: ENTRIES }, (_, n) => BigInt(host(n * PAGE)) | EPT_PAGE)),
};

/** Pages of the guest that hold tables. */
const GUEST_TABLES: readonly number[] = [
  GUEST_AT.pml4,
  GUEST_AT.directoryPointers,
  GUEST_AT.directory,
  GUEST_AT.table,
  ...Object.values(TABLE),
];

/** A monitor that makes shadow tables has these to itself. */
const SHADOWING = ['cr3LoadExiting', 'invlpgExiting'] as const;

/** With host-physical addresses in the tables, as a monitor without EPT makes them. */
const asShadow = (page: number, bytes: Uint8Array): Uint8Array => {
  if (!GUEST_TABLES.includes(page)) return bytes;
  const entries = new BigUint64Array(bytes.slice().buffer);
  return words(...entries.map((entry) => (entry === 0n ? 0n : entry + BigInt(GUEST_MEMORY))));
};

export interface VirtualSetting {
  /** Off: the guest's tables hold host-physical addresses. */
  readonly ept?: boolean;
  readonly controls?: readonly Control[];
  readonly fields?: Values;
  /** What the host runs after the guest's first VMCALL. */
  readonly turn?: Code;
  readonly memory?: Readonly<Record<number, Uint8Array | readonly number[]>>;
}

/** A loaded machine as a guest with VPID 1 behind EPT, about to be entered. */
export const virtual = (
  guest: MachineState,
  { ept = true, controls = [], fields = {}, turn = [HLT], memory = {} }: VirtualSetting = {},
): MachineState => {
  const [{ control, tables, segments, registers, rip }] = guest.processors;
  const pages = writtenFrames(guest.memory).map((frame): [number, Uint8Array] => {
    const { bytes } = guest.memory.page(frame);
    return [host(frame * PAGE), ept ? bytes : asShadow(frame * PAGE, bytes)];
  });
  return beforeLaunch({
    memoryBytes: HOST_BYTES,
    controls: [
      ...(['activateSecondaryControls', 'enableVpid', 'enableInvpcid', 'loadGuestIa32Efer'] as const),
      ...(ept ? (['enableEpt'] as const) : SHADOWING),
      ...controls,
    ],
    fields: {
      vpid: VPID,
      guestCr0: control.cr0 | 0x20n,
      guestCr3: control.cr3 + (ept ? 0n : BigInt(GUEST_MEMORY)),
      guestCr4: control.cr4 | 0x2000n,
      guestIa32Efer: control.efer,
      guestRip: rip,
      guestRsp: registers[4],
      guestTrBase: segments.tr.base,
      guestGdtrBase: tables.gdtr.base,
      guestGdtrLimit: tables.gdtr.limit,
      guestIdtrBase: tables.idtr.base,
      guestIdtrLimit: tables.idtr.limit,
      ...fields,
    },
    memory: {
      ...hostTables,
      ...eptTables,
      ...Object.fromEntries(pages),
      [HOST_TURN]: turn,
      [LAST_TURN]: [HLT],
      ...memory,
    },
  });
};

/** Where a VM exit of the guest comes to. */
export const HOST_TURN = AT.hostCode + 0x100;
export const LAST_TURN = AT.hostCode + 0x80;

export const invept = inveptAt(AT.operand);
export const invvpid = invvpidAt(AT.operand);

const MOV_RAX = [0x48, 0xb8];
const MOV_RBX = [0x48, 0xbb];
export const vmwrite = (field: VmcsField, value: bigint | number): Code => [
  ...[...MOV_RAX, ...little(VMCS_FIELDS[field].encoding, 8)],
  ...[...MOV_RBX, ...little(value, 8)],
  ...[0x0f, 0x79, 0xc3],
];

/** VMRESUME at an instruction of the guest; the host halts at its next exit. */
export const resumeAt = (rip: number): Code => [
  ...vmwrite('guestRip', rip),
  ...vmwrite('hostRip', LAST_TURN),
  ...[0x0f, 0x01, 0xc3],
];
