import type { BitRange } from '../../core';

type Layout = Readonly<Record<string, BitRange>>;

/** Layouts of the VM-exit instruction-information field. SDM Vol. 3C, 28.2.5 Information for VM Exits Due to Instruction Execution */
export const INSTRUCTION_INFORMATION = {
  mem: {
    scaling: [1, 0],
    addressSize: [9, 7],
    memReg: 10,
    segment: [17, 15],
    indexReg: [21, 18],
    indexInvalid: 22,
    baseReg: [26, 23],
    baseInvalid: 27,
  },
  vmreadVmwrite: {
    scaling: [1, 0],
    reg1: [6, 3],
    addressSize: [9, 7],
    memReg: 10,
    segment: [17, 15],
    indexReg: [21, 18],
    indexInvalid: 22,
    baseReg: [26, 23],
    baseInvalid: 27,
    reg2: [31, 28],
  },
  insOuts: { addressSize: [9, 7], segment: [17, 15] },
  gdtrIdtr: {
    scaling: [1, 0],
    addressSize: [9, 7],
    memReg: 10,
    operandSize: 11,
    segment: [17, 15],
    indexReg: [21, 18],
    indexInvalid: 22,
    baseReg: [26, 23],
    baseInvalid: 27,
    identity: [29, 28],
  },
  ldtrTr: {
    scaling: [1, 0],
    reg1: [6, 3],
    addressSize: [9, 7],
    memReg: 10,
    segment: [17, 15],
    indexReg: [21, 18],
    indexInvalid: 22,
    baseReg: [26, 23],
    baseInvalid: 27,
    identity: [29, 28],
  },
  memReg2: {
    scaling: [1, 0],
    addressSize: [9, 7],
    memReg: 10,
    segment: [17, 15],
    indexReg: [21, 18],
    indexInvalid: 22,
    baseReg: [26, 23],
    baseInvalid: 27,
    reg2: [31, 28],
  },
  destReg: { destReg: [6, 3], operandSize: [12, 11] },
  loadiwkey: { reg1: [6, 3], reg2: [31, 28] },
  msrImm: { reg: [6, 3] },
} as const satisfies Record<string, Layout>;

export type InstructionInformation = keyof typeof INSTRUCTION_INFORMATION;

/**
 * One basic exit reason. An information field that is left out is undefined for this exit; a string is the condition under which it
 * is defined. Bits of the exit qualification outside its layout are 0.
 */
export interface ExitReasonRow {
  readonly number: number;
  readonly sdmName: string;
  /** What the saved RIP means: at the instruction, after it, at an instruction boundary, or the VM entry did not happen. */
  readonly kind: 'fault-like' | 'trap-like' | 'event' | 'as the event' | 'entry failure';
  readonly qualification?: Layout;
  readonly instructionLength?: true | string;
  readonly instructionInformation?: InstructionInformation;
  readonly guestLinearAddress?: true | string;
  readonly guestPhysicalAddress?: true;
  readonly interruptionInformation?: true | string;
  /** Number or meaning not settled by any source. */
  readonly unconfirmed?: true;
}

const SOFTWARE_EVENT =
  'during delivery of a software interrupt, privileged software exception or software exception';

const DISPLACEMENT = { displacement: [63, 0] } as const;
const MSR_INDEX = { msrIndex: [31, 0] } as const;
const EVENT_VECTOR = { vector: [7, 0] } as const;
const IO_ACCESS = {
  size: [2, 0],
  direction: 3,
  string: 4,
  rep: 5,
  operandEncoding: 6,
  port: [31, 16],
} as const;

/** Exit qualification of a debug exception. SDM Vol. 3C, 28.2.1 Basic VM-Exit Information */
export const DEBUG_QUALIFICATION = {
  breakpoints: [3, 0],
  busLock: 11,
  debugRegisterAccess: 13,
  singleStep: 14,
  transactional: 16,
} as const;

/** Every basic exit reason. SDM Vol. 3D, Appendix C VMX Basic Exit Reasons */
export const EXIT_REASONS = {
  exceptionOrNmi: {
    number: 0,
    sdmName: 'Exception or NMI',
    kind: 'as the event',
    qualification: { value: [63, 0] },
    instructionLength:
      'software exceptions INT3, INTO and INT1 and faults during delivery of software events',
    interruptionInformation: true,
  },
  externalInterrupt: {
    number: 1,
    sdmName: 'External interrupt',
    kind: 'event',
    interruptionInformation: 'acknowledge interrupt on exit = 1',
  },
  tripleFault: { number: 2, sdmName: 'Triple fault', kind: 'event' },
  initSignal: { number: 3, sdmName: 'INIT signal', kind: 'event' },
  sipi: { number: 4, sdmName: 'Start-up IPI (SIPI)', kind: 'event', qualification: EVENT_VECTOR },
  ioSmi: {
    number: 5,
    sdmName: 'I/O system-management interrupt (SMI)',
    kind: 'event',
    qualification: IO_ACCESS,
  },
  otherSmi: { number: 6, sdmName: 'Other SMI', kind: 'event' },
  interruptWindow: { number: 7, sdmName: 'Interrupt window', kind: 'event' },
  nmiWindow: { number: 8, sdmName: 'NMI window', kind: 'event' },
  taskSwitch: {
    number: 9,
    sdmName: 'Task switch',
    kind: 'fault-like',
    qualification: { tssSelector: [15, 0], source: [31, 30] },
    instructionLength:
      'CALL, IRET, JMP sources; task gate reached by software interrupt, software exception or privileged software exception',
  },
  cpuid: { number: 10, sdmName: 'CPUID', kind: 'fault-like', instructionLength: true },
  getsec: { number: 11, sdmName: 'GETSEC', kind: 'fault-like', instructionLength: true },
  hlt: { number: 12, sdmName: 'HLT', kind: 'fault-like', instructionLength: true },
  invd: { number: 13, sdmName: 'INVD', kind: 'fault-like', instructionLength: true },
  invlpg: {
    number: 14,
    sdmName: 'INVLPG',
    kind: 'fault-like',
    qualification: { linearAddress: [63, 0] },
    instructionLength: true,
  },
  rdpmc: { number: 15, sdmName: 'RDPMC', kind: 'fault-like', instructionLength: true },
  rdtsc: { number: 16, sdmName: 'RDTSC', kind: 'fault-like', instructionLength: true },
  rsm: { number: 17, sdmName: 'RSM', kind: 'fault-like', instructionLength: true },
  vmcall: { number: 18, sdmName: 'VMCALL', kind: 'fault-like', instructionLength: true },
  vmclear: {
    number: 19,
    sdmName: 'VMCLEAR',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'mem',
  },
  vmlaunch: { number: 20, sdmName: 'VMLAUNCH', kind: 'fault-like', instructionLength: true },
  vmptrld: {
    number: 21,
    sdmName: 'VMPTRLD',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'mem',
  },
  vmptrst: {
    number: 22,
    sdmName: 'VMPTRST',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'mem',
  },
  vmread: {
    number: 23,
    sdmName: 'VMREAD',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'vmreadVmwrite',
  },
  vmresume: { number: 24, sdmName: 'VMRESUME', kind: 'fault-like', instructionLength: true },
  vmwrite: {
    number: 25,
    sdmName: 'VMWRITE',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'vmreadVmwrite',
  },
  vmxoff: { number: 26, sdmName: 'VMXOFF', kind: 'fault-like', instructionLength: true },
  vmxon: {
    number: 27,
    sdmName: 'VMXON',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'mem',
  },
  controlRegisterAccess: {
    number: 28,
    sdmName: 'Control-register accesses',
    kind: 'fault-like',
    qualification: {
      controlRegister: [3, 0],
      accessType: [5, 4],
      lmswOperandType: 6,
      gpr: [11, 8],
      lmswSource: [31, 16],
    },
    instructionLength: true,
    guestLinearAddress: 'LMSW with memory operand',
  },
  movDr: {
    number: 29,
    sdmName: 'MOV DR',
    kind: 'fault-like',
    qualification: { debugRegister: [2, 0], direction: 4, gpr: [11, 8] },
    instructionLength: true,
  },
  ioInstruction: {
    number: 30,
    sdmName: 'I/O instruction',
    kind: 'fault-like',
    qualification: IO_ACCESS,
    instructionLength: true,
    instructionInformation: 'insOuts',
    guestLinearAddress: 'INS and OUTS with usable segment: segment base + (E)DI or (E)SI',
  },
  rdmsr: { number: 31, sdmName: 'RDMSR', kind: 'fault-like', instructionLength: true },
  wrmsr: { number: 32, sdmName: 'WRMSR', kind: 'fault-like', instructionLength: true },
  entryFailureGuestState: {
    number: 33,
    sdmName: 'VM-entry failure due to invalid guest state',
    kind: 'entry failure',
    qualification: { code: [63, 0] },
  },
  entryFailureMsrLoading: {
    number: 34,
    sdmName: 'VM-entry failure due to MSR loading',
    kind: 'entry failure',
    qualification: { entry: [63, 0] },
  },
  mwait: {
    number: 36,
    sdmName: 'MWAIT',
    kind: 'fault-like',
    qualification: { armed: 0 },
    instructionLength: true,
  },
  monitorTrapFlag: { number: 37, sdmName: 'Monitor trap flag', kind: 'event' },
  monitor: { number: 39, sdmName: 'MONITOR', kind: 'fault-like', instructionLength: true },
  pause: { number: 40, sdmName: 'PAUSE', kind: 'fault-like', instructionLength: true },
  entryFailureMachineCheck: {
    number: 41,
    sdmName: 'VM-entry failure due to machine-check event',
    kind: 'entry failure',
  },
  tprBelowThreshold: { number: 43, sdmName: 'TPR below threshold', kind: 'trap-like' },
  apicAccess: {
    number: 44,
    sdmName: 'APIC access',
    kind: 'fault-like',
    qualification: { offset: [11, 0], accessType: [15, 12], asynchronous: 16 },
    instructionLength: `linear access ${SOFTWARE_EVENT}`,
  },
  virtualizedEoi: { number: 45, sdmName: 'Virtualized EOI', kind: 'trap-like', qualification: EVENT_VECTOR },
  gdtrIdtrAccess: {
    number: 46,
    sdmName: 'Access to GDTR or IDTR',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'gdtrIdtr',
  },
  ldtrTrAccess: {
    number: 47,
    sdmName: 'Access to LDTR or TR',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'ldtrTr',
  },
  eptViolation: {
    number: 48,
    sdmName: 'EPT violation',
    kind: 'fault-like',
    qualification: {
      read: 0,
      write: 1,
      fetch: 2,
      readable: 3,
      writable: 4,
      executable: 5,
      userExecutable: 6,
      linearAddressValid: 7,
      finalTranslation: 8,
      userModeLinear: 9,
      writableLinear: 10,
      nxLinear: 11,
      nmiUnblocking: 12,
      shadowStack: 13,
      sssBit: 14,
      guestPagingVerification: 15,
      asynchronous: 16,
    },
    instructionLength: SOFTWARE_EVENT,
    guestLinearAddress: 'if qualification bit 7 = 1',
    guestPhysicalAddress: true,
  },
  eptMisconfiguration: {
    number: 49,
    sdmName: 'EPT misconfiguration',
    kind: 'fault-like',
    instructionLength: SOFTWARE_EVENT,
    guestPhysicalAddress: true,
  },
  invept: {
    number: 50,
    sdmName: 'INVEPT',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'memReg2',
  },
  rdtscp: { number: 51, sdmName: 'RDTSCP', kind: 'fault-like', instructionLength: true },
  preemptionTimerExpired: { number: 52, sdmName: 'VMX-preemption timer expired', kind: 'event' },
  invvpid: {
    number: 53,
    sdmName: 'INVVPID',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'memReg2',
  },
  wbinvd: { number: 54, sdmName: 'WBINVD or WBNOINVD', kind: 'fault-like', instructionLength: true },
  xsetbv: { number: 55, sdmName: 'XSETBV', kind: 'fault-like', instructionLength: true },
  apicWrite: { number: 56, sdmName: 'APIC write', kind: 'trap-like', qualification: { offset: [11, 0] } },
  rdrand: {
    number: 57,
    sdmName: 'RDRAND',
    kind: 'fault-like',
    instructionLength: true,
    instructionInformation: 'destReg',
  },
  invpcid: {
    number: 58,
    sdmName: 'INVPCID',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'memReg2',
  },
  vmfunc: { number: 59, sdmName: 'VMFUNC', kind: 'fault-like', instructionLength: true },
  encls: { number: 60, sdmName: 'ENCLS', kind: 'fault-like', instructionLength: true },
  rdseed: {
    number: 61,
    sdmName: 'RDSEED',
    kind: 'fault-like',
    instructionLength: true,
    instructionInformation: 'destReg',
  },
  pmlFull: {
    number: 62,
    sdmName: 'Page-modification log full',
    kind: 'fault-like',
    qualification: { nmiUnblocking: 12, asynchronous: 16 },
    instructionLength: SOFTWARE_EVENT,
    guestLinearAddress: 'prematurely busy shadow stack = 1',
  },
  xsaves: {
    number: 63,
    sdmName: 'XSAVES',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'mem',
  },
  xrstors: {
    number: 64,
    sdmName: 'XRSTORS',
    kind: 'fault-like',
    qualification: DISPLACEMENT,
    instructionLength: true,
    instructionInformation: 'mem',
  },
  pconfig: { number: 65, sdmName: 'PCONFIG', kind: 'fault-like', instructionLength: true },
  sppRelatedEvent: {
    number: 66,
    sdmName: 'SPP-related event',
    kind: 'fault-like',
    qualification: { sppMiss: 11, nmiUnblocking: 12, asynchronous: 16 },
    instructionLength: SOFTWARE_EVENT,
    guestLinearAddress: true,
    guestPhysicalAddress: true,
  },
  umwait: {
    number: 67,
    sdmName: 'UMWAIT',
    kind: 'fault-like',
    instructionLength: true,
    instructionInformation: 'destReg',
  },
  tpause: {
    number: 68,
    sdmName: 'TPAUSE',
    kind: 'fault-like',
    instructionLength: true,
    instructionInformation: 'destReg',
  },
  loadiwkey: {
    number: 69,
    sdmName: 'LOADIWKEY',
    kind: 'fault-like',
    instructionLength: true,
    instructionInformation: 'loadiwkey',
    unconfirmed: true,
  },
  enclv: { number: 70, sdmName: 'ENCLV', kind: 'fault-like', instructionLength: true },
  enqcmdPasid: {
    number: 72,
    sdmName: 'ENQCMD PASID translation failure',
    kind: 'fault-like',
    instructionLength: true,
    unconfirmed: true,
  },
  enqcmdsPasid: {
    number: 73,
    sdmName: 'ENQCMDS PASID translation failure',
    kind: 'fault-like',
    instructionLength: true,
    unconfirmed: true,
  },
  busLock: { number: 74, sdmName: 'Bus lock', kind: 'trap-like' },
  instructionTimeout: {
    number: 75,
    sdmName: 'Instruction timeout',
    kind: 'event',
    qualification: { vmContextInvalid: 0, nmiUnblocking: 12 },
    unconfirmed: true,
  },
  seamcall: { number: 76, sdmName: 'SEAMCALL', kind: 'fault-like', instructionLength: true },
  tdcall: { number: 77, sdmName: 'TDCALL', kind: 'fault-like', instructionLength: true },
  rdmsrlist: {
    number: 78,
    sdmName: 'RDMSRLIST',
    kind: 'fault-like',
    qualification: MSR_INDEX,
    instructionLength: true,
    unconfirmed: true,
  },
  wrmsrlist: {
    number: 79,
    sdmName: 'WRMSRLIST',
    kind: 'fault-like',
    qualification: MSR_INDEX,
    instructionLength: true,
    unconfirmed: true,
  },
  urdmsr: {
    number: 80,
    sdmName: 'URDMSR',
    kind: 'fault-like',
    qualification: MSR_INDEX,
    instructionLength: true,
    instructionInformation: 'msrImm',
    unconfirmed: true,
  },
  uwrmsr: {
    number: 81,
    sdmName: 'UWRMSR',
    kind: 'fault-like',
    qualification: MSR_INDEX,
    instructionLength: true,
    instructionInformation: 'msrImm',
    unconfirmed: true,
  },
  rdmsrImmediate: {
    number: 84,
    sdmName: 'RDMSR (immediate)',
    kind: 'fault-like',
    qualification: MSR_INDEX,
    instructionLength: true,
    instructionInformation: 'msrImm',
    unconfirmed: true,
  },
  wrmsrnsImmediate: {
    number: 85,
    sdmName: 'WRMSRNS (immediate)',
    kind: 'fault-like',
    qualification: MSR_INDEX,
    instructionLength: true,
    instructionInformation: 'msrImm',
    unconfirmed: true,
  },
} as const satisfies Record<string, ExitReasonRow>;

/** A basic exit reason by name. */
export type ExitReason = keyof typeof EXIT_REASONS;

const byNumber = new Map<number, ExitReason>(
  Object.entries(EXIT_REASONS).map(([name, row]) => [row.number, name as ExitReason]),
);

/** The name of a basic exit reason; `undefined` when no exit has this number. */
export const exitReasonOf = (number: number): ExitReason | undefined => byNumber.get(number);

/** The exit-reason field of 32 bits. SDM Vol. 3C, 25.9.1 Basic VM-Exit Information */
export const EXIT_REASON_FIELD = {
  basicReason: [15, 0],
  shadowStackBusy: 25,
  busLock: 26,
  enclave: 27,
  pendingMtf: 28,
  fromVmxRoot: 29,
  entryFailure: 31,
} as const satisfies Layout;

/**
 * VM-exit interruption, IDT-vectoring and VM-entry interruption information; type: 0 external interrupt, 2 NMI, 3 hardware exception,
 * 4 software interrupt, 5 privileged software exception, 6 software exception, 7 other event.
 * SDM Vol. 3C, 25.8.3 VM-Entry Controls for Event Injection
 */
export const INTERRUPTION_INFORMATION = {
  vector: [7, 0],
  type: [10, 8],
  errorCode: 11,
  nmiUnblocking: 12,
  nestedException: 13,
  valid: 31,
} as const satisfies Layout;
