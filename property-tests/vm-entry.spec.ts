// SDM Vol. 3C, 27 VM Entries: what `checkVmEntry` accepts enters, and what it rejects does not, in one of the ways that it says.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { named, outcomeOf, readerOf } from '../scripts/fuzz/vmcss';
import { AT } from '../spec/vmx/dynamics/guest';
import { beforeLaunch } from '../spec/vmx/dynamics/whole-machine';
import { checkVmEntry, type MachineState, processor, step } from '../src/api';
import { nearlyValidVmcs, validVmcs } from '../src/api/arbitraries';
import { type VmcsData, type VmxState, vmxCapabilities } from '../src/api/vmx';
import { brokenChecks, type CheckVmEntry } from './mutants/vm-entry-checks';
import { holds, isRefuted, mustBeEqual, whereBuilt } from './theorem';

const RUNS = Number(process.env.VTMODEL_RUNS ?? 150);

const MODEL = processor('skylake');
const PLATFORM = {
  capabilities: vmxCapabilities(MODEL),
  physicalAddressWidth: MODEL.physicalAddressWidth,
  linearAddressWidth: MODEL.linearAddressWidth,
};

const BASE = beforeLaunch();
const MEMORY = readerOf(BASE);

/** The machine about to execute VMLAUNCH with this VMCS. */
const launching = (vmcs: VmcsData): MachineState => {
  const [cpu] = BASE.processors;
  const vmx = cpu.virtualization as VmxState;
  const active = vmx.active.map((one) => ({ ...one, words: Array.from(vmcs.words) }));
  return { ...BASE, processors: [{ ...cpu, virtualization: { ...vmx, active } }] };
};

/** VMLAUNCH does what `check` permits. Which MSRs there are is not for it to know: none are loaded. */
const asSaid = (check: CheckVmEntry, vmcss: fc.Arbitrary<VmcsData>) =>
  fc.property(vmcss, (vmcs) =>
    whereBuilt(() => {
      vmcs.set('vmEntryMsrLoadCount', 0n);
      const { permitted } = check(
        { vmcs, memory: MEMORY, state: { currentVmcs: AT.vmcs, vmxonPointer: AT.vmxon } },
        MODEL,
      );
      const outcome = outcomeOf(step(launching(vmcs)));
      mustBeEqual('VMLAUNCH is permitted', permitted.map(named).includes(outcome), true);
    }),
  );

const nearly = nearlyValidVmcs(PLATFORM).map(({ vmcs }) => vmcs);

describe('VMLAUNCH does what checkVmEntry permits', () => {
  it('of valid VMCSs', () => holds(asSaid(checkVmEntry, validVmcs(PLATFORM)), RUNS));

  it('of nearly valid VMCSs', () => holds(asSaid(checkVmEntry, nearly), RUNS));

  it.each(Object.entries(brokenChecks))('and not what one permits that %s', (_, check) => {
    expect(isRefuted(asSaid(check, nearly), 3000)).toBe(true);
  });
});
