import { expect, test } from 'vitest';
import { EMPTY_MEMORY, MemoryDraft } from '../../../src/core';
import { LinearMemory } from '../../../src/cpu/engine/linear-memory';
import { processor, resetProcessor } from '../../../src/cpu/presets';
import { ProcessorDraft } from '../../../src/cpu/processor-draft';
import type { Virtualization } from '../../../src/cpu/virtualization';
import { RecordingBus } from '../system/system-processor';

const DEVICE = 0x10_0000;

class DeviceBus extends RecordingBus {
  override isMemory(): boolean {
    return false;
  }
  override isRam(): boolean {
    return false;
  }
  override readMmio(address = 0): number {
    this.log.push(`read ${address.toString(16)}`);
    return address & 15;
  }
}

const deviceMemory = () => {
  const preset = processor('skylake');
  const bus = new DeviceBus();
  const memory = new LinearMemory(new MemoryDraft(EMPTY_MEMORY), preset);
  const cpu = new ProcessorDraft(bus, memory, preset.cpuid, { now: () => 0 }, (_, __, answer) => answer);
  memory.cpu = cpu;
  memory.alone = true;
  resetProcessor(cpu);
  return { bus, cpu, memory };
};

test('a device sees the low half of an 8-byte read first, as of a write', () => {
  const { bus, memory } = deviceMemory();
  expect(memory.read(BigInt(DEVICE), 8)).toBe(0x4_0000_0000n);
  expect(bus.log).toEqual(['read 100000', 'read 100004']);
});

test('a device is not read when the next page of the operand cannot be', () => {
  const { bus, cpu, memory } = deviceMemory();
  cpu.nonRoot = true;
  cpu.virtualization = {
    translateGuestPhysical: (_: unknown, address: number) =>
      address >= DEVICE + 0x1000 ? cpu.leave('EPT violation') : address,
  } as unknown as Virtualization;
  expect(() => memory.read(BigInt(DEVICE + 0xffc), 8)).toThrow();
  expect(bus.log).toEqual([]);
});
