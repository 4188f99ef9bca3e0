import type { FrameKeeper, KeptAccess } from '../cpu/engine/kept-frames';
import type { ProcessorDraft } from '../cpu/processor-draft';
import type { VmxOperation } from './operation';
import type { ActiveVmcs } from './state';
import { readRegion, writeRegion } from './vmcs/region';

/** The page of a VMXON region or of an active VMCS, which ordinary accesses must leave alone. SDM Vol. 3C, 25.11.1 Software Use of Virtual-Machine Control Structures */
export class KeptRegion implements FrameKeeper {
  constructor(
    private readonly vmx: VmxOperation,
    /** Undefined of the VMXON region, which holds nothing. */
    private readonly vmcs: ActiveVmcs | undefined,
  ) {}

  reached(cpu: ProcessorDraft, { address, bytes, access, implicit }: KeptAccess): boolean {
    const { vmx, vmcs } = this;
    const region = vmcs === undefined ? 'VMXON' : 'VMCS';
    cpu.watcher?.undefinedUse?.(cpu, {
      kind: 'kept-memory',
      region,
      keeper: vmx.number,
      access,
      address,
      bytes,
      rip: cpu.rip,
    });
    // In non-root operation the current VMCS has been read.
    if (vmcs === undefined || implicit || (vmx.nonRoot && vmx.current === vmcs)) return false;
    if (cpu.decide('vmcs-region', 2n, 0n) === 0n) return false;
    writeRegion(cpu.mmu, vmcs.address, vmcs.data, vmcs.data.launched);
    return true;
  }

  written(cpu: ProcessorDraft): void {
    const { vmx, vmcs } = this;
    vmcs!.take(readRegion(cpu.mmu, vmcs!.address));
    vmx.onVmcsChanged();
  }
}
