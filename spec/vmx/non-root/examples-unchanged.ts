import { processor } from '../../../src/api';
import { AT, EPT_TABLES, PAE_TABLES, type Setting, words } from '../dynamics/whole-machine';
import {
  CR0,
  cr0,
  exits,
  faults,
  GP,
  MOV_CR0_RBX,
  MOV_CR4_RBX,
  msrs,
  RAX,
  RBX,
  RCX,
  RDX,
  rdmsr,
  runs,
  type Shown,
  UD,
  UNPAGED,
  unpaged,
  user,
  VMCALL,
  wrmsr,
} from './behaviour-examples';

const CS_32 = 0xc09b;
/** In compatibility mode, unrestricted. */
const compatibility = {
  controls: [...unpaged.controls, 'loadGuestIa32Efer', 'saveIa32Efer'],
  fields: { guestCsAccessRights: CS_32, guestIa32Efer: 0x500n },
} as const;
const PDPTE = BigInt(PAE_TABLES + 0x1000) | 1n;
/** Paging is off, and IA-32e mode is not asked for. */
const legacy = {
  controls: [...unpaged.controls, 'loadGuestIa32Efer'],
  without: unpaged.without,
  fields: { ...UNPAGED, guestCr3: PAE_TABLES },
} as const;
/** Another PDPTE in memory than in the register. */
const paeGuest = {
  host: 'pae',
  controls: ['activateSecondaryControls', 'enableEpt'],
  fields: { guestPdpte0: PDPTE },
  memory: { [PAE_TABLES + 8]: words(PDPTE) },
} as const satisfies Setting;

const CONTROL_REGISTERS = {
  'SMSW to memory writes 16 bits': runs([0x0f, 0x01, 0x23, 0x8b, 0x03], {
    fields: cr0(0x30n, 0x10n),
    registers: { [RBX]: BigInt(AT.operand) },
    memory: { [AT.operand]: words(0xffff_ffffn) },
    general: { [RAX]: 0xffff_0011n },
  }),
  'PG cleared in compatibility mode leaves IA-32e mode, which the next exit tells': runs(MOV_CR0_RBX, {
    ...compatibility,
    registers: { [RBX]: 0x31n },
    values: { guestIa32Efer: 0x100n, vmEntryControls: 0x91fbn },
  }),
  'but not while CR4.PCIDE is 1': faults(GP, MOV_CR0_RBX, {
    ...compatibility,
    fields: { ...compatibility.fields, guestCr4: 0x2_2020n },
    registers: { [RBX]: 0x31n },
    values: { guestCr0: CR0 },
  }),
  'PAE paging that comes into use loads the PDPTE registers': runs(MOV_CR0_RBX, {
    ...legacy,
    registers: { [RBX]: CR0 },
    values: { guestPdpte0: PDPTE, guestCr0: CR0 },
  }),
  'a reserved bit of a PDPTE keeps paging from coming into use': faults(GP, MOV_CR0_RBX, {
    ...legacy,
    memory: { [PAE_TABLES + 8]: words(0x1003n) },
    registers: { [RBX]: CR0 },
    values: { guestCr0: 0x31n },
  }),
  'an EPT violation of the PDPTEs does so too, without a linear address': exits('eptViolation', MOV_CR0_RBX, {
    ...legacy,
    fields: { ...UNPAGED, guestCr3: 0x40_0000 },
    registers: { [RBX]: CR0 },
    values: { exitQualification: 1n, guestPhysicalAddress: 0x40_0000n, guestCr0: 0x31n },
  }),
  'a change of CR0.CD and CR0.NW loads the PDPTE registers': runs(MOV_CR0_RBX, {
    ...paeGuest,
    registers: { [RBX]: CR0 | 0x6000_0000n },
    values: { guestPdpte1: PDPTE },
  }),
  'a change of CR4.PGE loads the PDPTE registers through EPT': runs(MOV_CR4_RBX, {
    ...paeGuest,
    registers: { [RBX]: 0x20a0n },
    values: { guestPdpte1: PDPTE },
  }),
  'a change of CR4.PSE loads the PDPTE registers': runs(MOV_CR4_RBX, {
    ...paeGuest,
    registers: { [RBX]: 0x2030n },
    values: { guestPdpte1: PDPTE },
  }),
  'a change of CR4.SMEP loads the PDPTE registers': runs(MOV_CR4_RBX, {
    ...paeGuest,
    memory: { ...paeGuest.memory, [PAE_TABLES + 0x1000]: words(0x83n, 0x20_0083n) },
    registers: { [RBX]: 0x10_2020n },
    values: { guestPdpte1: PDPTE },
  }),
  'a change of CR4.DE loads none': runs(MOV_CR4_RBX, {
    ...paeGuest,
    registers: { [RBX]: 0x2028n },
    values: { guestPdpte1: 0n },
  }),
  'CR4.PAE that is set loads them, here with reserved bits': faults(GP, MOV_CR4_RBX, {
    host: '32-bit',
    registers: { [RBX]: 0x2030n },
    values: { guestCr4: 0x2010n },
  }),
  'CR4.PCIDE set outside IA-32e mode': faults(GP, MOV_CR4_RBX, {
    host: '32-bit',
    registers: { [RBX]: 0x2_2010n },
  }),
} satisfies Record<string, Shown>;

const HANDLER = 0x5000;
const IRETQ = [0x48, 0xcf];
const INTERRUPT_RETURNS = {
  'IRET that sets IF blocks nothing: the interrupt window is open before the next instruction': exits(
    'interruptWindow',
    IRETQ,
    {
      controls: ['interruptWindowExiting'],
      memory: { [AT.guestStack]: words(BigInt(AT.guestCode + 2), 8n, 0x202n, BigInt(AT.guestStack), 16n) },
      values: { guestRip: BigInt(AT.guestCode + 2), guestInterruptibilityState: 0n },
    },
  ),
  'IRET that meets an EPT violation has ended blocking by NMI, as bit 12 says': exits('eptViolation', IRETQ, {
    controls: ['activateSecondaryControls', 'enableEpt'],
    fields: { guestRsp: 0x20_0000, guestInterruptibilityState: 8 },
    memory: { [EPT_TABLES + 0x2008]: words(0n) },
    values: { exitQualification: 0x1781n, guestInterruptibilityState: 0n },
  }),
  'IRET of another handler ends blocking by NMI': {
    exit: 'vmcall',
    fields: { vmEntryInterruptionInfo: 0x8000_0202 },
    handlers: { 2: HANDLER, 6: HANDLER + 0x100 },
    memory: {
      // UD2; the handler of #UD adds 2 to the RIP that it returns to.
      [HANDLER]: [0x0f, 0x0b, ...VMCALL],
      [HANDLER + 0x100]: [0x48, 0x83, 0x04, 0x24, 2, ...IRETQ],
    },
    values: { guestRip: BigInt(HANDLER + 2), guestInterruptibilityState: 0n },
  },
  'until then NMIs are blocked': {
    exit: 'vmcall',
    fields: { vmEntryInterruptionInfo: 0x8000_0202 },
    handlers: { 2: HANDLER },
    memory: { [HANDLER]: VMCALL },
    values: { guestInterruptibilityState: 8n },
  },
} satisfies Record<string, Shown>;

const REGISTERS = {
  'IA32_TSC_DEADLINE is compared with the counter itself, not with what the guest is shown': runs(
    [
      ...wrmsr(0x1b, 0xfee0_0d00),
      ...wrmsr(0x80f, 0x1ff),
      ...wrmsr(0x832, 0x4_0051),
      ...wrmsr(0x6e0, 0x10_0000),
      ...rdmsr(0x6e0),
    ],
    {
      controls: ['useMsrBitmaps', 'useTscOffsetting'],
      fields: { ...msrs.fields, tscOffset: 0x1000_0000n },
      general: { [RAX]: 0x10_0000n, [RDX]: 0n },
    },
  ),
  'WRFSBASE and WRGSBASE write the bases of the segments': runs(
    [0xf3, 0x48, 0x0f, 0xae, 0xd0, 0xf3, 0x48, 0x0f, 0xae, 0xdb],
    {
      fields: { guestCr4: 0x1_2020n },
      registers: { [RAX]: 0x5000n, [RBX]: 0x6000n },
      values: { guestFsBase: 0x5000n, guestGsBase: 0x6000n },
    },
  ),
  'MOV DR writes the registers that the host has, too': runs([0x0f, 0x23, 0xc3, 0x0f, 0x21, 0xc0], {
    registers: { [RBX]: 0x99n },
    general: { [RAX]: 0x99n },
    breakpoints: { dr0: 0x99n },
  }),
  'LGDT, LLDT, LTR, LIDT, SLDT and SIDT without their control': runs(
    [
      ...[0x0f, 0x01, 0x13, 0x0f, 0x00, 0xd1, 0x0f, 0x00, 0xda, 0x0f, 0x01, 0x1b],
      // SLDT ECX; SIDT [RBX + 8]; MOV EAX, [RBX + 10]
      ...[0x0f, 0x00, 0xc1, 0x0f, 0x01, 0x4b, 8, 0x8b, 0x43, 10],
    ],
    {
      registers: { [RBX]: BigInt(AT.operand), [RCX]: 0n, [RDX]: 24n },
      general: { [RAX]: BigInt(AT.guestGdt), [RCX]: 0n },
      memory: {
        [AT.operand]: words((BigInt(AT.guestGdt) << 16n) | 0x2fn),
        [AT.guestGdt + 24]: words(0x0000_8900_0000_0067n | (BigInt(AT.guestTss) << 16n), 0n),
      },
      values: { guestGdtrLimit: 0x2fn, guestIdtrLimit: 0x2fn, guestTrLimit: 0x67n },
    },
  ),
} satisfies Record<string, Shown>;

const withCounters = processor('skylake', ['+perfmon']);
const SCE = 0x501n;
const calls = {
  controls: ['useMsrBitmaps', 'loadGuestIa32Efer'],
  fields: { ...msrs.fields, guestIa32Efer: SCE },
} as const;
const INSTRUCTIONS = {
  'SYSENTER goes where the MSRs of the guest say': {
    ...exits('vmcall', [0x0f, 0x34]),
    fields: { ...user, guestIa32SysenterCs: 8, guestIa32SysenterEip: HANDLER, guestIa32SysenterEsp: 0x700 },
    memory: { [HANDLER]: VMCALL },
    values: { guestRip: BigInt(HANDLER), guestRsp: 0x700n, guestCsSelector: 8n },
  },
  'SYSEXIT goes to CPL 3': {
    ...exits('vmcall', [0x48, 0x0f, 0x35]),
    fields: { guestIa32SysenterCs: 8 },
    registers: { [RCX]: 0x700n, [RDX]: BigInt(HANDLER) },
    memory: { [HANDLER]: VMCALL },
    values: { guestRip: BigInt(HANDLER), guestRsp: 0x700n, guestCsSelector: 0x2bn },
  },
  'SYSCALL goes where the MSRs of the processor say': {
    ...exits('vmcall', [...wrmsr(0xc000_0081, 0, 8), ...wrmsr(0xc000_0082, HANDLER), 0x0f, 0x05]),
    ...calls,
    memory: { [HANDLER]: VMCALL },
    values: { guestRip: BigInt(HANDLER), guestCsSelector: 8n },
  },
  'SYSRET goes to CPL 3': {
    ...exits('vmcall', [...wrmsr(0xc000_0081, 0, 0x10_0000), 0xb9, 0, 0x50, 0, 0, 0x48, 0x0f, 0x07]),
    ...calls,
    memory: { [HANDLER]: VMCALL },
    values: { guestRip: BigInt(HANDLER), guestCsSelector: 0x23n },
  },
  'HLT without its control waits, and an exit says so': exits('preemptionTimerExpired', [0xf4], {
    controls: ['activateVmxPreemptionTimer'],
    fields: { vmxPreemptionTimerValue: 100 },
    values: { guestActivityState: 1n, guestRip: BigInt(AT.guestCode + 1) },
  }),
  'an interrupt that STI holds back exits from HLT': exits('externalInterrupt', [0xf4], {
    controls: ['externalInterruptExiting'],
    interrupt: 0x51,
    fields: { guestRflags: 0x202, guestInterruptibilityState: 1 },
    values: { guestActivityState: 1n, guestRip: BigInt(AT.guestCode + 1) },
  }),
  'RDPMC of a user where CR4.PCE is 1': runs([0x0f, 0x33], {
    processor: withCounters,
    fields: { ...user, guestCr4: 0x2120n },
  }),
  'RDPMC of a user where CR4.PCE is 0': faults(GP, [0x0f, 0x33], { processor: withCounters, fields: user }),
  'PAUSE exiting at CPL 0 lets no loop begin': exits('pause', [0xf3, 0x90], {
    controls: ['activateSecondaryControls', 'pauseExiting', 'pauseLoopExiting'],
    fields: { pleGap: 1000, pleWindow: 1000 },
  }),
  'PCONFIG on a processor without it': faults(UD, [0x0f, 0x01, 0xc5]),
  'IN of a user whose IOPL is 3': runs([0xe4, 0x80], { fields: { ...user, guestRflags: 0x3002 } }),
  'IN of a user without permission': faults(GP, [0xe4, 0x80], {
    fields: user,
    memory: { [AT.guestTss + 0x66]: [0xff, 0xff] },
  }),
  'IN of a user whom the map of the TSS allows it': runs([0xe4, 0x80], {
    fields: { ...user, guestTrLimit: 0x168 },
    memory: { [AT.guestTss + 0x66]: [0x68, 0, ...Array(33).fill(0), 0xff] },
  }),
} satisfies Record<string, Shown>;

/** What behaves in VMX non-root operation as it does outside it. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const UNCHANGED: Readonly<Record<string, Readonly<Record<string, Shown>>>> = {
  'loads of control registers': CONTROL_REGISTERS,
  'returns from handlers': INTERRUPT_RETURNS,
  'registers that are the real ones': REGISTERS,
  'instructions without exits': INSTRUCTIONS,
};
