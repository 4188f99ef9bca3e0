// SDM Vol. 3C, 26.1 Instructions That Cause VM Exits
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { ACCESS_RIGHTS, CR4, SLOT } from '../../../src/cpu/slots';
import { type Control, SKYLAKE_CAPABILITIES, type VmcsField } from '../../../src/vmx';
import { AT, inGuest, VmxMachine } from '../dynamics/machine';

const OP = {
  cpuid: [0x0f, 0xa2],
  hlt: [0xf4],
  invd: [0x0f, 0x08],
  monitor: [0x0f, 0x01, 0xc8],
  mwait: [0x0f, 0x01, 0xc9],
  pause: [0xf3, 0x90],
  rdpmc: [0x0f, 0x33],
  wbinvd: [0x0f, 0x09],
  sidtAtRax: [0x0f, 0x01, 0x08],
  strEax: [0x0f, 0x00, 0xc8],
  rdtsc: [0x0f, 0x31],
  rdtscp: [0x0f, 0x01, 0xf9],
  rdpid: [0xf3, 0x0f, 0xc7, 0xf8],
  rdmsr: [0x0f, 0x32],
  wrmsr: [0x0f, 0x30],
  invlpg: [0x0f, 0x01, 0x38],
  movDr7FromRbx: [0x0f, 0x23, 0xfb],
  movRcxFromDr6: [0x0f, 0x21, 0xf1],
  inAlDx: [0xec],
  inEax80: [0xe5, 0x80],
  outDxAx: [0x66, 0xef],
} as const;

const MSR_BITMAPS: readonly Control[] = ['useMsrBitmaps'];
const fields = (machine: VmxMachine, ...names: VmcsField[]): bigint[] =>
  names.map((name) => machine.field(name));
const reasonAndLength = (machine: VmxMachine): bigint[] =>
  fields(machine, 'exitReason', 'vmExitInstructionLength');

describe('26.1.2 Instructions That Cause VM Exits Unconditionally', () => {
  it.each([
    ['cpuid', OP.cpuid, 10n],
    ['invd', OP.invd, 13n],
  ])('%s', (_, bytes, reason) => {
    const machine = inGuest();
    machine.execute(...bytes);
    expect(reasonAndLength(machine)).toEqual([reason, BigInt(bytes.length)]);
    expect(machine.field('guestRip')).toBe(BigInt(AT.guestCode));
  });
});

describe('26.1.3 Instructions That Cause VM Exits Conditionally', () => {
  it.each([
    ['HLT', OP.hlt, 'hltExiting', 12n],
    ['RDTSC', OP.rdtsc, 'rdtscExiting', 16n],
    ['PAUSE', OP.pause, 'pauseExiting', 40n],
  ] as const)('%s', (_, bytes, control, reason) => {
    expect(inGuest().execute(...bytes).exit).toBeUndefined();
    const machine = inGuest([control]);
    machine.execute(...bytes);
    expect(reasonAndLength(machine)).toEqual([reason, BigInt(bytes.length)]);
  });

  // SDM Vol. 3C, 28.2.1 Basic VM-Exit Information: the qualification of MWAIT
  it('MWAIT, which tells whether the monitor was armed; the exit clears that', () => {
    const machine = inGuest(['mwaitExiting']);
    machine.execute(...OP.mwait);
    expect(fields(machine, 'exitReason', 'exitQualification', 'vmExitInstructionLength')).toEqual([
      36n,
      0n,
      3n,
    ]);
    const armed = inGuest(['mwaitExiting']);
    armed.cpu.R[SLOT.rcx] = 0n;
    armed.execute(...OP.monitor);
    expect(armed.cpu.monitoredLine).toBeGreaterThanOrEqual(0);
    armed.execute(...OP.mwait);
    expect(fields(armed, 'exitReason', 'exitQualification')).toEqual([36n, 1n]);
    expect(armed.cpu.monitoredLine).toBe(-1);
  });

  it('without the control MWAIT waits; the activity state of an exit then is active', () => {
    const machine = inGuest();
    machine.cpu.R[SLOT.rcx] = 0n;
    machine.execute(...OP.monitor);
    machine.execute(...OP.mwait);
    expect(machine.cpu.activity).toBe(ACTIVITY.mwait);
    machine.vmx.performExit(machine.cpu, { reason: 'externalInterrupt', vector: undefined }, undefined);
    expect(machine.field('guestActivityState')).toBe(BigInt(ACTIVITY.active));
  });

  // SDM Vol. 3C, 27.3.3 Clearing Address-Range Monitoring; 28.5.6 Clearing Address-Range Monitoring
  it('what MONITOR armed is dropped by VM entry and by VM exit: MWAIT then does not wait', () => {
    const fresh = new VmxMachine();
    fresh.cpu.R[SLOT.rax] = BigInt(AT.operand);
    fresh.execute(...OP.monitor);
    expect(fresh.cpu.monitoredLine).toBeGreaterThanOrEqual(0);
    const machine = inGuest([], {}, fresh);
    expect(machine.cpu.monitoredLine).toBe(-1);
    machine.cpu.R[SLOT.rcx] = 0n;
    machine.execute(...OP.monitor);
    machine.execute(...OP.cpuid);
    machine.resume();
    machine.execute(...OP.mwait);
    expect([machine.cpu.nonRoot, machine.cpu.activity]).toEqual([true, ACTIVITY.active]);
  });

  it('with interrupt-window exiting MWAIT does not wait for masked interrupts', () => {
    for (const [controls, waits] of [
      [[], true],
      [['interruptWindowExiting'], false],
    ] as const) {
      const machine = inGuest(controls);
      machine.cpu.rflags = 2n;
      machine.cpu.R[SLOT.rcx] = 0n;
      machine.execute(...OP.monitor);
      machine.cpu.R[SLOT.rcx] = 1n;
      machine.execute(...OP.mwait);
      expect(machine.cpu.activity === ACTIVITY.mwait).toBe(waits);
    }
  });

  it('RDPMC, which otherwise faults for a counter that does not exist', () => {
    const reads = (index: bigint) => {
      const machine = new VmxMachine(SKYLAKE_CAPABILITIES, {}, undefined, ['+perfmon']);
      const guest = inGuest([], {}, machine);
      guest.cpu.R[SLOT.rcx] = index;
      return guest.execute(...OP.rdpmc).interruption;
    };
    expect(reads(3n)).toBeUndefined();
    for (const index of [4n, 0x4000_0000n]) expect(reads(index)).toMatchObject({ vector: VECTOR.gp });
    const machine = inGuest(['rdpmcExiting']);
    machine.execute(...OP.rdpmc);
    expect(reasonAndLength(machine)).toEqual([15n, 2n]);
  });

  it.each([
    ['WBINVD', OP.wbinvd, 'wbinvdExiting', 54n],
    ['SIDT', OP.sidtAtRax, 'descriptorTableExiting', 46n],
    ['STR', OP.strEax, 'descriptorTableExiting', 47n],
  ] as const)('%s, by a secondary control', (_, bytes, control, reason) => {
    expect(inGuest(['activateSecondaryControls']).execute(...bytes).exit).toBeUndefined();
    const machine = inGuest(['activateSecondaryControls', control]);
    machine.execute(...bytes);
    expect(reasonAndLength(machine)).toEqual([reason, BigInt(bytes.length)]);
  });

  it('RDTSCP: #UD unless enabled, then as RDTSC', () => {
    expect(inGuest(['rdtscExiting']).execute(...OP.rdtscp).interruption).toMatchObject({ vector: VECTOR.ud });
    const machine = inGuest(['activateSecondaryControls', 'enableRdtscp', 'rdtscExiting']);
    machine.execute(...OP.rdtscp);
    expect(reasonAndLength(machine)).toEqual([51n, 3n]);
  });

  it('RDTSCP and RDPID: #UD unless enabled, before CR4.TSD is looked at', () => {
    const user = (...controls: Control[]): VmxMachine => {
      const machine = inGuest(controls, {}, new VmxMachine(SKYLAKE_CAPABILITIES, {}, undefined, ['+rdpid']));
      machine.cpu.W[2 * SLOT.cr4] |= CR4.tsd;
      machine.cpu.W[2 * SLOT.ss + 1] |= 3 << ACCESS_RIGHTS.dplShift;
      return machine;
    };
    const enabled: readonly Control[] = ['activateSecondaryControls', 'enableRdtscp'];
    expect(user().execute(...OP.rdtscp).interruption).toMatchObject({ vector: VECTOR.ud });
    expect(user(...enabled).execute(...OP.rdtscp).interruption).toMatchObject({ vector: VECTOR.gp });
    expect(user().execute(...OP.rdpid).interruption).toMatchObject({ vector: VECTOR.ud });
    expect(user(...enabled).execute(...OP.rdpid)).toEqual({ interruption: undefined, exit: undefined });
  });

  it('INVLPG names the linear address', () => {
    const machine = inGuest(['invlpgExiting']);
    machine.cpu.R[SLOT.rax] = 0x1234_5678_9000n;
    machine.execute(...OP.invlpg);
    expect(fields(machine, 'exitReason', 'exitQualification')).toEqual([14n, 0x1234_5678_9000n]);
  });

  it('INVPCID: #UD unless enabled, at any CPL; with INVLPG exiting it names its operands', () => {
    // INVPCID RCX, [RAX + 10H]
    const invpcid = [0x66, 0x0f, 0x38, 0x82, 0x48, 0x10];
    const enabled: readonly Control[] = ['activateSecondaryControls', 'enableInvpcid'];
    const atCpl3 = (machine: VmxMachine): VmxMachine => {
      machine.cpu.W[2 * SLOT.ss + 1] |= 3 << ACCESS_RIGHTS.dplShift;
      return machine;
    };
    expect(atCpl3(inGuest()).execute(...invpcid).interruption).toMatchObject({ vector: VECTOR.ud });
    expect(atCpl3(inGuest(enabled)).execute(...invpcid).interruption).toMatchObject({ vector: VECTOR.gp });
    const plain = inGuest(enabled);
    plain.cpu.R[SLOT.rcx] = 2n;
    expect(plain.execute(...invpcid)).toEqual({ interruption: undefined, exit: undefined });
    // The exit comes before the type is looked at.
    const machine = inGuest([...enabled, 'invlpgExiting']);
    machine.cpu.R[SLOT.rcx] = 99n;
    machine.execute(...invpcid);
    expect(reasonAndLength(machine)).toEqual([58n, 6n]);
    // 64-bit addresses, DS, no index, base RAX; register 1 in bits 31:28.
    expect(fields(machine, 'exitQualification', 'vmExitInstructionInfo')).toEqual([
      0x10n,
      BigInt((2 << 7) | (3 << 15) | (1 << 22) | (1 << 28)),
    ]);
  });

  it('MOV DR names debug register, direction and general-purpose register', () => {
    const to = inGuest(['movDrExiting']);
    to.execute(...OP.movDr7FromRbx);
    expect(fields(to, 'exitReason', 'exitQualification')).toEqual([29n, 0x307n]);
    const from = inGuest(['movDrExiting']);
    from.execute(...OP.movRcxFromDr6);
    expect(from.field('exitQualification')).toBe(0x116n);
    expect(inGuest().execute(...OP.movDr7FromRbx).exit).toBeUndefined();
  });
});

describe('25.6.4 I/O-Bitmap Addresses', () => {
  const io = (
    port: number,
    controls: readonly Control[],
    bits: readonly number[],
    bytes: readonly number[],
  ) => {
    const machine = inGuest(controls, { ioBitmapAAddress: AT.ioBitmapA, ioBitmapBAddress: AT.ioBitmapB });
    for (const bit of bits) machine.memory.writePhysical(AT.ioBitmapA + (bit >> 3), 1, 1n << BigInt(bit & 7));
    machine.cpu.R[SLOT.rdx] = BigInt(port);
    const { exit } = machine.execute(...bytes);
    return { machine, exit };
  };
  const BITMAPS: readonly Control[] = ['useIoBitmaps'];

  it('no control: no exit; unconditional: always', () => {
    expect(io(0x3f8, [], [], OP.inAlDx).exit).toBeUndefined();
    const { machine } = io(0x3f8, ['unconditionalIoExiting'], [], OP.inAlDx);
    expect(fields(machine, 'exitReason', 'exitQualification')).toEqual([30n, 0x3f8_0008n]);
  });
  it('a bitmap bit decides, whatever the unconditional control says', () => {
    expect(io(0x3f8, [...BITMAPS, 'unconditionalIoExiting'], [], OP.inAlDx).exit).toBeUndefined();
    expect(io(0x3f8, BITMAPS, [0x3f8], OP.inAlDx).exit).toBeDefined();
  });
  it('each byte of the access counts; bitmap B begins at port 8000H', () => {
    expect(io(0x3f7, BITMAPS, [0x3f8], OP.outDxAx).machine.field('exitQualification')).toBe(0x3f7_0001n);
    expect(io(0x3f6, BITMAPS, [0x3f8], OP.outDxAx).exit).toBeUndefined();
    expect(io(0x8000, BITMAPS, [0x8000], OP.inAlDx).exit).toBeDefined();
    expect(io(0x7fff, BITMAPS, [0x8000], OP.outDxAx).exit).toBeDefined();
  });
  it('an access that wraps around exits', () => {
    expect(io(0xffff, BITMAPS, [], OP.inAlDx).exit).toBeUndefined();
    expect(io(0xffff, BITMAPS, [], OP.outDxAx).exit).toBeDefined();
  });
  it('an immediate port shows in bit 6', () => {
    const { machine } = io(0, ['unconditionalIoExiting'], [], OP.inEax80);
    expect(machine.field('exitQualification')).toBe(0x80_004bn);
  });
});

describe('25.6.9 MSR-Bitmap Address', () => {
  const msr = (index: number, bits: readonly number[], bytes: readonly number[], controls = MSR_BITMAPS) => {
    const machine = inGuest(controls, { msrBitmapAddress: AT.msrBitmap });
    for (const bit of bits) machine.memory.writePhysical(AT.msrBitmap + (bit >> 3), 1, 1n << BigInt(bit & 7));
    machine.cpu.R[SLOT.rcx] = BigInt(index);
    machine.cpu.R[SLOT.rdx] = 0n;
    machine.cpu.R[SLOT.rax] = 0n;
    return machine.execute(...bytes).exit;
  };
  const SYSENTER_CS = 0x174;
  const LSTAR = 0xc000_0082;
  it('without bitmaps every access exits', () => {
    expect(msr(SYSENTER_CS, [], OP.rdmsr, [])).toEqual({ reason: 'rdmsr', length: 2 });
    expect(msr(SYSENTER_CS, [], OP.wrmsr, [])).toEqual({ reason: 'wrmsr', length: 2 });
  });
  it.each([
    ['low read', SYSENTER_CS, SYSENTER_CS, OP.rdmsr],
    ['high read', LSTAR, 0x2000 + 0x82, OP.rdmsr],
    ['low write', SYSENTER_CS, 0x4000 + SYSENTER_CS, OP.wrmsr],
    ['high write', LSTAR, 0x6000 + 0x82, OP.wrmsr],
  ])('%s', (_, index, bit, bytes) => {
    expect(msr(index, [], bytes)).toBeUndefined();
    expect(msr(index, [bit], bytes)).toBeDefined();
  });
  it('an index outside both ranges exits', () => {
    for (const index of [0x2000, 0xbfff_ffff, 0xc000_2000, 0xffff_ffff])
      expect(msr(index, [], OP.rdmsr)).toBeDefined();
  });
});

describe('26.3 time-stamp counter', () => {
  it('the offset is added to RDTSC in non-root operation alone', () => {
    const machine = inGuest(['useTscOffsetting'], { tscOffset: 0xffff_ffff_0000_0000n });
    machine.now = 500;
    machine.execute(...OP.rdtsc);
    expect((machine.cpu.R[SLOT.rdx] << 32n) | machine.cpu.R[SLOT.rax]).toBe(0xffff_ffff_0000_0000n + 501n);
    machine.execute(...OP.cpuid);
    expect(machine.vmx.shownTimeStamp(machine.cpu, 7n)).toBe(7n);
  });
});
