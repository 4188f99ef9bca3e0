import { readFileSync } from 'node:fs';
import { processor } from '../src/cpu/presets';
import { createMachine, loadImage, type MachineState } from '../src/machine';

const MIB = 2 ** 20;

const loaded = (bytes: Uint8Array, memoryBytes: number, options: Parameters<typeof loadImage>[2]) => {
  const outcome = loadImage(
    createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes }),
    bytes,
    options,
  );
  if (!outcome.ok) throw new Error(outcome.fault.says);
  return outcome.value;
};

/** The bundled guest `compute`, about to run; its processor was never used before, so that no engine is warm for it. */
export const computeGuest = (rounds: number): MachineState =>
  loaded(readFileSync('guests/images/compute.elf'), 64 * MIB, {
    fileName: 'compute.elf',
    commandLine: `rounds=${rounds}`,
  });

const LOAD = 0x10_0000;

/** Machine code about to run: 64-bit, identity-mapped; or 32-bit in flat segments. */
export const rawGuest = (
  code: readonly number[],
  mode: 'long' | 'protected' = 'long',
  memoryBytes = 64 * MIB,
): MachineState =>
  loaded(Uint8Array.from(code), memoryBytes, {
    format: 'raw',
    mode,
    load: LOAD,
    fileName: 'benchmark',
  });

const dword = (value: number): readonly number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);

/** VMCALL `count` times, then HLT. */
export const vmcallGuest = (count: number): MachineState =>
  // mov ecx, count; again: vmcall; dec ecx; jnz again; hlt
  rawGuest([0xb9, ...dword(count), 0x0f, 0x01, 0xc1, 0xff, 0xc9, 0x75, 0xf9, 0xf4]);
