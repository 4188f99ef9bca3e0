import { NOTHING_REMEMBERED, type Remembered } from '../../cpu/caching';
import type { ExtendedState, X87State } from '../../cpu/extended-state';
import { type ProcessorState, SEGMENT_REGISTERS, type SegmentRegister } from '../../cpu/processor-state';
import { CONTROL_REGISTERS, DEBUG_REGISTERS, MODEL_SPECIFIC_REGISTERS } from '../../cpu/slots';
import type { PauseLoop, VmcsState, VmxState } from '../../vmx/state';
import { FIELD_NAMES } from '../../vmx/vmcs';
import {
  byte,
  type Codec,
  each,
  flag,
  integerMap,
  list,
  malformed,
  mapped,
  oneOf,
  optional,
  orUndefined,
  partial,
  physical,
  record,
  time,
  wideWord,
  word16,
  word32,
  word64,
} from './codec';
import { remembered } from './remembered-codec';

/** A segment register, access rights in the format of the VMCS. */
export const segmentRegister: Codec<SegmentRegister> = record({
  selector: word16,
  base: word64,
  limit: word32,
  accessRights: word32,
});

/** GDTR or IDTR. */
export const descriptorTableRegister = record<{ readonly base: bigint; readonly limit: number }>({
  base: word64,
  limit: word16,
});

/** Field values in the order of `FIELD_NAMES`; only those that are not zero are written, by name. */
const vmcsWords: Codec<readonly bigint[]> = mapped(
  partial(FIELD_NAMES, word64),
  (words: readonly bigint[]) =>
    Object.fromEntries(
      FIELD_NAMES.map((name, index) => [name, words[index]] as const).filter(([, word]) => word !== 0n),
    ),
  (values) => Object.freeze(FIELD_NAMES.map((name) => values[name] ?? 0n)),
);

const activeVmcs: Codec<VmcsState> = record<VmcsState>({
  address: physical,
  launched: flag,
  shadow: flag,
  vmxoffSinceLaunch: flag,
  words: vmcsWords,
});

const vmxFields: Codec<VmxState> = record<VmxState>({
  vmxonPointer: orUndefined(physical),
  currentVmcs: orUndefined(physical),
  nonRoot: flag,
  timerDeadline: time,
  virtualNmiBlocking: flag,
  monitorTrap: oneOf('none', 'armed', 'pending'),
  pauseLoop: orUndefined(record<PauseLoop>({ first: time, last: time })),
  abortIndicator: word32,
  active: list(activeVmcs),
});

const vmx: Codec<VmxState> = mapped(
  vmxFields,
  (state: VmxState) => state,
  (state, field) => {
    const addresses = state.active.map(({ address }) => address);
    addresses.forEach((address, at) => {
      if (address % 4096 !== 0) malformed(`${field}.active[${at}].address`, 'not a multiple of 4096');
      if (at > 0 && address <= addresses[at - 1])
        malformed(`${field}.active[${at}].address`, 'not in ascending order');
    });
    if (state.currentVmcs !== undefined && !addresses.includes(state.currentVmcs))
      malformed(`${field}.currentVmcs`, 'it is not one of the active VMCSs');
    if (state.nonRoot && (state.currentVmcs === undefined || state.vmxonPointer === undefined))
      malformed(`${field}.nonRoot`, 'non-root operation without a current VMCS');
    return state;
  },
);

const extendedState: Codec<ExtendedState> = record<ExtendedState>({
  x87: record<X87State>({
    ...each(['control', 'status', 'codeSelector', 'dataSelector', 'opcode'], word16),
    full: byte,
    instructionPointer: word64,
    dataPointer: word64,
    registers: list(wideWord(80), 8),
  }),
  mxcsr: word32,
  vectors: list(wideWord(256), 16),
});

/** With what is remembered left out where that is nothing. */
type Written = Omit<ProcessorState, 'remembered'> & { readonly remembered?: Remembered };

const written: Codec<Written> = record<Written>({
  registers: list(word64, 16),
  rip: word64,
  rflags: word64,
  segments: record(each(SEGMENT_REGISTERS, segmentRegister)),
  tables: record({ gdtr: descriptorTableRegister, idtr: descriptorTableRegister }),
  control: record(each(CONTROL_REGISTERS, word64)),
  debug: record(each(DEBUG_REGISTERS, word64)),
  modelSpecific: record(each(MODEL_SPECIFIC_REGISTERS, word64)),
  msrs: integerMap(word32, word64),
  extended: extendedState,
  hidden: record({
    activity: oneOf(0, 1, 2, 3, 4, 5),
    monitoredLine: orUndefined(physical),
    waitDeadline: time,
    ...each(['monitoredByUser', 'wakesMasked', 'waitLimited'], flag),
    ...each(['blockingBySti', 'blockingByMovSs', 'blockingByNmi', 'nmiPending', 'nmiUnblocked'], flag),
    initPending: flag,
    startupVector: orUndefined(byte),
    pendingDebug: word32,
    pdptes: list(word64, 4),
  }),
  // Absent where nothing is remembered
  remembered: optional(remembered),
  nonRoot: flag,
  virtualization: orUndefined(vmx) as Codec<unknown>,
});

const fields: Codec<ProcessorState> = mapped(
  written,
  ({ remembered: all, ...state }: ProcessorState): Written =>
    all === NOTHING_REMEMBERED ? state : { ...state, remembered: all },
  (state): ProcessorState => Object.freeze({ ...state, remembered: state.remembered ?? NOTHING_REMEMBERED }),
);

/** A logical processor. `virtualizes`: the processor has VMX, so its state must be there, and else must not. */
export const processorState = (virtualizes: boolean): Codec<ProcessorState> =>
  mapped(
    fields,
    (state: ProcessorState) => state,
    (state, field) => {
      if (state.virtualization !== undefined && !virtualizes)
        malformed(`${field}.virtualization`, 'this processor has no VMX');
      if (state.nonRoot !== ((state.virtualization as VmxState | undefined)?.nonRoot ?? false))
        malformed(`${field}.nonRoot`, 'it differs from virtualization.nonRoot');
      return state;
    },
  );
