import { describe, expect, it } from 'vitest';
import { createMachine, loadImage, type MachineState, processor, run } from '../../src/api';

const LOAD = 0x10_0000;
const CODE = 0x1_0000;
const MAGIC = 0x1bad_b002;
const BY_ADDRESSES = 0x1_0000;

/** A multiboot image of a header alone, loaded; the processor then stands in real-address mode before `code` at 1000H:0. */
const afterMultiboot = (code: readonly number[]): MachineState => {
  const header = [MAGIC, BY_ADDRESSES, -(MAGIC + BY_ADDRESSES) | 0, LOAD, LOAD, 0, 0, LOAD];
  const image = new Uint8Array(Int32Array.from(header).buffer);
  const machine = createMachine({ processor: processor('skylake'), memoryBytes: 2 ** 21 });
  const loaded = loadImage(machine, image);
  if (!loaded.ok) throw new Error(loaded.fault.says);
  const state = loaded.value;
  const [cpu] = state.processors;
  const data = { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x93 };
  const cs = { ...data, selector: CODE >> 4, base: BigInt(CODE) };
  return {
    ...state,
    memory: state.memory.write(CODE, Uint8Array.from(code)),
    processors: [
      {
        ...cpu,
        rip: 0n,
        registers: cpu.registers.map((_, number) => (number === 4 ? 0x8000n : 0n)),
        control: { ...cpu.control, cr0: 0x10n },
        tables: { ...cpu.tables, idtr: { base: 0n, limit: 0x3ff } },
        segments: { ...cpu.segments, cs, ds: data, es: data, ss: data, fs: data, gs: data },
      },
    ],
  };
};

// Multiboot Specification 0.6.96, 3.2 Machine state
describe('what a BIOS leaves for a multiboot image', () => {
  it('the timer wakes from HLT, more than once, and its handler returns', () => {
    // sti; hlt; hlt; cli; hlt
    const { state, stop } = run(afterMultiboot([0xfb, 0xf4, 0xf4, 0xfa, 0xf4]), { maxInstructions: 100 });
    const [cpu] = state.processors;
    expect([stop.kind, cpu.rip, cpu.registers[4]]).toEqual(['stuck', 5n, 0x8000n]);
  });

  it('every other line is masked, every other handler returns', () => {
    // in al, 21h; mov ah, al; in al, 0a1h; int 10h; int 70h; hlt
    const code = [0xe4, 0x21, 0x88, 0xc4, 0xe4, 0xa1, 0xcd, 0x10, 0xcd, 0x70, 0xf4];
    const { state, stop } = run(afterMultiboot(code), { maxInstructions: 100 });
    const [cpu] = state.processors;
    expect([stop.kind, cpu.rip, cpu.registers[0]]).toEqual(['stuck', 11n, 0xfaffn]);
  });
});
