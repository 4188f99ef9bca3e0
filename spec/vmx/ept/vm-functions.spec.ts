// SDM Vol. 3C, 26.5.6.2 General Operation of the VMFUNC Instruction, 26.5.6.3 EPTP Switching
import { describe, expect, it } from 'vitest';
import { gpa } from '../../../src/core';
import { decode } from '../../../src/cpu/decode';
import { SLOT } from '../../../src/cpu/slots';
import type { Control } from '../../../src/vmx';
import { CODE, VmxMachine } from '../dynamics/machine';
import { ACCESSED_DIRTY, EptGuest, LIST, OTHER_FRAME, PAGE, type Setting, TABLES } from './guest';

const UD = { vector: 6 };
const LOCK = 0xf0;

/** A guest whose list has its own EPTP at 0 and that of the second hierarchy at 511; others are as given. */
const switching = (setting: Setting = {}, more: readonly Control[] = []): EptGuest => {
  const guest = new EptGuest({
    controls: ['enableVmFunctions', 'eptpSwitching', ...more],
    ...setting,
    values: { eptpListAddress: LIST, ...setting.values },
    before: (to) => {
      to.put(LIST, to.tables.eptp);
      to.put(LIST + 511 * 8, to.second.eptp);
      to.put(PAGE, 0x11n);
      to.put(OTHER_FRAME, 0x22n);
      setting.before?.(to);
    },
  });
  return guest;
};
const vmfunc = (guest: EptGuest, eax: bigint, ecx: bigint) => {
  const { machine } = guest;
  machine.cpu.R[SLOT.rax] = eax;
  machine.cpu.R[SLOT.rcx] = ecx;
  return machine.execute(...CODE.vmfunc);
};

describe('26.5.6.2: VMFUNC', () => {
  it('vmfunc.not-non-root: is undefined outside non-root operation', () => {
    expect(new VmxMachine().execute(...CODE.vmfunc).interruption).toMatchObject(UD);
    expect(new VmxMachine().ready().execute(...CODE.vmfunc).interruption).toMatchObject(UD);
  });

  it.each<[string, Setting, bigint]>([
    ['vmfunc.control: the control is 0', { controls: [] }, 0n],
    ['vmfunc.function-range: function 64', {}, 64n],
    ['function FFFFFFFFH', {}, 0xffff_ffffn],
  ])('%s is #UD', (_, setting, eax) => {
    expect(vmfunc(switching(setting), eax, 0n).interruption).toMatchObject(UD);
  });

  it('vmfunc.lock-prefix is #UD before anything else', () => {
    expect(decode(Uint8Array.from([LOCK, ...CODE.vmfunc]), 64)).toMatchObject({ kind: 'fault' });
  });

  it.each([1n, 31n, 32n, 63n])('vmfunc.function-disabled: function %i exits', (eax) => {
    const guest = switching();
    expect(vmfunc(guest, eax, 0n).exit).toMatchObject({ reason: 'vmfunc' });
    expect([guest.field('exitReason'), guest.field('vmExitInstructionLength')]).toEqual([59n, 3n]);
    expect(guest.field('exitQualification')).toBe(0n);
  });

  it('function 0 exits where EPTP switching is 0', () => {
    const guest = switching({ controls: ['enableVmFunctions'] });
    expect(vmfunc(guest, 0n, 511n).exit).toMatchObject({ reason: 'vmfunc' });
  });

  it('looks at EAX and ECX alone', () => {
    const guest = switching();
    expect(vmfunc(guest, 1n << 32n, (1n << 32n) | 511n)).toEqual({
      interruption: undefined,
      exit: undefined,
    });
  });
});

describe('26.5.6.3 EPTP Switching', () => {
  const read = (guest: EptGuest): bigint => guest.machine.memory.read(BigInt(PAGE), 8);

  it('vmfunc.effect: the EPTP of the list is in use and in the VMCS; registers and flags stay', () => {
    const guest = switching();
    expect(read(guest)).toBe(0x11n);
    const { cpu } = guest.machine;
    cpu.rflags = 0xad7n;
    expect(vmfunc(guest, 0n, 511n).exit).toBeUndefined();
    expect(read(guest)).toBe(0x22n);
    expect(guest.field('eptPointer')).toBe(guest.second.eptp);
    expect([cpu.R[SLOT.rax], cpu.R[SLOT.rcx], cpu.rflags]).toEqual([0n, 511n, 0xad7n]);
    vmfunc(guest, 0n, 0n);
    expect(read(guest)).toBe(0x11n);
  });

  it('vmfunc.index: ECX[15:0] is in the EPTP index', () => {
    const guest = switching({}, ['eptViolationVe']);
    vmfunc(guest, 0n, 511n);
    expect(guest.field('eptpIndex')).toBe(511n);
  });

  it('vmfunc.cpl: at CPL 3 too', () => {
    const guest = switching().user();
    expect(vmfunc(guest, 0n, 511n).exit).toBeUndefined();
    expect(read(guest)).toBe(0x22n);
  });

  it.each([
    ['vmfunc.ecx: index 512', 512n, 0n],
    ['vmfunc.ecx: index FFFFFFFFH', 0xffff_ffffn, 0n],
    ['vmfunc.validity: zero', 3n, 0n],
    ['a reserved bit', 3n, 0x10_0000n | 0x1en | 0x800n],
    ['a memory type that is not supported', 3n, 0x10_0000n | 0x1cn],
    ['beyond the physical-address width', 3n, (1n << 39n) | 0x1en],
  ])('%s exits, and changes nothing', (_, ecx, entry) => {
    const guest = switching({}, ['eptViolationVe']);
    guest.put(LIST + 3 * 8, entry);
    expect(vmfunc(guest, 0n, ecx).exit).toMatchObject({ reason: 'vmfunc' });
    expect([guest.field('eptPointer'), guest.field('eptpIndex')]).toEqual([guest.tables.eptp, 0n]);
  });

  it('vmfunc.list-read: the list is read from physical memory', () => {
    const guest = switching();
    guest.setEntry(LIST, 0);
    expect(vmfunc(guest, 0n, 511n).exit).toBeUndefined();
  });

  it('vmfunc.fetch-next: the next fetch goes through the new EPT, and its exit is no exit of VMFUNC', () => {
    const guest = switching();
    guest.put(guest.second.entryAddress(gpa(PAGE), 1), 0n);
    expect(vmfunc(guest, 0n, 511n).exit).toBeUndefined();
    expect(guest.access('fetch')).toMatchObject({ exit: 48, gpa: BigInt(PAGE) });
  });

  it('vmfunc.exit-saves and vmfunc.no-exit-on-cr3: guest tables that the new EPT hides fail the next access', () => {
    const guest = switching();
    guest.put(guest.second.entryAddress(gpa(TABLES), 1), 0n);
    expect(vmfunc(guest, 0n, 511n).exit).toBeUndefined();
    expect(guest.access('read')).toMatchObject({ exit: 48, qualification: 0x81n, gpa: BigInt(TABLES) });
    expect(guest.field('eptPointer')).toBe(guest.second.eptp);
    guest.machine.resume();
    expect(guest.machine.cpu.nonRoot).toBe(true);
  });

  it('vmfunc.pae: PDPTE registers stay', () => {
    const guest = switching({
      values: {
        vmEntryControls: 0x11fbn,
        guestCsAccessRights: 0xc09bn,
        guestPdpte0: BigInt(TABLES + 0x2000) | 1n,
      },
    });
    guest.put(guest.second.entryAddress(gpa(TABLES), 1), 0n);
    vmfunc(guest, 0n, 511n);
    expect(guest.machine.cpu.R[SLOT.pdpte0]).toBe(BigInt(TABLES + 0x2000) | 1n);
    expect(read(guest)).toBe(0x22n);
  });

  it('ad.vmfunc-switch: the new EPTP says whether there are accessed and dirty flags', () => {
    const guest = switching();
    guest.put(LIST + 8, guest.tables.eptp | ACCESSED_DIRTY);
    guest.access('write');
    expect(guest.entry(PAGE) & 0x300n).toBe(0n);
    vmfunc(guest, 0n, 1n);
    guest.access('write');
    expect(guest.entry(PAGE) & 0x300n).toBe(0x300n);
  });

  it('vmfunc.vpid-off: translations are dropped without VPID; with it the fast paths choose by the EPTP', () => {
    const counts = (controls: readonly Control[], values: NonNullable<Setting['values']>) => {
      const guest = switching({ values }, controls);
      const { memory } = guest.machine;
      const before = [memory.flushes, memory.contextChanges];
      vmfunc(guest, 0n, 511n);
      return [memory.flushes - before[0], memory.contextChanges - before[1]];
    };
    expect(counts([], {})).toEqual([1, 1]);
    expect(counts(['enableVpid'], { vpid: 1 })).toEqual([0, 1]);
  });
});
