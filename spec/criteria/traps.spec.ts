// Single-step traps and dirty flags of instructions that the monitor completes: as on the bare machine
import { describe, expect, it } from 'vitest';
import type { MachineState } from '../../src/machine';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { check, code, guestOf, LOAD, STACK, withHandler } from './guests';

const DB = 1;
const LOCAL_APIC_ID = 0xfee0_0020;
/** PUSHF; OR of TF to the image; POPF. */
const SET_TF = [0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d];
/** AND of TF in the image of the flags that the handler finds, then IRETQ. */
const CLEAR_TF = [0x81, 0x64, 0x24, 0x10, 0xff, 0xfe, 0xff, 0xff, 0x48, 0xcf];
const IRETQ = [0x48, 0xcf];
const REP_OUTSB = [0xf3, 0x6e];
const MOVSD = 0xa5;
/** MOV EAX, SS; MOV SS, EAX. */
const MOV_SS_SS = [0x8c, 0xd0, 0x8e, 0xd0];

const holds = async (guest: MachineState): Promise<unknown> => {
  const { equivalence } = await check(guest, hardwareAssistedMonitor(), { maxInstructions: 1000 });
  return equivalence.divergence ?? equivalence.holds;
};

describe('what the monitor completes', () => {
  it('HLT with TF traps, and is not stuck', async () => {
    const program = [...SET_TF, ...code.hlt, ...code.exit(0)];
    expect(await holds(withHandler(DB, program, CLEAR_TF))).toBe(true);
    expect(await holds(withHandler(DB, program, IRETQ))).toBe(true);
  });

  // SDM Vol. 3A, 6.12.1.3 Flag Usage By Exception- or Interrupt-Handler Procedure
  it('RF is 1 in the flags that a trap between iterations of REP OUTSB saves', async () => {
    const registers = [...code.movEcx(3), 0xba, ...code.bytes(0x80, 4), 0xbe, ...code.bytes(0x30_0000, 4)];
    const program = [...registers, ...SET_TF, ...REP_OUTSB, ...code.exit(0)];
    expect(await holds(withHandler(DB, program, IRETQ))).toBe(true);
  });

  it('MOV SS before INT3 is not stepped, wherever the monitor comes in between', async () => {
    const gate = (to: number) => [...code.bytes(to & 0xffff, 2), 8, 0, 0, 0x8e, ...code.bytes(to >>> 16, 2)];
    // The timer counts every 32nd clock: one of these numbers of NOPs lets it expire between the two.
    for (let nops = 0; nops < 32; nops++) {
      const image = new Uint8Array(0x2000);
      const put = (at: number, bytes: readonly number[]) => image.set(bytes, at);
      const before = Array.from({ length: nops }, () => code.nop);
      const start = [...code.movRsp(STACK), ...code.lidt(LOAD + 0x800), ...before.flat()];
      put(0, [...start, ...SET_TF, ...MOV_SS_SS, ...code.int3]);
      put(0x800, [...code.bytes(0xfff, 2), ...code.bytes(LOAD + 0x1000, 4), 0, 0, 0, 0]);
      put(0x900, IRETQ);
      put(0xa00, code.exit(3));
      put(0x1000 + 16 * DB, gate(LOAD + 0x900));
      put(0x1000 + 16 * 3, gate(LOAD + 0xa00));
      const monitor = hardwareAssistedMonitor({ preemptionTimerPeriod: 1 });
      const { equivalence, end } = await check(guestOf([...image]), monitor);
      expect([equivalence.divergence, end]).toEqual([undefined, { kind: 'exit', code: 3 }]);
    }
  });

  it('MOVS from a device register to itself marks the page dirty', async () => {
    const pointers = [0xbe, ...code.bytes(LOCAL_APIC_ID, 4), 0xbf, ...code.bytes(LOCAL_APIC_ID, 4)];
    expect(await holds(guestOf(pointers, [MOVSD], code.exit(0)))).toBe(true);
  });
});
