import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { SLOT } from '../../../src/cpu/slots';
import { IDT, machine64, SELECTOR, type SystemProcessor, setGate } from '../system/system-processor';

const CONTRIBUTORY = [VECTOR.de, VECTOR.ts, VECTOR.np, VECTOR.ss, VECTOR.gp, VECTOR.cp];
const BENIGN = [1, 3, 4, 5, 6, 7, 9, 16, 17, 18, 19, 24];
const CODES: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

const exception = (vector: number): InterruptionEvent => ({
  vector,
  type: EVENT_TYPE.hardwareException,
  ...(CODES.has(vector) ? { errorCode: 0 } : {}),
  ...(vector === VECTOR.pf ? { address: 0x1234n } : {}),
});

/** A gate whose delivery is #NP: the second exception is contributory. */
const contributory = (machine: SystemProcessor, vector: number): void =>
  setGate(machine, vector, { selector: SELECTOR.absentCode });
const FAR_TABLE = 0x800000n;

/** A gate whose page is absent: the second exception is a page fault. */
const pageFault = (machine: SystemProcessor): void => {
  machine.cpu.R[SLOT.idtrBase] = FAR_TABLE;
};
const HANDLER = 0x9000n;
const handlers = (machine: SystemProcessor, vectors: readonly number[]): void => {
  for (const vector of vectors) setGate(machine, vector, { offset: HANDLER + BigInt(vector * 16) });
};
const entered = ({ cpu }: SystemProcessor): number => Number(cpu.rip - HANDLER) / 16;

// SDM Vol. 3A, Table 6-5 Conditions for Generating a Double Fault
describe('an exception in the delivery of another', () => {
  it.each(BENIGN)('contributory after benign %i: delivered itself', (vector) => {
    const machine = machine64();
    handlers(machine, [VECTOR.np, VECTOR.df]);
    contributory(machine, vector);
    expect(deliver(machine.cpu, exception(vector))).toBe('delivered');
    expect(entered(machine)).toBe(VECTOR.np);
  });

  it.each(CONTRIBUTORY.filter((vector) => vector !== VECTOR.np))(
    'contributory after contributory %i: #DF',
    (vector) => {
      const machine = machine64();
      handlers(machine, [VECTOR.np, VECTOR.df]);
      contributory(machine, vector);
      expect(deliver(machine.cpu, exception(vector))).toBe('delivered');
      expect(entered(machine)).toBe(VECTOR.df);
      expect(machine.memory.read(machine.cpu.R[SLOT.rsp], 8)).toBe(0n);
    },
  );

  it.each([...CONTRIBUTORY, ...BENIGN].filter((vector) => vector < VECTOR.pf))(
    'a page fault after %i: delivered itself',
    (vector) => {
      const machine = machine64();
      handlers(machine, [VECTOR.pf, VECTOR.df]);
      const { memory, cpu } = machine;
      // The gate of #PF is on a page of its own.
      cpu.R[SLOT.idtrBase] = IDT + 0x1000n - BigInt(VECTOR.pf * 16);
      setGateAt(machine, VECTOR.pf);
      memory.absent.add((cpu.R[SLOT.idtrBase] + BigInt(vector * 16)) >> 12n);
      expect(deliver(cpu, exception(vector))).toBe('delivered');
      expect(entered(machine)).toBe(VECTOR.pf);
    },
  );

  it('contributory and page fault after a page fault: #DF', () => {
    const machine = machine64();
    handlers(machine, [VECTOR.np, VECTOR.df]);
    contributory(machine, VECTOR.pf);
    deliver(machine.cpu, exception(VECTOR.pf));
    expect([entered(machine), machine.cpu.R[SLOT.cr2]]).toEqual([VECTOR.df, 0x1234n]);
  });

  it('contributory or page fault after #DF: shutdown', () => {
    for (const prepare of [(m: SystemProcessor) => contributory(m, VECTOR.df), pageFault]) {
      const machine = machine64();
      machine.memory.absent.add(FAR_TABLE >> 12n);
      prepare(machine);
      expect(deliver(machine.cpu, exception(VECTOR.df))).toBe('triple-fault');
      expect(machine.cpu.activity).toBe(ACTIVITY.shutdown);
    }
  });

  it('interrupts and INT n count as benign, whatever their vector', () => {
    for (const type of [EVENT_TYPE.externalInterrupt, EVENT_TYPE.softwareInterrupt]) {
      const machine = machine64();
      handlers(machine, [VECTOR.np, VECTOR.df]);
      contributory(machine, VECTOR.gp);
      expect(deliver(machine.cpu, { vector: VECTOR.gp, type })).toBe('delivered');
      expect(entered(machine)).toBe(VECTOR.np);
    }
  });
});

/** Writes a gate at the place where IDTR now has it. */
const setGateAt = ({ cpu, memory }: SystemProcessor, vector: number): void => {
  const offset = HANDLER + BigInt(vector * 16);
  const at = cpu.R[SLOT.idtrBase] + BigInt(vector * 16);
  memory.write(at, 8, (offset & 0xffffn) | (BigInt(SELECTOR.code) << 16n) | (0x8en << 40n));
};
