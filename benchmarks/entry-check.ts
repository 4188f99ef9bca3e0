import { createMonitoredMachine, run } from '../src/machine';
import { minimalVmcallMonitor } from '../src/vmm/minimal';
import {
  checkVmEntry,
  FIELD_NAMES,
  SKYLAKE_CAPABILITIES,
  VmcsData,
  type VmcsField,
  type VmcsValues,
  type VmxState,
} from '../src/vmx';
import { vmcallGuest } from './guests';
import { atLeast, expect, type Row, repeated, timed } from './measure';

/** The monitor has entered its guest after so many instructions. */
const TO_THE_GUEST = 20_000;

/** The VMCS with which a monitor runs a guest. */
const enteringVmcs = (): VmcsData => {
  const { state } = run(createMonitoredMachine(vmcallGuest(TO_THE_GUEST), minimalVmcallMonitor()), {
    maxInstructions: TO_THE_GUEST,
  });
  const { active } = state.processors[0].virtualization as VmxState;
  const vmcs = new VmcsData();
  FIELD_NAMES.forEach((name, index) => {
    vmcs.set(name, active[0].words[index]);
  });
  return vmcs;
};

/** Fields that differ from each state to the next, and the bits in which they do; every value passes. */
const CHANGING: readonly (readonly [VmcsField, bigint])[] = [
  ['guestRip', 0x7fff_ffffn],
  ['guestRsp', 0x7fff_ffff_fff8n],
  ['guestCr3', 0xffff_f000n],
  ['guestFsBase', 0x7fff_ffff_f000n],
  ['guestGsBase', 0x7fff_ffff_f000n],
  ['guestTrBase', 0x7fff_ffff_f000n],
  ['guestLdtrBase', 0x7fff_ffff_f000n],
  ['guestIa32SysenterEip', 0x7fff_ffff_ffffn],
  ['hostRsp', 0x7fff_ffff_fff8n],
  ['exceptionBitmap', 0xffff_ffffn],
];
/** Values that pass no check: of controls, host state, or guest state. */
const BROKEN: Partial<VmcsValues> = {
  guestRflags: 0n,
  guestCsAccessRights: 0xa19bn,
  guestCr4: 0x10_0000_0000n,
  guestInterruptibilityState: 3n,
};

/** 64-bit numbers, the same ones each time. */
const numbers = (): (() => bigint) => {
  let seed = 1;
  return () => {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    return BigInt.asUintN(64, BigInt(seed) * 0x1_0001_0001n);
  };
};

const PLATFORM = { capabilities: SKYLAKE_CAPABILITIES };

/** States a second; each differs from the one before in `CHANGING`. */
const states = (count: number, broken: Partial<VmcsValues>, violations: number, byName: boolean): number => {
  const vmcs = enteringVmcs();
  for (const [field, value] of Object.entries(broken)) vmcs.set(field as VmcsField, value);
  const named = Object.fromEntries(FIELD_NAMES.map((name) => [name, vmcs.get(name)])) as VmcsValues;
  const next = numbers();
  let found = 0;
  const { seconds } = timed(() => {
    for (let i = 0; i < count; i++) {
      for (const [field, bits] of CHANGING)
        if (byName) named[field] = next() & bits;
        else vmcs.set(field, next() & bits);
      found += checkVmEntry({ vmcs: byName ? named : vmcs }, PLATFORM).violations.length;
    }
  });
  expect(found === count * violations, `${count} states broke ${found} rules`);
  return count / seconds;
};

/** `checkVmEntry` without a machine around it; the nearest passing values, computed when asked for, are not. */
export const vmEntryChecks: Row = async ({ smoke, runs }) => {
  const count = smoke ? 2_000 : 100_000;
  const figures = (broken: Partial<VmcsValues>, violations: number, byName: boolean): readonly number[] => {
    states(smoke ? 100 : 20_000, broken, violations, byName);
    return repeated(runs, () => states(count, broken, violations, byName));
  };
  const measure = (variant: string, promised: boolean, runsOf: readonly number[]) => ({
    row: 'checkVmEntry',
    variant,
    unit: 'states/s',
    target: promised ? atLeast(100_000) : undefined,
    runs: runsOf,
  });
  return [
    measure('a state that enters', true, figures({}, 0, false)),
    measure('a state that breaks 7 rules', true, figures(BROKEN, 7, false)),
    measure('a state that enters, all fields given by name', false, figures({}, 0, true)),
  ];
};
