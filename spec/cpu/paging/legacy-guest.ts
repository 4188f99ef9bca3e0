import { type FeatureEdits, processor } from '../../../src/cpu/presets';
import { createMachine, loadImage, type MachineState } from '../../../src/machine';
import { AT, little, segmentDescriptor } from '../engine/paged-guest';

const VECTORS = 32;
const HANDLER_SPACING = 16;
const HLT = 0xf4;
const PG = 0x8000_0000n;
export const CR4 = { pse: 0x10n, pae: 0x20n, smep: 0x10_0000n } as const;
export const NXE = 0x800n;

export interface LegacyGuest {
  readonly mode: '32-bit' | 'PAE';
  readonly code: readonly number[];
  /** Bytes at physical addresses. */
  readonly parts?: Readonly<Record<number, readonly number[]>>;
  readonly edits?: FeatureEdits;
  /** Beside CR4.PAE. */
  readonly cr4?: bigint;
  readonly wp?: boolean;
  readonly efer?: bigint;
  readonly pdptes?: readonly bigint[];
}

const gate = (vector: number): number[] => [
  ...little(AT.handlers + vector * HANDLER_SPACING, 2),
  ...[8, 0, 0, 0x8e, 0, 0],
];

/**
 * A machine in 32-bit protected mode at CPL 0 with paging on, about to run `code` at `AT.code`. The first 2 MiB are identity-mapped by 4-KiB pages for
 * everybody, writable; every exception halts in a handler of its own.
 */
export const legacyGuest = (guest: LegacyGuest): MachineState => {
  const { mode, code, parts = {}, edits = ['-vmx'], cr4 = 0n, wp = false, efer = 0n } = guest;
  const machine = createMachine({ processor: processor('skylake', edits), memoryBytes: 2 ** 23 });
  const loaded = loadImage(machine, Uint8Array.from(code), {
    format: 'raw',
    mode: 'protected',
    load: AT.code,
  });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  let { memory } = loaded.value;
  const put = (address: number, bytes: readonly number[]): void => {
    memory = memory.write(address, Uint8Array.from(bytes));
  };
  const pae = mode === 'PAE';
  const size = pae ? 8 : 4;
  put(AT.directory, little(AT.table | 7, size));
  put(AT.table, Array.from({ length: 512 }, (_, page) => little((page << 12) | 7, size)).flat());
  put(AT.directoryPointers, little(AT.directory | 1, 8));
  put(AT.gdt, [
    ...little(0, 8),
    ...segmentDescriptor(0, 0xf_ffff, 0xc09b),
    ...segmentDescriptor(0, 0xf_ffff, 0xc093),
  ]);
  put(AT.idt, Array.from({ length: VECTORS }, (_, vector) => gate(vector)).flat());
  for (let vector = 0; vector < VECTORS; vector++) put(AT.handlers + vector * HANDLER_SPACING, [HLT]);
  for (const [address, bytes] of Object.entries(parts)) put(Number(address), bytes);
  const [cpu] = loaded.value.processors;
  const { pdptes = pae ? [BigInt(AT.directory) | 1n, 0n, 0n, 0n] : [0n, 0n, 0n, 0n] } = guest;
  return {
    ...loaded.value,
    memory,
    processors: [
      {
        ...cpu,
        registers: cpu.registers.with(4, BigInt(AT.stack)),
        tables: {
          gdtr: { base: BigInt(AT.gdt), limit: 0x17 },
          idtr: { base: BigInt(AT.idt), limit: VECTORS * 8 - 1 },
        },
        control: {
          ...cpu.control,
          cr0: cpu.control.cr0 | PG | (wp ? 0x1_0000n : 0n),
          cr3: BigInt(pae ? AT.directoryPointers : AT.directory),
          cr4: cr4 | (pae ? CR4.pae : 0n),
          efer,
        },
        hidden: { ...cpu.hidden, pdptes },
      },
    ],
  };
};
