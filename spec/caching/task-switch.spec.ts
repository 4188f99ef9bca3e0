import { describe, expect, it } from 'vitest';
import { type MachineState, run } from '../../src/machine';
import { AT, little, TIERS } from '../cpu/engine/paged-guest';
import { FAR_JMP, TASK, TSS, taskGuest } from '../cpu/engine/task-guest';

/** Two page directories with one page table, which maps the first 4 MiB to themselves. */
const DIRECTORY = 0x1_4000;
const OTHER_DIRECTORY = 0x1_5000;
const TABLE = 0x1_6000;
const PAGE = 0x2_0000;
const OTHER = 0x2_1000;
const CR3_OF_TSS = 0x1c;
const [EBX, HLT] = [3, 0xf4];

const READ_EBX = [0x8b, 0x1d, ...little(PAGE, 4)];
const REMAP = [0xc7, 0x05, ...little(TABLE + (PAGE >> 12) * 4, 4), ...little(OTHER | 0x27, 4)];

/** The page goes to another frame, and a task switch follows; the new task reads the page. */
const guest = (directory: number): MachineState => {
  const state = taskGuest([...READ_EBX, ...REMAP, ...FAR_JMP(TASK.next)], { code: [...READ_EBX, HLT] });
  let { memory } = state;
  const put = (address: number, values: readonly number[]): void => {
    memory = memory.write(address, Uint8Array.from(values.flatMap((value) => little(value, 4))));
  };
  for (const root of [DIRECTORY, OTHER_DIRECTORY]) put(root, [TABLE | 0x27]);
  put(
    TABLE,
    Array.from({ length: 1024 }, (_, page) => (page << 12) | 0x27),
  );
  put(PAGE, [1]);
  put(OTHER, [2]);
  put(TSS.next + CR3_OF_TSS, [directory]);
  const [cpu] = state.processors;
  const control = { ...cpu.control, cr0: cpu.control.cr0 | 0x8000_0000n, cr3: BigInt(DIRECTORY) };
  const config = { ...state.config, caches: { kind: 'keep-all' } as const };
  return { ...state, config, memory, processors: [{ ...cpu, control }] };
};

// SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs
describe.each(TIERS)('A task switch, %s', (tier) => {
  const readAfter = (directory: number) => {
    const reports: bigint[] = [];
    const { state } = run(guest(directory), {
      tier,
      maxInstructions: 20,
      onStaleTranslation: ({ address }) => reports.push(address),
    });
    expect(state.processors[0].rip).toBe(BigInt(AT.code + 0x2000 + READ_EBX.length + 1));
    return [state.processors[0].registers[EBX], reports];
  };

  it('that changes CR3 invalidates', () => {
    expect(readAfter(OTHER_DIRECTORY)).toEqual([2n, []]);
  });

  it('that loads the value that CR3 has invalidates nothing', () => {
    expect(readAfter(DIRECTORY)).toEqual([1n, [BigInt(PAGE)]]);
  });
});
