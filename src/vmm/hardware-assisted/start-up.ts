import { MSR } from '../../cpu/msr-index';
import type { HostRequest } from '../../machine/host-port';
import { eptVpidCap, revisionIdentifier, VMX_BASIC, type VmxCapabilities } from '../../vmx/capabilities';
import { bitmapStores } from './bitmaps';
import { chosenControls, readCapabilities } from './capabilities';
import { controlBit } from './controls';
import { eptTables } from './ept-tables';
import type { GuestRecord, Setting } from './guest';
import { CR4, controlFields, EFER, guestFields, type HostRegisters, hostFields, VPID } from './initial-vmcs';
import { type MemoryPlan, memoryPlan, OPERAND } from './memory-plan';
import { ask, halt, type Program, resultOf, tell, value, vmwrites } from './program';

const DEFAULT_PERIOD = 1_000_000;
const PHYSICAL_ADDRESS_LEAF = 0x80000008;
const ALL_CONTEXTS = 2;
const FEATURES_LEAF = 1;
/** CPUID.01H:ECX.XSAVE */
const XSAVE = 1 << 26;
const LOW_HALF = 0xffff_ffffn;

/** The page of the local APIC by IA32_APIC_BASE; -1 while it is disabled. SDM Vol. 3A, 11.4.4 */
export const apicPageOf = (apicBase: bigint): number =>
  (apicBase & 0x800n) === 0n ? -1 : Number(apicBase & 0xf_ffff_ffff_f000n);

/** Puts CR0 and CR4 in the state that VMX operation demands. SDM Vol. 3C, 24.8 Restrictions on VMX Operation */
function* enterVmxOperation(capabilities: VmxCapabilities, plan: MemoryPlan): Program<HostRegisters> {
  const cr0 =
    ((yield* value({ op: 'mov-from-cr', control: 0 })) | capabilities.ia32VmxCr0Fixed0) &
    capabilities.ia32VmxCr0Fixed1;
  const [features] = yield* ask([{ op: 'cpuid', leaf: FEATURES_LEAF, subleaf: 0 }]);
  const xsave = features?.kind === 'done' && ((features.cpuid?.[2] ?? 0) & XSAVE) !== 0;
  // XSETBV, which the monitor executes for the guest, needs OSXSAVE.
  const cr4 =
    ((yield* value({ op: 'mov-from-cr', control: 4 })) |
      capabilities.ia32VmxCr4Fixed0 |
      (xsave ? CR4.osxsave : 0n)) &
    capabilities.ia32VmxCr4Fixed1;
  const efer = yield* value({ op: 'rdmsr', index: MSR.IA32_EFER });
  const pat = yield* value({ op: 'rdmsr', index: MSR.IA32_PAT });
  const revision = BigInt(revisionIdentifier(capabilities));
  const store = (address: bigint, bytes: 4 | 8, what: bigint): HostRequest => ({
    op: 'store',
    address,
    bytes,
    value: what,
  });
  yield* tell([
    { op: 'mov-to-cr', control: 0, value: cr0 },
    { op: 'mov-to-cr', control: 4, value: cr4 },
    store(plan.vmxonRegion, 4, revision),
    store(plan.vmcsRegion, 4, revision),
    store(plan.operands + OPERAND.vmxon, 8, plan.vmxonRegion),
    store(plan.operands + OPERAND.vmcs, 8, plan.vmcsRegion),
    store(plan.operands + OPERAND.invvpid, 8, VPID),
    { op: 'vmxon', operand: plan.operands + OPERAND.vmxon },
    { op: 'vmclear', operand: plan.operands + OPERAND.vmcs },
    { op: 'vmptrld', operand: plan.operands + OPERAND.vmcs },
  ]);
  return { cr0, cr4, efer, pat };
}

/** INVEPT and INVVPID of everything, where they exist: what others left in the caches. SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
const invalidations = (capabilities: VmxCapabilities, plan: MemoryPlan): readonly HostRequest[] => {
  const { invept, inveptAll, invvpid, invvpidAll } = eptVpidCap(capabilities);
  const requests: HostRequest[] = [];
  const operand = plan.operands + OPERAND.invept;
  if (invept & inveptAll) requests.push({ op: 'invept', type: ALL_CONTEXTS, operand });
  if (invvpid & invvpidAll) requests.push({ op: 'invvpid', type: ALL_CONTEXTS, operand });
  return requests;
};

/**
 * From a bare processor to a guest about to be launched: capabilities, VMX operation, tables and bitmaps in the monitor's memory, and
 * every field of the VMCS. SDM Vol. 3C, 25.11.3 Initializing a VMCS
 */
export function* startUp({ layout, options }: Setting): Program<GuestRecord> {
  const plan = memoryPlan(layout);
  const capabilities = yield* readCapabilities();
  if (VMX_BASIC.get(capabilities.ia32VmxBasic, 'physicalAddressWidth32') === 1n && plan.end > LOW_HALF)
    return yield* halt('VMX structures must lie below 4 GiB');
  const largePages = eptVpidCap(capabilities).page2m === 1n;
  const tables = eptTables(layout.guestMemory, plan.tables, plan.end, largePages);
  if (!tables.ok) return yield* halt(tables.fault);

  const [apicBase, widths] = yield* ask([
    { op: 'rdmsr', index: MSR.IA32_APIC_BASE },
    { op: 'cpuid', leaf: PHYSICAL_ADDRESS_LEAF, subleaf: 0 },
  ]);
  const registers = yield* enterVmxOperation(capabilities, plan);
  const period = options.preemptionTimerPeriod ?? DEFAULT_PERIOD;
  const ia32eMode = (layout.guest.efer & EFER.lma) !== 0n;
  const words = chosenControls(capabilities, ia32eMode, period > 0);
  const tagged = (words.secondaryProcBasedControls & controlBit('enableVpid')) !== 0n;
  const timed = (words.pinBasedControls & controlBit('activateVmxPreemptionTimer')) !== 0n;
  yield* tell([...tables.value.stores, ...bitmapStores(plan)]);
  yield* tell([
    ...vmwrites(controlFields(words, plan, tables.value.root, layout.guest)),
    ...vmwrites(tagged ? { vpid: VPID } : {}),
    ...vmwrites(timed ? { vmxPreemptionTimerValue: BigInt(period) } : {}),
    ...vmwrites(hostFields(layout, registers)),
    ...vmwrites(guestFields(layout.guest, capabilities, registers.pat)),
    ...invalidations(capabilities, plan),
  ]);
  const { secondaryProcBasedControls: _, ...controls } = words;
  return {
    controls,
    tscOffset: 0n,
    acknowledged: [],
    apicPage: apicPageOf(resultOf(apicBase) ?? 0n),
    tagged,
    physicalBits: widths?.kind === 'done' ? (widths.cpuid?.[0] ?? 36) & 0xff : 36,
  };
}
