// SDM Vol. 3C, 31.3 VMX Instructions: VMCLEAR, VMPTRLD, VMPTRST, VMXOFF
import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import { FULL_CAPABILITIES, REGION } from '../../../src/vmx';
import { AT, CODE, VmxMachine } from '../dynamics/machine';

const NO_VMCS = 0xffff_ffff_ffff_ffffn;
const stored = (machine: VmxMachine): bigint => {
  machine.withPointer(0, ...CODE.vmptrst);
  return machine.memory.readPhysical(AT.operand, 8);
};

describe('VMCLEAR', () => {
  it.each([
    ['not aligned', 0x2004n, 2],
    ['beyond MAXPHYADDR', 1n << 40n, 2],
    ['the VMXON pointer', 0x1000n, 3],
  ])('%s: VMfail', (_, pointer, error) => {
    const machine = new VmxMachine().ready();
    machine.withPointer(pointer, ...CODE.vmclear);
    expect([machine.flags, machine.error]).toEqual(['valid', error]);
    const without = new VmxMachine().on();
    without.withPointer(pointer, ...CODE.vmclear);
    expect(without.flags).toBe('invalid');
  });

  it('neither checks nor writes the revision', () => {
    const machine = new VmxMachine().on();
    machine.withPointer(0x4_0000, ...CODE.vmclear);
    expect([machine.flags, machine.memory.readPhysical(0x4_0000, 4)]).toEqual(['succeed', 0n]);
  });

  it('writes the data to the region, where VMPTRLD finds it', () => {
    const machine = new VmxMachine().ready({ guestRip: 0x1234_5678 });
    machine.withPointer(AT.vmcs, ...CODE.vmclear);
    expect(stored(machine)).toBe(NO_VMCS);
    expect(machine.vmx.active.size).toBe(0);
    machine.withPointer(AT.vmcs, ...CODE.vmptrld);
    expect(machine.field('guestRip')).toBe(0x1234_5678n);
  });

  it('of another VMCS leaves the current one', () => {
    const machine = new VmxMachine().ready();
    machine.withPointer(AT.otherVmcs, ...CODE.vmclear);
    expect(stored(machine)).toBe(BigInt(AT.vmcs));
  });

  it('makes a launched VMCS clear', () => {
    const machine = new VmxMachine().ready();
    machine.vmx.current!.data.launched = true;
    machine.withPointer(AT.vmcs, ...CODE.vmclear);
    machine.withPointer(AT.vmcs, ...CODE.vmptrld);
    expect(machine.vmx.current!.data.launched).toBe(false);
  });
});

describe('VMPTRLD', () => {
  it.each([
    ['not aligned', 0x2004n, 9],
    ['beyond MAXPHYADDR', 1n << 40n, 9],
    ['the VMXON pointer', 0x1000n, 10],
    ['another revision', 0x4_0000n, 11],
  ])('%s: VMfail', (_, pointer, error) => {
    const machine = new VmxMachine().ready();
    machine.withPointer(pointer, ...CODE.vmptrld);
    expect([machine.flags, machine.error]).toEqual(['valid', error]);
  });

  it('a shadow VMCS needs the capability', () => {
    const machine = new VmxMachine().ready();
    machine.memory.writePhysical(AT.otherVmcs, 4, 0x8000_0004n);
    machine.withPointer(AT.otherVmcs, ...CODE.vmptrld);
    expect([machine.flags, machine.error]).toEqual(['valid', 11]);
    const full = new VmxMachine(FULL_CAPABILITIES).on();
    full.memory.writePhysical(AT.otherVmcs, 4, 0x8000_0004n);
    full.withPointer(AT.otherVmcs, ...CODE.vmptrld);
    expect([full.flags, full.vmx.current?.data.shadow]).toEqual(['succeed', true]);
  });

  it('keeps the data of the VMCS that was current', () => {
    const machine = new VmxMachine().ready({ guestRip: 0x77n });
    machine.withPointer(AT.otherVmcs, ...CODE.vmptrld);
    expect(machine.field('guestRip')).toBe(0n);
    machine.withPointer(AT.vmcs, ...CODE.vmptrld);
    expect(machine.field('guestRip')).toBe(0x77n);
    expect(machine.memory.readPhysical(AT.vmcs + REGION.fields, 8)).toBe(0n);
  });

  it('truncates what it reads to the widths of the fields', () => {
    const machine = new VmxMachine().on();
    for (let at = REGION.fields; at < 4096; at += 8)
      machine.memory.writePhysical(AT.vmcs + at, 8, ~0n & NO_VMCS);
    machine.withPointer(AT.vmcs, ...CODE.vmptrld);
    expect(machine.field('guestEsSelector')).toBe(0xffffn);
    expect(machine.field('guestEsLimit')).toBe(0xffff_ffffn);
  });
});

describe('VMPTRST', () => {
  it('stores the pointer, or all ones', () => {
    const machine = new VmxMachine().on();
    expect(stored(machine)).toBe(NO_VMCS);
    expect(stored(machine.ready())).toBe(BigInt(AT.vmcs));
  });
});

describe('VMXOFF', () => {
  it('leaves VMX operation; active VMCSs stay active', () => {
    const machine = new VmxMachine().ready({ guestRip: 0x55n });
    machine.execute(...CODE.vmxoff);
    expect([machine.flags, machine.vmx.on]).toEqual(['succeed', false]);
    machine.on();
    expect(stored(machine)).toBe(NO_VMCS);
    machine.withPointer(AT.vmcs, ...CODE.vmptrld);
    expect(machine.field('guestRip')).toBe(0x55n);
  });
});

describe('CR0 and CR4 in VMX operation', () => {
  it('are held to the fixed bits', () => {
    const { cpu, vmx } = new VmxMachine();
    const cr0 = cpu.R[SLOT.cr0];
    expect(vmx.controlRegisterAllowed(cpu, 4, 0n)).toBe(true);
    const on = new VmxMachine().on().vmx;
    expect(on.controlRegisterAllowed(cpu, 0, cr0)).toBe(true);
    expect(on.controlRegisterAllowed(cpu, 0, cr0 & ~0x20n)).toBe(false);
    expect(on.controlRegisterAllowed(cpu, 0, cr0 & ~0x8000_0000n)).toBe(false);
    expect(on.controlRegisterAllowed(cpu, 4, 0x20n)).toBe(false);
    expect(on.controlRegisterAllowed(cpu, 4, 0x2020n)).toBe(true);
    expect(on.controlRegisterAllowed(cpu, 4, 0x2020n | (1n << 25n))).toBe(false);
    expect(on.controlRegisterAllowed(cpu, 4, 0x2020n | (1n << 40n))).toBe(false);
  });
});
