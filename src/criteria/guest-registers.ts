import type { ProcessorDraft } from '../cpu/processor-draft';
import { ACCESS_RIGHTS, DEBUG_REGISTERS, GENERAL_REGISTERS, SLOT, type SlotName } from '../cpu/slots';

/** Registers that are what their slot holds, in root and non-root operation. */
const PLAIN = [
  ...GENERAL_REGISTERS,
  'rip',
  'cr2',
  'cr3',
  'xcr0',
  'efer',
  ...DEBUG_REGISTERS,
  'star',
  'lstar',
  'cstar',
  'fmask',
  'kernelGsBase',
  'sysenterCs',
  'sysenterEsp',
  'sysenterEip',
  'pat',
  'debugctl',
  'tscAux',
  'pkrs',
  'perfGlobalCtrl',
  'sCet',
  'ssp',
  'interruptSspTable',
  'gdtrBase',
  'gdtrLimit',
  'idtrBase',
  'idtrLimit',
] as const satisfies readonly SlotName[];

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
type Segment = (typeof SEGMENTS)[number];
type SegmentPart = '' | 'Base' | 'Limit' | 'Rights';

/** `es` is the selector, `esRights` the access rights in the format of the VMCS. */
export type GuestRegister =
  | (typeof PLAIN)[number]
  | 'rflags'
  | 'cr0'
  | 'cr4'
  | 'cr8'
  | `${Segment}${SegmentPart}`;

/** Registers as the guest sees them (CR0 and CR4 through the read shadows), unsigned. */
export type GuestRegisters = Readonly<Record<GuestRegister, bigint>>;

/** Every register of an observation, in the order of reports. */
export const GUEST_REGISTERS: readonly GuestRegister[] = [
  ...PLAIN.slice(0, GENERAL_REGISTERS.length + 1),
  'rflags',
  'cr0',
  'cr4',
  'cr8',
  ...PLAIN.slice(GENERAL_REGISTERS.length + 1),
  ...SEGMENTS.flatMap((name) => [name, `${name}Base`, `${name}Limit`, `${name}Rights`] as const),
];

const PLAIN_SLOTS = PLAIN.map((name) => [name, SLOT[name]] as const);
const SEGMENT_SLOTS = SEGMENTS.map((name, index) => ({
  name,
  selector: SLOT.es + index,
  base: index < 6 ? SLOT.esBase + index : SLOT.ldtrBase + index - 6,
  limit: SLOT.esLimit + index,
  keepsBase: name === 'fs' || name === 'gs',
}));
const DPL = 3 << ACCESS_RIGHTS.dplShift;

/**
 * The registers of the guest on a processor: bare, or in non-root operation. What the manual leaves undefined of an unusable segment is 0.
 * SDM Vol. 3C, 27.3.2.2 Loading Guest Segment Registers and Descriptor-Table Registers
 */
export const readGuestRegisters = (cpu: ProcessorDraft): GuestRegisters => {
  const { R, W } = cpu;
  const registers = {} as Record<GuestRegister, bigint>;
  for (const [name, slot] of PLAIN_SLOTS) registers[name] = R[slot];
  registers.rflags = cpu.rflags;
  const shown = cpu.nonRoot ? cpu.virtualization : undefined;
  registers.cr0 = shown?.readControlRegister(cpu, 0, R[SLOT.cr0]) ?? R[SLOT.cr0];
  registers.cr4 = shown?.readControlRegister(cpu, 4, R[SLOT.cr4]) ?? R[SLOT.cr4];
  registers.cr8 = BigInt(cpu.bus.readTaskPriority());
  for (const { name, selector, base, limit, keepsBase } of SEGMENT_SLOTS) {
    const rights = W[2 * selector + 1];
    const unusable = (rights & ACCESS_RIGHTS.unusable) !== 0;
    registers[name] = BigInt(W[2 * selector] & 0xffff);
    registers[`${name}Base`] = unusable && !keepsBase ? 0n : R[base];
    registers[`${name}Limit`] = unusable ? 0n : BigInt(W[2 * limit] >>> 0);
    registers[`${name}Rights`] = BigInt(
      unusable ? ACCESS_RIGHTS.unusable | (name === 'ss' ? rights & DPL : 0) : rights,
    );
  }
  return registers;
};
