// SDM Vol. 3C, 31.3 VMX Instructions: VMREAD, VMWRITE
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { SLOT } from '../../../src/cpu/slots';
import { FULL_CAPABILITIES, SKYLAKE_CAPABILITIES, VMCS_FIELDS, type VmcsField } from '../../../src/vmx';
import { AT, CODE, VmxMachine } from '../dynamics/machine';

const read = (machine: VmxMachine, encoding: bigint): bigint => {
  machine.cpu.R[SLOT.rax] = encoding;
  machine.cpu.R[SLOT.rbx] = 0xdead_beef_dead_beefn;
  machine.execute(...CODE.vmread);
  return machine.cpu.R[SLOT.rbx];
};
const write = (machine: VmxMachine, encoding: bigint, value: bigint) => {
  machine.cpu.R[SLOT.rax] = encoding;
  machine.cpu.R[SLOT.rbx] = value;
  return machine.execute(...CODE.vmwrite);
};
const encodingOf = (field: VmcsField): bigint => BigInt(VMCS_FIELDS[field].encoding);
const ONES = 0xffff_ffff_ffff_ffffn;

describe('VMREAD and VMWRITE', () => {
  it('VMfailInvalid without a current VMCS', () => {
    const machine = new VmxMachine().on();
    read(machine, 0n);
    expect(machine.flags).toBe('invalid');
    write(machine, 0n, 0n);
    expect(machine.flags).toBe('invalid');
  });

  it.each([
    ['16 bits', 'guestEsSelector', 0xffffn],
    ['32 bits', 'exceptionBitmap', 0xffff_ffffn],
    ['64 bits', 'tscOffset', ONES],
    ['natural width', 'guestRip', ONES],
  ] as const)('a field of %s keeps as many', (_, field, kept) => {
    const machine = new VmxMachine().ready();
    write(machine, encodingOf(field), ONES);
    expect(read(machine, encodingOf(field))).toBe(kept);
    expect(machine.flags).toBe('succeed');
  });

  it('the high encoding reaches bits 63:32 alone', () => {
    const machine = new VmxMachine().ready();
    const low = encodingOf('tscOffset');
    write(machine, low, 0x1111_2222_3333_4444n);
    expect(read(machine, low + 1n)).toBe(0x1111_2222n);
    write(machine, low + 1n, 0xffff_ffff_5555_6666n);
    expect(read(machine, low)).toBe(0x5555_6666_3333_4444n);
  });

  it.each([
    ['no field', 0x7ffen],
    ['the high half of a 32-bit field', 0x4001n],
    ['a field of a feature that this processor lacks', 0x2022n],
    ['bit 32 of the encoding', (1n << 32n) | 0x681en],
  ])('error 12: %s', (_, encoding) => {
    const machine = new VmxMachine().ready();
    read(machine, encoding);
    expect([machine.flags, machine.error]).toEqual(['valid', 12]);
    machine.vmx.current!.data.set('vmInstructionError', 0n);
    write(machine, encoding, 0n);
    expect([machine.flags, machine.error]).toEqual(['valid', 12]);
  });

  it('error 13: read-only fields, unless IA32_VMX_MISC[29]', () => {
    const { ia32VmxMisc } = SKYLAKE_CAPABILITIES;
    const machine = new VmxMachine({
      ...SKYLAKE_CAPABILITIES,
      ia32VmxMisc: ia32VmxMisc & ~(1n << 29n),
    }).ready();
    write(machine, encodingOf('exitReason'), 1n);
    expect([machine.flags, machine.error]).toEqual(['valid', 13]);
    const full = new VmxMachine(FULL_CAPABILITIES).on();
    full.withPointer(AT.vmcs, ...CODE.vmptrld);
    write(full, encodingOf('exitReason'), 5n);
    expect([full.flags, full.field('exitReason')]).toEqual(['succeed', 5n]);
  });

  const VMREAD_TO_MEMORY = [0x0f, 0x78, 0x0b];
  const VMWRITE_FROM_MEMORY = [0x0f, 0x79, 0x0b];
  it('a memory operand has 8 bytes in 64-bit mode', () => {
    const machine = new VmxMachine().ready();
    machine.cpu.R[SLOT.rcx] = encodingOf('guestRip');
    machine.cpu.R[SLOT.rbx] = BigInt(AT.operand);
    machine.memory.writePhysical(AT.operand, 8, 0x1122_3344_5566_7788n);
    machine.execute(...VMWRITE_FROM_MEMORY);
    expect(machine.field('guestRip')).toBe(0x1122_3344_5566_7788n);
    machine.cpu.R[SLOT.rcx] = encodingOf('guestCsSelector');
    machine.execute(...VMREAD_TO_MEMORY);
    expect(machine.memory.readPhysical(AT.operand, 8)).toBe(8n);
  });

  it('VMWRITE reads its operand before it looks at the field, VMREAD writes after', () => {
    const machine = new VmxMachine().ready();
    machine.memory.absent.add(4);
    machine.cpu.R[SLOT.rcx] = 0x7ffen;
    machine.cpu.R[SLOT.rbx] = BigInt(AT.operand);
    expect(machine.execute(...VMWRITE_FROM_MEMORY).interruption).toMatchObject({ vector: VECTOR.pf });
    expect(machine.execute(...VMREAD_TO_MEMORY).interruption).toBeUndefined();
    expect([machine.flags, machine.error]).toEqual(['valid', 12]);
  });
});
