import { high32, low32, ModelError } from '../../core';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../cpu/event';
import { eptViolationQualification } from '../../ept';
import type { VmExit } from './vm-exit';

const WIDTH_CODE = { 1: 0, 2: 1, 4: 3 } as const;
const ACCESS_TYPE = { 'mov-to-cr': 0, 'mov-from-cr': 1, clts: 2, lmsw: 3 } as const;
const NMI_UNBLOCKING = 1 << 12;
const ERROR_CODE_VALID = 1 << 11;
const VALID = 1 << 31;

type Of<R extends VmExit['reason']> = Extract<VmExit, { reason: R }>;

// SDM Vol. 3C, Table 28-5 Exit Qualification for I/O Instructions
const ioQualification = (exit: Of<'ioInstruction'>): number =>
  WIDTH_CODE[exit.bytes] |
  (exit.direction === 'in' ? 1 << 3 : 0) |
  (exit.string ? 1 << 4 : 0) |
  (exit.repeated ? 1 << 5 : 0) |
  (exit.immediate ? 1 << 6 : 0) |
  (exit.port << 16);

// SDM Vol. 3C, Table 28-3 Exit Qualification for Control-Register Accesses
const controlRegisterQualification = (exit: Of<'controlRegisterAccess'>): number =>
  exit.control |
  (ACCESS_TYPE[exit.access] << 4) |
  (exit.linearAddress === undefined ? 0 : 1 << 6) |
  (exit.register << 8) |
  (exit.source << 16);

const TASK_SWITCH_SOURCE = { call: 0, iret: 1, jmp: 2, gate: 3 } as const;

// SDM Vol. 3C, Table 28-2 Exit Qualification for Task Switches
const taskSwitchQualification = ({ source, selector }: Of<'taskSwitch'>): bigint =>
  BigInt(selector) | (BigInt(TASK_SWITCH_SOURCE[source]) << 30n);

// SDM Vol. 3C, Table 28-4 Exit Qualification for MOV DR
const debugRegisterQualification = (exit: Of<'movDr'>): number =>
  exit.debug | (exit.direction === 'from' ? 1 << 4 : 0) | (exit.register << 8);

/** "NMI unblocking due to IRET" of an exit qualification. SDM Vol. 3C, Table 28-7 Exit Qualification for EPT Violations */
export const unblockingBit = (nmiUnblocked: boolean, during?: InterruptionEvent): number =>
  nmiUnblocked && during === undefined ? NMI_UNBLOCKING : 0;

/** Bits of DR6 that the exit qualification of a debug exception shows in the same places. */
const DEBUG_BITS = 0x600f;

/** Where the fields of an exit are collected before they reach the VMCS; one object serves all exits. */
export class ExitFields {
  qualificationLow = 0;
  qualificationHigh = 0;
  length = 0;
  information = 0;
  interruption = 0;
  errorCode = 0;
  /** Undefined: the exit leaves the field as it was. */
  linearAddress: bigint | undefined;
  gpa: number | undefined;

  private qualify(value: bigint): void {
    this.qualificationLow = low32(value);
    this.qualificationHigh = high32(value);
  }

  private event(
    event: InterruptionEvent,
    nmiUnblocked: boolean,
    during: InterruptionEvent | undefined,
  ): void {
    const { vector, errorCode } = event;
    if (event.type !== EVENT_TYPE.nmi) {
      if (vector === VECTOR.pf) this.qualify(event.address ?? 0n);
      else if (vector === VECTOR.db) this.qualificationLow = (event.debugStatus ?? 0) & DEBUG_BITS;
    }
    const unblocked = nmiUnblocked && during === undefined && vector !== VECTOR.df;
    this.interruption = interruptionInformation(event) | (unblocked ? NMI_UNBLOCKING : 0);
    this.errorCode = errorCode ?? 0;
    if (isSoftware(event)) this.length = event.instructionLength ?? 0;
  }

  /**
   * Collects what an exit reports. `during` is the event in whose delivery it came about; `nmiUnblocked`: the IRET in execution ended
   * blocking by NMI. SDM Vol. 3C, 28.2 Recording VM-Exit Information and Updating VM-Entry Control Fields
   */
  collect(exit: VmExit, during: InterruptionEvent | undefined, nmiUnblocked: boolean): void {
    this.qualificationLow = 0;
    this.qualificationHigh = 0;
    // An exit in the delivery of a software event reports the length of its instruction.
    this.length = during !== undefined && isSoftware(during) ? (during.instructionLength ?? 0) : 0;
    this.information = 0;
    this.interruption = 0;
    this.errorCode = 0;
    this.linearAddress = undefined;
    this.gpa = undefined;
    switch (exit.reason) {
      case 'exceptionOrNmi':
        this.event(exit.event, nmiUnblocked, during);
        return;
      case 'externalInterrupt':
        if (exit.vector !== undefined) this.interruption = exit.vector | VALID;
        return;
      case 'tripleFault':
      case 'initSignal':
      case 'interruptWindow':
      case 'nmiWindow':
      case 'monitorTrapFlag':
      case 'preemptionTimerExpired':
        this.length = 0;
        return;
      case 'sipi':
        this.qualificationLow = exit.vector;
        return;
      case 'taskSwitch':
        this.qualify(taskSwitchQualification(exit));
        if (exit.source !== 'gate') this.length = exit.length;
        return;
      case 'eptViolation':
        this.qualificationLow = eptViolationQualification(exit) | unblockingBit(nmiUnblocked, during);
        this.linearAddress = exit.linear;
        this.gpa = exit.gpa;
        return;
      case 'eptMisconfiguration':
        this.gpa = exit.gpa;
        return;
      case 'pmlFull':
        this.qualificationLow = unblockingBit(nmiUnblocked, during);
        return;
      case 'invlpg':
        this.qualify(exit.linearAddress);
        this.length = exit.length;
        return;
      case 'controlRegisterAccess':
        this.qualificationLow = controlRegisterQualification(exit);
        this.linearAddress = exit.linearAddress;
        this.length = exit.length;
        return;
      case 'mwait':
        this.qualificationLow = exit.armed ? 1 : 0;
        this.length = exit.length;
        return;
      case 'movDr':
        this.qualificationLow = debugRegisterQualification(exit);
        this.length = exit.length;
        return;
      case 'ioInstruction':
        this.qualificationLow = ioQualification(exit);
        this.linearAddress = exit.linearAddress;
        this.information = exit.information ?? 0;
        this.length = exit.length;
        return;
      case 'vmclear':
      case 'vmptrld':
      case 'vmptrst':
      case 'vmread':
      case 'vmwrite':
      case 'vmxon':
      case 'invept':
      case 'invvpid':
      case 'invpcid':
      case 'gdtrIdtrAccess':
      case 'ldtrTrAccess':
      case 'xsaves':
      case 'xrstors':
        this.qualify(exit.displacement);
        this.information = exit.information;
        this.length = exit.length;
        return;
      case 'rdrand':
      case 'rdseed':
      case 'umwait':
      case 'tpause':
        this.information = exit.information;
        this.length = exit.length;
        return;
      default:
        if (exit.length === 0) throw new ModelError(`VM exit ${exit.reason} without an instruction length`);
        this.length = exit.length;
        return;
    }
  }
}

const isSoftware = (event: InterruptionEvent): boolean => event.type >= EVENT_TYPE.softwareInterrupt;

/** Vector, type, error-code and valid bits as the interruption-information fields hold them (int32). SDM Vol. 3C, 25.9.2, 25.9.3 */
export const interruptionInformation = (event: InterruptionEvent): number =>
  event.vector | (event.type << 8) | (event.errorCode === undefined ? 0 : ERROR_CODE_VALID) | VALID;
