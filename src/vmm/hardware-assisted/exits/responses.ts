import { EXIT_REASON_FIELD, type ExitReason, exitReasonOf } from '../../../vmx/exit/exit-reasons';
import type { Exit, Response } from '../guest';
import { undefinedOpcode } from '../injection';
import { halt, type Program, vmread } from '../program';
import { controlRegisterAccess } from './control-registers';
import { cpuid } from './cpuid';
import { eptViolation } from './ept-violation';
import { exceptionOrNmi } from './exceptions';
import { hlt } from './halting';
import { externalInterrupt, interruptWindow, withdrawAcknowledgement } from './interrupts';
import { ioInstruction } from './io';
import { rdmsr, wrmsr } from './msrs';
import { ending, resumeGuest, writeBack, xsetbv } from './others';
import { taskSwitch } from './task-switch';

/** What the monitor does about each exit; one that is not here ends the guest. */
const RESPONSES: Partial<Record<ExitReason, Response>> = {
  exceptionOrNmi,
  externalInterrupt,
  interruptWindow,
  tripleFault: ending('triple fault'),
  taskSwitch,
  cpuid,
  hlt,
  invd: writeBack,
  wbinvd: writeBack,
  controlRegisterAccess,
  ioInstruction,
  rdmsr,
  wrmsr,
  eptViolation,
  preemptionTimerExpired: resumeGuest,
  xsetbv,
  // The guest's processor has neither VMX nor SMM nor SMX.
  vmcall: undefinedOpcode,
  vmclear: undefinedOpcode,
  vmlaunch: undefinedOpcode,
  vmptrld: undefinedOpcode,
  vmptrst: undefinedOpcode,
  vmread: undefinedOpcode,
  vmresume: undefinedOpcode,
  vmwrite: undefinedOpcode,
  vmxoff: undefinedOpcode,
  vmxon: undefinedOpcode,
  invept: undefinedOpcode,
  invvpid: undefinedOpcode,
  vmfunc: undefinedOpcode,
  getsec: undefinedOpcode,
  rsm: undefinedOpcode,
};

const ENTRY_FAILURE = 1n << BigInt(EXIT_REASON_FIELD.entryFailure);

/** Finds out why the guest exited and does what is to be done. SDM Vol. 3C, 25.9.1 Basic VM-Exit Information */
export function* respond(exit: Exit): Program<Exit> {
  const [field] = yield* vmread('exitReason');
  const basicReason = Number(BigInt.asUintN(16, field));
  const reason = exitReasonOf(basicReason);
  if ((field & ENTRY_FAILURE) !== 0n) {
    const [qualification] = yield* vmread('exitQualification');
    return yield* halt(`VM entry failed: ${reason ?? basicReason}, qualification ${qualification}`);
  }
  const response = reason === undefined ? undefined : RESPONSES[reason];
  if (response === undefined) return yield* halt(`no response to exit ${reason ?? basicReason}`);
  return yield* response(reason === 'externalInterrupt' ? exit : yield* withdrawAcknowledgement(exit));
}
