import { bitfield } from '../../core';
import type { HostRequest } from '../../machine/host-port';
import { INTERRUPTION_INFORMATION } from '../../vmx/exit/exit-reasons';
import { ACTIVITY, BLOCKING, RFLAGS } from './completion';
import type { Exit } from './guest';
import { CR0 } from './initial-vmcs';
import { type Program, tell, vmread, vmwrite } from './program';

/** Interruption types. SDM Vol. 3C, 25.8.3 VM-Entry Controls for Event Injection */
export const TYPE = {
  externalInterrupt: 0n,
  nmi: 2n,
  hardwareException: 3n,
  softwareInterrupt: 4n,
} as const;
export const VECTOR = { db: 1n, ud: 6n, df: 8n, ss: 12n, gp: 13n, pf: 14n, ac: 17n } as const;
export const INFORMATION = bitfield(INTERRUPTION_INFORMATION);

/** An event for VM entry to deliver. */
export interface InjectedEvent {
  readonly vector: bigint;
  readonly type: bigint;
  readonly errorCode?: bigint;
  /** Of a software interrupt or exception. */
  readonly instructionLength?: bigint;
}

/** Real-address mode knows no error codes. SDM Vol. 3C, 27.2.1.3 VM-Entry Control Fields */
function* takesErrorCode(): Program<boolean> {
  const [cr0] = yield* vmread('guestCr0');
  return (cr0 & CR0.pe) !== 0n;
}

/**
 * Has the next VM entry deliver an event. The shadows of STI and MOV SS end with it, blocking by NMI begins with the NMI itself.
 * SDM Vol. 3C, 27.6 Event Injection
 */
export function* inject(event: InjectedEvent): Program<void> {
  const { vector, type, instructionLength } = event;
  const errorCode = event.errorCode === undefined || (yield* takesErrorCode()) ? event.errorCode : undefined;
  const [blocking] = yield* vmread('guestInterruptibilityState');
  const ended = BLOCKING.bySti | BLOCKING.byMovSs | (type === TYPE.nmi ? BLOCKING.byNmi : 0n);
  const information = (1n << 31n) | (errorCode === undefined ? 0n : 1n << 11n) | (type << 8n) | vector;
  const writes: HostRequest[] = [vmwrite('vmEntryInterruptionInfo', information)];
  if (errorCode !== undefined) writes.push(vmwrite('vmEntryExceptionErrorCode', errorCode));
  if (instructionLength !== undefined) writes.push(vmwrite('vmEntryInstructionLength', instructionLength));
  if ((blocking & ended) !== 0n) writes.push(vmwrite('guestInterruptibilityState', blocking & ~ended));
  writes.push(vmwrite('guestActivityState', ACTIVITY.active));
  yield* tell(writes);
}

/** A fault of the instruction that exited: RF is saved as 1. SDM Vol. 3B, 18.3.1.1 Instruction-Breakpoint Exception Condition */
export function* injectFault(exit: Exit, vector: bigint, errorCode?: bigint): Program<Exit> {
  const [rflags] = yield* vmread('guestRflags');
  if ((rflags & RFLAGS.rf) === 0n) yield* tell([vmwrite('guestRflags', rflags | RFLAGS.rf)]);
  const type = TYPE.hardwareException;
  yield* inject(errorCode === undefined ? { vector, type } : { vector, type, errorCode });
  return exit;
}

export const undefinedOpcode: (exit: Exit) => Program<Exit> = (exit) => injectFault(exit, VECTOR.ud);
export const generalProtection: (exit: Exit) => Program<Exit> = (exit) => injectFault(exit, VECTOR.gp, 0n);

/** The event that an interruption-information field describes; `undefined` when it is not valid. */
export const eventOf = (
  information: bigint,
  errorCode: bigint,
  instructionLength: bigint,
): InjectedEvent | undefined => {
  const { vector, type, errorCode: hasErrorCode, valid } = INFORMATION.decode(information);
  if (valid === 0n) return undefined;
  return {
    vector,
    type,
    ...(hasErrorCode === 1n && { errorCode }),
    // Types 4 to 6 are software events.
    ...(type >= TYPE.softwareInterrupt && type <= 6n && { instructionLength }),
  };
};

/** Delivers again the event whose delivery the exit interrupted, if any. SDM Vol. 3C, 28.2.4 Information for VM Exits During Event Delivery */
export function* reinject(exit: Exit): Program<Exit> {
  const [information, errorCode, length] = yield* vmread(
    'idtVectoringInfo',
    'idtVectoringErrorCode',
    'vmExitInstructionLength',
  );
  const event = eventOf(information, errorCode, length);
  if (event !== undefined) yield* inject(event);
  return exit;
}
