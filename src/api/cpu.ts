/** The x86-64 core: processors as values, the decoder and the disassembler, and the published state of a processor. */

export type { Width } from '../core';
export type { CpuidResult, CpuidTable } from '../cpu/cpuid';
export {
  type CodeSize,
  type ConditionCode,
  type ControlRegisterOperand,
  conditionName,
  type DebugRegisterOperand,
  type DecodeFault,
  type DecodeResult,
  decode,
  disassemble,
  type FarPointerOperand,
  type ImmediateOperand,
  type Instruction,
  isLockable,
  type MemoryOperand,
  MNEMONICS,
  type Operand,
  type OtherRegisterOperand,
  type RegisterOperand,
  type RelativeOperand,
  RIP_BASE,
  SEGMENT_NAMES,
  type SegmentNumber,
  type SegmentRegisterOperand,
} from '../cpu/decode';
export type { Tier } from '../cpu/engine/block-builder';
export { EVENT_TYPE, type EventType, type InterruptionEvent, VECTOR } from '../cpu/event';
export type { ExtendedState, X87State } from '../cpu/extended-state';
export { PAGE_FAULT, type PagingRights } from '../cpu/page-fault';
export {
  FEATURES,
  type FeatureEdits,
  type FeatureName,
  PRESET_NAMES,
  type PresetName,
  type Processor,
  processor,
} from '../cpu/presets';
export { ACTIVITY, type ActivityState } from '../cpu/processor-draft';
export {
  type DescriptorTableRegister,
  type HiddenState,
  type ProcessorState,
  SEGMENT_REGISTERS,
  type SegmentRegister,
  type SegmentRegisterName,
} from '../cpu/processor-state';
