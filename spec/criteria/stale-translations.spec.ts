import { describe, expect, it } from 'vitest';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { check, code, guestOf } from './guests';

const PAGE = 0x40_0000;
const OTHER = 0x60_0000;
const imm32 = (value: number): readonly number[] => code.bytes(value, 4);

describe('A guest that forgets INVLPG again and again', () => {
  /** The address of the entry of 2 MiB for `PAGE`, from the tables that the loader made. */
  const entryOf = (state: ReturnType<typeof guestOf>): number => {
    const word = (at: number) => new BigUint64Array(state.memory.read(at, 8).slice().buffer)[0];
    const below = (at: number) => Number(word(at) & 0xf_ffff_ffff_f000n);
    return below(below(Number(state.processors[0].control.cr3))) + (PAGE >> 21) * 8;
  };

  it('is told of a hundred times, and that there is more', async () => {
    const entry = entryOf(guestOf(code.nop));
    const body = [
      ...[0x81, 0x34, 0x25, ...imm32(entry), ...imm32(PAGE ^ OTHER)],
      ...[0x8b, 0x04, 0x25, ...imm32(PAGE)],
    ];
    const read = [0x8b, 0x04, 0x25, ...imm32(PAGE)];
    const loop = [...code.movEcx(300), ...read, ...body, 0xff, 0xc9, 0x75, 256 - body.length - 4];
    const guest = guestOf(loop, code.exit(0));
    const caches = { kind: 'keep-all' } as const;
    const report = await check({ ...guest, config: { ...guest.config, caches } }, hardwareAssistedMonitor());
    expect(report.holds).toBe(false);
    const { staleTranslations: told } = report;
    expect(told).toHaveLength(202);
    for (const [first, run] of [
      [0, 'bare'],
      [101, 'monitored'],
    ] as const) {
      expect(told[first]).toContain(`${run}: read of 0x400000 used physical page`);
      expect(told[first + 99]).toContain(`${run}: read of 0x400000 used physical page`);
      expect(told[first + 100]).toBe(`${run}: and more`);
    }
  });
});
