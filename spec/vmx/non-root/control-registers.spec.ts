// SDM Vol. 3C, 25.6.6 Guest/Host Masks and Read Shadows for CR0 and CR4
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { SLOT } from '../../../src/cpu/slots';
import { SKYLAKE_CAPABILITIES, type VmcsField } from '../../../src/vmx';
import { AT, inGuest, VmxMachine } from '../dynamics/machine';

const OP = {
  movCr0FromRbx: [0x0f, 0x22, 0xc3],
  movCr3FromRbx: [0x0f, 0x22, 0xdb],
  movCr4FromRbx: [0x0f, 0x22, 0xe3],
  movR9FromCr3: [0x41, 0x0f, 0x20, 0xd9],
  movRbxFromCr0: [0x0f, 0x20, 0xc3],
  movCr8FromRbx: [0x44, 0x0f, 0x22, 0xc3],
  movRbxFromCr8: [0x44, 0x0f, 0x20, 0xc3],
  clts: [0x0f, 0x06],
  lmswBx: [0x0f, 0x01, 0xf3],
  lmswMemory: [0x0f, 0x01, 0x30],
} as const;

const fields = (machine: VmxMachine, ...names: VmcsField[]): bigint[] =>
  names.map((name) => machine.field(name));

describe('25.6.6 Guest/Host Masks and Read Shadows for CR0 and CR4', () => {
  const withCr0 = (mask: bigint, shadow: bigint) =>
    inGuest([], { cr0GuestHostMask: mask, cr0ReadShadow: shadow });
  const CR0_NOW = 0x8000_0031n;

  it('reads show the shadow where the mask is 1', () => {
    const machine = withCr0(0x8000_0001n, 0n);
    machine.execute(...OP.movRbxFromCr0);
    expect(machine.cpu.R[SLOT.rbx]).toBe(CR0_NOW & ~0x8000_0001n);
  });
  it('a write exits when a masked bit differs from the shadow', () => {
    const machine = withCr0(8n, 0n);
    machine.cpu.R[SLOT.rbx] = CR0_NOW | 8n;
    machine.execute(...OP.movCr0FromRbx);
    expect(fields(machine, 'exitReason', 'exitQualification', 'vmExitInstructionLength')).toEqual([
      28n,
      0x300n,
      3n,
    ]);
  });
  it('without an exit masked bits keep their value', () => {
    const machine = withCr0(0x20n, 0n);
    machine.cpu.R[SLOT.rbx] = (CR0_NOW & ~0x20n) | 2n;
    machine.execute(...OP.movCr0FromRbx);
    expect(machine.cpu.R[SLOT.cr0]).toBe(CR0_NOW | 2n);
  });
  it('#GP(0) for a value that VMX fixes otherwise', () => {
    const machine = withCr0(0n, 0n);
    machine.cpu.R[SLOT.rbx] = CR0_NOW & ~0x20n;
    expect(machine.execute(...OP.movCr0FromRbx).interruption).toMatchObject({
      vector: VECTOR.gp,
      errorCode: 0,
    });
  });
  it('CR4', () => {
    const machine = inGuest([], { cr4GuestHostMask: 0x2000, cr4ReadShadow: 0 });
    machine.cpu.R[SLOT.rbx] = 0x20n;
    machine.execute(...OP.movCr4FromRbx);
    expect(machine.cpu.R[SLOT.cr4]).toBe(0x2020n);
    machine.cpu.R[SLOT.rbx] = 0x2020n;
    machine.execute(...OP.movCr4FromRbx);
    expect(machine.field('exitQualification')).toBe(0x304n);
  });
  it.each([
    [0n, 0n, false, 0n],
    [8n, 0n, false, 8n],
    [8n, 8n, true, 8n],
  ])('CLTS with mask %s and shadow %s', (mask, shadow, exits, taskSwitched) => {
    const machine = inGuest([], { cr0GuestHostMask: mask, cr0ReadShadow: shadow, guestCr0: 0x8000_0039n });
    const { exit } = machine.execute(...OP.clts);
    expect(exit !== undefined).toBe(exits);
    if (exits) expect(machine.field('exitQualification')).toBe(0x20n);
    else expect(machine.cpu.R[SLOT.cr0] & 8n).toBe(taskSwitched);
  });
  it.each([
    ['sets PE where the shadow is 0', 1n, 0n, 1n, true],
    ['clears PE where the shadow is 1', 1n, 1n, 0n, false],
    ['MP differs from the shadow', 2n, 0n, 2n, true],
    ['bits that the guest owns', 0n, 0n, 0xfn, false],
  ])('LMSW: %s', (_, mask, shadow, source, exits) => {
    const machine = withCr0(mask, shadow);
    machine.cpu.R[SLOT.rbx] = source;
    expect(machine.execute(...OP.lmswBx).exit !== undefined).toBe(exits);
    if (exits) expect(machine.field('exitQualification')).toBe((source << 16n) | 0x30n);
  });
  it('#GP(0) where CLTS or LMSW makes a value that VMX fixes otherwise', () => {
    const TS = 8n;
    const fixedTs = new VmxMachine({ ...SKYLAKE_CAPABILITIES, ia32VmxCr0Fixed0: 0x8000_0021n | TS });
    fixedTs.cpu.R[SLOT.cr0] |= TS;
    inGuest([], { guestCr0: CR0_NOW | TS, hostCr0: CR0_NOW | TS }, fixedTs);
    const GP = { vector: VECTOR.gp, errorCode: 0 };
    expect(fixedTs.execute(...OP.clts).interruption).toMatchObject(GP);
    fixedTs.cpu.R[SLOT.rbx] = 1n;
    expect(fixedTs.execute(...OP.lmswBx).interruption).toMatchObject(GP);
    expect(fixedTs.cpu.R[SLOT.cr0]).toBe(CR0_NOW | TS);
    const noEm = inGuest([], {}, new VmxMachine({ ...SKYLAKE_CAPABILITIES, ia32VmxCr0Fixed1: 0xffff_fffbn }));
    noEm.cpu.R[SLOT.rbx] = 5n;
    expect(noEm.execute(...OP.lmswBx).interruption).toMatchObject(GP);
  });
  it('LMSW from memory gives the guest-linear address', () => {
    const machine = withCr0(2n, 0n);
    machine.memory.writePhysical(AT.operand, 2, 3n);
    machine.cpu.R[SLOT.rax] = BigInt(AT.operand);
    machine.execute(...OP.lmswMemory);
    expect(fields(machine, 'exitQualification', 'guestLinearAddress')).toEqual([
      0x3_0070n,
      BigInt(AT.operand),
    ]);
  });
});

describe('CR3 and CR8', () => {
  it('CR3-load exiting spares the target values, as many as count', () => {
    const load = (value: bigint, count: number) => {
      const machine = inGuest(['cr3LoadExiting'], {
        cr3TargetCount: count,
        cr3TargetValue0: 0x5000,
        cr3TargetValue1: 0x6000,
      });
      machine.cpu.R[SLOT.rbx] = value;
      return machine.execute(...OP.movCr3FromRbx).exit;
    };
    expect(load(0x5000n, 0)).toMatchObject({ access: 'mov-to-cr', control: 3, register: 3 });
    expect(load(0x5000n, 1)).toBeUndefined();
    expect(load(0x6000n, 1)).toBeDefined();
    expect(load(0x6000n, 2)).toBeUndefined();
  });
  it('CR3-store exiting', () => {
    const machine = inGuest(['cr3StoreExiting']);
    machine.execute(...OP.movR9FromCr3);
    expect(fields(machine, 'exitReason', 'exitQualification')).toEqual([28n, 0x913n]);
  });
  it('CR8', () => {
    const load = inGuest(['cr8LoadExiting']);
    load.execute(...OP.movCr8FromRbx);
    expect(load.field('exitQualification')).toBe(0x308n);
    const store = inGuest(['cr8StoreExiting']);
    store.execute(...OP.movRbxFromCr8);
    expect(store.field('exitQualification')).toBe(0x318n);
  });
});
