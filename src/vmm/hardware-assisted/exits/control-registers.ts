import { bitfield, shiftRight } from '../../../core';
import { EXIT_REASONS } from '../../../vmx/exit/exit-reasons';
import { RIGHTS } from '../access-rights';
import { complete, setControls } from '../completion';
import { type Exit, RSP, withRegister } from '../guest';
import { CR0, CR0_HELD, CR0_MODE, CR4, EFER } from '../initial-vmcs';
import { generalProtection } from '../injection';
import { memoryPlan, OPERAND } from '../memory-plan';
import { loadPdptes } from '../paging/pdptes';
import { ask, halt, type Program, resultOf, tell, value, vmread, vmwrite, vmwrites } from '../program';

const QUALIFICATION = bitfield(EXIT_REASONS.controlRegisterAccess.qualification);
const ACCESS = { movTo: 0n, movFrom: 1n, clts: 2n, lmsw: 3n } as const;
const TYPE = 0xfn;
const TSS16 = [1n, 3n];
const SINGLE_CONTEXT = 1;
const SINGLE_CONTEXT_RETAINING_GLOBALS = 3;
const NO_FLUSH = 1n << 63n;
// SDM Vol. 3A, 2.5 Control Registers: the other bits of CR0 ignore writes
const CR0_WRITABLE = 0xe005_002fn;
const LMSW_BITS = 0xen;

/** Drops the guest's translations, as the emulated write would have done. SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction */
function* flush(exit: Exit, type: number): Program<void> {
  const operand = memoryPlan(exit.layout).operands + OPERAND.invvpid;
  if (exit.guest.tagged) yield* tell([{ op: 'invvpid', type, operand }]);
}

/** Drops those that are not global, as a write to CR3 does. */
export const flushTranslations = (exit: Exit): Program<void> => flush(exit, SINGLE_CONTEXT_RETAINING_GLOBALS);

/**
 * CR0 as the guest writes it: PE, NE and PG, which the monitor holds, change with the mode. SDM Vol. 2, MOV—Move to/from Control Registers;
 * SDM Vol. 3A, 10.8.5 Initializing IA-32e Mode
 */
function* writeCr0(exit: Exit, wanted: bigint, now: bigint): Program<Exit> {
  const [cr4, efer, cs, tr] = yield* vmread(
    'guestCr4',
    'guestIa32Efer',
    'guestCsAccessRights',
    'guestTrAccessRights',
  );
  const next = (wanted & CR0_WRITABLE) | CR0.et;
  const pages = (next & CR0_MODE.pg) !== 0n;
  const paged = (now & CR0_MODE.pg) !== 0n;
  const pae = (cr4 & CR4.pae) !== 0n;
  const longMode = pages && (efer & EFER.lme) !== 0n;
  const in64BitMode = (efer & EFER.lma) !== 0n && (cs & RIGHTS.long) !== 0n;
  const refused =
    shiftRight(wanted, 32n) !== 0n ||
    (pages && (next & CR0.pe) === 0n) ||
    ((next & CR0_MODE.nw) !== 0n && (next & CR0_MODE.cd) === 0n) ||
    (!pages && paged && (in64BitMode || (cr4 & CR4.pcide) !== 0n)) ||
    (pages && !paged && longMode && (!pae || (cs & RIGHTS.long) !== 0n || TSS16.includes(tr & TYPE)));
  if (refused) return yield* generalProtection(exit);
  // SDM Vol. 3A, 4.4.1 PDPTE Registers: a change of PG, CD or NW loads them
  const loads = ((next ^ now) & (CR0_MODE.pg | CR0_MODE.cd | CR0_MODE.nw)) !== 0n;
  if (pages && pae && !longMode && loads) {
    const loaded = yield* loadPdptes(exit);
    if (!loaded) return yield* generalProtection(exit);
  }
  yield* tell([vmwrite('guestCr0', next | CR0.ne), vmwrite('cr0ReadShadow', next)]);
  yield* complete();
  if (pages === paged) return exit;
  yield* tell([vmwrite('guestIa32Efer', longMode ? efer | EFER.lma : efer & ~EFER.lma)]);
  yield* flush(exit, SINGLE_CONTEXT);
  return yield* setControls(exit, { ia32eModeGuest: longMode });
}

/** Only where CR3-load exiting cannot be off. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs */
function* writeCr3(exit: Exit, wanted: bigint): Program<Exit> {
  const [cr0, cr4, efer] = yield* vmread('guestCr0', 'guestCr4', 'guestIa32Efer');
  const kept = (cr4 & CR4.pcide) !== 0n && (wanted & NO_FLUSH) !== 0n;
  const next = kept ? wanted & ~NO_FLUSH : wanted;
  const longMode = (efer & EFER.lma) !== 0n;
  if (longMode && next >> BigInt(exit.guest.physicalBits) !== 0n) return yield* generalProtection(exit);
  if (!longMode && (cr0 & CR0_MODE.pg) !== 0n && (cr4 & CR4.pae) !== 0n) {
    const loaded = yield* loadPdptes(exit, next);
    if (!loaded) return yield* generalProtection(exit);
  }
  yield* tell([vmwrite('guestCr3', next)]);
  yield* complete();
  if (!kept) yield* flushTranslations(exit);
  return exit;
}

/** The task priority is the host's local APIC's, as its memory-mapped registers are. SDM Vol. 3A, 11.8.6 Task Priority in IA-32e Mode */
function* writeCr8(exit: Exit, wanted: bigint): Program<Exit> {
  const [reply] = yield* ask([{ op: 'mov-to-cr', control: 8, value: wanted }]);
  if (resultOf(reply) === undefined) return yield* generalProtection(exit);
  yield* complete();
  return exit;
}

function* movTo(exit: Exit, control: bigint, source: bigint, cr0: bigint): Program<Exit> {
  if (control === 0n) return yield* writeCr0(exit, source, cr0);
  if (control === 3n) return yield* writeCr3(exit, source);
  // The only bit of CR4 that the monitor holds is VMXE, which is reserved on the guest's processor.
  if (control === 4n) return yield* generalProtection(exit);
  if (control === 8n) return yield* writeCr8(exit, source);
  return yield* halt(`MOV to CR${control} exited`);
}

function* movFrom(exit: Exit, control: bigint, register: number): Program<Exit> {
  if (control !== 3n && control !== 8n) return yield* halt(`MOV from CR${control} exited`);
  const read =
    control === 3n ? (yield* vmread('guestCr3'))[0] : yield* value({ op: 'mov-from-cr', control: 8 });
  yield* complete();
  if (register === RSP) yield* tell(vmwrites({ guestRsp: read }));
  return withRegister(exit, register, read);
}

/** SDM Vol. 3C, 26.1.3 Instructions That Cause VM Exits Conditionally; 28.2.1, Table 28-3 */
export function* controlRegisterAccess(exit: Exit): Program<Exit> {
  const [qualification, cr0, shadow, rsp, cs, efer] = yield* vmread(
    'exitQualification',
    'guestCr0',
    'cr0ReadShadow',
    'guestRsp',
    'guestCsAccessRights',
    'guestIa32Efer',
  );
  const { controlRegister, accessType, gpr, lmswSource } = QUALIFICATION.decode(qualification);
  const seen = (cr0 & ~CR0_HELD) | (shadow & CR0_HELD);
  const register = Number(gpr);
  switch (accessType) {
    case ACCESS.movTo: {
      const whole = register === RSP ? rsp : exit.registers[register];
      const in64BitMode = (efer & EFER.lma) !== 0n && (cs & RIGHTS.long) !== 0n;
      return yield* movTo(exit, controlRegister, in64BitMode ? whole : BigInt.asUintN(32, whole), seen);
    }
    case ACCESS.movFrom:
      return yield* movFrom(exit, controlRegister, register);
    case ACCESS.clts:
      return yield* writeCr0(exit, seen & ~CR0.ts, seen);
    default:
      // LMSW sets PE and never clears it.
      return yield* writeCr0(exit, (seen & ~LMSW_BITS) | (lmswSource & (LMSW_BITS | CR0.pe)), seen);
  }
}
