// SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings
import { describe, expect, it } from 'vitest';
import { type MachineState, processor, step } from '../../src/api';
import { VMCS_FIELDS } from '../../src/api/vmx';
import { NOTHING_REMEMBERED, remember } from '../../src/cpu/caching';
import { little } from '../cpu/engine/paged-guest';
import { CODE } from '../vmx/dynamics/guest';
import {
  AT,
  beforeLaunch,
  EPT_TABLES,
  launched,
  type Setting,
  TABLES,
  words,
} from '../vmx/dynamics/whole-machine';
import {
  cpuOperations,
  EP4TAS,
  EPTPS,
  GUEST_PHYSICAL,
  gone,
  KNOWN,
  LINEAR,
  mustGo,
  VMX_OPERATIONS,
} from './every-tag';

/** Tables behind entry 1 of the PML4, down to one for the page `LINEAR`. */
const [PDPT, DIRECTORY, TABLE] = [0x3_0000, 0x3_1000, 0x3_2000];
const index = (shift: bigint): number => Number((LINEAR >> shift) & 511n) * 8;
const toPage = (entry: bigint): NonNullable<Setting['memory']> => ({
  [TABLES + index(39n)]: words(BigInt(PDPT) | 7n),
  [PDPT + index(30n)]: words(BigInt(DIRECTORY) | 7n),
  [DIRECTORY + index(21n)]: words(BigInt(TABLE) | 7n),
  [TABLE + index(12n)]: words(entry),
});

const CR4 = 0x2_20a0n;
const PCID = 5;
const ROOT = BigInt(TABLES);
const CR3 = ROOT | BigInt(PCID);
const CR0 = 0x8001_0031n;
const LIST = 0x1_2000;

/** A host and a guest with PCID 5 each, and CR0.WP. */
const setting = (more: Setting = {}): Setting => ({
  processor: processor('skylake'),
  ...more,
  fields: {
    hostCr0: CR0,
    hostCr3: CR3,
    hostCr4: CR4,
    guestCr0: CR0,
    guestCr3: CR3,
    guestCr4: CR4,
    eptPointer: EPTPS[0],
    eptpListAddress: LIST,
    ...more.fields,
  },
  memory: { [LIST]: words(EPTPS[1]), ...more.memory },
});
/** The second hierarchy of EPT is the first one by another root. */
const SECOND = { [EP4TAS[1]]: words(BigInt(EPT_TABLES + 0x1000) | 7n) };

type Registers = Readonly<Record<number, bigint>>;

/** With everything remembered that there is in the catalogue, about to execute bytes. */
const about = (state: MachineState, bytes: readonly number[], registers: Registers = {}): MachineState => {
  const [cpu] = state.processors;
  const remembered = remember(NOTHING_REMEMBERED, KNOWN);
  return {
    ...state,
    config: { ...state.config, caches: { kind: 'keep-all' } },
    memory: state.memory.write(Number(cpu.rip), Uint8Array.from(bytes)),
    processors: [{ ...cpu, remembered, registers: cpu.registers.map((value, n) => registers[n] ?? value) }],
  };
};
const goneAfter = (state: MachineState, bytes: readonly number[], registers?: Registers) => {
  const { state: after, events } = step(about(state, bytes, registers));
  const [{ remembered, rip }] = after.processors;
  return {
    gone: gone(remembered.caches),
    events: events.map(({ kind }) => kind),
    retired: rip === state.processors[0].rip + BigInt(bytes.length),
  };
};

const host = (more: Setting = {}): MachineState => {
  const state = beforeLaunch(setting(more));
  const [cpu] = state.processors;
  return { ...state, processors: [{ ...cpu, control: { ...cpu.control, cr0: CR0, cr3: CR3, cr4: CR4 } }] };
};
const VIRTUALIZED = ['activateSecondaryControls', 'enableEpt', 'enableInvpcid'] as const;
const guest = (vpid: number, more: Setting = {}): MachineState =>
  launched(
    setting({
      ...more,
      controls: [...VIRTUALIZED, ...(vpid === 0 ? [] : (['enableVpid'] as const)), ...(more.controls ?? [])],
      fields: { vpid, ...more.fields },
      memory: { ...SECOND, ...more.memory },
    }),
  );

const [EAX, ECX, EDX] = [0, 1, 2];
/** MOV CRn, RAX. */
const moveTo = (register: number) => [0x0f, 0x22, 0xc0 | (register << 3)];
const WRMSR = [0x0f, 0x30];
/** INVLPG [RAX]; INVPCID RCX, [RAX]; MOV dword [RAX], 0. */
const INVLPG = [0x0f, 0x01, 0x38];
const INVPCID = [0x66, 0x0f, 0x38, 0x82, 0x08];
const STORE = [0xc7, 0x00, ...little(0, 4)];
const DESCRIPTOR = 0x1_5000;

const pcidDescriptor = { [DESCRIPTOR]: words(6n, LINEAR) };
const descriptor = { [EAX]: BigInt(DESCRIPTOR) };
const wrmsr = (number: number, low: bigint, high = 0n) => ({
  [ECX]: BigInt(number),
  [EAX]: low,
  [EDX]: high,
});

type Action = readonly [
  drops: keyof ReturnType<typeof cpuOperations> | undefined,
  bytes: readonly number[],
  registers: Registers,
  more?: Setting,
];

/** What an instruction does in whichever address space it runs; `undefined`: nothing. */
const ACTIONS: Readonly<Record<string, Action>> = {
  INVLPG: ['invlpg', INVLPG, { [EAX]: LINEAR }],
  'INVLPG of an address that is not canonical': [undefined, INVLPG, { [EAX]: LINEAR | (1n << 60n) }],
  'INVPCID of type 0': ['invpcid 0', INVPCID, { ...descriptor, [ECX]: 0n }, { memory: pcidDescriptor }],
  'INVPCID of type 1': ['invpcid 1', INVPCID, { ...descriptor, [ECX]: 1n }, { memory: pcidDescriptor }],
  'INVPCID of type 2': ['invpcid 2', INVPCID, { ...descriptor, [ECX]: 2n }],
  'INVPCID of type 3': ['invpcid 3', INVPCID, { ...descriptor, [ECX]: 3n }],
  'MOV to CR3': ['mov cr3', moveTo(3), { [EAX]: ROOT | 6n }],
  'MOV to CR3 of the same value': ['mov cr3, same value', moveTo(3), { [EAX]: CR3 }],
  'MOV to CR3 with bit 63': [undefined, moveTo(3), { [EAX]: ROOT | 6n | (1n << 63n) }],
  'MOV to CR4 that clears PGE': ['cr4.pge', moveTo(4), { [EAX]: CR4 & ~0x80n }],
  'MOV to CR4 that clears PCIDE': ['cr4.pcide, cleared', moveTo(4), { [EAX]: CR4 & ~0x2_0000n }],
  'MOV to CR4 that sets SMEP': ['cr4.smep', moveTo(4), { [EAX]: CR4 | 0x10_0000n }],
  'MOV to CR4 that sets SMAP and PSE': [undefined, moveTo(4), { [EAX]: CR4 | 0x20_0010n }],
  'MOV to CR0 that clears WP and sets CD and TS': [undefined, moveTo(0), { [EAX]: 0xc000_0039n }],
  'WRMSR to an MTRR': ['mtrr', WRMSR, wrmsr(0x200, 6n)],
  'WRMSR to IA32_PAT': [undefined, WRMSR, wrmsr(0x277, 0x7040600n)],
  'WRMSR to IA32_EFER that changes SCE': [undefined, WRMSR, wrmsr(0xc000_0080, 0x501n)],
  'WRMSR to IA32_EFER that changes NXE': ['efer.nxe', WRMSR, wrmsr(0xc000_0080, 0xd00n)],
  CPUID: [undefined, [0x0f, 0xa2], {}],
};

/** An MSR bitmap of zeros, so that MSRs do not exit. */
const NO_EXITS: Setting = {
  controls: ['useMsrBitmaps'],
  fields: { msrBitmapAddress: 0x1_6000, vmEntryControls: 0x13fbn },
  without: ['cr3LoadExiting', 'cr3StoreExiting'],
};

describe('An instruction drops what it must, and nothing else', () => {
  const rows = Object.entries(ACTIONS);
  const expected = (drops: Action[0], where: { vpid: number; pcid: number }): readonly string[] =>
    drops === undefined ? [] : mustGo(cpuOperations(where)[drops]);

  it.each(rows)('%s, outside non-root operation', (_, [drops, bytes, registers, more]) => {
    const { gone: dropped, retired } = goneAfter(host(more), bytes, registers);
    expect(retired).toBe(true);
    expect(dropped).toEqual(expected(drops, { vpid: 0, pcid: PCID }));
  });

  it.each(rows.filter(([name]) => name !== 'CPUID'))(
    '%s, in a guest with VPID 1',
    (_, [drops, bytes, registers, more]) => {
      const { gone: dropped, retired } = goneAfter(guest(1, { ...NO_EXITS, ...more }), bytes, registers);
      expect(retired).toBe(true);
      expect(dropped).toEqual(expected(drops, { vpid: 1, pcid: PCID }));
    },
  );

  const HANDLER = 0xe800;
  const NOP = { [HANDLER]: [0x90] };
  it.each([
    ['a page fault, outside non-root operation', host(), 0, false],
    ['a page fault of a guest', guest(1, { handlers: { 14: HANDLER }, memory: NOP }), 1, false],
    ['a page fault that causes a VM exit', guest(1, { fields: { exceptionBitmap: 1 << 14 } }), 1, true],
  ] as const)('%s', (_, state, vpid, exits) => {
    const { gone: dropped, events } = goneAfter(state, STORE, { [EAX]: LINEAR });
    expect(events.includes('vm-exit')).toBe(exits);
    expect(dropped).toEqual(expected('page fault', { vpid, pcid: PCID }));
  });

  const vmx = (drops: keyof typeof VMX_OPERATIONS | 'failure'): readonly string[] =>
    drops === 'failure' ? [] : mustGo(VMX_OPERATIONS[drops]);
  const pointer = { [EAX]: BigInt(AT.operand) };

  it.each<[keyof typeof VMX_OPERATIONS | 'failure', readonly number[], Registers, readonly bigint[]]>([
    ['invept 1', CODE.invept, { ...pointer, [ECX]: 1n }, [EPTPS[1], 0n]],
    ['invept 2', CODE.invept, { ...pointer, [ECX]: 2n }, [0n, 0n]],
    ['invvpid 0', CODE.invvpid, { ...pointer, [ECX]: 0n }, [2n, LINEAR]],
    ['invvpid 1', CODE.invvpid, { ...pointer, [ECX]: 1n }, [2n, 0n]],
    ['invvpid 2', CODE.invvpid, { ...pointer, [ECX]: 2n }, [0n, 0n]],
    ['invvpid 3', CODE.invvpid, { ...pointer, [ECX]: 3n }, [2n, 0n]],
    ['failure', CODE.invvpid, { ...pointer, [ECX]: 1n }, [0n, 0n]],
    ['failure', CODE.invept, { ...pointer, [ECX]: 1n }, [EPTPS[1] | 0x100n, 0n]],
    ['vmxoff', CODE.vmxoff, {}, []],
    ['vmclear', CODE.vmclear, pointer, [BigInt(AT.vmcs)]],
    ['vmptrld', CODE.vmptrld, pointer, [BigInt(AT.vmcs)]],
    ['vmwrite', CODE.vmwrite, { [EAX]: BigInt(VMCS_FIELDS.vpid.encoding), 3: 2n }, []],
  ])('%s', (drops, bytes, registers, operand) => {
    const state = host({ memory: { [AT.operand]: words(...operand) } });
    const { gone: dropped, retired } = goneAfter(state, bytes, registers);
    expect(retired).toBe(true);
    expect(dropped).toEqual(vmx(drops));
  });

  it.each([
    ['vm entry', 0],
    ['vm entry with VPID', 1],
  ] as const)('%s', (drops, vpid) => {
    const state = host({
      controls: ['activateSecondaryControls', ...(vpid === 0 ? [] : (['enableVpid'] as const))],
      fields: { vpid },
    });
    const { gone: dropped, events } = goneAfter(state, CODE.vmlaunch);
    expect(events).toContain('vm-entry');
    expect(dropped).toEqual(vmx(drops));
  });

  it.each([
    ['vm exit', 0],
    ['vm exit with VPID', 1],
  ] as const)('%s', (drops, vpid) => {
    const { gone: dropped, events } = goneAfter(guest(vpid), CODE.vmcall);
    expect(events).toContain('vm-exit');
    expect(dropped).toEqual(vmx(drops));
  });

  it.each([
    ['INVEPT', CODE.invept],
    ['INVVPID', CODE.invvpid],
  ])('%s of a guest exits, and drops nothing', (_, bytes) => {
    const { gone: dropped, events } = goneAfter(guest(1), bytes, { ...pointer, [ECX]: 2n });
    expect(events).toContain('vm-exit');
    expect(dropped).toEqual([]);
  });

  const area = (index: number, value: bigint): Setting['memory'] & object => ({
    [AT.msrArea]: words(BigInt(index), value),
  });
  it.each([
    ['an MTRR', 0x200, 6n, 'MSR-load area that flushes'],
    ['IA32_EFER with another NXE', 0xc000_0080, 0xd00n, 'MSR-load area that flushes'],
    ['IA32_EFER with the same NXE', 0xc000_0080, 0x501n, 'vm entry with VPID'],
    ['IA32_PAT', 0x277, 0x7040600n, 'vm entry with VPID'],
  ] as const)('%s in the MSR-load area of VM entry and of VM exit', (_, number, value, drops) => {
    const memory = area(number, value);
    const enters = host({
      controls: ['activateSecondaryControls', 'enableVpid'],
      fields: { vpid: 1, vmEntryMsrLoadCount: 1, vmEntryMsrLoadAddress: AT.msrArea },
      memory,
    });
    const exits = guest(1, {
      fields: { vmExitMsrLoadCount: 1, vmExitMsrLoadAddress: AT.msrArea },
      memory,
    });
    const entered = goneAfter(enters, CODE.vmlaunch);
    const exited = goneAfter(exits, CODE.vmcall);
    expect([entered.events, exited.events]).toEqual([['vm-entry'], ['vm-exit']]);
    expect(entered.gone).toEqual(vmx(drops));
    expect(exited.gone).toEqual(vmx(drops));
  });

  it.each([
    ['eptp switching', 0],
    ['eptp switching with VPID', 1],
  ] as const)('%s', (drops, vpid) => {
    const state = guest(vpid, { controls: ['enableVmFunctions', 'eptpSwitching'] });
    const { gone: dropped, events } = goneAfter(state, CODE.vmfunc, { [EAX]: 0n, [ECX]: 0n });
    expect(events).not.toContain('vm-exit');
    expect(dropped).toEqual(vmx(drops));
  });

  it('ept violation that is a virtualization exception', () => {
    const state = guest(1, {
      controls: ['eptViolationVe'],
      fields: { virtualizationExceptionInfoAddress: 0x1_7000 },
      handlers: { 20: HANDLER },
      memory: { ...toPage(BigInt(GUEST_PHYSICAL) | 0x67n), ...NOP },
    });
    const { gone: dropped, events } = goneAfter(state, STORE, { [EAX]: LINEAR });
    expect(events).toEqual(['delivered']);
    expect(dropped).toEqual(mustGo(cpuOperations({ vpid: 1, pcid: PCID })['ept violation']));
  });

  it('an interrupt drops nothing', () => {
    const state = guest(1, { handlers: { 3: HANDLER }, memory: NOP });
    expect(goneAfter(state, [0xcc])).toMatchObject({ gone: [], events: ['delivered'] });
  });

  it.each([
    ['ept violation', toPage(BigInt(GUEST_PHYSICAL) | 0x67n)],
    // The PDPT is behind an address that EPT does not map.
    ['ept violation of a table', { [TABLES + index(39n)]: words(BigInt(GUEST_PHYSICAL) | 7n) }],
  ] as const)('%s', (drops, memory) => {
    const { gone: dropped, events } = goneAfter(guest(1, { memory }), STORE, { [EAX]: LINEAR });
    expect(events).toContain('vm-exit');
    expect(dropped).toEqual(mustGo(cpuOperations({ vpid: 1, pcid: PCID })[drops]));
  });
});
