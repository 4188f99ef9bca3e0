import { shiftRightWide, u64 } from '../core';
import {
  type EntryUpdate,
  type LinearHalves,
  type Remedy,
  type SecondStage,
  type WayFault,
  withoutVpid,
} from '../cpu/caching';
import type { Instruction } from '../cpu/decode/instruction';
import type { InterruptionEvent } from '../cpu/event';
import type { ProcessorDraft } from '../cpu/processor-draft';
import { SLOT } from '../cpu/slots';
import type {
  InterceptedInstruction,
  PhysicalAccess,
  TaskSwitchAttempt,
  Virtualization,
} from '../cpu/virtualization';
import { EptStage, withoutAddressOfVpid, withoutEp4ta } from '../ept';
import { capabilityMsr } from './capabilities';
import { performExit } from './exit/perform-exit';
import type { VmExit } from './exit/vm-exit';
import { setFlags } from './non-root/accessed-dirty';
import { isUnrestricted, mergedRegister, registerAllowed, shownRegister } from './non-root/control-registers';
import {
  blockNmis,
  interceptBoundary,
  interceptEvent,
  interceptExternalInterrupt,
  unblockNmi,
  waitsForWindow,
} from './non-root/events';
import { refuseTranslation, translateGuestPhysical } from './non-root/guest-physical';
import { instructionExit } from './non-root/intercept';
import { VmxOperation } from './operation';
import { fieldIndex } from './vmcs';
import { controlMask, halfOf } from './vmcs/halves';

const INVLPG_EXITING = controlMask('invlpgExiting');
const CR3_LOAD_EXITING = controlMask('cr3LoadExiting');
const ENABLE_VPID = controlMask('enableVpid');
const VPID = halfOf('vpid');
const TSC_OFFSET = fieldIndex('tscOffset');
const TSC_MULTIPLIER = fieldIndex('tscMultiplier');
const USE_TSC_OFFSETTING = controlMask('useTscOffsetting');
const USE_TSC_SCALING = controlMask('useTscScaling');
/** Bits of the multiplier after its binary point. */
const MULTIPLIER_FRACTION = 48;
/** The control that an instruction needs. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
const ENABLED_BY = {
  rdtscp: controlMask('enableRdtscp'),
  rdpid: controlMask('enableRdtscp'),
  invpcid: controlMask('enableInvpcid'),
  xsaves: controlMask('enableXsavesXrstors'),
  'user-wait': controlMask('enableUserWaitAndPause'),
} as const;
const FIRST_CAPABILITY = 0x480;

/** VMX as the core asks for it: one object a processor. SDM Vol. 3C, 26 VMX Non-Root Operation */
export class Vmx extends VmxOperation implements Virtualization {
  private readonly stage = new EptStage(this.eptWalk);

  intercept(cpu: ProcessorDraft, instruction: Instruction, what: InterceptedInstruction): boolean {
    const exit = instructionExit(this, cpu, instruction, what);
    cpu.exit = exit;
    return exit !== undefined;
  }

  /** One control is for RDTSCP and RDPID. */
  instructionEnabled(_cpu: ProcessorDraft, id: keyof typeof ENABLED_BY): boolean {
    return (this.secondary & ENABLED_BY[id]) !== 0;
  }

  readControlRegister(_cpu: ProcessorDraft, control: 0 | 4, value: bigint): bigint {
    return shownRegister(this, control, value);
  }

  writeControlRegister(cpu: ProcessorDraft, control: 0 | 4, value: bigint): bigint {
    return mergedRegister(this, control, cpu.R[control === 0 ? SLOT.cr0 : SLOT.cr4], value);
  }

  controlRegisterAllowed(_cpu: ProcessorDraft, control: 0 | 4, value: bigint): boolean {
    return !this.on || registerAllowed(this, control, value, isUnrestricted(this));
  }

  /** SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation: the multiplier counts with the offset alone */
  shownTimeStamp(_cpu: ProcessorDraft, counter: bigint): bigint {
    if (!this.nonRoot || (this.primary & USE_TSC_OFFSETTING) === 0) return counter;
    const { words } = this.current!.data;
    const scaled = this.scalesTime()
      ? shiftRightWide(counter * words[TSC_MULTIPLIER], MULTIPLIER_FRACTION)
      : counter;
    return u64(scaled + words[TSC_OFFSET]);
  }

  private scalesTime(): boolean {
    return (this.primary & USE_TSC_OFFSETTING) !== 0 && (this.secondary & USE_TSC_SCALING) !== 0;
  }

  physicalDelay(_cpu: ProcessorDraft, delay: bigint): bigint {
    if (!this.scalesTime()) return delay;
    return (delay << BigInt(MULTIPLIER_FRACTION)) / this.current!.data.words[TSC_MULTIPLIER];
  }

  translateGuestPhysical(cpu: ProcessorDraft, address: number, access: PhysicalAccess): number {
    return translateGuestPhysical(this, cpu, address, access);
  }

  currentVpid(_cpu: ProcessorDraft): number {
    return (this.secondary & ENABLE_VPID) === 0 ? 0 : this.current!.data.halves[VPID] & 0xffff;
  }

  secondStage(_cpu: ProcessorDraft): SecondStage | undefined {
    return this.eptEnabled ? this.stage : undefined;
  }

  refuseTranslation(
    cpu: ProcessorDraft,
    fault: Exclude<WayFault, { kind: 'page-fault' }>,
    access: PhysicalAccess,
    entryHigh: number,
  ): never {
    return refuseTranslation(this, cpu, fault, access, entryHigh);
  }

  /** SDM Vol. 3C, 26.1.3 Instructions That Cause VM Exits Conditionally; 29.4.3.1 Operations that Invalidate Cached Mappings: while VPIDs are off, the VM exit invalidates */
  invalidatesItself(cpu: ProcessorDraft, operation: Remedy['operation']): boolean {
    if (operation === 'INVPCID individual-address' && !this.instructionEnabled(cpu, 'invpcid')) return false;
    if ((this.secondary & ENABLE_VPID) === 0) return true;
    return (this.primary & (operation === 'MOV to CR3' ? CR3_LOAD_EXITING : INVLPG_EXITING)) === 0;
  }

  setStageFlags(cpu: ProcessorDraft, gpa: number, updates: readonly EntryUpdate[]): void {
    setFlags(this, cpu, gpa, updates);
  }

  remedies(cpu: ProcessorDraft, at: LinearHalves): readonly Remedy[] {
    const vpid = this.currentVpid(cpu);
    const { root } = this.eptWalk;
    const invept: Remedy = {
      operation: 'INVEPT single-context',
      drop: (caches) => withoutEp4ta(caches, root),
    };
    // INVVPID takes no VPID of 0000H.
    if (vpid === 0) return [invept];
    return [
      {
        operation: 'INVVPID individual-address',
        drop: (caches) => withoutAddressOfVpid(caches, at, vpid),
      },
      { operation: 'INVVPID single-context', drop: (caches) => withoutVpid(caches, vpid) },
      invept,
    ];
  }

  translationRoot(_cpu: ProcessorDraft): number {
    return this.eptEnabled ? this.eptWalk.number : 0;
  }

  interceptEvent(cpu: ProcessorDraft, event: InterruptionEvent): void {
    interceptEvent(this, cpu, event);
  }

  /** SDM Vol. 3C, 26.4.2 Treatment of Task Switches: never in non-root operation */
  interceptTaskSwitch(cpu: ProcessorDraft, { source, selector, length = 0 }: TaskSwitchAttempt): void {
    if (source === 'iret' && cpu.nmiUnblocked && cpu.decide('iret-task-switch', 2n, 1n) === 0n)
      blockNmis(this, cpu, true);
    cpu.leave({ reason: 'taskSwitch', source, selector, length } satisfies VmExit);
  }

  blocksInit(cpu: ProcessorDraft): boolean {
    if (this.nonRoot) {
      cpu.initPending = false;
      cpu.leave({ reason: 'initSignal' } satisfies VmExit);
    }
    return this.on || this.abortIndicator !== 0;
  }

  blocksA20m(_cpu: ProcessorDraft): boolean {
    return this.on;
  }

  interceptTripleFault(cpu: ProcessorDraft): void {
    cpu.leave({ reason: 'tripleFault' } satisfies VmExit);
  }

  interceptExternalInterrupt(cpu: ProcessorDraft): void {
    interceptExternalInterrupt(this, cpu);
  }

  instructionBoundary(cpu: ProcessorDraft, before: 'debug-trap' | 'nmi' | 'interrupt'): void {
    interceptBoundary(this, cpu, before);
  }

  passedBoundary(_cpu: ProcessorDraft): void {
    if (this.monitorTrap === 'armed') this.monitorTrap = 'pending';
  }

  wantsEachBoundary(_cpu: ProcessorDraft): boolean {
    return this.monitorTrap !== 'none';
  }

  interceptStartup(cpu: ProcessorDraft, vector: number): void {
    cpu.leave({ reason: 'sipi', vector } satisfies VmExit);
  }

  refusesWait(): boolean {
    return waitsForWindow(this);
  }

  unblockNmi(cpu: ProcessorDraft): boolean {
    return unblockNmi(this, cpu);
  }

  nextDeadline(_cpu: ProcessorDraft): number {
    return this.nonRoot ? this.timerDeadline : Number.POSITIVE_INFINITY;
  }

  isAborted(_cpu: ProcessorDraft): boolean {
    return this.abortIndicator !== 0;
  }

  performExit(cpu: ProcessorDraft, exit: unknown, during: InterruptionEvent | undefined): void {
    performExit(this, cpu, exit as VmExit, during);
  }

  readMsr(_cpu: ProcessorDraft, index: number): bigint | undefined {
    return index < FIRST_CAPABILITY ? undefined : capabilityMsr(this.capabilities, index);
  }
}
