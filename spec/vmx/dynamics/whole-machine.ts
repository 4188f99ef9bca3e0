import { isDeepStrictEqual } from 'node:util';
import { flatSegment, rootOperation, words } from '../../../scripts/fuzz/flat-machine';
import { createMachine, type MachineState, type Processor, processor, run, step } from '../../../src/api';
import type { HiddenState } from '../../../src/api/cpu';
import {
  CONTROLS,
  type Control,
  FIELD_NAMES,
  revisionIdentifier,
  VmcsData,
  type VmcsField,
  type VmxState,
} from '../../../src/api/vmx';
import { vmxCapabilities } from '../../../src/vmx';
import { AT, GUEST } from './guest';

export { AT } from './guest';
export { words };

export type Values = Partial<Record<VmcsField, bigint | number>>;

export const MEMORY = 4 << 20;
const PAGE = 4096;
/** Tables of host and guest, and of EPT: two 2-MiB pages each. */
export const TABLES = 0x2_0000;
export const EPT_TABLES = 0x2_4000;
/** The same 4 MiB by 32-bit and by PAE paging. */
export const PAGE_DIRECTORY = 0x2_8000;
export const PAE_TABLES = 0x2_9000;
const PAGE_4M = 0x87n;
const PDPTES = [BigInt(PAE_TABLES + PAGE) | 1n, 0n, 0n, 0n] as const;
const CODE_64 = 0x00af_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;

/** A 64-bit interrupt gate to an offset below 4 GiB. */
export const gate64 = (offset: number, rights = 0x8e): Uint8Array =>
  words(BigInt(offset & 0xffff) | (8n << 16n) | (BigInt(rights) << 40n) | (BigInt(offset >>> 16) << 48n), 0n);

/** A machine about to execute VMLAUNCH; what is left out is a 64-bit guest that runs `guest` under a 64-bit host that halts. */
export interface Setting {
  readonly processor?: Processor;
  /** `MEMORY` when left out; the host pages the first 4 MiB. */
  readonly memoryBytes?: number;
  readonly fields?: Values;
  readonly controls?: readonly Control[];
  readonly without?: readonly Control[];
  /** At `AT.guestCode`. */
  readonly guest?: readonly number[];
  /** By physical address. */
  readonly memory?: Readonly<Record<number, Uint8Array | readonly number[]>>;
  /** Offsets of the guest's handlers by vector. */
  readonly handlers?: Readonly<Record<number, number>>;
  readonly hidden?: Partial<HiddenState>;
  /** How the host pages: as a 64-bit host, or as a 32-bit host whose guest is one too. */
  readonly host?: 'ia-32e' | '32-bit' | 'pae';
  /** Vector of an external interrupt that is pending in the local APIC. */
  readonly interrupt?: number;
  readonly debug?: Partial<MachineState['processors'][number]['debug']>;
  /** General registers by number, which a VM entry leaves alone. */
  readonly registers?: Readonly<Record<number, bigint>>;
}

/** Control registers of host and guest by the host's paging. */
const PAGING = {
  'ia-32e': { cr3: TABLES, cr4: 0x2020n, efer: 0x500n, code: 0xa09b },
  '32-bit': { cr3: PAGE_DIRECTORY, cr4: 0x2010n, efer: 0n, code: 0xc09b },
  pae: { cr3: PAE_TABLES, cr4: 0x2020n, efer: 0n, code: 0xc09b },
} as const;

const vmcsOf = ({ fields = {}, controls = [], without = [], host = 'ia-32e' }: Setting): VmcsData => {
  const data = new VmcsData();
  const { cr3, cr4, code } = PAGING[host];
  const values: Values = {
    ...GUEST,
    hostCr3: cr3,
    hostCr4: cr4,
    guestCr3: cr3,
    guestCr4: cr4,
    guestCsAccessRights: code,
    eptPointer: EPT_TABLES | 0x1e,
    ...fields,
  };
  for (const [name, value] of Object.entries(values)) data.set(name as VmcsField, BigInt(value));
  for (const control of controls) {
    const { field, bit } = CONTROLS[control];
    data.set(field, data.get(field) | (1n << BigInt(bit)));
  }
  const needs64: readonly Control[] = host === 'ia-32e' ? [] : ['hostAddressSpaceSize', 'ia32eModeGuest'];
  for (const control of [...needs64, ...without]) {
    const { field, bit } = CONTROLS[control];
    data.set(field, data.get(field) & ~(1n << BigInt(bit)));
  }
  return data;
};

const HLT = 0xf4;
const VMLAUNCH = [0x0f, 0x01, 0xc2];
const bytes32 = (value: number): readonly number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
/** WRMSR with EDX = 0. */
export const wrmsr = (index: number, low: number): readonly number[] => [
  ...[0xb9, ...bytes32(index), 0xb8, ...bytes32(low), 0x31, 0xd2, 0x0f, 0x30],
];
/** x2APIC mode; the local APIC is enabled; a self IPI. */
export const selfIpi = (vector: number): readonly number[] => [
  ...wrmsr(0x1b, 0xfee0_0d00),
  ...wrmsr(0x80f, 0x1ff),
  ...wrmsr(0x83f, vector),
];

/** The machine after the host has sent itself an interrupt, with its registers as they were. */
const interrupted = (state: MachineState, vector: number): MachineState => {
  const ipi = selfIpi(vector);
  const [before] = state.processors;
  const at = AT.hostCode + 0x200;
  const memory = state.memory.write(at, Uint8Array.from(ipi));
  const ran = run(
    { ...state, memory, processors: [{ ...before, rip: BigInt(at) }] },
    { maxInstructions: 12 },
  ).state;
  const [after] = ran.processors;
  return { ...ran, processors: [{ ...before, modelSpecific: after.modelSpecific, msrs: after.msrs }] };
};

export const beforeLaunch = (setting: Setting = {}): MachineState => {
  const {
    processor: model = processor('skylake'),
    guest = [HLT],
    memory: more = {},
    registers = {},
    handlers = {},
  } = setting;
  const fresh = createMachine({ processor: model, memoryBytes: setting.memoryBytes ?? MEMORY });
  const [cpu] = fresh.processors;
  let { memory } = fresh;
  const put = (address: number, bytes: Uint8Array | readonly number[]): void => {
    memory = memory.write(address, Uint8Array.from(bytes));
  };
  const revision = words(BigInt(revisionIdentifier(vmxCapabilities(model))));
  for (const region of [AT.vmxon, AT.vmcs, AT.otherVmcs]) put(region, revision);
  for (const [root, table, first] of [
    [TABLES, 7n, 0x87n],
    [EPT_TABLES, 7n, 0xb7n],
  ] as const) {
    put(root, words(BigInt(root + PAGE) | table));
    put(root + PAGE, words(BigInt(root + 2 * PAGE) | table));
    put(root + 2 * PAGE, words(first, first | 0x20_0000n));
  }
  put(PAGE_DIRECTORY, words(PAGE_4M));
  put(PAE_TABLES, words(...PDPTES));
  put(PAE_TABLES + PAGE, words(0x87n, 0x20_0087n));
  put(AT.guestGdt, words(0n, CODE_64, DATA));
  put(AT.hostCode, VMLAUNCH);
  put(AT.hostCode + 0x100, [HLT]);
  put(AT.guestCode, guest);
  for (const [vector, offset] of Object.entries(handlers))
    put(AT.guestIdt + 16 * Number(vector), gate64(offset));
  for (const [address, bytes] of Object.entries(more)) put(Number(address), bytes);
  const data = flatSegment(16, 0xc093);
  const { cr3, cr4, efer, code } = PAGING[setting.host ?? 'ia-32e'];
  const state: MachineState = {
    ...fresh,
    memory,
    processors: [
      {
        ...cpu,
        rip: BigInt(AT.hostCode),
        rflags: 2n,
        registers: cpu.registers.map((value, n) => registers[n] ?? (n === 4 ? BigInt(AT.hostStack) : value)),
        control: { ...cpu.control, cr0: 0x8000_0031n, cr3: BigInt(cr3), cr4, efer },
        debug: { ...cpu.debug, ...setting.debug },
        modelSpecific: { ...cpu.modelSpecific, featureControl: 5n },
        segments: { ...cpu.segments, cs: flatSegment(8, code), ss: data, ds: data, es: data },
        hidden: { ...cpu.hidden, ...(setting.host === 'pae' ? { pdptes: PDPTES } : {}), ...setting.hidden },
        virtualization: rootOperation(AT, vmcsOf(setting)),
      },
    ],
  };
  return setting.interrupt === undefined ? state : interrupted(state, setting.interrupt);
};

export const vmxOf = (state: MachineState): VmxState => state.processors[0].virtualization as VmxState;
export const field = (state: MachineState, name: VmcsField): bigint =>
  vmxOf(state).active[0].words[FIELD_NAMES.indexOf(name)];
/** Fields by name, as they are. */
export const fields = <F extends VmcsField>(state: MachineState, ...names: readonly F[]): Record<F, bigint> =>
  Object.fromEntries(names.map((name) => [name, field(state, name)])) as Record<F, bigint>;

/** What an outside agent does to a machine before its next step. */
export type Meanwhile = (state: MachineState) => MachineState;

/** The hidden state of the processor is changed from outside, as by a signal that arrives. */
export const withHidden =
  (hidden: Partial<HiddenState>): Meanwhile =>
  (state) => ({
    ...state,
    processors: state.processors.map((cpu) => ({ ...cpu, hidden: { ...cpu.hidden, ...hidden } })),
  });

/** The state after VMLAUNCH; `meanwhile` happens then. Throws when the processor did not enter, unless it has exited already. */
export const launched = (setting: Setting = {}, ...meanwhile: readonly Meanwhile[]): MachineState => {
  const { state, events } = step(beforeLaunch(setting));
  if (!events.some(({ kind }) => kind === 'vm-entry')) {
    const failed = fields(state, 'vmInstructionError', 'exitReason', 'exitQualification');
    throw new Error(`no VM entry: ${Object.entries(failed).join(' ')} ${state.processors[0].rflags}`);
  }
  return meanwhile.reduce((before, change) => change(before), state);
};

const MOST_STEPS = 200;

/** Steps until the processor is in root operation. */
export const untilExit = (state: MachineState): MachineState => {
  let now = state;
  for (let steps = 0; now.processors[0].nonRoot; steps++) {
    if (steps === MOST_STEPS) throw new Error('no VM exit');
    now = step(now).state;
  }
  return now;
};

/** Enters, and steps until the VM exit; a run to the end of the host has the same exit. */
export const exitOf = (setting: Setting = {}, ...meanwhile: readonly Meanwhile[]): MachineState => {
  const before = launched(setting, ...meanwhile);
  const state = untilExit(before);
  const ran = run(before, { maxInstructions: MOST_STEPS }).state;
  if (!isDeepStrictEqual(vmxOf(ran), vmxOf(state))) throw new Error('a run ends otherwise than its steps');
  return state;
};
