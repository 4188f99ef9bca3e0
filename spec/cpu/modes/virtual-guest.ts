import { processor } from '../../../src/cpu/presets';
import { createMachine, type MachineState } from '../../../src/machine';
import { little, segmentDescriptor } from '../engine/paged-guest';
import { inParagraphs } from './real-guest';

/** Physical addresses of the monitor's tables and stack, and of the 8086 program. */
export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  tss: 0x3000,
  handlers: 0x7000,
  kernelStack: 0x6000,
  program: 0x1_0000,
  stackSegment: 0x800,
  stackTop: 0x1000,
  dataSegment: 0x2000,
} as const;
export const SELECTOR = {
  code: 8,
  data: 0x10,
  userCode: 0x1b,
  conforming: 0x20,
  task: 0x28,
  code16: 0x30,
} as const;
const VECTORS = 64;
const HANDLER_SPACING = 16;
const HLT = 0xf4;
const MAP_BASE = 0x66;
const FIRST_MAP_BYTE = 0x88;
const PORT_BYTES = 16;
const TSS_LIMIT = FIRST_MAP_BYTE + PORT_BYTES;

const FLAT_LIMIT = 0xf_ffff;

type Segments = MachineState['processors'][number]['segments'];
type Segment = Segments['cs'];
export const flat = (selector: number, accessRights: number): Segment => ({
  selector,
  base: 0n,
  limit: 0xffff_ffff,
  accessRights,
});
/** A segment register of virtual-8086 mode. */
export const paragraph = (selector: number): Segment => inParagraphs(selector, 0xf3);

export interface VirtualGuest {
  readonly code: readonly number[];
  readonly parts?: Readonly<Record<number, readonly number[]>>;
  /** VM is added. */
  readonly flags?: bigint;
  readonly registers?: Readonly<Record<number, bigint>>;
  readonly cr4?: bigint;
  /** Gates by vector, in place of an interrupt gate of DPL 3 to flat code of CPL 0. */
  readonly gates?: Readonly<Record<number, { readonly rights?: number; readonly selector?: number }>>;
  /** Bytes of the interrupt redirection bit map; 1: to the monitor. */
  readonly redirection?: readonly number[];
  /** Ports that the program may not use. */
  readonly denied?: readonly number[];
  readonly segments?: Partial<Segments>;
}

const VM = 0x2_0000n;

/** A machine in virtual-8086 mode about to run `code` at 1000H:0; vectors below 64 halt in handlers of CPL 0. */
export const virtualGuest = (guest: VirtualGuest): MachineState => {
  const { code, parts = {}, flags = 2n, registers = {}, gates = {}, cr4 = 0n, segments = {} } = guest;
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 21 });
  let { memory } = machine;
  const put = (address: number, bytes: readonly number[]): void => {
    memory = memory.write(address, Uint8Array.from(bytes));
  };
  put(AT.program, code);
  put(AT.gdt, [
    ...little(0, 8),
    ...segmentDescriptor(0, FLAT_LIMIT, 0xc09b),
    ...segmentDescriptor(0, FLAT_LIMIT, 0xc093),
    ...segmentDescriptor(0, FLAT_LIMIT, 0xc0fb),
    ...segmentDescriptor(0, FLAT_LIMIT, 0xc09f),
    ...segmentDescriptor(AT.tss, TSS_LIMIT, 0x8b),
    ...segmentDescriptor(0, 0xffff, 0x9b),
  ]);
  for (let vector = 0; vector < VECTORS; vector++) {
    const { rights = 0xee, selector = SELECTOR.code } = gates[vector] ?? {};
    const handler = AT.handlers + HANDLER_SPACING * vector;
    put(AT.idt + 8 * vector, [...little(handler, 2), ...little(selector, 2), 0, rights, 0, 0]);
    put(handler, [HLT]);
  }
  put(AT.tss + 4, [...little(AT.kernelStack, 4), ...little(SELECTOR.data, 2)]);
  put(AT.tss + MAP_BASE, little(FIRST_MAP_BYTE, 2));
  put(AT.tss + FIRST_MAP_BYTE - 32, guest.redirection ?? []);
  for (const port of guest.denied ?? []) put(AT.tss + FIRST_MAP_BYTE + (port >> 3), [1 << (port & 7)]);
  for (const [address, bytes] of Object.entries(parts)) put(Number(address), bytes);
  const [cpu] = machine.processors;
  const all: Readonly<Record<number, bigint>> = { 4: BigInt(AT.stackTop), ...registers };
  return {
    ...machine,
    memory,
    processors: [
      {
        ...cpu,
        rip: 0n,
        rflags: flags | VM,
        registers: cpu.registers.map((_, number) => all[number] ?? 0n),
        control: { ...cpu.control, cr0: 0x11n, cr4 },
        tables: {
          gdtr: { base: BigInt(AT.gdt), limit: 0x37 },
          idtr: { base: BigInt(AT.idt), limit: 8 * VECTORS - 1 },
        },
        segments: {
          ...cpu.segments,
          es: paragraph(AT.dataSegment),
          cs: paragraph(AT.program >> 4),
          ss: paragraph(AT.stackSegment),
          ds: paragraph(AT.dataSegment),
          fs: paragraph(0x111),
          gs: paragraph(0x222),
          tr: { selector: SELECTOR.task, base: BigInt(AT.tss), limit: TSS_LIMIT, accessRights: 0x8b },
          ...segments,
        },
      },
    ],
  };
};

/** The vector in whose handler of CPL 0 the guest halted. */
export const monitorVector = ({ processors: [cpu] }: MachineState): number | undefined => {
  const into = Number(cpu.rip) - AT.handlers;
  const inside = (cpu.rflags & VM) === 0n && into >= 0 && into < VECTORS * HANDLER_SPACING;
  return inside ? Math.floor(into / HANDLER_SPACING) : undefined;
};

/** Values of `bytes` bytes from SS:ESP up. */
export const stackValues = (
  { memory, processors: [cpu] }: MachineState,
  count: number,
  bytes: 2 | 4,
): number[] => {
  const view = new DataView(
    memory.read(Number(cpu.segments.ss.base + cpu.registers[4]), count * bytes).slice().buffer,
  );
  return Array.from({ length: count }, (_, n) =>
    bytes === 4 ? view.getUint32(4 * n, true) : view.getUint16(2 * n, true),
  );
};
