// SDM Vol. 3C, 28.1 Architectural State Before a VM Exit, 28.3 Saving Guest State, 28.5 Loading Host State: each register
import { describe, expect, it } from 'vitest';
import { FLAG, SLOT } from '../../../src/cpu/slots';
import { AT, CODE, inGuest } from '../dynamics/machine';
import { exitOf, fields, type Meanwhile, type Setting, withHidden, words } from '../dynamics/whole-machine';

const DB = 1 << 1;
const STI_BLOCKING = 1;
const FAR_JUMP = [0xea, 0, 0, 0, 0, 0x18, 0];
const FAR_CALL = [0x9a, 0, 0, 0, 0, 0x18, 0];
const NEW_TSS = 0xc000;
const TSS_DESCRIPTOR = 0x0000_8900_c000_0067n;
const OP = { nop: [0x90], ud2: [0x0f, 0x0b], int3: [0xcc], cpuid: [0x0f, 0xa2], sti: [0xfb] };

describe('28.1 what an event that exits has not done', () => {
  it('#DB leaves DR6, DR7.GD and IA32_DEBUGCTL', () => {
    const state = exitOf({
      // mov rax, dr0
      guest: [0x0f, 0x21, 0xc0],
      controls: ['loadDebugControls', 'saveDebugControls'],
      fields: { guestDr7: 0x2400, guestIa32Debugctl: 1, exceptionBitmap: DB },
    });
    expect(fields(state, 'exitReason', 'exitQualification', 'guestDr7', 'guestIa32Debugctl')).toEqual({
      exitReason: 0n,
      exitQualification: 0x2000n,
      guestDr7: 0x2400n,
      guestIa32Debugctl: 1n,
    });
    expect(state.processors[0].debug.dr6).toBe(0xffff_0ff0n);
  });

  it('a task switch leaves both TSSs, the descriptors, TR and NT', () => {
    const memory = { [AT.guestGdt + 24]: words(TSS_DESCRIPTOR) };
    const state = exitOf({ host: 'pae', guest: FAR_CALL, memory });
    expect(fields(state, 'exitReason', 'guestTrSelector', 'guestRflags')).toEqual({
      exitReason: 9n,
      guestTrSelector: 24n,
      guestRflags: 2n,
    });
    expect(state.memory.read(AT.guestGdt + 24, 8)).toEqual(memory[AT.guestGdt + 24]);
    for (const tss of [AT.guestTss, NEW_TSS])
      expect(state.memory.read(tss, 0x68)).toEqual(new Uint8Array(0x68));
  });

  it('a debug trap comes after its instruction, which has ended blocking by STI', () => {
    const state = exitOf({
      // mov [6000h], al
      guest: [0x88, 0x04, 0x25, 0, 0x60, 0, 0],
      controls: ['loadDebugControls'],
      debug: { dr0: 0x6000n },
      fields: {
        guestDr7: 0x3_0401,
        guestRflags: 0x202,
        guestInterruptibilityState: STI_BLOCKING,
        exceptionBitmap: DB,
      },
    });
    expect(
      fields(state, 'exitReason', 'guestRip', 'exitQualification', 'guestInterruptibilityState'),
    ).toEqual({
      exitReason: 0n,
      guestRip: BigInt(AT.guestCode + 7),
      exitQualification: 1n,
      guestInterruptibilityState: 0n,
    });
  });
});

describe('28.3 registers', () => {
  it('control registers and the SYSENTER MSRs', () => {
    const machine = inGuest();
    const { R } = machine.cpu;
    R[SLOT.cr0] |= 0x2_000cn;
    R[SLOT.cr3] = 0x5000n;
    R[SLOT.cr4] |= 0x80n;
    R[SLOT.sysenterCs] = 0x1_2345_6789n;
    R[SLOT.sysenterEsp] = 0xffff_8000_0000_1000n;
    R[SLOT.sysenterEip] = 0x7fff_0000_2000n;
    const expected = [R[SLOT.cr0], 0x5000n, R[SLOT.cr4]];
    machine.execute(...CODE.vmcall);
    expect([machine.field('guestCr0'), machine.field('guestCr3'), machine.field('guestCr4')]).toEqual(
      expected,
    );
    expect([
      machine.field('guestIa32SysenterCs'),
      machine.field('guestIa32SysenterEsp'),
      machine.field('guestIa32SysenterEip'),
    ]).toEqual([0x2345_6789n, 0xffff_8000_0000_1000n, 0x7fff_0000_2000n]);
  });

  it('IA32_DEBUGCTL with its control, and not without', () => {
    for (const saves of [false, true]) {
      const machine = inGuest(saves ? ['saveDebugControls'] : [], { guestIa32Debugctl: 1 });
      machine.cpu.R[SLOT.debugctl] = 2n;
      machine.execute(...CODE.vmcall);
      expect(machine.field('guestIa32Debugctl')).toBe(saves ? 2n : 1n);
    }
  });

  it.each(['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const)('%s', (name) => {
    const machine = inGuest();
    const { R, W } = machine.cpu;
    const slot = name.toLowerCase() as 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';
    W[2 * SLOT[slot]] = 0x1238;
    const rights = W[2 * SLOT[slot] + 1];
    R[SLOT[`${slot}Base`]] = 0x7654_3210n;
    R[SLOT[`${slot}Limit`]] = 0xabcd_efffn;
    machine.execute(...CODE.vmcall);
    expect([
      machine.field(`guest${name}Selector`),
      machine.field(`guest${name}AccessRights`),
      machine.field(`guest${name}Base`),
      machine.field(`guest${name}Limit`),
    ]).toEqual([0x1238n, BigInt(rights), 0x7654_3210n, 0xabcd_efffn]);
  });

  it('of an unusable SS the DPL, of unusable FS, GS and LDTR the bases', () => {
    const machine = inGuest([], { guestSsAccessRights: 0x1_0000, guestSsSelector: 0 });
    const { R, W } = machine.cpu;
    W[2 * SLOT.ss + 1] |= 0x60;
    R[SLOT.fsBase] = 0xffff_8000_0000_0010n;
    R[SLOT.gsBase] = 0x20n;
    R[SLOT.ldtrBase] = 0xffff_8000_0000_0030n;
    machine.execute(...CODE.vmcall);
    expect(machine.field('guestSsAccessRights') & 0x1_0060n).toBe(0x1_0060n);
    expect([machine.field('guestFsAccessRights'), machine.field('guestGsAccessRights')]).toEqual([
      0x1_0000n,
      0x1_0000n,
    ]);
    expect([
      machine.field('guestFsBase'),
      machine.field('guestGsBase'),
      machine.field('guestLdtrBase'),
      machine.field('guestSsBase') >> 32n,
    ]).toEqual([0xffff_8000_0000_0010n, 0x20n, 0xffff_8000_0000_0030n, 0n]);
  });

  it('bases and limits of GDTR and IDTR', () => {
    const machine = inGuest();
    const { R } = machine.cpu;
    R[SLOT.gdtrBase] = 0xffff_8000_0000_a000n;
    R[SLOT.gdtrLimit] = 0x1234n;
    R[SLOT.idtrBase] = 0x9990n;
    R[SLOT.idtrLimit] = 0x567n;
    machine.execute(...CODE.vmcall);
    expect([machine.field('guestGdtrBase'), machine.field('guestGdtrLimit')]).toEqual([
      0xffff_8000_0000_a000n,
      0x1234n,
    ]);
    expect([machine.field('guestIdtrBase'), machine.field('guestIdtrLimit')]).toEqual([0x9990n, 0x567n]);
  });
});

describe('28.3.3 RIP', () => {
  const IF = 0x202;
  it.each([
    ['an instruction that exits', 10n, 0, { guest: OP.cpuid }],
    ['a fault', 0n, 0, { guest: OP.ud2, fields: { exceptionBitmap: 1 << 6 } }],
    ['INT3', 0n, 0, { guest: OP.int3, fields: { exceptionBitmap: 1 << 3 } }],
    ['a trap', 0n, 1, { guest: OP.nop, fields: { guestRflags: 0x102, exceptionBitmap: DB } }],
    ['a triple fault', 2n, 0, { guest: OP.ud2, fields: { guestIdtrLimit: 0 } }],
    [
      'a task switch',
      9n,
      0,
      { host: 'pae', guest: FAR_JUMP, memory: { [AT.guestGdt + 24]: words(TSS_DESCRIPTOR) } },
    ],
    ['an interrupt window', 7n, 2, { guest: [...OP.sti, ...OP.nop], controls: ['interruptWindowExiting'] }],
    ['the monitor trap flag', 37n, 1, { guest: OP.nop, controls: ['monitorTrapFlag'] }],
    ['the preemption timer', 52n, 0, { controls: ['activateVmxPreemptionTimer'] }],
    [
      'an external interrupt after blocking by STI',
      1n,
      1,
      {
        guest: OP.nop,
        interrupt: 0x51,
        controls: ['externalInterruptExiting'],
        fields: { guestRflags: IF, guestInterruptibilityState: STI_BLOCKING },
      },
    ],
    [
      'an NMI',
      0n,
      0,
      { guest: OP.nop, controls: ['nmiExiting'], meanwhile: withHidden({ nmiPending: true }) },
    ],
  ] as readonly (readonly [string, bigint, number, Setting & { readonly meanwhile?: Meanwhile }])[])(
    'of %s',
    (_, exitReason, offset, { meanwhile, ...setting }) => {
      const state = exitOf(setting, ...(meanwhile === undefined ? [] : [meanwhile]));
      expect(fields(state, 'exitReason', 'guestRip')).toEqual({
        exitReason,
        guestRip: BigInt(AT.guestCode + offset),
      });
    },
  );
});

describe('28.5 host state', () => {
  it('reserved bits of CR0, CD, NW and ET keep their value', () => {
    const machine = inGuest([], { hostCr0: 0xfff9_ffe1n & ~0x5_0000n });
    machine.execute(...CODE.vmcall);
    expect(machine.cpu.R[SLOT.cr0]).toBe(0x8000_0031n);
  });

  it('a null selector makes SS unusable, with B = 1 and DPL 0; FS and GS with one are usable', () => {
    const machine = inGuest([], { hostSsSelector: 0, hostFsSelector: 0x28, hostGsSelector: 0 });
    machine.cpu.W[2 * SLOT.ss + 1] |= 0x60;
    machine.execute(...CODE.vmcall);
    const { R, W } = machine.cpu;
    expect([W[2 * SLOT.ss], W[2 * SLOT.ss + 1] & 0x1_4060]).toEqual([0, 0x1_4000]);
    expect([W[2 * SLOT.fs], W[2 * SLOT.fs + 1], R[SLOT.fsBase]]).toEqual([0x28, 0xc093, 0xf5_0000n]);
    expect([W[2 * SLOT.gs + 1] & 0x1_0000, R[SLOT.gsBase]]).toEqual([0x1_0000, 0x65_0000n]);
  });

  it('status flags and RF of the guest are gone', () => {
    const machine = inGuest([], { guestRflags: 2 | FLAG.rf });
    machine.cpu.rflags = BigInt(FLAG.cf | FLAG.zf | FLAG.of | FLAG.if | FLAG.df | 2);
    machine.execute(...CODE.vmcall);
    expect(machine.cpu.rflags).toBe(2n);
  });
});
