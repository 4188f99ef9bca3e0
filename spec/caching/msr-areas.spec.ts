import { describe, expect, it } from 'vitest';
import { run } from '../../src/api';
import { VMCS_FIELDS } from '../../src/api/vmx';
import { little } from '../cpu/engine/paged-guest';
import { AT, beforeLaunch, type Setting, TABLES, words } from '../vmx/dynamics/whole-machine';

const DATA = 0x21_5000;
/** The entry of 2 MiB for it, in tables that host and guest have in common, and another page of 2 MiB. */
const ENTRY = TABLES + 0x2008;
const ELSEWHERE = 0x87;
const IA32_EFER = 0xc000_0080n;
const NXE = 0x800;
const LONG_MODE = 0x500;
const HOST_RETURNS = AT.hostCode + 0x100;

const code = {
  /** MOV EBP, [DATA] and MOV ESI, [DATA]. */
  readFirst: [0x8b, 0x2c, 0x25, ...little(DATA, 4)],
  readAgain: [0x8b, 0x34, 0x25, ...little(DATA, 4)],
  store: (address: number, value: number) => [
    ...[0xc7, 0x04, 0x25],
    ...little(address, 4),
    ...little(value, 4),
  ],
  skipCall: (at: number) => [
    ...[0x48, 0xc7, 0xc0],
    ...little(VMCS_FIELDS.guestRip.encoding, 4),
    ...[0x48, 0xc7, 0xc3],
    ...little(at, 4),
    ...[0x0f, 0x79, 0xc3],
  ],
  vmcall: [0x0f, 0x01, 0xc1],
  vmlaunch: [0x0f, 0x01, 0xc2],
  vmresume: [0x0f, 0x01, 0xc3],
  hlt: [0xf4],
};
const remap = code.store(ENTRY, ELSEWHERE);
const area = (efer: number) => words(IA32_EFER, BigInt(efer));

/** What the two reads see under `keep-all`, with a VPID of the guest's own. */
const reads = (setting: Setting): readonly bigint[] => {
  const before = beforeLaunch({
    ...setting,
    controls: ['activateSecondaryControls', 'enableVpid'],
    fields: { vpid: 1, ...setting.fields },
    memory: { [DATA]: [1], [DATA - 0x20_0000]: [2], ...setting.memory },
  });
  const state = { ...before, config: { ...before.config, caches: { kind: 'keep-all' } as const } };
  const { registers } = run(state, { maxInstructions: 30 }).state.processors[0];
  return [registers[5], registers[6]];
};

// SDM Vol. 3C, 27.4 Loading MSRs, 28.6 Loading MSRs
describe('After a transition that loads IA32_EFER from an MSR-load area', () => {
  const guest = [...code.readFirst, ...code.vmcall, ...code.readAgain, ...code.hlt];
  const second = AT.guestCode + code.readFirst.length + code.vmcall.length;
  const enterAgain = (efer: number): Setting => ({
    guest,
    fields: { vmEntryMsrLoadCount: 1, vmEntryMsrLoadAddress: AT.msrArea },
    memory: {
      [AT.msrArea]: area(LONG_MODE),
      [HOST_RETURNS]: [
        ...remap,
        ...code.store(AT.msrArea + 8, efer),
        ...code.skipCall(second),
        ...code.vmresume,
      ],
    },
  });

  it('the guest uses what is cached for its VPID, where NXE stays', () => {
    expect(reads(enterAgain(LONG_MODE))).toEqual([1n, 1n]);
  });

  it('the guest uses nothing that was cached before, where NXE changes', () => {
    expect(reads(enterAgain(LONG_MODE | NXE))).toEqual([1n, 2n]);
  });

  const exits = (efer: number): Setting => ({
    guest: [...remap, ...code.vmcall],
    fields: { vmExitMsrLoadCount: 1, vmExitMsrLoadAddress: AT.msrArea },
    memory: {
      [AT.msrArea]: area(efer),
      [AT.hostCode]: [...code.readFirst, ...code.vmlaunch],
      [HOST_RETURNS]: [...code.readAgain, ...code.hlt],
    },
  });

  it('the host uses what is cached for VPID 0000H, where NXE stays', () => {
    expect(reads(exits(LONG_MODE))).toEqual([1n, 1n]);
  });

  it('the host uses nothing that was cached before, where NXE changes', () => {
    expect(reads(exits(LONG_MODE | NXE))).toEqual([1n, 2n]);
  });

  /** The guest reads, the exit loads IA32_EFER, and the guest goes on. */
  const exitsBetween = (efer: number): Setting => ({
    guest,
    fields: { vmExitMsrLoadCount: 1, vmExitMsrLoadAddress: AT.msrArea },
    memory: {
      [AT.msrArea]: area(efer),
      [HOST_RETURNS]: [...remap, ...code.skipCall(second), ...code.vmresume],
    },
  });

  it('nor does the guest after a VM exit that changed NXE', () => {
    expect(reads(exitsBetween(LONG_MODE))).toEqual([1n, 1n]);
    expect(reads(exitsBetween(LONG_MODE | NXE))).toEqual([1n, 2n]);
  });
});
