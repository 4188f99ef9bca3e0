import { Unbuilt } from '../core';
import { MNEMONICS } from '../cpu/decode';
import { FEATURES } from '../cpu/presets';
import { instructionRows } from '../machine/virtualized-processor';
import { CONTROLS, type Control, VmcsData } from '../vmx';
import { requireBuilt } from '../vmx/entry/built';

/** What the model decodes or can reach but does not have, by group; `Unbuilt` names one of these. */
export type UnbuiltList = ReadonlyMap<string, readonly string[]>;

/** What the core raises `Unbuilt` for at run time, beside instructions; a spec holds this list against the sources. */
export const UNBUILT_MODES: readonly string[] = [
  'control-flow enforcement',
  'getsec',
  'instruction fetch from a device',
  'system-management interrupt',
  'x87 exception through FERR#',
];

/** The same for VMX, beside VM-execution controls. */
export const UNBUILT_VMX: readonly string[] = ['supervisor shadow-stack control of EPT'];

const VMX_INSTRUCTION =
  /^(?:vm(?:call|clear|func|launch|ptrld|ptrst|read|resume|write|xoff|xon)|inv(?:ept|vpid))$/;

/** The first pattern that fits names the group of a mnemonic. */
const FAMILIES: readonly (readonly [string, RegExp])[] = [
  ['instructions: VMX', VMX_INSTRUCTION],
  ['instructions: key locker and others', /^(?:hreset|enqcmds?|movdir64b|loadiwkey|encodekey.*|aes.*kl)$/],
  ['instructions: AMX', /^(?:tile|tdp|ldtile|sttile)/],
  ['instructions: opmask', /^k/],
  ['instructions: x87 and its state', /^(?:f|emms)/],
  ['instructions: AVX, AVX2 and AVX-512', /^v/],
  ['instructions: MMX and SSE', /^(?:.)/],
];

const unbuiltMnemonics = (): UnbuiltList => {
  const rows = instructionRows();
  const missing = MNEMONICS.filter((mnemonic) => !rows.has(mnemonic));
  return new Map(
    FAMILIES.map(([family], index) => [
      family,
      missing.filter((mnemonic) => FAMILIES.findIndex(([, pattern]) => pattern.test(mnemonic)) === index),
    ]),
  );
};

/** Whether a VM entry with this control set, and what it needs, raises `Unbuilt`. */
const isUnbuilt = (control: Control): boolean => {
  const vmcs = new VmcsData();
  const set = (name: Control): void => {
    const { field, bit } = CONTROLS[name];
    vmcs.set(field, vmcs.get(field) | (1n << BigInt(bit)));
  };
  for (const name of ['hostAddressSpaceSize', 'ia32eModeGuest', 'activateSecondaryControls'] as const)
    set(name);
  // An EPT pointer with a walk length of 4.
  vmcs.set('eptPointer', 0x1en);
  set(control);
  try {
    requireBuilt(vmcs);
    return false;
  } catch (error) {
    if (error instanceof Unbuilt) return true;
    throw error;
  }
};

const unbuiltControls = (): readonly string[] =>
  (Object.keys(CONTROLS) as Control[])
    .filter(isUnbuilt)
    .map((name) => `${CONTROLS[name].name} (${CONTROLS[name].field})`);

/** Everything, sorted inside each group; groups without members are left out. */
export const unbuiltList = (): UnbuiltList => {
  const features = Object.entries(FEATURES)
    .filter(([, { built }]) => !built)
    .map(([name]) => name);
  const groups: readonly (readonly [string, readonly string[]])[] = [
    ['modes and events', UNBUILT_MODES],
    ['VMX', UNBUILT_VMX],
    ['VMX controls', unbuiltControls()],
    ['CPUID features', features],
    ...unbuiltMnemonics(),
  ];
  return new Map(
    groups
      .filter(([, members]) => members.length > 0)
      .map(([group, members]) => [group, [...members].sort()] as const),
  );
};
