import { processor } from '../../../src/api';
import type { ExitReason, VmcsField, VmExit } from '../../../src/api/vmx';
import {
  AT,
  EPT_TABLES,
  type Meanwhile,
  type Setting,
  selfIpi,
  withHidden,
  words,
  wrmsr,
} from '../dynamics/whole-machine';

/** What an exit of a guest program reports; information fields that are left out are 0. */
export interface Reached extends Setting {
  readonly reports: Partial<Record<VmcsField, bigint>>;
  readonly meanwhile?: Meanwhile;
}

/** What the model has an exit for: a new one needs its example here. GETSEC and RSM are undefined opcodes on the presets. */
type Built =
  | Exclude<VmExit['reason'], 'getsec' | 'rsm'>
  | 'entryFailureGuestState'
  | 'entryFailureMsrLoading';

const everything = processor('everything');
/** Every MSR without exit. */
const PASS_MSRS = { msrBitmapAddress: AT.msrBitmap };
const secondary = (
  ...controls: readonly NonNullable<Setting['controls']>[number][]
): Pick<Setting, 'controls'> => ({
  controls: ['activateSecondaryControls', ...controls],
});
const length = (vmExitInstructionLength: bigint) => ({ reports: { vmExitInstructionLength } });
const simple = (...guest: readonly number[]): Reached => ({ guest, ...length(BigInt(guest.length)) });
const MEMORY_64 = (2n << 7n) | (3n << 15n) | (1n << 22n);
/** An operand at [RAX] of a VMX instruction. */
const operand = (guest: readonly number[], vmExitInstructionInfo = MEMORY_64): Reached => ({
  guest,
  reports: { vmExitInstructionLength: BigInt(guest.length), vmExitInstructionInfo },
});
/** IA32_XSS enables CET_U, which the instruction asks for and the bitmap names. */
const extendedState = (instruction: readonly number[]): Reached => ({
  processor: everything,
  guest: [...wrmsr(0xda0, 0x800), ...instruction],
  controls: ['useMsrBitmaps', 'activateSecondaryControls', 'enableXsavesXrstors'],
  fields: { ...PASS_MSRS, guestCr4: 0x4_2020n, xssExitingBitmap: 0x800n },
  reports: { vmExitInstructionLength: 3n, vmExitInstructionInfo: MEMORY_64 | (3n << 23n) },
});
const FAR = 0x40_0000n;
/** Access to the page table of the second 2-MiB page is not allowed. */
const ept = (second: bigint): Setting['memory'] & object => ({ [EPT_TABLES + 0x2008]: words(second) });
const TSS_DESCRIPTOR = 0x0000_8900_b000_0067n;

/** A guest program for every exit reason that the model has. */
export const REACHED: Readonly<Record<Built, Reached>> = {
  exceptionOrNmi: {
    guest: [0x0f, 0x0b],
    fields: { exceptionBitmap: 1 << 6 },
    reports: { vmExitInterruptionInfo: 0x8000_0306n },
  },
  externalInterrupt: {
    guest: [...selfIpi(0x51), 0x90],
    controls: ['externalInterruptExiting', 'acknowledgeInterruptOnExit', 'useMsrBitmaps'],
    fields: PASS_MSRS,
    reports: { vmExitInterruptionInfo: 0x8000_0051n },
  },
  tripleFault: { guest: [0x0f, 0x0b], fields: { guestIdtrLimit: 0 }, reports: {} },
  initSignal: { meanwhile: withHidden({ initPending: true }), reports: {} },
  sipi: {
    fields: { guestActivityState: 3 },
    meanwhile: withHidden({ startupVector: 0x9f }),
    reports: { exitQualification: 0x9fn },
  },
  interruptWindow: { guest: [0xfb, 0x90], controls: ['interruptWindowExiting'], reports: {} },
  nmiWindow: { controls: ['nmiExiting', 'virtualNmis', 'nmiWindowExiting'], reports: {} },
  taskSwitch: {
    host: 'pae',
    // jmp far 18h:0
    guest: [0xea, 0, 0, 0, 0, 0x18, 0],
    memory: { [AT.guestGdt + 24]: words(TSS_DESCRIPTOR) },
    reports: { exitQualification: 0x8000_0018n, vmExitInstructionLength: 7n },
  },
  cpuid: simple(0x0f, 0xa2),
  hlt: { ...simple(0xf4), controls: ['hltExiting'] },
  invd: simple(0x0f, 0x08),
  invlpg: {
    guest: [0x0f, 0x01, 0x3b],
    controls: ['invlpgExiting'],
    registers: { 3: FAR },
    reports: { exitQualification: FAR, vmExitInstructionLength: 3n },
  },
  rdpmc: { ...simple(0x0f, 0x33), controls: ['rdpmcExiting'] },
  rdtsc: { ...simple(0x0f, 0x31), controls: ['rdtscExiting'] },
  rdtscp: {
    ...simple(0x0f, 0x01, 0xf9),
    controls: ['rdtscExiting', 'activateSecondaryControls', 'enableRdtscp'],
  },
  vmcall: simple(0x0f, 0x01, 0xc1),
  vmlaunch: simple(0x0f, 0x01, 0xc2),
  vmresume: simple(0x0f, 0x01, 0xc3),
  vmxoff: simple(0x0f, 0x01, 0xc4),
  vmclear: operand([0x66, 0x0f, 0xc7, 0x30]),
  vmptrld: operand([0x0f, 0xc7, 0x30]),
  vmptrst: operand([0x0f, 0xc7, 0x38]),
  vmxon: operand([0xf3, 0x0f, 0xc7, 0x30]),
  // vmread rbx, rax
  vmread: operand([0x0f, 0x78, 0xc3], (1n << 10n) | (3n << 3n)),
  vmwrite: operand([0x0f, 0x79, 0x03], MEMORY_64 | (3n << 23n)),
  invept: operand([0x66, 0x0f, 0x38, 0x80, 0x08], MEMORY_64 | (1n << 28n)),
  invvpid: operand([0x66, 0x0f, 0x38, 0x81, 0x08], MEMORY_64 | (1n << 28n)),
  invpcid: {
    ...operand([0x66, 0x0f, 0x38, 0x82, 0x08], MEMORY_64 | (1n << 28n)),
    controls: ['invlpgExiting', 'activateSecondaryControls', 'enableInvpcid'],
  },
  gdtrIdtrAccess: {
    ...operand([0x0f, 0x01, 0x10], MEMORY_64 | (1n << 11n) | (2n << 28n)),
    ...secondary('descriptorTableExiting'),
  },
  ldtrTrAccess: {
    ...operand([0x0f, 0x00, 0xd8], (1n << 10n) | (3n << 28n)),
    ...secondary('descriptorTableExiting'),
  },
  vmfunc: { ...simple(0x0f, 0x01, 0xd4), ...secondary('enableVmFunctions'), processor: everything },
  // mov cr3, rbx
  controlRegisterAccess: {
    guest: [0x0f, 0x22, 0xdb],
    controls: ['cr3LoadExiting'],
    reports: { exitQualification: 0x303n, vmExitInstructionLength: 3n },
  },
  // mov rcx, dr6
  movDr: {
    guest: [0x0f, 0x21, 0xf1],
    controls: ['movDrExiting'],
    reports: { exitQualification: 0x116n, vmExitInstructionLength: 3n },
  },
  // rep outsb
  ioInstruction: {
    guest: [0xf3, 0x6e],
    controls: ['unconditionalIoExiting'],
    registers: { 1: 2n, 2: 0x3f8n, 6: 0x6000n },
    reports: {
      exitQualification: (0x3f8n << 16n) | (1n << 5n) | (1n << 4n),
      vmExitInstructionLength: 2n,
      vmExitInstructionInfo: (2n << 7n) | (3n << 15n),
      guestLinearAddress: 0x6000n,
    },
  },
  rdmsr: simple(0x0f, 0x32),
  wrmsr: simple(0x0f, 0x30),
  entryFailureGuestState: { fields: { guestRflags: 0 }, reports: {} },
  entryFailureMsrLoading: {
    fields: { vmEntryMsrLoadCount: 1, vmEntryMsrLoadAddress: AT.msrArea },
    memory: { [AT.msrArea]: words(0x9en, 0n) },
    reports: { exitQualification: 1n },
  },
  mwait: { ...simple(0x0f, 0x01, 0xc9), controls: ['mwaitExiting'], processor: everything },
  monitor: { ...simple(0x0f, 0x01, 0xc8), controls: ['monitorExiting'], processor: everything },
  monitorTrapFlag: { guest: [0x90], controls: ['monitorTrapFlag'], reports: {} },
  pause: { ...simple(0xf3, 0x90), controls: ['pauseExiting'] },
  // mov byte [FAR / 2], al
  eptViolation: {
    guest: [0x88, 0x04, 0x25, 0, 0, 0x20, 0],
    ...secondary('enableEpt'),
    memory: ept(0n),
    reports: { exitQualification: 0x782n, guestLinearAddress: FAR / 2n, guestPhysicalAddress: FAR / 2n },
  },
  // Writable, and not readable
  eptMisconfiguration: {
    guest: [0x88, 0x04, 0x25, 0, 0, 0x20, 0],
    ...secondary('enableEpt'),
    memory: ept(0x20_00b2n),
    reports: { guestPhysicalAddress: FAR / 2n },
  },
  pmlFull: {
    processor: everything,
    guest: [0x88, 0x04, 0x25, 0, 0, 0x20, 0],
    ...secondary('enableEpt', 'enablePml'),
    fields: { eptPointer: EPT_TABLES | 0x5e, pmlAddress: 0x1_4000, pmlIndex: 0xffff },
    reports: {},
  },
  preemptionTimerExpired: { controls: ['activateVmxPreemptionTimer'], reports: {} },
  wbinvd: { ...simple(0x0f, 0x09), ...secondary('wbinvdExiting') },
  xsetbv: { ...simple(0x0f, 0x01, 0xd1), fields: { guestCr4: 0x4_2020n } },
  // [rbx]
  xsaves: extendedState([0x0f, 0xc7, 0x2b]),
  xrstors: extendedState([0x0f, 0xc7, 0x1b]),
  // rdrand ecx, rdseed rcx
  rdrand: {
    guest: [0x0f, 0xc7, 0xf1],
    ...secondary('rdrandExiting'),
    reports: { vmExitInstructionLength: 3n, vmExitInstructionInfo: (1n << 3n) | (1n << 11n) },
  },
  rdseed: {
    guest: [0x48, 0x0f, 0xc7, 0xf9],
    ...secondary('rdseedExiting'),
    reports: { vmExitInstructionLength: 4n, vmExitInstructionInfo: (1n << 3n) | (2n << 11n) },
  },
  umwait: {
    processor: everything,
    guest: [0xf2, 0x0f, 0xae, 0xf1],
    controls: ['rdtscExiting', 'activateSecondaryControls', 'enableUserWaitAndPause'],
    reports: { vmExitInstructionLength: 4n, vmExitInstructionInfo: (1n << 3n) | (1n << 11n) },
  },
  tpause: {
    processor: everything,
    guest: [0x66, 0x0f, 0xae, 0xf1],
    controls: ['rdtscExiting', 'activateSecondaryControls', 'enableUserWaitAndPause'],
    reports: { vmExitInstructionLength: 4n, vmExitInstructionInfo: (1n << 3n) | (1n << 11n) },
  },
};

const SMM = 'the model has no system-management mode';
const APIC = 'interrupt virtualization has an issue of its own';
const SGX = 'the model has no enclaves';
const SEAM = 'the model has no SEAM mode';
const MSR_LISTS = 'no preset has lists, immediate forms or user access of MSRs';

/** The exit reasons that no guest program reaches, with the reason. */
export const NOT_REACHED: Readonly<Record<Exclude<ExitReason, Built>, string>> = {
  ioSmi: SMM,
  otherSmi: SMM,
  rsm: `outside system-management mode RSM is #UD; ${SMM}`,
  getsec: 'no preset has SMX, without which GETSEC is #UD',
  entryFailureMachineCheck: 'the model has no machine checks',
  tprBelowThreshold: APIC,
  apicAccess: APIC,
  virtualizedEoi: APIC,
  apicWrite: APIC,
  encls: SGX,
  enclv: SGX,
  pconfig: 'no preset has PCONFIG',
  sppRelatedEvent: 'sub-page write permissions are not built',
  loadiwkey: 'Key Locker is not built',
  enqcmdPasid: 'PASID translation is not built',
  enqcmdsPasid: 'PASID translation is not built',
  busLock: 'bus-lock detection is not built',
  instructionTimeout: 'the timeout of instructions is not built: no instruction takes so long',
  seamcall: SEAM,
  tdcall: SEAM,
  rdmsrlist: MSR_LISTS,
  wrmsrlist: MSR_LISTS,
  urdmsr: MSR_LISTS,
  uwrmsr: MSR_LISTS,
  rdmsrImmediate: MSR_LISTS,
  wrmsrnsImmediate: MSR_LISTS,
};
