import { high32, low32 } from '../../core';
import type { Instruction } from '../../cpu/decode/instruction';
import { CR0 } from '../../cpu/slots';
import type { InterceptedInstruction } from '../../cpu/virtualization';
import type { VmExit } from '../exit/vm-exit';
import type { VmxOperation } from '../operation';
import { fieldIndex } from '../vmcs';
import { controlMask, halfOf } from '../vmcs/halves';

const CR0_FIELDS = { mask: fieldIndex('cr0GuestHostMask'), shadow: fieldIndex('cr0ReadShadow') } as const;
const CR4_FIELDS = { mask: fieldIndex('cr4GuestHostMask'), shadow: fieldIndex('cr4ReadShadow') } as const;
const fieldsOf = (control: 0 | 4) => (control === 0 ? CR0_FIELDS : CR4_FIELDS);

const CR3_TARGET_COUNT = halfOf('cr3TargetCount');
const CR3_TARGETS = fieldIndex('cr3TargetValue0');
const CR3_LOAD = controlMask('cr3LoadExiting');
const CR3_STORE = controlMask('cr3StoreExiting');
const CR8_LOAD = controlMask('cr8LoadExiting');
const CR8_STORE = controlMask('cr8StoreExiting');
const UNRESTRICTED = controlMask('unrestrictedGuest');
const TS = 8n;
const LMSW_BITS = 0xen;

/** What MOV from CR0 or CR4 shows: host-owned bits from the read shadow. SDM Vol. 3C, 25.6.6 Guest/Host Masks and Read Shadows for CR0 and CR4 */
export const shownRegister = (vmx: VmxOperation, control: 0 | 4, value: bigint): bigint => {
  const { words } = vmx.current!.data;
  const { mask, shadow } = fieldsOf(control);
  return (value & ~words[mask]) | (words[shadow] & words[mask]);
};

/** What reaches CR0 or CR4: host-owned bits keep their value. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const mergedRegister = (vmx: VmxOperation, control: 0 | 4, current: bigint, value: bigint): bigint => {
  const mask = vmx.current!.data.words[fieldsOf(control).mask];
  return (value & ~mask) | (current & mask);
};

/** Bits set that FIXED1 clears, or clear that FIXED0 sets, outside `free`. */
const obeys = (value: bigint, fixed0: bigint, fixed1: bigint, free: number): boolean => {
  const low = low32(value);
  const high = high32(value);
  const missing = (~low & low32(fixed0) & ~free) | (~high & high32(fixed0));
  return (missing | (low & ~low32(fixed1)) | (high & ~high32(fixed1))) === 0;
};

/** Whether VMX operation supports a value; PE and PG are free where an unrestricted guest runs. SDM Vol. 3D, A.7 VMX-Fixed Bits in CR0, A.8 VMX-Fixed Bits in CR4 */
export const registerAllowed = (
  vmx: VmxOperation,
  control: 0 | 4,
  value: bigint,
  unrestricted: boolean,
): boolean => {
  const c = vmx.capabilities;
  return control === 0
    ? obeys(value, c.ia32VmxCr0Fixed0, c.ia32VmxCr0Fixed1, unrestricted ? CR0.pe | CR0.pg : 0)
    : obeys(value, c.ia32VmxCr4Fixed0, c.ia32VmxCr4Fixed1, 0);
};

/** The guest in non-root operation may leave protected mode and paging. */
export const isUnrestricted = (vmx: VmxOperation): boolean =>
  vmx.nonRoot && (vmx.secondary & UNRESTRICTED) !== 0;

const isCr3Target = (vmx: VmxOperation, value: bigint): boolean => {
  const { halves, words } = vmx.current!.data;
  for (let target = 0; target < halves[CR3_TARGET_COUNT]; target++)
    if (words[CR3_TARGETS + target] === value) return true;
  return false;
};

type Of<Id extends InterceptedInstruction['id']> = Extract<InterceptedInstruction, { id: Id }>;
type Access = Of<'mov-to-cr'> | Of<'mov-from-cr'> | Of<'clts'> | Of<'lmsw'>;

const exitsOnWrite = (vmx: VmxOperation, { control, value }: Of<'mov-to-cr'>): boolean => {
  switch (control) {
    case 0:
    case 4: {
      const { words } = vmx.current!.data;
      const { mask, shadow } = fieldsOf(control);
      return ((value ^ words[shadow]) & words[mask]) !== 0n;
    }
    case 3:
      return (vmx.primary & CR3_LOAD) !== 0 && !isCr3Target(vmx, value);
    case 8:
      return (vmx.primary & CR8_LOAD) !== 0;
    default:
      return false;
  }
};

// SDM Vol. 3C, 26.1.3 Instructions That Cause VM Exits Conditionally
const exits = (vmx: VmxOperation, what: Access): boolean => {
  const { words } = vmx.current!.data;
  const mask = words[CR0_FIELDS.mask];
  const shadow = words[CR0_FIELDS.shadow];
  switch (what.id) {
    case 'mov-to-cr':
      return exitsOnWrite(vmx, what);
    case 'mov-from-cr':
      if (what.control === 3) return (vmx.primary & CR3_STORE) !== 0;
      return what.control === 8 && (vmx.primary & CR8_STORE) !== 0;
    case 'clts':
      return (mask & shadow & TS) !== 0n;
    case 'lmsw': {
      const source = BigInt(what.source);
      return (mask & source & ~shadow & 1n) !== 0n || ((source ^ shadow) & mask & LMSW_BITS) !== 0n;
    }
  }
};

/** The VM exit of an access; undefined when there is none. SDM Vol. 3C, Table 28-3 Exit Qualification for Control-Register Accesses */
export const controlRegisterExit = (
  vmx: VmxOperation,
  { length }: Instruction,
  what: Access,
): VmExit | undefined => {
  if (!exits(vmx, what)) return undefined;
  const moves = what.id === 'mov-to-cr' || what.id === 'mov-from-cr';
  return {
    reason: 'controlRegisterAccess',
    length,
    access: what.id,
    control: moves ? what.control : 0,
    register: moves ? what.register : 0,
    source: what.id === 'lmsw' ? what.source & 0xffff : 0,
    ...(what.id === 'lmsw' && what.address !== undefined ? { linearAddress: what.address } : {}),
  };
};
