// SDM Vol. 3C, 31.3 VMX Instructions: what comes before the operands
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { CR0, CR4, FLAG, SLOT } from '../../../src/cpu/slots';
import { EXIT_REASONS, type ExitReason } from '../../../src/vmx';
import { CODE, inGuest, VmxMachine } from '../dynamics/machine';

const ROOT_ONLY = [
  ['vmclear', CODE.vmclear],
  ['vmptrld', CODE.vmptrld],
  ['vmptrst', CODE.vmptrst],
  ['vmread', CODE.vmread],
  ['vmwrite', CODE.vmwrite],
  ['vmlaunch', CODE.vmlaunch],
  ['vmresume', CODE.vmresume],
  ['vmxoff', CODE.vmxoff],
  ['invept', CODE.invept],
  ['invvpid', CODE.invvpid],
] as const;
const ALL = [...ROOT_ONLY, ['vmcall', CODE.vmcall] as const, ['vmxon', CODE.vmxon] as const];

const compatibilityMode = ({ cpu }: VmxMachine): void => {
  cpu.W[2 * SLOT.cs + 1] = 0xc09b;
};
const atCpl3 = ({ cpu }: VmxMachine): void => {
  cpu.W[2 * SLOT.cs + 1] = 0xa0fb;
  cpu.W[2 * SLOT.ss + 1] = 0xc0f3;
};

describe('#UD', () => {
  it.each(ROOT_ONLY)('%s outside VMX operation', (_, bytes) => {
    expect(new VmxMachine().execute(...bytes).interruption).toMatchObject({ vector: VECTOR.ud });
  });

  it('VMCALL outside VMX operation', () => {
    expect(new VmxMachine().execute(...CODE.vmcall).interruption).toMatchObject({ vector: VECTOR.ud });
  });

  it.each(ALL)('%s in compatibility mode, before CPL', (_, bytes) => {
    const machine = new VmxMachine().on();
    compatibilityMode(machine);
    machine.cpu.W[2 * SLOT.ss + 1] = 0xc0f3;
    expect(machine.execute(...bytes).interruption).toMatchObject({ vector: VECTOR.ud });
  });

  it.each(ALL)('%s on a processor without VMX', (_, bytes) => {
    const machine = new VmxMachine();
    machine.cpu.virtualization = undefined;
    expect(machine.execute(...bytes).interruption).toMatchObject({ vector: VECTOR.ud });
  });

  it('VMXON with CR4.VMXE = 0', () => {
    const machine = new VmxMachine();
    machine.cpu.R[SLOT.cr4] = BigInt(CR4.pae);
    expect(machine.execute(...CODE.vmxon).interruption).toMatchObject({ vector: VECTOR.ud });
  });

  it('VMFUNC, in root and in non-root operation', () => {
    expect(new VmxMachine().on().execute(...CODE.vmfunc).interruption).toMatchObject({ vector: VECTOR.ud });
    expect(inGuest().execute(...CODE.vmfunc)).toMatchObject({
      interruption: { vector: VECTOR.ud },
      exit: undefined,
    });
  });

  it.each([
    ['invept', CODE.invept],
    ['invvpid', CODE.invvpid],
  ] as const)('%s without the capability', (_, bytes) => {
    const machine = new VmxMachine({ ...new VmxMachine().vmx.capabilities, ia32VmxEptVpidCap: 0n }).on();
    expect(machine.execute(...bytes).interruption).toMatchObject({ vector: VECTOR.ud });
  });
});

describe('#GP(0) with CPL above 0 in root operation', () => {
  it.each(ALL)('%s', (_, bytes) => {
    const machine = new VmxMachine().on();
    atCpl3(machine);
    expect(machine.execute(...bytes).interruption).toMatchObject({ vector: VECTOR.gp, errorCode: 0 });
  });
});

describe('VM exit in non-root operation, whatever CPL', () => {
  it.each(ALL)('%s', (name, bytes) => {
    for (const user of [false, true]) {
      const machine = inGuest();
      if (user) atCpl3(machine);
      expect(machine.execute(...bytes).exit).toMatchObject({ reason: name, length: bytes.length });
      expect(machine.field('exitReason')).toBe(BigInt(EXIT_REASONS[name as ExitReason].number));
    }
  });

  it('#UD in compatibility mode wins, but not over VMCALL', () => {
    const machine = inGuest();
    compatibilityMode(machine);
    expect(machine.execute(...CODE.vmxoff).interruption).toMatchObject({ vector: VECTOR.ud });
    expect(machine.execute(...CODE.vmcall).exit).toMatchObject({ reason: 'vmcall' });
  });
});

describe('VMXON', () => {
  const refused = (change: (machine: VmxMachine) => void): VmxMachine => {
    const machine = new VmxMachine();
    change(machine);
    expect(machine.withPointer(0x1000, ...CODE.vmxon).interruption).toEqual({
      vector: VECTOR.gp,
      type: 3,
      errorCode: 0,
    });
    expect(machine.vmx.on).toBe(false);
    return machine;
  };
  it('#GP(0) when CR0 is not as VMX fixes it', () => {
    refused(({ cpu }) => {
      cpu.W[2 * SLOT.cr0] &= ~CR0.ne;
    });
  });
  it('#GP(0) when CR4 has a bit that VMX does not support', () => {
    refused(({ cpu }) => {
      cpu.W[2 * SLOT.cr4] |= CR4.cet;
    });
  });
  it('#GP(0) unless IA32_FEATURE_CONTROL is locked and allows VMX outside SMX', () => {
    for (const value of [0n, 1n, 4n, 2n, 3n])
      refused(({ cpu }) => {
        cpu.R[SLOT.featureControl] = value;
      });
  });
  it.each([
    ['not aligned', 0x1008n],
    ['beyond MAXPHYADDR', 1n << 39n],
    ['another revision', 0x4000n],
  ])('VMfailInvalid: %s', (_, pointer) => {
    const machine = new VmxMachine();
    machine.withPointer(pointer, ...CODE.vmxon);
    expect([machine.flags, machine.vmx.on]).toEqual(['invalid', false]);
  });
  it('VMfailInvalid with bit 31 of the revision', () => {
    const machine = new VmxMachine();
    machine.memory.writePhysical(0x1000, 4, 0x8000_0004n);
    machine.withPointer(0x1000, ...CODE.vmxon);
    expect(machine.flags).toBe('invalid');
  });
  it('succeeds; again: VMfailInvalid without, VMfailValid(15) with a current VMCS', () => {
    const machine = new VmxMachine().on();
    expect([machine.flags, machine.vmx.vmxonPointer, machine.vmx.current]).toEqual([
      'succeed',
      0x1000,
      undefined,
    ]);
    machine.withPointer(0x1000, ...CODE.vmxon);
    expect(machine.flags).toBe('invalid');
    machine.ready().withPointer(0x1000, ...CODE.vmxon);
    expect([machine.flags, machine.error]).toEqual(['valid', 15]);
  });
  it('does not read its operand in root operation', () => {
    const machine = new VmxMachine().on();
    machine.memory.absent.add(4);
    expect(machine.withPointer(0x1000, ...CODE.vmxon).interruption).toBeUndefined();
  });
  it('the operand may be a page fault', () => {
    const machine = new VmxMachine();
    machine.memory.absent.add(4);
    expect(machine.withPointer(0x1000, ...CODE.vmxon).interruption).toMatchObject({
      vector: VECTOR.pf,
      address: 0x4000n,
    });
  });
});

describe('VMCALL in root operation', () => {
  it('fails with error 1', () => {
    const machine = new VmxMachine().on();
    machine.execute(...CODE.vmcall);
    expect(machine.flags).toBe('invalid');
    machine.ready().execute(...CODE.vmcall);
    expect([machine.flags, machine.error]).toEqual(['valid', 1]);
  });
});

describe('results', () => {
  it('VMsucceed clears all status flags', () => {
    const machine = new VmxMachine();
    machine.cpu.rflags = BigInt(FLAG.cf | FLAG.zf | FLAG.of | FLAG.sf | FLAG.pf | FLAG.af | 2);
    machine.on();
    expect(machine.flags).toBe('succeed');
  });
});
