// SDM Vol. 3C, 26.1.3 Instructions That Cause VM Exits Conditionally; 26.3 Changes to Instruction Behavior in VMX Non-Root Operation
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { readMsr, writeMsr } from '../../../src/cpu/msrs';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { ACCESS_RIGHTS, CR4, SLOT, STATUS_FLAGS } from '../../../src/cpu/slots';
import { type Control, FULL_CAPABILITIES, SKYLAKE_CAPABILITIES, type VmcsField } from '../../../src/vmx';
import { inGuest, VmxMachine } from '../dynamics/machine';

const SECONDARY = 'activateSecondaryControls';
const VMCALL = [0x0f, 0x01, 0xc1];
const OP = {
  rdrandR9d: [0x41, 0x0f, 0xc7, 0xf1],
  rdseedRbx: [0x48, 0x0f, 0xc7, 0xfb],
  rdrandCx: [0x66, 0x0f, 0xc7, 0xf1],
  umonitorRax: [0xf3, 0x0f, 0xae, 0xf0],
  umwaitEcx: [0xf2, 0x0f, 0xae, 0xf1],
  tpauseR10d: [0x66, 0x41, 0x0f, 0xae, 0xf2],
  pause: [0xf3, 0x90],
  rdtsc: [0x0f, 0x31],
  rdtscp: [0x0f, 0x01, 0xf9],
  rdmsr: [0x0f, 0x32],
  wrmsr: [0x0f, 0x30],
} as const;

type Values = Partial<Record<VmcsField, bigint | number>>;
/** A guest of a processor with every control, and these features beside Skylake's. */
const guest = (
  controls: readonly Control[],
  values: Values = {},
  edits: readonly string[] = [],
): VmxMachine => inGuest(controls, values, new VmxMachine(FULL_CAPABILITIES, {}, undefined, edits));

const fields = (machine: VmxMachine, ...names: readonly VmcsField[]): readonly bigint[] =>
  names.map((name) => machine.field(name));
const exitOf = (machine: VmxMachine) =>
  fields(machine, 'exitReason', 'vmExitInstructionLength', 'vmExitInstructionInfo');
const asUser = (machine: VmxMachine): VmxMachine => {
  machine.cpu.W[2 * SLOT.ss + 1] |= 3 << ACCESS_RIGHTS.dplShift;
  return machine;
};
const RETIRED = { interruption: undefined, exit: undefined };

describe('RDRAND and RDSEED', () => {
  it.each([
    ['RDRAND R9D', OP.rdrandR9d, 'rdrandExiting', 57n, (9 << 3) | (1 << 11)],
    ['RDRAND CX', OP.rdrandCx, 'rdrandExiting', 57n, 1 << 3],
    ['RDSEED RBX', OP.rdseedRbx, 'rdseedExiting', 61n, (3 << 3) | (2 << 11)],
  ] as const)(
    '%s exits by its control, at any CPL, and names register and size',
    (_, bytes, control, reason, information) => {
      expect(guest([SECONDARY]).execute(...bytes)).toEqual(RETIRED);
      const machine = asUser(guest([SECONDARY, control]));
      machine.execute(...bytes);
      expect(exitOf(machine)).toEqual([reason, BigInt(bytes.length), BigInt(information)]);
    },
  );

  it('#UD comes first where the processor lacks the instruction', () => {
    const machine = guest([SECONDARY, 'rdrandExiting'], {}, ['-rdrand']);
    expect(machine.execute(...OP.rdrandR9d).interruption).toMatchObject({ vector: VECTOR.ud });
  });
});

describe('UMONITOR, UMWAIT and TPAUSE', () => {
  const ENABLED: readonly Control[] = [SECONDARY, 'enableUserWaitAndPause'];
  const all = [OP.umonitorRax, OP.umwaitEcx, OP.tpauseR10d];

  it('#UD unless the control enables them', () => {
    for (const bytes of all)
      expect(guest([SECONDARY], {}, ['+waitpkg']).execute(...bytes).interruption).toMatchObject({
        vector: VECTOR.ud,
      });
    for (const bytes of all) expect(guest(ENABLED, {}, ['+waitpkg']).execute(...bytes)).toEqual(RETIRED);
  });

  it('with RDTSC exiting the two waits exit, UMONITOR never', () => {
    const exiting = () => guest([...ENABLED, 'rdtscExiting'], {}, ['+waitpkg']);
    const umwait = exiting();
    umwait.execute(...OP.umwaitEcx);
    expect(exitOf(umwait)).toEqual([67n, 4n, BigInt((1 << 3) | (1 << 11))]);
    const tpause = exiting();
    tpause.execute(...OP.tpauseR10d);
    expect(exitOf(tpause)).toEqual([68n, 5n, BigInt((10 << 3) | (1 << 11))]);
    expect(exiting().execute(...OP.umonitorRax)).toEqual(RETIRED);
  });

  it('CR4.TSD keeps users out before the exit; a reserved bit of the operand faults after it', () => {
    const timeless = (...controls: Control[]): VmxMachine => {
      const machine = asUser(guest([...ENABLED, ...controls], {}, ['+waitpkg']));
      machine.cpu.W[2 * SLOT.cr4] |= CR4.tsd;
      return machine;
    };
    expect(timeless('rdtscExiting').execute(...OP.tpauseR10d).interruption).toMatchObject({
      vector: VECTOR.gp,
    });
    const reserved = (...controls: Control[]): VmxMachine => {
      const machine = guest([...ENABLED, ...controls], {}, ['+waitpkg']);
      machine.cpu.R[SLOT.rcx] = 2n;
      return machine;
    };
    expect(reserved().execute(...OP.umwaitEcx).interruption).toMatchObject({ vector: VECTOR.gp });
    expect(reserved('rdtscExiting').execute(...OP.umwaitEcx).exit).toMatchObject({ reason: 'umwait' });
  });

  it('they clear the status flags: no limit ended the wait', () => {
    const machine = guest(ENABLED, {}, ['+waitpkg']);
    machine.cpu.rflags |= BigInt(STATUS_FLAGS);
    machine.execute(...OP.tpauseR10d);
    expect(machine.cpu.rflags & BigInt(STATUS_FLAGS)).toBe(0n);
  });

  it('the time to wait for is that of the guest, and so is the limit', () => {
    // A guest whose counter runs at a quarter of the speed, 1000 ticks ahead.
    const values = { tscMultiplier: 1n << 46n, tscOffset: 1000 };
    const pausing = (limit: bigint): readonly (number | boolean)[] => {
      const machine = guest([...ENABLED, 'useTscOffsetting', 'useTscScaling'], values, ['+waitpkg']);
      const { cpu } = machine;
      cpu.R[SLOT.rax] = 1050n;
      cpu.R[SLOT.rdx] = 0n;
      writeMsr(cpu, 0xe1, limit);
      machine.now = 19;
      machine.execute(...OP.tpauseR10d);
      return [machine.now, cpu.waitDeadline, cpu.waitLimited];
    };
    expect(pausing(0n)).toEqual([20, 20 + 4 * 45, false]);
    expect(pausing(100n)).toEqual([20, 20 + 4 * 45, false]);
    expect(pausing(20n)).toEqual([20, 20 + 4 * 20, true]);
  });

  it('an exit ends the wait, and the saved activity state is active', () => {
    const machine = guest(ENABLED, {}, ['+waitpkg']);
    machine.cpu.R[SLOT.rdx] = 1n;
    machine.execute(...OP.tpauseR10d);
    expect(machine.cpu.activity).toBe(ACTIVITY.tpause);
    machine.cpu.initPending = true;
    expect(machine.boundary().exit).toMatchObject({ reason: 'initSignal' });
    expect(fields(machine, 'guestActivityState')).toEqual([0n]);
    expect(machine.cpu).toMatchObject({ activity: ACTIVITY.active, waitDeadline: Number.POSITIVE_INFINITY });
  });

  it('an exit drops what UMONITOR armed', () => {
    const machine = guest(ENABLED, {}, ['+waitpkg']);
    machine.execute(...OP.umonitorRax);
    expect(machine.cpu.monitoredLine).toBeGreaterThanOrEqual(0);
    machine.execute(...VMCALL);
    expect(machine.cpu.monitoredLine).toBe(-1);
  });

  it('IA32_UMWAIT_CONTROL has one reserved bit', () => {
    const { cpu } = guest(ENABLED, {}, ['+waitpkg']);
    expect(writeMsr(cpu, 0xe1, 0xffff_fffdn)).toBe(true);
    expect(readMsr(cpu, 0xe1)).toBe(0xffff_fffdn);
    expect(writeMsr(cpu, 0xe1, 2n)).toBe(false);
  });
});

describe('PAUSE-loop exiting', () => {
  const LOOP: readonly Control[] = [SECONDARY, 'pauseLoopExiting'];
  const looping = (values: Values = { pleGap: 10, pleWindow: 30 }): VmxMachine => guest(LOOP, values);
  /** Whether a PAUSE exits at each of these clocks. */
  const exits = (machine: VmxMachine, ...clocks: readonly number[]): readonly boolean[] =>
    clocks.map((clock) => {
      machine.now = clock - 1;
      return machine.execute(...OP.pause).exit !== undefined;
    });

  it('a loop exits once more than the window has passed since its first PAUSE', () => {
    const machine = looping();
    expect(exits(machine, 100, 110, 120, 130)).toEqual([false, false, false, false]);
    expect(exits(machine, 131)).toEqual([true]);
    expect(machine.field('exitReason')).toBe(40n);
  });

  it('after more than the gap a PAUSE is the first of a loop', () => {
    expect(exits(looping(), 100, 110, 121, 131, 141, 151, 152)).toEqual([
      ...[false, false, false, false, false, false],
      true,
    ]);
  });

  it('so is the first after a VM entry', () => {
    const machine = looping({ pleGap: 0xffff_ffff, pleWindow: 0 });
    expect(exits(machine, 100, 101)).toEqual([false, true]);
    machine.resume();
    expect(exits(machine, 102, 103)).toEqual([false, true]);
  });

  it('counts at CPL 0 alone, where PAUSE exiting does not overrule it', () => {
    expect(exits(asUser(looping({ pleGap: 1000, pleWindow: 0 })), 100, 200, 300)).toEqual([
      ...[false, false, false],
    ]);
    const both = asUser(guest([...LOOP, 'pauseExiting'], { pleGap: 1000, pleWindow: 1000 }));
    expect(exits(both, 100)).toEqual([true]);
  });

  it('counts the time itself, without offset and multiplier', () => {
    const machine = guest([...LOOP, 'useTscOffsetting', 'useTscScaling'], {
      ...{ pleGap: 10, pleWindow: 30 },
      ...{ tscMultiplier: 1n << 50n, tscOffset: 1000 },
    });
    expect(exits(machine, 100, 110, 120, 130, 131)).toEqual([false, false, false, false, true]);
  });

  it('the loop is part of the state', () => {
    const machine = looping();
    exits(machine, 100, 105);
    const published = machine.vmx.publish();
    expect(published.pauseLoop).toEqual({ first: 100, last: 105 });
    machine.vmx.pauseLoop = undefined;
    machine.vmx.load(published);
    expect(exits(machine, 115, 125, 131)).toEqual([false, false, true]);
  });
});

describe('25.6.5 Time-Stamp Counter Offset and Multiplier', () => {
  const SCALING: readonly Control[] = [SECONDARY, 'useTscScaling', 'enableRdtscp', 'useMsrBitmaps'];
  const scaled = (controls: readonly Control[], values: Values = {}): VmxMachine =>
    guest([...SCALING, ...controls], { tscMultiplier: 3n << 47n, tscOffset: -100n, ...values });
  const shown = (machine: VmxMachine, bytes: readonly number[]): bigint => {
    machine.now = 999;
    machine.cpu.R[SLOT.rcx] = 0x10n;
    machine.execute(...bytes);
    return (machine.cpu.R[SLOT.rdx] << 32n) | machine.cpu.R[SLOT.rax];
  };

  it.each([
    ['RDTSC', OP.rdtsc],
    ['RDTSCP', OP.rdtscp],
    ['RDMSR of the counter', OP.rdmsr],
  ])('%s shows the product and then the sum', (_, bytes) => {
    expect(shown(scaled(['useTscOffsetting']), bytes)).toBe(1400n);
    expect(shown(scaled([]), bytes)).toBe(1000n);
  });

  it('the product has 128 bits, of which 111:48 count', () => {
    const machine = scaled(['useTscOffsetting'], { tscMultiplier: 2n ** 64n - 1n, tscOffset: 0n });
    expect(shown(machine, OP.rdtsc)).toBe((1000n * (2n ** 64n - 1n)) >> 48n);
  });

  it('WRMSR of the counter writes it as it is', () => {
    const machine = scaled(['useTscOffsetting']);
    machine.cpu.R[SLOT.rcx] = 0x10n;
    machine.cpu.R[SLOT.rax] = 5000n;
    machine.cpu.R[SLOT.rdx] = 0n;
    machine.execute(...OP.wrmsr);
    machine.execute(...VMCALL);
    expect(readMsr(machine.cpu, 0x10)).toBe(5001n);
  });

  it('the preemption timer counts by the counter itself', () => {
    const machine = scaled(['useTscOffsetting', 'activateVmxPreemptionTimer'], {
      vmxPreemptionTimerValue: 2n,
    });
    expect(machine.vmx.timerDeadline).toBe((Math.floor(machine.now / 32) + 2) * 32);
  });
});

describe('MSRs that entry and exit load and save by controls of their own', () => {
  const PERFORMANCE = { guest: 5n, host: 10n };
  const switching = (controls: readonly Control[]): VmxMachine => {
    const machine = new VmxMachine(FULL_CAPABILITIES, { perfGlobalCtrlBits: 0xfn }, undefined, [
      '+pks',
      '+perfmon',
    ]);
    machine.cpu.R[SLOT.perfGlobalCtrl] = 1n;
    machine.cpu.R[SLOT.pkrs] = 2n;
    return inGuest(
      controls,
      {
        guestIa32PerfGlobalCtrl: PERFORMANCE.guest,
        hostIa32PerfGlobalCtrl: PERFORMANCE.host,
        guestIa32Pkrs: 0x5555_5555n,
        hostIa32Pkrs: 0xaaaa_aaaan,
      },
      machine,
    );
  };
  const now = ({ cpu }: VmxMachine) => [cpu.R[SLOT.perfGlobalCtrl], cpu.R[SLOT.pkrs]];

  it('neither is touched while the controls are 0, but the guest’s PKRS is saved', () => {
    const machine = switching([]);
    expect(now(machine)).toEqual([1n, 2n]);
    machine.execute(...VMCALL);
    expect(now(machine)).toEqual([1n, 2n]);
    expect(fields(machine, 'guestIa32PerfGlobalCtrl', 'guestIa32Pkrs')).toEqual([5n, 2n]);
  });

  it('entry loads the guest’s', () => {
    const machine = switching(['loadGuestIa32PerfGlobalCtrl', 'loadGuestPkrs']);
    expect(now(machine)).toEqual([5n, 0x5555_5555n]);
    machine.execute(...VMCALL);
    expect(now(machine)).toEqual([5n, 0x5555_5555n]);
  });

  it('exit loads the host’s', () => {
    const machine = switching(['loadHostIa32PerfGlobalCtrl', 'loadHostPkrs']);
    machine.execute(...VMCALL);
    expect(now(machine)).toEqual([10n, 0xaaaa_aaaan]);
  });

  it('exit saves what the guest has written', () => {
    const machine = switching(['saveIa32PerfGlobalCtl', 'loadGuestIa32PerfGlobalCtrl', 'loadGuestPkrs']);
    writeMsr(machine.cpu, 0x38f, 12n);
    writeMsr(machine.cpu, 0x6e1, 0x77n);
    machine.execute(...VMCALL);
    expect(fields(machine, 'guestIa32PerfGlobalCtrl', 'guestIa32Pkrs')).toEqual([12n, 0x77n]);
  });

  it('a processor without the entry control does not save PKRS', () => {
    const machine = inGuest([], {}, new VmxMachine(SKYLAKE_CAPABILITIES, {}, undefined, ['+pks']));
    machine.cpu.R[SLOT.pkrs] = 9n;
    machine.execute(...VMCALL);
    expect(machine.field('guestIa32Pkrs')).toBe(0n);
  });
});

describe('CET state', () => {
  const FIELDS = {
    sCet: 'guestIa32SCet',
    ssp: 'guestSsp',
    interruptSspTable: 'guestIa32InterruptSspTableAddr',
  } as const;
  const switching = (controls: readonly Control[]): VmxMachine => {
    const machine = new VmxMachine(FULL_CAPABILITIES, {}, undefined, ['+cet-ss']);
    for (const slot of ['sCet', 'ssp', 'interruptSspTable'] as const) machine.cpu.R[SLOT[slot]] = 0n;
    const values: Values = {
      guestIa32SCet: 2n,
      guestSsp: 0x1004n,
      guestIa32InterruptSspTableAddr: 0x2000n,
      hostIa32SCet: 2n,
      hostSsp: 0x5008n,
      hostIa32InterruptSspTableAddr: 0x6000n,
    };
    return inGuest(controls, values, machine);
  };
  const now = ({ cpu: { R } }: VmxMachine) => [R[SLOT.sCet], R[SLOT.ssp], R[SLOT.interruptSspTable]];

  it('is saved whatever the controls are, and loaded by neither without its control', () => {
    const machine = switching([]);
    expect(now(machine)).toEqual([0n, 0n, 0n]);
    machine.execute(...VMCALL);
    expect(fields(machine, ...Object.values(FIELDS))).toEqual([0n, 0n, 0n]);
    expect(now(machine)).toEqual([0n, 0n, 0n]);
  });

  it('is loaded by entry and by exit, each by its control', () => {
    const machine = switching(['loadGuestCetState', 'loadHostCetState']);
    expect(now(machine)).toEqual([2n, 0x1004n, 0x2000n]);
    machine.execute(...VMCALL);
    expect(fields(machine, ...Object.values(FIELDS))).toEqual([2n, 0x1004n, 0x2000n]);
    expect(now(machine)).toEqual([2n, 0x5008n, 0x6000n]);
  });
});

describe('XSAVES and XRSTORS', () => {
  const OPERAND = [0x0f, 0xc7];
  // [RAX + 40H]
  const XSAVES = [...OPERAND, 0x68, 0x40];
  const XRSTORS = [...OPERAND, 0x58, 0x40];
  const CET_U = 0x800n;
  const CET_S = 0x1000n;
  const saving = (bitmap: bigint, enabled: bigint, mask: bigint, controls: readonly Control[] = []) => {
    const machine = guest([SECONDARY, ...controls], { xssExitingBitmap: bitmap }, ['+cet-ss']);
    const { cpu } = machine;
    cpu.W[2 * SLOT.cr4] |= CR4.osxsave;
    expect(writeMsr(cpu, 0xda0, enabled)).toBe(true);
    cpu.R[SLOT.rax] = mask;
    cpu.R[SLOT.rdx] = 0n;
    return machine;
  };
  const ENABLED: readonly Control[] = ['enableXsavesXrstors'];

  it('#UD unless enabled', () => {
    for (const bytes of [XSAVES, XRSTORS])
      expect(saving(0n, 0n, 0n).execute(...bytes).interruption).toMatchObject({ vector: VECTOR.ud });
  });

  it('exit when something asked for is enabled and in the bitmap', () => {
    for (const [bytes, reason] of [
      [XSAVES, 63n],
      [XRSTORS, 64n],
    ] as const) {
      const machine = saving(CET_U, CET_U | CET_S, CET_U, ENABLED);
      machine.execute(...bytes);
      expect(fields(machine, 'exitReason', 'vmExitInstructionLength', 'exitQualification')).toEqual([
        reason,
        4n,
        0x40n,
      ]);
      // 64-bit addresses, DS, no index, base RAX.
      expect(machine.field('vmExitInstructionInfo')).toBe(BigInt((2 << 7) | (3 << 15) | (1 << 22)));
    }
  });

  it.each([
    ['not asked for', CET_U, CET_U, CET_S],
    ['not enabled', CET_U, CET_S, CET_U],
    ['not in the bitmap', CET_S, CET_U | CET_S, CET_U],
  ] as const)('no exit: %s', (_, bitmap, enabled, mask) => {
    expect(saving(bitmap, enabled, mask, ENABLED).execute(...XSAVES).exit).toBeUndefined();
  });
});
