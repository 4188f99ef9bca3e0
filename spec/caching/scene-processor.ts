import type { MachineState } from '../../src/api';
import { CONTROLS, VMX_OFF, VmcsData, type VmcsField, type VmxState } from '../../src/api/vmx';
import { PAGE_BYTES } from '../../src/core';
import { GUEST } from '../vmx/dynamics/guest';
import { CR0, CR0_PG, CR4, EFER, EFER_LMA, type SceneContext } from './scene';
import { APPARATUS, type Program, programAt } from './scene-memory';

export type Cpu = MachineState['processors'][number];

export const CR4_VMXE = 0x2000n;
const RFLAGS_AC = 0x4_0000n;
const HERE = { code: 0, userCode: 1, descriptors: 2, stack: 3 } as const;
const { regions, descriptors, frames } = APPARATUS;
const HALT = BigInt(programAt('handler'));

const segment = (selector: number, accessRights: number) => ({
  selector,
  base: 0n,
  limit: 0xffff_ffff,
  accessRights,
});

export type VmcsFields = Partial<Record<VmcsField, bigint | number>>;

/** What a VMCS has beside its guest. */
export interface VmcsSetting {
  readonly host: SceneContext;
  readonly fields?: VmcsFields;
}

/** What a processor is about to do. */
export interface Act {
  readonly program: Program;
  readonly rip?: bigint;
  /** By number. */
  readonly registers?: Readonly<Record<number, bigint>>;
  readonly context: SceneContext;
  /** In VMX operation, with this guest in the current VMCS. */
  readonly vmx?: SceneContext;
}

/** Whether it is in VMX non-root operation. */
export const isGuest = ({ guest, vpid = 0, eptp }: SceneContext): boolean =>
  guest ?? (vpid !== 0 || eptp !== undefined);

/** Linear address of a page of the apparatus: physical without paging, of 32 bits outside 64-bit mode. */
export const placeOf = (page: keyof typeof HERE, { cr0 = CR0, efer = EFER }: SceneContext): bigint => {
  if ((cr0 & CR0_PG) === 0n) return BigInt(frames[page] * PAGE_BYTES);
  const linear = APPARATUS.linear + BigInt(HERE[page] * PAGE_BYTES);
  return (efer & EFER_LMA) === 0n ? BigInt.asUintN(32, linear) : linear;
};

const vmcsOf = (guest: SceneContext, { host, fields = {} }: VmcsSetting): VmcsData => {
  const { cr0 = CR0, cr3, cr4 = CR4, efer = EFER, vpid = 0, eptp, pdptes = [0n, 0n, 0n, 0n] } = guest;
  const is64 = (efer & EFER_LMA) !== 0n;
  const table = placeOf('descriptors', guest);
  const data = new VmcsData();
  const values: VmcsFields = {
    ...GUEST,
    ...fields,
    exceptionBitmap: guest.exceptionBitmap ?? 0,
    msrBitmapAddress: regions.msrBitmaps * PAGE_BYTES,
    eptpListAddress: regions.eptpList * PAGE_BYTES,
    pmlAddress: regions.log * PAGE_BYTES,
    pmlIndex: 511,
    vpid,
    eptPointer: eptp ?? 0n,
    hostCr0: host.cr0 ?? CR0,
    hostCr3: host.cr3,
    hostCr4: (host.cr4 ?? CR4) | CR4_VMXE,
    hostIa32Efer: host.efer ?? EFER,
    // A step goes on to the next instruction that retires.
    hostRip: placeOf('code', host) + HALT,
    hostRsp: placeOf('stack', host) + 0x1000n,
    guestCr0: cr0,
    guestCr3: cr3,
    guestCr4: cr4 | CR4_VMXE,
    guestIa32Efer: efer,
    guestPdpte0: pdptes[0],
    guestPdpte1: pdptes[1],
    guestPdpte2: pdptes[2],
    guestPdpte3: pdptes[3],
    guestRip: placeOf('code', guest) + HALT,
    guestRsp: placeOf('stack', guest) + 0x1000n,
    guestCsAccessRights: is64 ? 0xa09b : 0xc09b,
    guestTrBase: table + BigInt(is64 ? descriptors.tss64 : descriptors.tss32),
    guestGdtrBase: table + BigInt(descriptors.gdt),
    guestIdtrBase: table + BigInt(is64 ? descriptors.idt64 : descriptors.idt32),
  };
  for (const [name, value] of Object.entries(values))
    data.set(name as VmcsField, BigInt.asUintN(64, BigInt(value)));
  const controls: readonly (readonly [keyof typeof CONTROLS, boolean])[] = [
    ['useMsrBitmaps', true],
    ['activateSecondaryControls', true],
    ['enableInvpcid', true],
    ['modeBasedExecuteControl', guest.modeBased === true],
    ['enablePml', guest.pml === true && eptp !== undefined],
    ['enableVpid', vpid !== 0],
    ['enableEpt', eptp !== undefined],
    ['unrestrictedGuest', eptp !== undefined],
    ['enableVmFunctions', eptp !== undefined],
    ['eptpSwitching', eptp !== undefined],
    ['loadGuestIa32Efer', true],
    ['loadHostIa32Efer', true],
    ['ia32eModeGuest', is64],
  ];
  for (const [control, on] of controls) {
    const { field, bit } = CONTROLS[control];
    const mask = 1n << BigInt(bit);
    data.set(field, on ? data.get(field) | mask : data.get(field) & ~mask);
  }
  return data;
};

/** VMX operation with a guest in the current VMCS. */
const operation = (guest: SceneContext, nonRoot: boolean, more: VmcsSetting): VmxState => ({
  ...VMX_OFF,
  vmxonPointer: regions.vmxon * PAGE_BYTES,
  currentVmcs: regions.vmcs * PAGE_BYTES,
  nonRoot,
  active: [
    {
      address: regions.vmcs * PAGE_BYTES,
      launched: true,
      shadow: false,
      vmxoffSinceLaunch: false,
      words: Array.from(vmcsOf(guest, more).words),
    },
  ],
});

/** A processor with the registers of a context, about to act. */
export const placed = (
  cpu: Cpu,
  { program, rip, registers = {}, context, vmx }: Act,
  vmcs: VmcsSetting,
): Cpu => {
  const {
    cr0 = CR0,
    cr3,
    cr4 = CR4,
    efer = EFER,
    pdptes,
    pkru = 0n,
    pkrs = 0n,
    user = false,
    ac = false,
  } = context;
  const nonRoot = isGuest(context);
  const is64 = (efer & EFER_LMA) !== 0n;
  const code = placeOf(user ? 'userCode' : 'code', context);
  const table = placeOf('descriptors', context);
  const cs = user ? segment(0x2b, 0xa0fb) : is64 ? segment(8, 0xa09b) : segment(24, 0xc09b);
  const data = user ? segment(0x33, 0xc0f3) : segment(16, 0xc093);
  const tss = is64 ? descriptors.tss64 : descriptors.tss32;
  return {
    ...cpu,
    rip: rip ?? code + BigInt(programAt(program)),
    rflags: 2n | (ac ? RFLAGS_AC : 0n),
    registers: cpu.registers.map(
      (value, n) => registers[n] ?? (n === 4 ? placeOf('stack', context) + 0x1000n : value),
    ),
    segments: {
      ...{ cs, ss: data, ds: data, es: data, fs: data, gs: data, ldtr: segment(0, 0x1_0082) },
      tr: { selector: 40, base: table + BigInt(tss), limit: 0x67, accessRights: 0x8b },
    },
    tables: {
      gdtr: { base: table + BigInt(descriptors.gdt), limit: 47 },
      idtr: is64
        ? { base: table + BigInt(descriptors.idt64), limit: 0x1ff }
        : { base: table + BigInt(descriptors.idt32), limit: 0xff },
    },
    control: { ...cpu.control, cr0, cr3, cr4: cr4 | CR4_VMXE, efer, pkru },
    modelSpecific: { ...cpu.modelSpecific, featureControl: 5n, pkrs },
    hidden: { ...cpu.hidden, activity: 0, pdptes: pdptes ?? [0n, 0n, 0n, 0n] },
    nonRoot,
    virtualization:
      nonRoot || (vmx !== undefined && program !== 'vmxon')
        ? operation(nonRoot ? context : vmx!, nonRoot, vmcs)
        : VMX_OFF,
  };
};
