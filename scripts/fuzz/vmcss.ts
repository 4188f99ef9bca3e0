// Random and perturbed VMCSs: what VMLAUNCH does must be among what `checkVmEntry` permits.

import { AT, GUEST } from '../../spec/vmx/dynamics/guest';
import { beforeLaunch, EPT_TABLES, MEMORY, TABLES } from '../../spec/vmx/dynamics/whole-machine';
import {
  checkVmEntry,
  type MachineState,
  run,
  type StepResult,
  step,
  type VmEntryOutcome,
} from '../../src/api';
import {
  CONTROLS,
  type Control,
  FIELD_NAMES,
  type PhysicalReader,
  VmcsData,
  type VmcsField,
  type VmxState,
} from '../../src/api/vmx';
import { rootOperation, words } from './flat-machine';
import { attempted, type Part, Wrong } from './part';
import { Random } from './random';
import { isListed } from './unbuilt';

const PAGE = 4096;

const CPUID_FOR_EVER = [0x0f, 0xa2, 0xeb, 0xfc];
const prepared = (): MachineState =>
  beforeLaunch({
    guest: CPUID_FOR_EVER,
    memory: { [AT.msrArea]: words(0xc000_0102n, 0x1234n, 0xc000_0081n, 0x10_0000_0000n) },
  });

let base: MachineState | undefined;

type Values = Partial<Record<VmcsField, bigint | number>>;

/** Changes that leave a VMCS valid. */
const VARIANTS: readonly { readonly fields: Values; readonly controls: readonly Control[] }[] = [
  { fields: {}, controls: [] },
  { fields: { eptPointer: EPT_TABLES | 0x1e }, controls: ['activateSecondaryControls', 'enableEpt'] },
  {
    fields: { eptPointer: EPT_TABLES | 0x1e, vpid: 1 },
    controls: ['activateSecondaryControls', 'enableEpt', 'enableVpid', 'unrestrictedGuest'],
  },
  { fields: { vmEntryMsrLoadCount: 2, vmEntryMsrLoadAddress: AT.msrArea }, controls: [] },
  { fields: { vmxPreemptionTimerValue: 3 }, controls: ['activateVmxPreemptionTimer'] },
  { fields: { vmEntryInterruptionInfo: 0x8000_0020, guestRflags: 0x202 }, controls: [] },
  {
    fields: {
      ioBitmapAAddress: AT.ioBitmapA,
      ioBitmapBAddress: AT.ioBitmapB,
      msrBitmapAddress: AT.msrBitmap,
    },
    controls: ['useIoBitmaps', 'useMsrBitmaps'],
  },
  { fields: { guestActivityState: 1, guestRflags: 0x202 }, controls: ['hltExiting'] },
];

const changed = (value: bigint, random: Random): bigint => {
  switch (random.below(4)) {
    case 0:
      return value ^ (1n << BigInt(random.below(64)));
    case 1:
      return value ^ (1n << BigInt(random.below(16)));
    case 2:
      return random.edge64();
    default:
      return BigInt(random.below(0x100)) << BigInt(random.of([0, 0, 8, 12]));
  }
};

/** All random once in 16 times; else valid but for none to five fields. */
const vmcsOf = (random: Random): VmcsData => {
  const vmcs = new VmcsData();
  if (random.once(16)) {
    for (const field of FIELD_NAMES) vmcs.set(field, random.edge64());
    return vmcs;
  }
  const { fields, controls } = random.of(VARIANTS);
  const valid: Values = { ...GUEST, hostCr3: TABLES, guestCr3: TABLES, ...fields };
  for (const [field, value] of Object.entries(valid)) vmcs.set(field as VmcsField, BigInt(value));
  for (const control of controls) {
    const { field, bit } = CONTROLS[control];
    vmcs.set(field, vmcs.get(field) | (1n << BigInt(bit)));
  }
  for (let left = random.below(6); left > 0; left--) {
    const field = random.of(FIELD_NAMES);
    vmcs.set(field, changed(vmcs.get(field), random));
  }
  return vmcs;
};

/** Where there is no memory all bits read as 1. */
export const readerOf = ({ memory }: MachineState): PhysicalReader => {
  const read32 = (address: number): number => {
    if (address + 4 > MEMORY) return 0xffff_ffff;
    if (address % 4 === 0) return memory.page(Math.floor(address / PAGE)).words[(address % PAGE) >> 2] >>> 0;
    return new DataView(memory.read(address, 4).buffer).getUint32(0, true);
  };
  return {
    read32,
    read64: (address) => (BigInt(read32(address + 4)) << 32n) | BigInt(read32(address)),
  };
};

const NAMES = new Map(FIELD_NAMES.map((name, index) => [name, index]));

/** What the VMLAUNCH did, in words that name a permitted outcome. */
export const outcomeOf = ({ state, events }: StepResult): string => {
  if (events.some(({ kind }) => kind === 'vm-entry')) return 'entered';
  const [cpu] = state.processors;
  const delivered = events.find(({ kind }) => kind === 'delivered');
  if (delivered?.kind === 'delivered') return `fault ${delivered.event.vector}`;
  const [vmcs] = (cpu.virtualization as VmxState).active;
  const field = (name: VmcsField): bigint => vmcs.words[NAMES.get(name)!];
  if ((cpu.rflags & 1n) !== 0n) return 'VMfailInvalid';
  if ((cpu.rflags & 0x40n) !== 0n) return `VMfailValid ${field('vmInstructionError')}`;
  const reason = field('exitReason');
  return `exit ${reason & 0xffffn} qualification ${field('exitQualification')}`;
};

const FAULTS: Readonly<Record<string, number>> = { '#UD': 6, '#GP': 13 };

export const named = (outcome: VmEntryOutcome): string => {
  if (outcome.kind === 'entered') return 'entered';
  if (outcome.kind === 'machine-check') return 'machine check';
  const { failure } = outcome;
  switch (failure.kind) {
    case 'fault':
      return `fault ${FAULTS[failure.vector]}`;
    case 'VMfailInvalid':
      return 'VMfailInvalid';
    case 'VMfailValid':
      return `VMfailValid ${failure.error}`;
    case 'exit':
      return `exit ${failure.reason} qualification ${failure.qualification}`;
  }
};

/**
 * Which MSRs a processor has is not for `checkVmEntry` to know: an entry of the MSR-load area may also fail because WRMSR does.
 * SDM Vol. 3C, 27.4 Loading MSRs
 */
const wrmsrFails = (state: MachineState, vmcs: VmcsData, place: number): boolean => {
  const at = Number(vmcs.get('vmEntryMsrLoadAddress')) + 16 * (place - 1);
  const { read32, read64 } = readerOf(state);
  const [cpu] = state.processors;
  const value = read64(at + 8);
  const registers = cpu.registers
    .with(0, value & 0xffff_ffffn)
    .with(1, BigInt(read32(at)))
    .with(2, value >> 32n);
  const hidden = { ...cpu.hidden, blockingByMovSs: false };
  const memory = state.memory.write(AT.hostCode, Uint8Array.of(0x0f, 0x30));
  return step({ ...state, memory, processors: [{ ...cpu, registers, hidden }] }).events.length > 0;
};

const MSR_LOADING = /^exit 34 qualification (\d+)$/;
/** The entry of the MSR-load area at which an outcome says that loading stops, counted from 1. */
const failingEntry = (outcome: string): number | undefined => {
  const place = MSR_LOADING.exec(outcome)?.[1];
  return place === undefined ? undefined : Number(place);
};

/** Instructions that run after the VM entry, in the guest or the host. */
const AFTERWARDS = 40;

const attempt = (seed: number, index: number): readonly string[] => {
  const random = new Random(seed, 3, index);
  base ??= prepared();
  const vmcs = vmcsOf(random);
  const movSsBlocking = random.once(64);
  const [cpu] = base.processors;
  const virtualization = rootOperation(AT, vmcs);
  const hidden = { ...cpu.hidden, blockingByMovSs: movSsBlocking };
  const state: MachineState = { ...base, processors: [{ ...cpu, hidden, virtualization }] };
  const reproduction = (): string =>
    FIELD_NAMES.filter((field) => vmcs.get(field) !== 0n)
      .map((field) => `${field}=${vmcs.get(field).toString(16)}`)
      .join(' ') + (movSsBlocking ? ' (MOV SS blocking)' : '');
  const { physicalAddressWidth, linearAddressWidth } = base.config.processor;
  const { permitted } = checkVmEntry(
    {
      vmcs,
      memory: readerOf(state),
      state: {
        currentVmcs: AT.vmcs,
        vmxonPointer: AT.vmxon,
        operation: 'root',
        vmxoffSinceLaunch: false,
        movSsBlocking,
      },
    },
    { physicalAddressWidth, linearAddressWidth },
  );
  const launched = attempted(() => step(state), isListed, reproduction);
  if ('unbuilt' in launched) {
    if (!permitted.some(({ kind }) => kind === 'entered'))
      throw new Wrong(`${launched.unbuilt}, where a check fails first`, reproduction());
    return [launched.unbuilt];
  }
  const outcome = outcomeOf(launched.value);
  const allowed = permitted.map(named);
  const failing = failingEntry(outcome);
  const isReached = (place: number): boolean =>
    allowed.some((one) => one === 'entered' || (failingEntry(one) ?? 0) > place);
  const refused = failing !== undefined && isReached(failing) && wrmsrFails(state, vmcs, failing);
  if (!allowed.includes(outcome) && !refused)
    throw new Wrong(`VMLAUNCH: ${outcome}; permitted: ${allowed.join(', ')}`, reproduction());
  const after = attempted(
    () => run(launched.value.state, { maxInstructions: AFTERWARDS, tier: 'oracle' }),
    isListed,
    reproduction,
  );
  if (failing !== undefined) return ['exit 34'];
  if (outcome !== 'entered') return [outcome];
  return ['unbuilt' in after ? `entered, then ${after.unbuilt}` : `entered, then ${after.value.stop.kind}`];
};

export const vmcss: Part = { name: 'VMCSs', cases: 100_000, attempt };
