// SDM Vol. 3C, 27 VM Entries, 28 VM Exits, on whole machines: the engine is part of what is looked at
import { describe, expect, it } from 'vitest';
import { mutant } from '../../../property-tests/mutants/mutation';
import { createMonitoredMachine, type HostRequest, type MachineState, run, step } from '../../../src/machine';
import { hardwareAssistedMonitor } from '../../../src/vmm/hardware-assisted';
import { minimalVmcallMonitor } from '../../../src/vmm/minimal';
import { VMCS_FIELDS, type VmcsField } from '../../../src/vmx';
import { code, guestOf, withHandler } from '../../criteria/guests';

const IF = 0x200n;
const TF = 0x100n;
const BLOCKING_BY_STI = 1n;

const write = (field: VmcsField, value: bigint): HostRequest => ({
  op: 'vmwrite',
  field: VMCS_FIELDS[field].encoding,
  value,
});

/** A machine about to execute VMRESUME, with fields written before it. */
const beforeResume = (...writes: HostRequest[]): MachineState => {
  const monitor = mutant(hardwareAssistedMonitor(), {
    name: 'writes fields',
    says: 'fields are written before the first VMRESUME',
    start: () => 0,
    amend: (memory, request) =>
      request.op === 'vmresume' && memory < writes.length
        ? { memory: memory + 1, before: writes[memory] }
        : { memory, request },
  });
  let state = createMonitoredMachine(guestOf(code.cpuid, code.nop, code.exit(0)), monitor);
  for (;;) {
    const next = step(state).state;
    if (next.monitor?.progress?.request.op === 'vmresume') return state;
    state = next;
  }
};

const withHost = (
  state: MachineState,
  { trap, blockingBySti }: { readonly trap: boolean; readonly blockingBySti: boolean },
): MachineState => {
  const [host] = state.processors;
  const rflags = trap ? host.rflags | TF : host.rflags;
  return { ...state, processors: [{ ...host, rflags, hidden: { ...host.hidden, blockingBySti } }] };
};

describe('27.7 Special Features of VM Entry: nothing of the host instruction outlives it', () => {
  const hosts = [
    ['a quiet host', { trap: false, blockingBySti: false }],
    ['a host after STI', { trap: false, blockingBySti: true }],
    ['a host that single-steps', { trap: true, blockingBySti: false }],
  ] as const;

  it.each(hosts)('%s enters a guest blocked by STI', (_, host) => {
    const state = beforeResume(
      write('guestRflags', IF | 2n),
      write('guestInterruptibilityState', BLOCKING_BY_STI),
    );
    const [guest] = step(withHost(state, host)).state.processors;
    expect(guest.rflags).toBe(IF | 2n);
    expect(guest.hidden).toMatchObject({ blockingBySti: true, pendingDebug: 0 });
  });

  it.each(hosts)('%s gets an entry failure after which nothing is pending', (_, host) => {
    const [back] = step(withHost(beforeResume(write('guestRflags', 0n)), host)).state.processors;
    expect(back.rflags).toBe(2n);
    expect(back.hidden).toMatchObject({ blockingBySti: false, pendingDebug: 0 });
  });
});

// SDM Vol. 3C, 28.3.4 Saving Non-Register State; 27.3.1.5 Checks on Guest Non-Register State
describe('28.3.4 a single-step trap that MOV SS holds back', () => {
  const CLEAR_EBX = [0x31, 0xdb];
  const MOV_AX_SS = [0x66, 0x8c, 0xd0];
  const SET_TF = [0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d];
  const MOV_SS_AX = [0x8e, 0xd0];
  const VMCALL = [0x0f, 0x01, 0xc1];
  const INC_EBX = [0xff, 0xc3];
  const CLEAR_TF_OF_FRAME = [0x48, 0x81, 0x64, 0x24, 0x10, 0xff, 0xfe, 0xff, 0xff];
  const IRETQ = [0x48, 0xcf];
  const stepping = withHandler(
    1,
    [...CLEAR_EBX, ...MOV_AX_SS, ...SET_TF, ...MOV_SS_AX, ...VMCALL, ...code.nop, ...code.nop, ...code.show],
    [...INC_EBX, ...CLEAR_TF_OF_FRAME, ...IRETQ],
  );

  // VMRESUME leaves blocking by MOV SS as it was, so that the trap comes after the NOP.
  it('survives the exit and comes once', () => {
    const monitor = mutant(minimalVmcallMonitor(), {
      name: 'leaves exceptions to the guest',
      says: 'the exception bitmap is 0',
      start: () => 0,
      amend: (memory, request) => ({
        memory,
        request:
          request.op === 'vmwrite' && request.field === VMCS_FIELDS.exceptionBitmap.encoding
            ? { ...request, value: 0n }
            : request,
      }),
    });
    const { stop, state } = run(createMonitoredMachine(stepping, monitor), { maxInstructions: 100_000 });
    expect(stop).toEqual({ kind: 'monitor-stopped', reason: 'exit ioInstruction' });
    expect(state.processors[0].registers[3]).toBe(1n);
  });
});
