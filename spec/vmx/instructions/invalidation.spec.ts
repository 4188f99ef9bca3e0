// SDM Vol. 3C, 31.3 VMX Instructions: INVEPT, INVVPID
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { SLOT } from '../../../src/cpu/slots';
import { EPT_VPID_CAP, SKYLAKE_CAPABILITIES, type VmxOptions } from '../../../src/vmx';
import { AT, CODE, VmxMachine } from '../dynamics/machine';

const run = (
  bytes: readonly number[],
  type: bigint,
  low: bigint,
  high = 0n,
  machine = new VmxMachine().ready(),
) => {
  machine.memory.writePhysical(AT.operand + 8, 8, high);
  machine.cpu.R[SLOT.rcx] = type;
  const before = machine.memory.flushes;
  const { interruption } = machine.withPointer(low, ...bytes);
  return { machine, interruption, flushes: machine.memory.flushes - before };
};
const EPTP = 0x10_001en;
const CANONICAL = 0xffff_8000_0000_0000n;

describe('INVEPT', () => {
  it.each([
    [1n, EPTP],
    [2n, 0xfffn],
  ])('type %s drops translations', (type, eptp) => {
    const { machine, flushes } = run(CODE.invept, type, eptp, 0xffffn);
    expect([machine.flags, flushes]).toEqual(['succeed', 1]);
  });
  it.each([
    ['type 0', 0n, EPTP],
    ['type 3', 3n, EPTP],
    ['a type beyond 32 bits', (1n << 32n) | 1n, EPTP],
    ['an EPTP that VM entry would refuse', 1n, EPTP | 0x100n],
  ])('error 28: %s', (_, type, eptp) => {
    const { machine, flushes } = run(CODE.invept, type, eptp);
    expect([machine.flags, machine.error, flushes]).toEqual(['valid', 28, 0]);
  });
  it('error 28 for a type that the processor lacks, before the operand is read', () => {
    const cap = EPT_VPID_CAP.set(SKYLAKE_CAPABILITIES.ia32VmxEptVpidCap!, 'inveptSingle', 0n);
    const machine = new VmxMachine({ ...SKYLAKE_CAPABILITIES, ia32VmxEptVpidCap: cap }).ready();
    machine.memory.absent.add(4);
    expect(run(CODE.invept, 1n, EPTP, 0n, machine).interruption).toBeUndefined();
    expect([machine.flags, machine.error]).toEqual(['valid', 28]);
    expect(run(CODE.invept, 2n, EPTP, 0n, machine).interruption).toMatchObject({ vector: VECTOR.pf });
  });
});

describe('INVVPID', () => {
  it.each([
    [0n, 1n, CANONICAL],
    [1n, 1n, 1n << 60n],
    [2n, 0n, 1n << 60n],
    [3n, 0xffffn, 0n],
  ])('type %s drops translations', (type, vpid, address) => {
    const { machine, flushes } = run(CODE.invvpid, type, vpid, address);
    expect([machine.flags, flushes]).toEqual(['succeed', 1]);
  });
  it.each([
    ['type 4', 4n, 1n, 0n],
    ['VPID 0 with type 0', 0n, 0n, 0n],
    ['VPID 0 with type 1', 1n, 0n, 0n],
    ['VPID 0 with type 3', 3n, 0n, 0n],
    ['reserved bits of the descriptor, also with type 2', 2n, 0x1_0000n, 0n],
    ['an address that is not canonical', 0n, 1n, 1n << 60n],
  ])('error 28: %s', (_, type, vpid, address) => {
    const { machine, flushes } = run(CODE.invvpid, type, vpid, address);
    expect([machine.flags, machine.error, flushes]).toEqual(['valid', 28, 0]);
  });
});

// SDM Vol. 3D, A.10 VPID and EPT Capabilities
describe('a type that the processor lacks', () => {
  it.each([
    ['INVEPT single-context', CODE.invept, 1n, 'inveptSingle'],
    ['INVEPT all-context', CODE.invept, 2n, 'inveptAll'],
    ['INVVPID individual-address', CODE.invvpid, 0n, 'invvpidIndividual'],
    ['INVVPID single-context', CODE.invvpid, 1n, 'invvpidSingle'],
    ['INVVPID all-context', CODE.invvpid, 2n, 'invvpidAll'],
    ['INVVPID single-context-retaining-globals', CODE.invvpid, 3n, 'invvpidSingleNonGlobal'],
  ] as const)('%s: error 28, before the operand is read', (_, bytes, type, feature) => {
    const absent = (cap: bigint) => {
      const machine = new VmxMachine({ ...SKYLAKE_CAPABILITIES, ia32VmxEptVpidCap: cap }).ready();
      machine.memory.absent.add(4);
      return run(bytes, type, 1n, 0n, machine);
    };
    const all = SKYLAKE_CAPABILITIES.ia32VmxEptVpidCap!;
    expect(absent(all).interruption).toMatchObject({ vector: VECTOR.pf });
    const { machine, interruption, flushes } = absent(EPT_VPID_CAP.set(all, feature, 0n));
    expect(interruption).toBeUndefined();
    expect([machine.flags, machine.error, flushes]).toEqual(['valid', 28, 0]);
  });

  it.each([
    ['INVEPT', CODE.invept],
    ['INVVPID', CODE.invvpid],
  ])('%s of a type that is defined nowhere: error 28, before the operand is read', (_, bytes) => {
    const machine = new VmxMachine().ready();
    machine.memory.absent.add(4);
    expect(run(bytes, 4n, 1n, 0n, machine).interruption).toBeUndefined();
    expect([machine.flags, machine.error]).toEqual(['valid', 28]);
  });
});

describe('reserved bits and addresses of the INVVPID descriptor', () => {
  it.each([0n, 1n, 2n, 3n])('bits 63:16 must be 0: type %s', (type) => {
    for (const low of [0x1_0001n, (1n << 63n) | 1n]) {
      const { machine, flushes } = run(CODE.invvpid, type, low);
      expect([machine.flags, machine.error, flushes]).toEqual(['valid', 28, 0]);
    }
  });

  it('an address is canonical by the linear-address width of the processor, whatever CR4.LA57 is', () => {
    const invalidated = (options: Partial<VmxOptions>, address: bigint) =>
      run(CODE.invvpid, 0n, 1n, address, new VmxMachine(SKYLAKE_CAPABILITIES, options).ready()).machine.flags;
    expect(invalidated({}, 1n << 55n)).toBe('valid');
    expect(invalidated({ linearAddressWidth: 57 }, 1n << 55n)).toBe('succeed');
    expect(invalidated({ linearAddressWidth: 57 }, 1n << 56n)).toBe('valid');
  });
});
