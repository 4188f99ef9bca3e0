// SDM Vol. 3C, 27 VM Entries, 28 VM Exits
import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import type { VmExit } from '../../../src/vmx';
import { AT, CODE, inGuest, VmxMachine } from './machine';

describe('VMLAUNCH, VMCALL, VMRESUME', () => {
  it('enters the guest', () => {
    const { cpu, vmx } = inGuest();
    expect([cpu.nonRoot, vmx.nonRoot, cpu.rip, cpu.R[SLOT.rsp]]).toEqual([
      true,
      true,
      BigInt(AT.guestCode),
      BigInt(AT.guestStack),
    ]);
  });

  it('exits with reason 18, and the host goes on at HOST_RIP', () => {
    const machine = inGuest();
    const { exit } = machine.execute(...CODE.vmcall);
    expect(exit).toEqual({ reason: 'vmcall', length: 3 });
    expect(machine.cpu.nonRoot).toBe(false);
    expect(machine.cpu.rip).toBe(BigInt(AT.hostCode + 0x100));
    expect(machine.field('exitReason')).toBe(18n);
    expect(machine.field('vmExitInstructionLength')).toBe(3n);
    expect(machine.field('guestRip')).toBe(BigInt(AT.guestCode));
    expect(machine.field('exitQualification')).toBe(0n);
  });

  it('resumes where the guest RIP says', () => {
    const machine = inGuest();
    machine.execute(...CODE.vmcall);
    machine.vmwrite('guestRip', BigInt(AT.guestCode + 3));
    machine.resume();
    expect([machine.cpu.nonRoot, machine.cpu.rip]).toEqual([true, BigInt(AT.guestCode + 3)]);
  });

  it('tells the watcher after guest state is loaded and before it is saved', () => {
    const seen: unknown[] = [];
    const machine = new VmxMachine();
    machine.cpu.watcher = {
      enteredNonRoot: ({ rip, nonRoot }) => seen.push(['entered', rip, nonRoot]),
      leftNonRoot: ({ rip, nonRoot }, exit) => seen.push(['left', rip, nonRoot, (exit as VmExit).reason]),
      delivered: (_, { vector }) => seen.push(['delivered', vector]),
    };
    machine.gate(0x30, 0x5000);
    inGuest([], { vmEntryInterruptionInfo: 0x8000_0030n, guestRflags: 0x202 }, machine).execute(
      ...CODE.vmcall,
    );
    expect(seen).toEqual([
      ['entered', BigInt(AT.guestCode), true],
      ['delivered', 0x30],
      ['left', 0x5000n, true, 'vmcall'],
    ]);
  });
});
