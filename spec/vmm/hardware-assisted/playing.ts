// Short cuts for the examples of the hardware-assisted monitor.
import { hardwareAssistedMonitor } from '../../../src/vmm/hardware-assisted';
import { play, type ScriptedExit, ScriptedHost } from '../scripted-host';

export const monitor = hardwareAssistedMonitor();
/** Where the guest starts. */
export const AT = 0x10_0000;

/** The entry after one exit. */
export const after = (exit: ScriptedExit, host = new ScriptedHost()) => {
  const { entries, halted } = play(monitor, [exit], host);
  return { host, halted, entry: entries[1], fields: entries[1]?.fields };
};

/** The guest executes `bytes`, with the local APIC's register 80H as memory operand at [EBX]. */
export const mmio = (
  bytes: readonly number[],
  write: boolean,
  registers: Readonly<Record<number, bigint>> = {},
) => {
  const host = new ScriptedHost();
  host.putGuest(AT, ...bytes);
  const exit: ScriptedExit = {
    reason: 'eptViolation',
    registers: { 3: 0xfee0_0080n, ...registers },
    fields: {
      exitQualification: write ? 0x182n : 0x181n,
      guestPhysicalAddress: 0xfee0_0080n,
      guestLinearAddress: 0xfee0_0080n,
      idtVectoringInfo: 0n,
    },
  };
  return { host, exit };
};
