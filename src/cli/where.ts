import { type Gva, gva, hex, type MemoryRoot, u64 } from '../core';
import type { CodeSize } from '../cpu/decode';
import { decode, disassemble } from '../cpu/decode';
import { LONGEST_INSTRUCTION } from '../cpu/decode/decoding';
import { pagingFeatures } from '../cpu/paging-mode';
import type { Processor } from '../cpu/presets';
import type { ProcessorState } from '../cpu/processor-state';
import { ACCESS_RIGHTS, CR0, CR4, EFER, FLAG } from '../cpu/slots';
import { type GuestPaging, type WalkRequest, walk } from '../ept';
import type { MachineState } from '../machine';
import {
  CONTROLS,
  eptCapabilities,
  FIELD_NAMES,
  type VMCS_FIELDS,
  type VmxState,
  vmxCapabilities,
} from '../vmx';

const has = (register: bigint, bit: number): boolean => (register & BigInt(bit >>> 0)) !== 0n;

const inLongMode = ({ control }: ProcessorState): boolean => has(control.efer, EFER.lma);

/** How the code segment says that instructions are decoded. SDM Vol. 3A, 5.2.1 Code-Segment Descriptor in 64-bit Mode */
export const codeSize = (processor: ProcessorState): CodeSize => {
  const { accessRights } = processor.segments.cs;
  if (inLongMode(processor) && (accessRights & ACCESS_RIGHTS.l) !== 0) return 64;
  return (accessRights & ACCESS_RIGHTS.db) !== 0 ? 32 : 16;
};

/** EPT in force: in non-root operation with EPT. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP) */
export const extendedPaging = (
  virtualization: unknown,
  processor: Processor,
): Pick<WalkRequest, 'eptp' | 'ept' | 'modeBasedExecute'> => {
  const vmx = virtualization as VmxState | undefined;
  if (vmx?.nonRoot !== true) return {};
  const current = vmx.active.find(({ address }) => address === vmx.currentVmcs);
  if (current === undefined) return {};
  const field = (name: keyof typeof VMCS_FIELDS): bigint => current.words[FIELD_NAMES.indexOf(name)];
  const on = (name: 'activateSecondaryControls' | 'enableEpt' | 'modeBasedExecuteControl'): boolean => {
    const { field: home, bit } = CONTROLS[name];
    return ((field(home) >> BigInt(bit)) & 1n) === 1n;
  };
  if (!on('activateSecondaryControls') || !on('enableEpt')) return {};
  return {
    eptp: field('eptPointer'),
    ept: eptCapabilities(vmxCapabilities(processor), processor.physicalAddressWidth),
    modeBasedExecute: on('modeBasedExecuteControl'),
  };
};

/** The processor whose turn it is. */
const running = ({ processors, turn }: MachineState): ProcessorState => processors[turn.processor];

/** What the translation of linear addresses depends on at present. */
const guestPaging = (
  { control, modelSpecific, hidden }: Pick<ProcessorState, 'control' | 'modelSpecific' | 'hidden'>,
  processor: Processor,
): GuestPaging => ({
  cr4: control.cr4,
  efer: control.efer,
  pdptes: hidden.pdptes,
  pkru: control.pkru,
  pkrs: modelSpecific.pkrs,
  features: pagingFeatures(processor),
});

/** The walk that translates an address for a processor of a machine (the one whose turn it is). */
export const walkRequest = (
  state: MachineState,
  address: Gva,
  access: NonNullable<WalkRequest['access']>,
  user: boolean,
  processor: ProcessorState = running(state),
): WalkRequest & { readonly memory: MemoryRoot } => {
  const { control, virtualization, rflags } = processor;
  const { cr0, cr3, cr4 } = control;
  return {
    memory: state.memory,
    address,
    access,
    ...(has(cr0, CR0.pg) ? { cr3 } : {}),
    ...extendedPaging(virtualization, state.config.processor),
    rights: {
      user,
      writeProtect: has(cr0, CR0.wp),
      smep: has(cr4, CR4.smep),
      smap: has(cr4, CR4.smap) && !has(rflags, FLAG.ac),
    },
    paging: guestPaging(processor, state.config.processor),
    physicalAddressWidth: state.config.processor.physicalAddressWidth,
  };
};

const physicalAddress = (state: MachineState, address: Gva): number | undefined => {
  const processor = running(state);
  const { outcome } = walk(walkRequest(state, address, 'fetch', privilegeLevel(processor) === 3));
  return outcome.ok ? outcome.value : undefined;
};

const codeBytes = (state: MachineState, linear: bigint): Uint8Array => {
  const bytes: number[] = [];
  for (let at = 0; at < LONGEST_INSTRUCTION; at++) {
    const physical = physicalAddress(state, gva(u64(linear + BigInt(at))));
    if (physical === undefined) break;
    bytes.push(state.memory.read(physical, 1)[0]);
  }
  return Uint8Array.from(bytes);
};

const bytesText = (bytes: Uint8Array): string =>
  [...bytes].map((one) => one.toString(16).padStart(2, '0')).join(' ');

/** The instruction that is next, in Intel syntax; a remark in parentheses when there is none. */
export const instructionAt = (state: MachineState): string => {
  const processor = running(state);
  const size = codeSize(processor);
  const base = size === 64 ? 0n : processor.segments.cs.base;
  const linear = u64(base + processor.rip);
  const bytes = codeBytes(state, size === 64 ? linear : BigInt.asUintN(32, linear));
  if (bytes.length === 0) return '(no memory is mapped here)';
  const result = decode(bytes, size);
  if (result.kind === 'instruction') return disassemble(result.instruction, processor.rip);
  return result.kind === 'fault'
    ? `(no instruction: ${bytesText(bytes)})`
    : `(cut off at the end of its page: ${bytesText(bytes)})`;
};

const SIZE_NAMES: Readonly<Record<CodeSize, string>> = { 16: '16-bit', 32: '32-bit', 64: '64-bit' };

/** CPL, as SS.DPL has it. */
export const privilegeLevel = ({ segments }: ProcessorState): number =>
  (segments.ss.accessRights >> ACCESS_RIGHTS.dplShift) & 3;

const modeName = (processor: ProcessorState): string => {
  const size = codeSize(processor);
  if (!has(processor.control.cr0, CR0.pe)) return 'real mode';
  if (inLongMode(processor)) return size === 64 ? '64-bit mode' : `${SIZE_NAMES[size]} compatibility mode`;
  return has(processor.rflags, FLAG.vm) ? 'virtual-8086 mode' : `${SIZE_NAMES[size]} protected mode`;
};

/** The operating mode in words, such as `64-bit mode, CPL 3`. */
export const modeText = (processor: ProcessorState): string => {
  const { control, nonRoot } = processor;
  const mode = modeName(processor);
  const paging = has(control.cr0, CR0.pg) ? '' : ', paging off';
  return `${mode}${paging}, CPL ${privilegeLevel(processor)}${nonRoot ? ', VMX non-root operation' : ''}`;
};

/** Where a machine is, in one phrase for messages. */
export const place = (state: MachineState): string => {
  const instruction = instructionAt(state);
  const { turn, processors } = state;
  const which = processors.length === 1 ? '' : `processor ${turn.processor}, `;
  const { rip, segments } = running(state);
  const { selector, base } = segments.cs;
  const code = base === 0n || codeSize(running(state)) === 64 ? '' : `CS ${hex(selector)}, `;
  return `${which}${code}RIP ${hex(rip)} ${instruction.startsWith('(') ? instruction : `(${instruction})`}`;
};

const REGISTERS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const registerName = (index: number): string => REGISTERS[index] ?? `r${index}`;
const FLAGS: readonly (readonly [number, string])[] = [
  [0, 'CF'],
  [2, 'PF'],
  [4, 'AF'],
  [6, 'ZF'],
  [7, 'SF'],
  [8, 'TF'],
  [9, 'IF'],
  [10, 'DF'],
  [11, 'OF'],
];
const SEGMENTS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const;
const ACTIVITY = [
  'active',
  'halted',
  'shutdown',
  'waiting for a startup IPI',
  'waiting in MWAIT',
  'waiting in TPAUSE',
];

const reportOne = (state: MachineState): string => {
  const processor = running(state);
  const { registers, rip, rflags, control, hidden, segments } = processor;
  const rows = [0, 4, 8, 12].map((first) =>
    registers
      .slice(first, first + 4)
      .map(
        (value, index) => `${registerName(first + index).padEnd(4)}${value.toString(16).padStart(16, '0')}`,
      )
      .join('  '),
  );
  const set = FLAGS.filter(([bit]) => ((rflags >> BigInt(bit)) & 1n) === 1n).map(([, name]) => name);
  return [
    `rip ${rip.toString(16).padStart(16, '0')}  ${instructionAt(state)}`,
    `${modeText(processor)}, ${ACTIVITY[hidden.activity]}, clock ${state.clock}`,
    ...rows,
    SEGMENTS.map((name) => `${name} ${hex(segments[name].selector)} base ${hex(segments[name].base)}`).join(
      '  ',
    ),
    `rflags ${hex(rflags)} (${set.join(' ') || 'none set'})  cr0 ${hex(control.cr0)}  cr2 ${hex(control.cr2)}  cr3 ${hex(control.cr3)}  cr4 ${hex(control.cr4)}  efer ${hex(control.efer)}`,
  ].join('\n');
};

/** Where the guest is, of each processor: RIP, instruction, mode and registers, a line each. */
export const report = (state: MachineState): string =>
  state.processors.length === 1
    ? reportOne(state)
    : state.processors
        .map((_, processor) => {
          const turn = state.turn.processor === processor ? ', whose turn it is' : '';
          return `processor ${processor}${turn}\n${reportOne({ ...state, turn: { ...state.turn, processor } })}`;
        })
        .join('\n');
