import { bitfield, hex } from '../../../core';
import { EXIT_REASONS } from '../../../vmx/exit/exit-reasons';
import { type Exit, RSP, withRegister } from '../guest';
import { INFORMATION, reinject } from '../injection';
import { isMapped } from '../memory-plan';
import { emulate } from '../mmio/emulate';
import { fetchInstruction } from '../mmio/fetch';
import { readCodeSegment } from '../paging/segment';
import { readPagingRegisters } from '../paging/walk';
import { halt, type Program, tell, vmread, vmwrites } from '../program';

const QUALIFICATION = bitfield(EXIT_REASONS.eptViolation.qualification);

/**
 * An access outside the guest's RAM: the monitor makes it in the guest's stead. RAM is mapped with all rights, so that a violation there is over when
 * the guest tries again. SDM Vol. 3C, 28.2.1, Table 28-7 Exit Qualification for EPT Violations
 */
export function* eptViolation(exit: Exit): Program<Exit> {
  const [qualification, physical, linear, vectoring, rsp] = yield* vmread(
    'exitQualification',
    'guestPhysicalAddress',
    'guestLinearAddress',
    'idtVectoringInfo',
    'guestRsp',
  );
  const gpa = Number(physical);
  const access = QUALIFICATION.decode(qualification);
  if (isMapped(exit.layout, gpa)) return yield* reinject(exit);
  const where = `guest-physical ${hex(gpa)}, outside its RAM`;
  if (INFORMATION.get(vectoring, 'valid') === 1n) return yield* halt(`event delivery through ${where}`);
  if (access.fetch === 1n) return yield* halt(`instruction fetch from ${where}`);
  if (access.linearAddressValid === 0n || access.finalTranslation === 0n)
    return yield* halt(`paging structures at ${where}`);

  const code = yield* readCodeSegment();
  const paging = yield* readPagingRegisters();
  // The registers of an exit lack RSP, which is in the VMCS.
  const whole = withRegister(exit, RSP, rsp);
  const instruction = yield* fetchInstruction(whole, paging, code);
  const after = yield* emulate({
    exit: whole,
    instruction,
    code,
    paging,
    linear,
    gpa,
    writes: access.write === 1n,
  });
  const newRsp = after.registers[RSP];
  if (newRsp !== rsp) yield* tell(vmwrites({ guestRsp: newRsp }));
  return after;
}
