// SDM Vol. 3C, 29.3 The Extended Page Table Mechanism (EPT), in non-root operation
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, hpa, MemoryDraft } from '../../../src/core';
import { EVENT_TYPE } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { LEFT } from '../../../src/cpu/processor-draft';
import { EPT_RIGHTS, EptTables } from '../../../src/ept';
import type { VmExit } from '../../../src/vmx';
import { AT, inGuest, VmxMachine } from '../dynamics/machine';

const PAGE = 0x4000;

const guestWithEpt = (change: (tables: EptTables) => void = () => {}): VmxMachine => {
  const tables = new EptTables(EMPTY_MEMORY, hpa(AT.ept)).mapRange({ gpa: gpa(0), hpa: hpa(0) }, 0x2_0000);
  change(tables);
  const machine = new VmxMachine(undefined, {}, new MemoryDraft(tables.publish()));
  return inGuest(['activateSecondaryControls', 'enableEpt'], { eptPointer: tables.eptp }, machine);
};
/** Exits of an access; it is carried out. */
const exitOf = (
  machine: VmxMachine,
  access: () => void,
  during?: Parameters<VmxMachine['vmx']['performExit']>[2],
) => {
  try {
    access();
  } catch (left) {
    if (left !== LEFT) throw left;
    const exit = machine.cpu.exit as VmExit;
    machine.vmx.performExit(machine.cpu, exit, during);
    return exit;
  }
  return undefined;
};

describe('guest-physical accesses', () => {
  it('are translated', () => {
    const machine = guestWithEpt((tables) => tables.map({ gpa: gpa(PAGE), hpa: hpa(0x9000) }));
    machine.memory.writePhysical(0x9008, 8, 77n);
    expect(machine.memory.read(BigInt(PAGE + 8), 8)).toBe(77n);
    expect(machine.vmx.translationRoot(machine.cpu)).not.toBe(0);
  });
  it('are those of the host without EPT', () => {
    const machine = inGuest();
    machine.memory.write(BigInt(PAGE), 8, 5n);
    expect(machine.memory.readPhysical(PAGE, 8)).toBe(5n);
    expect(machine.vmx.translationRoot(machine.cpu)).toBe(0);
  });
  it('also through Mmu.readPhysical when no tables are given', () => {
    const tables = new EptTables(EMPTY_MEMORY, hpa(AT.ept)).mapRange({ gpa: gpa(0), hpa: hpa(0) }, 0x2_0000);
    const draft = new MemoryDraft(tables.publish());
    const plain = new VmxMachine(undefined, {}, draft);
    const { capabilities, physicalAddressWidth, linearAddressWidth } = plain.vmx;
    const Vmx = plain.vmx.constructor as new (options: object) => typeof plain.vmx;
    const vmx = new Vmx({ capabilities, physicalAddressWidth, linearAddressWidth });
    Object.assign(plain, { vmx });
    plain.cpu.virtualization = vmx;
    inGuest(['activateSecondaryControls', 'enableEpt'], { eptPointer: tables.eptp }, plain);
    plain.memory.write(BigInt(PAGE), 8, 5n);
    expect(plain.memory.readPhysical(PAGE, 8)).toBe(5n);
  });
});

describe('EPT violation', () => {
  it('records qualification, guest-linear and guest-physical address', () => {
    const machine = guestWithEpt((tables) =>
      tables.map({ gpa: gpa(PAGE), hpa: hpa(PAGE), rights: EPT_RIGHTS.read }),
    );
    const exit = exitOf(machine, () => machine.memory.write(BigInt(PAGE + 0x123), 1, 0n));
    expect(exit).toMatchObject({ reason: 'eptViolation', gpa: PAGE + 0x123, rights: EPT_RIGHTS.read });
    expect(machine.field('exitReason')).toBe(48n);
    expect(machine.field('exitQualification')).toBe(0b111_1000_1010n);
    expect(machine.field('guestPhysicalAddress')).toBe(BigInt(PAGE + 0x123));
    expect(machine.field('guestLinearAddress')).toBe(BigInt(PAGE + 0x123));
    expect(machine.field('guestRflags') & 0x1_0000n).toBe(0x1_0000n);
  });

  it('without a linear address bits 7 and 8 are 0; bit 12 after IRET', () => {
    const machine = guestWithEpt();
    machine.cpu.nmiUnblocked = true;
    const access = {
      read: true,
      write: false,
      fetch: false,
      linear: undefined,
      pagingStructure: false,
      linearRights: 7,
      update: false,
    };
    exitOf(machine, () => machine.vmx.translateGuestPhysical(machine.cpu, 0x40_0000, access));
    expect(machine.field('exitQualification')).toBe(0b1_0000_0000_0001n);
  });

  it('a paging-structure access has bit 8 = 0', () => {
    const machine = guestWithEpt();
    const access = {
      read: true,
      write: true,
      fetch: false,
      linear: 0x1000n,
      pagingStructure: true,
      linearRights: 7,
      update: false,
    };
    exitOf(machine, () => machine.vmx.translateGuestPhysical(machine.cpu, 0x40_0000, access));
    expect(machine.field('exitQualification')).toBe(0b1000_0011n);
  });

  it('in the delivery of an interrupt leaves IDT-vectoring information', () => {
    const machine = guestWithEpt((tables) => tables.write(tables.entryAddress(gpa(AT.guestIdt), 1), 0));
    deliver(machine.cpu, { vector: 0x20, type: EVENT_TYPE.externalInterrupt });
    expect(machine.field('exitReason')).toBe(48n);
    expect(machine.field('idtVectoringInfo')).toBe(0x8000_0020n);
    expect(machine.field('guestRflags') & 0x1_0000n).toBe(0n);
  });
});

describe('EPT misconfiguration', () => {
  it('records the guest-physical address and no qualification', () => {
    const machine = guestWithEpt((tables) => tables.write(tables.entryAddress(gpa(PAGE), 1), 2));
    const exit = exitOf(machine, () => machine.memory.read(BigInt(PAGE), 8));
    expect(exit).toEqual({ reason: 'eptMisconfiguration', gpa: PAGE });
    expect(machine.field('exitReason')).toBe(49n);
    expect(machine.field('exitQualification')).toBe(0n);
    expect(machine.field('guestPhysicalAddress')).toBe(BigInt(PAGE));
  });
});
