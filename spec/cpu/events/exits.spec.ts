import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import type { ProcessorDraft } from '../../../src/cpu/processor-draft';
import { SLOT } from '../../../src/cpu/slots';
import type { Virtualization } from '../../../src/cpu/virtualization';
import { machine64, setGate } from '../system/system-processor';

interface Exit {
  readonly event: string;
  readonly during: number | undefined;
}

/** Non-root operation in which some vectors exit; records the exits with the event in whose delivery they happened. */
const intercepting = (vectors: readonly number[]) => {
  const machine = machine64();
  const exits: Exit[] = [];
  machine.cpu.nonRoot = true;
  machine.cpu.virtualization = {
    interceptEvent: (cpu: ProcessorDraft, event: InterruptionEvent) => {
      if (vectors.includes(event.vector)) cpu.leave(`vector ${event.vector}`);
    },
    passedBoundary: () => {},
    interceptTripleFault: (cpu: ProcessorDraft) => cpu.leave('triple fault'),
    performExit: (_: ProcessorDraft, exit: string, during: InterruptionEvent | undefined) =>
      exits.push({ event: exit, during: during?.vector }),
  } as unknown as Virtualization;
  return { ...machine, exits };
};
const exception = (vector: number): InterruptionEvent => ({
  vector,
  type: EVENT_TYPE.hardwareException,
  errorCode: 0,
  address: 0x5000n,
});

// SDM Vol. 3C, 28.2.4 Information for VM Exits During Event Delivery
describe('events in non-root operation', () => {
  it('an intercepted exception exits before anything is recorded', () => {
    const { cpu, exits } = intercepting([VECTOR.pf]);
    expect(deliver(cpu, exception(VECTOR.pf))).toBe('exited');
    expect(exits).toEqual([{ event: 'vector 14', during: undefined }]);
    expect(cpu.R[SLOT.cr2]).toBe(0n);
    expect(cpu.exit).toBeUndefined();
  });

  it('a fault in a delivery is asked for itself, before it would become a double fault', () => {
    const { cpu, exits } = intercepting([VECTOR.gp, VECTOR.df]);
    expect(deliver(cpu, exception(VECTOR.np))).toBe('exited');
    expect(exits).toEqual([{ event: 'vector 13', during: VECTOR.np }]);
  });

  it('a double fault that exits is no exit during a delivery', () => {
    const { cpu, exits } = intercepting([VECTOR.df]);
    expect(deliver(cpu, exception(VECTOR.np))).toBe('exited');
    expect(exits).toEqual([{ event: 'vector 8', during: undefined }]);
  });

  it('a triple fault exits', () => {
    const { cpu, exits } = intercepting([]);
    expect(deliver(cpu, exception(VECTOR.np))).toBe('exited');
    expect(exits).toEqual([{ event: 'triple fault', during: undefined }]);
  });

  it('an exit of a memory access in the delivery names the event', () => {
    const machine = intercepting([]);
    const { cpu, memory, exits } = machine;
    setGate(machine, VECTOR.ud);
    memory.probeWrite = () => cpu.leave('EPT violation');
    expect(deliver(cpu, exception(VECTOR.ud))).toBe('exited');
    expect(exits).toEqual([{ event: 'EPT violation', during: VECTOR.ud }]);
  });

  it('an injected event causes no exit itself', () => {
    const machine = intercepting([VECTOR.ud]);
    setGate(machine, VECTOR.ud);
    expect(deliver(machine.cpu, { ...exception(VECTOR.ud), injected: true })).toBe('delivered');
  });
});

it('a benign fault that always returns ends as a delivery loop', () => {
  const { cpu, memory } = machine64();
  memory.read = () => cpu.raise(VECTOR.ac, 0);
  expect(deliver(cpu, exception(VECTOR.ac))).toBe('delivery-loop');
});
