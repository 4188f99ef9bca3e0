// Guests outside 64-bit mode under the hardware-assisted monitor.
import { expect, test } from 'vitest';
import { processor } from '../../src/cpu/presets';
import { createMachine, loadImage } from '../../src/machine';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { check } from './guests';

const LOAD = 0x7c00;
const HANDLER = LOAD + 0x80;
const ON_DIVIDE = LOAD + 0x90;
const TEXT = LOAD + 0xa0;

const word = (value: number): readonly number[] => [value & 0xff, value >> 8];
/** MOV WORD [address], value */
const store = (address: number, value: number): readonly number[] => [
  0xc7,
  0x06,
  ...word(address),
  ...word(value),
];

/** 16-bit code with an interrupt vector table of its own. */
const realModeGuest = () => {
  const image = new Uint8Array(0x100);
  image.set(
    [
      ...store(4 * 0x21, HANDLER),
      ...store(4 * 0x21 + 2, 0),
      ...store(0, ON_DIVIDE),
      ...store(2, 0),
      ...[0xbb, 5, 0], // mov bx, 5
      ...[0xcd, 0x21], // int 0x21
      ...[0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1], // xor dx, dx; xor cx, cx; div cx
      ...[0xbe, ...word(TEXT), 0xb9, 3, 0, 0xba, 0xe9, 0], // mov si, text; mov cx, 3; mov dx, 0xe9
      ...[0xf3, 0x6e], // rep outsb
      ...[0x0f, 0x20, 0xc0, 0x66, 0x83, 0xc8, 1, 0x0f, 0x22, 0xc0], // mov eax, cr0; or eax, 1; mov cr0, eax
      ...[0x66, 0x83, 0xe0, 0xfe, 0x0f, 0x22, 0xc0], // and eax, -2; mov cr0, eax
      ...[0xcd, 0x21], // int 0x21
      ...[0x88, 0xd8, 0xe6, 0xf4], // mov al, bl; out 0xf4, al
    ],
    0,
  );
  image.set([0x83, 0xc3, 2, 0xcf], HANDLER - LOAD); // add bx, 2; iret
  image.set([0xb9, 1, 0, 0xcf], ON_DIVIDE - LOAD); // mov cx, 1; iret
  image.set([0x61, 0x62, 0x63], TEXT - LOAD);
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 16 << 20 });
  const loaded = loadImage(machine, image, { format: 'raw', load: LOAD, mode: 'real' });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

test('real-address mode: interrupts and faults through the vector table, string output, protected mode and back', async () => {
  const report = await check(realModeGuest(), hardwareAssistedMonitor());
  expect(report.end).toEqual({ kind: 'exit', code: 9 });
  expect(report.equivalence.holds && report.resourceControl.holds && report.efficiency.holds).toBe(true);
});
