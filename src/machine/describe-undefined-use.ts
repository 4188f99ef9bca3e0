import { hex } from '../core';
import type { UndefinedUse } from '../cpu/undefined-use';

/** One line for people: what software did that the manual leaves undefined, and where it says so. */
export const describeUndefinedUse = (use: UndefinedUse): string => {
  switch (use.kind) {
    case 'kept-memory': {
      const { access, bytes, address, rip, region, keeper } = use;
      const whose = region === 'VMCS' ? 'an active VMCS' : 'VMXON';
      return `${access} of ${bytes} bytes at ${hex(address)} by the instruction at ${hex(rip)}, in the region of ${whose} of processor ${keeper} (SDM Vol. 3C, 25.11.1)`;
    }
    case 'msr-area': {
      const { area, entries, most } = use;
      return `the ${area} area has ${entries} entries, IA32_VMX_MISC recommends at most ${most} (SDM Vol. 3D, A.6)`;
    }
  }
};
