// SDM Vol. 3C, 25.1 Overview: what a processor holds of its VMCSs, as a value
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, MemoryDraft } from '../../../src/core';
import { SKYLAKE_CAPABILITIES, VMX_OFF, Vmx } from '../../../src/vmx';
import { AT, CODE, inGuest, VmxMachine } from './machine';

const another = (): Vmx =>
  new Vmx({ capabilities: SKYLAKE_CAPABILITIES, physicalAddressWidth: 39, linearAddressWidth: 48 });

describe('VmxState', () => {
  it('outside VMX operation is one shared value', () => {
    expect(new VmxMachine().vmx.publish()).toBe(VMX_OFF);
  });

  it('is frozen plain data', () => {
    const state = inGuest().vmx.publish();
    expect(state).toMatchObject({ vmxonPointer: AT.vmxon, currentVmcs: AT.vmcs, nonRoot: true });
    expect([state, state.active, state.active[0], state.active[0].words].every(Object.isFrozen)).toBe(true);
    expect(structuredClone(state)).toEqual(state);
  });

  it('shares the VMCSs that did not change', () => {
    const machine = new VmxMachine().ready();
    machine.withPointer(AT.otherVmcs, ...CODE.vmptrld);
    const before = machine.vmx.publish();
    machine.vmwrite('guestRip', 1n);
    const after = machine.vmx.publish();
    expect(after.active[0]).toBe(before.active[0]);
    expect(after.active[1]).not.toBe(before.active[1]);
    expect(machine.vmx.publish().active[1]).toBe(after.active[1]);
  });

  it('loads into another processor draft, also in non-root operation', () => {
    const machine = inGuest(['externalInterruptExiting', 'activateVmxPreemptionTimer'], {
      vmxPreemptionTimerValue: 7,
    });
    const state = machine.vmx.publish();
    const copy = another();
    copy.load(state);
    expect(copy.publish()).toEqual(state);
    expect([copy.pin, copy.timerDeadline]).toEqual([machine.vmx.pin, machine.vmx.timerDeadline]);
    expect(copy.publish().active[0]).toBe(state.active[0]);
  });

  it('goes back to an earlier state', () => {
    const machine = new VmxMachine().ready({ guestRip: 5 });
    const before = machine.vmx.publish();
    machine.vmwrite('guestRip', 6n);
    machine.vmx.load(before);
    expect(machine.field('guestRip')).toBe(5n);
    machine.vmx.load(VMX_OFF);
    expect([machine.vmx.on, machine.vmx.active.size]).toEqual([false, 0]);
  });

  it('a second machine that continues from it does the same', () => {
    const machine = inGuest();
    const draft = new MemoryDraft(EMPTY_MEMORY);
    const twin = new VmxMachine(SKYLAKE_CAPABILITIES, {}, draft);
    twin.vmx.load(machine.vmx.publish());
    twin.cpu.R.set(machine.cpu.R);
    twin.cpu.nonRoot = true;
    machine.execute(...CODE.vmcall);
    twin.execute(...CODE.vmcall);
    expect(twin.vmx.publish()).toEqual(machine.vmx.publish());
    expect(twin.cpu.R).toEqual(machine.cpu.R);
  });
});
