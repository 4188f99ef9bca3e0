import { MSR } from '../../../cpu/msr-index';
import { CAPABILITY_MSRS } from '../../../vmx/capabilities';
import { complete } from '../completion';
import { type Exit, pairOf, withGuest, withPair } from '../guest';
import { generalProtection } from '../injection';
import { isMapped, PAGE } from '../memory-plan';
import { ask, halt, type Program, resultOf, tell, value, vmwrite } from '../program';
import { apicPageOf } from '../start-up';

const RCX = 1;
const APIC_BASE = 0x1b;

/** The guest's processor has no VMX: nor has it these. SDM Vol. 3D, Appendix A VMX Capability Reporting Facility */
const HIDDEN: ReadonlySet<number> = new Set(Object.values(CAPABILITY_MSRS));

const MOVED: ReadonlySet<number> = new Set([
  MSR.IA32_TIME_STAMP_COUNTER,
  MSR.IA32_TSC_ADJUST,
  MSR.IA32_TSC_DEADLINE,
]);

const indexOf = (exit: Exit): number => Number(BigInt.asUintN(32, exit.registers[RCX]));

/** What the guest has in an MSR of time, seen from the host: the host's counter is never written, what the guest did to its own is in the offset. */
const moved = (index: number, host: bigint, offset: bigint): bigint => {
  if (index === MSR.IA32_TSC_DEADLINE && host === 0n) return 0n;
  return MOVED.has(index) ? BigInt.asUintN(64, host + offset) : host;
};

/** RDMSR: the host's register, or #GP(0) where the host has none. */
export function* rdmsr(exit: Exit): Program<Exit> {
  const index = indexOf(exit);
  if (HIDDEN.has(index)) return yield* generalProtection(exit);
  const [reply] = yield* ask([{ op: 'rdmsr', index }]);
  const host = resultOf(reply);
  if (host === undefined) return yield* generalProtection(exit);
  yield* complete();
  return withPair(exit, moved(index, host, exit.guest.tscOffset));
}

/** TSC and TSC_ADJUST move the offset alone. SDM Vol. 3B, 18.17.3 Time-Stamp Counter Adjustment */
function* moveTimeStamp(exit: Exit, index: number): Program<Exit> {
  const [reply] = yield* ask([{ op: 'rdmsr', index }]);
  const host = resultOf(reply);
  if (host === undefined) return yield* generalProtection(exit);
  const tscOffset = BigInt.asUintN(64, pairOf(exit) - host);
  yield* tell([vmwrite('tscOffset', tscOffset)]);
  yield* complete();
  return withGuest(exit, { tscOffset });
}

/** WRMSR: to the host's register, which decides about #GP(0). */
export function* wrmsr(exit: Exit): Program<Exit> {
  const index = indexOf(exit);
  if (HIDDEN.has(index)) return yield* generalProtection(exit);
  if (index === MSR.IA32_TIME_STAMP_COUNTER || index === MSR.IA32_TSC_ADJUST)
    return yield* moveTimeStamp(exit, index);
  const deadline = index === MSR.IA32_TSC_DEADLINE;
  const value64 = deadline ? moved(index, pairOf(exit), -exit.guest.tscOffset) : pairOf(exit);
  const [reply] = yield* ask([{ op: 'wrmsr', index, value: value64 }]);
  if (resultOf(reply) === undefined) return yield* generalProtection(exit);
  yield* complete();
  if (index !== APIC_BASE) return exit;
  const apicPage = apicPageOf(yield* value({ op: 'rdmsr', index: APIC_BASE }));
  if (apicPage >= 0 && isMapped(exit.layout, apicPage - (apicPage % PAGE)))
    return yield* halt('the guest moved the local APIC onto its RAM');
  return withGuest(exit, { apicPage });
}
