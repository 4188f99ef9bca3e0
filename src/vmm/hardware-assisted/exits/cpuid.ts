import { complete } from '../completion';
import type { Exit } from '../guest';
import { CR4 } from '../initial-vmcs';
import { ask, halt, type Program, vmread } from '../program';

const VMX = 1 << 5;
const OSXSAVE = 1 << 27;
const OSPKE = 1 << 4;
const FEATURES = 1;
const EXTENDED_FEATURES = 7;

const low = (value: bigint): number => Number(BigInt.asIntN(32, value));
const high = (value: number): bigint => BigInt(value >>> 0);

/** ECX with a flag that follows CR4 of whoever asks. */
const following = (ecx: number, flag: number, on: boolean): number => (on ? ecx | flag : ecx & ~flag);

/**
 * CPUID: the host's answer without VMX, and with the flags that mirror the guest's CR4. SDM Vol. 2, CPUID, Tables 3-10 and 3-17
 */
export function* cpuid(exit: Exit): Program<Exit> {
  const [rax, rcx] = exit.registers;
  const leaf = low(rax);
  const [reply] = yield* ask([{ op: 'cpuid', leaf: leaf >>> 0, subleaf: low(rcx) >>> 0 }]);
  if (reply?.kind !== 'done' || reply.cpuid === undefined) return yield* halt('CPUID gave no registers');
  const [eax, ebx, hostEcx, edx] = reply.cpuid;
  let ecx = hostEcx;
  if (leaf === FEATURES || leaf === EXTENDED_FEATURES) {
    const [cr4] = yield* vmread('guestCr4');
    if (leaf === FEATURES) ecx = following(ecx & ~VMX, OSXSAVE, (cr4 & CR4.osxsave) !== 0n);
    else if (low(rcx) === 0) ecx = following(ecx, OSPKE, (cr4 & CR4.pke) !== 0n);
  }
  yield* complete();
  const registers = exit.registers.slice();
  registers[0] = high(eax);
  registers[1] = high(ecx);
  registers[2] = high(edx);
  registers[3] = high(ebx);
  return { ...exit, registers };
}
