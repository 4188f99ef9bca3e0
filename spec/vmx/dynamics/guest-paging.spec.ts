// Guests in 32-bit and PAE paging. SDM Vol. 3C, 27.3.2.4 Loading Page-Directory-Pointer-Table Entries, 28.3.4 Saving Non-Register State
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, hpa, MemoryDraft } from '../../../src/core';
import { VECTOR } from '../../../src/cpu/event';
import { PDPTE_REGISTERS, SLOT } from '../../../src/cpu/slots';
import { EPT_RIGHTS, EptTables } from '../../../src/ept';
import type { VmcsField } from '../../../src/vmx';
import { AT, CODE, VmxMachine } from './machine';

const TABLE = 0x8020;
const IN_MEMORY = [0x1001n, 0n, 0x1e6n, 0x2001n] as const;
const IN_FIELDS = [0x3001n, 0x4001n, 0n, 0x5001n] as const;
/** MOV CR3, EBX; MOV CR0, EBX. */
const OP = { movCr3: [0x0f, 0x22, 0xdb], movCr0: [0x0f, 0x22, 0xc3] } as const;

const GUEST_32: Partial<Record<VmcsField, bigint | number>> = {
  vmEntryControls: 0x11fb,
  guestCsAccessRights: 0xc09b,
  guestCr3: TABLE,
  guestPdpte0: IN_FIELDS[0],
  guestPdpte1: IN_FIELDS[1],
  guestPdpte2: IN_FIELDS[2],
  guestPdpte3: IN_FIELDS[3],
};

const tables = (): EptTables =>
  new EptTables(EMPTY_MEMORY, hpa(AT.ept)).mapRange({ gpa: gpa(0), hpa: hpa(0) }, 0x2_0000);

interface Setting {
  readonly ept?: EptTables;
  readonly values?: Partial<Record<VmcsField, bigint | number>>;
}

/** A guest about to be entered; IN_MEMORY stands at its CR3. */
const guest = ({ ept, values = {} }: Setting): VmxMachine => {
  const machine = new VmxMachine(undefined, {}, new MemoryDraft(ept?.publish() ?? EMPTY_MEMORY));
  machine.ready({ ...GUEST_32, ...values });
  IN_MEMORY.forEach((entry, index) => {
    machine.memory.writePhysical(TABLE + 8 * index, 8, entry);
  });
  if (ept !== undefined)
    machine.set({ eptPointer: ept.eptp }).control('activateSecondaryControls', 'enableEpt');
  return machine;
};
const entered = (setting: Setting): VmxMachine => {
  const machine = guest(setting);
  machine.launch();
  expect([machine.flags, machine.cpu.nonRoot]).toEqual(['succeed', true]);
  return machine;
};
const registers = ({ cpu }: VmxMachine): readonly bigint[] =>
  PDPTE_REGISTERS.map((name) => cpu.R[SLOT[name]]);
const fields = (machine: VmxMachine): readonly bigint[] =>
  (['guestPdpte0', 'guestPdpte1', 'guestPdpte2', 'guestPdpte3'] as const).map((name) => machine.field(name));

describe('VM entry to PAE paging', () => {
  it('without EPT loads the PDPTE registers from the table at CR3', () => {
    const machine = entered({});
    expect(machine.cpu.paePaging).toBe(true);
    expect(registers(machine)).toEqual(IN_MEMORY);
  });

  it('with EPT from the guest-state area', () => {
    expect(registers(entered({ ept: tables() }))).toEqual(IN_FIELDS);
  });

  it('qualification 2 for a reserved bit in one that is present: in memory without EPT, in the fields with it', () => {
    const bad = guest({});
    bad.memory.writePhysical(TABLE + 24, 8, 0x2003n);
    bad.launch();
    expect([bad.field('exitReason'), bad.field('exitQualification')]).toEqual([0x8000_0021n, 2n]);
    expect(entered({ values: { guestPdpte1: 0x4003n } }).cpu.nonRoot).toBe(true);
    const field = guest({ ept: tables(), values: { guestPdpte1: 0x4003n } });
    field.launch();
    expect([field.field('exitReason'), field.field('exitQualification')]).toEqual([0x8000_0021n, 2n]);
  });

  it.each([
    ['32-bit paging', { guestCr4: 0x2000 }],
    ['IA-32e mode', { vmEntryControls: 0x13fb, guestCsAccessRights: 0xa09b }],
  ])('%s loads none', (_, values) => {
    const machine = entered({ values });
    expect(machine.cpu.paePaging).toBe(false);
    expect(registers(machine)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('drops what was derived from other PDPTEs, and only then', () => {
    const machine = entered({ ept: tables() });
    machine.execute(...CODE.vmcall);
    machine.set({ vpid: 1 }).control('enableVpid').resume();
    const flushesOfEntry = (values: Partial<Record<VmcsField, number>>): number => {
      machine.execute(...CODE.vmcall);
      const { flushes } = machine.memory;
      machine.set(values).resume();
      expect(machine.cpu.nonRoot).toBe(true);
      return machine.memory.flushes - flushes;
    };
    expect(flushesOfEntry({})).toBe(0);
    expect(flushesOfEntry({ guestPdpte2: 0x7001 })).toBe(1);
  });
});

describe('VM exit from PAE paging', () => {
  it('with EPT saves the registers in the fields', () => {
    const machine = entered({ ept: tables() });
    machine.cpu.R[SLOT.rbx] = BigInt(TABLE);
    // Without CR3-load exiting the table is read through EPT.
    expect(machine.execute(...OP.movCr3)).toEqual({ interruption: undefined, exit: undefined });
    expect(registers(machine)).toEqual(IN_MEMORY);
    machine.execute(...CODE.vmcall);
    expect(fields(machine)).toEqual(IN_MEMORY);
  });

  it('without EPT leaves the fields alone', () => {
    const machine = entered({});
    machine.execute(...CODE.vmcall);
    expect(fields(machine)).toEqual(IN_FIELDS);
  });

  it('outside PAE paging too', () => {
    const machine = entered({ ept: tables(), values: { guestCr4: 0x2000 } });
    machine.execute(...CODE.vmcall);
    expect(fields(machine)).toEqual(IN_FIELDS);
  });
});

// SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation
describe('loads of the PDPTE registers by a guest', () => {
  it('an EPT violation names no linear address, and CR3 stays', () => {
    const machine = entered({ ept: tables() });
    machine.cpu.R[SLOT.rbx] = 0x20_0020n;
    machine.execute(...OP.movCr3);
    // Bit 0: a read; bits 5:3: nothing allowed; bit 7: no linear address.
    expect([machine.field('exitReason'), machine.field('exitQualification')]).toEqual([48n, 1n]);
    expect([machine.field('guestPhysicalAddress'), machine.field('guestCr3')]).toEqual([
      0x20_0020n,
      BigInt(TABLE),
    ]);
  });

  it('need read access alone', () => {
    const readOnly = tables().map({ gpa: gpa(0x8000), hpa: hpa(0x8000), rights: EPT_RIGHTS.read });
    const machine = entered({ ept: readOnly });
    machine.cpu.R[SLOT.rbx] = BigInt(TABLE);
    expect(machine.execute(...OP.movCr3).exit).toBeUndefined();
    expect(registers(machine)).toEqual(IN_MEMORY);
  });

  it('#GP(0) for a reserved bit; a change of CR0.CD loads them as well', () => {
    const machine = entered({ ept: tables() });
    machine.memory.writePhysical(TABLE, 8, 0x1003n);
    machine.cpu.R[SLOT.rbx] = BigInt(TABLE);
    expect(machine.execute(...OP.movCr3).interruption).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
    machine.cpu.R[SLOT.rbx] = machine.cpu.R[SLOT.cr0] | 0x4000_0000n;
    expect(machine.execute(...OP.movCr0).interruption).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
    expect(registers(machine)).toEqual(IN_FIELDS);
  });
});
