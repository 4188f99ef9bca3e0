/** A VM-instruction error number and what it means. */
export interface InstructionErrorRow {
  readonly number: number;
  readonly meaning: string;
  /** The instructions that fail with it. */
  readonly instructions: readonly string[];
}

/** Values of the VM-instruction error field; 14, 21 and 27 are unused. SDM Vol. 3C, 31.4 VM Instruction Error Numbers */
export const INSTRUCTION_ERRORS = {
  vmcallInVmxRoot: { number: 1, meaning: 'VMCALL executed in VMX root operation', instructions: ['VMCALL'] },
  vmclearInvalidAddress: {
    number: 2,
    meaning: 'VMCLEAR with invalid physical address',
    instructions: ['VMCLEAR'],
  },
  vmclearVmxonPointer: { number: 3, meaning: 'VMCLEAR with VMXON pointer', instructions: ['VMCLEAR'] },
  vmlaunchNonClear: { number: 4, meaning: 'VMLAUNCH with non-clear VMCS', instructions: ['VMLAUNCH'] },
  vmresumeNonLaunched: { number: 5, meaning: 'VMRESUME with non-launched VMCS', instructions: ['VMRESUME'] },
  vmresumeAfterVmxoff: { number: 6, meaning: 'VMRESUME after VMXOFF', instructions: ['VMRESUME'] },
  entryInvalidControls: {
    number: 7,
    meaning: 'VM entry with invalid control field(s)',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  entryInvalidHostState: {
    number: 8,
    meaning: 'VM entry with invalid host-state field(s)',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  vmptrldInvalidAddress: {
    number: 9,
    meaning: 'VMPTRLD with invalid physical address',
    instructions: ['VMPTRLD'],
  },
  vmptrldVmxonPointer: { number: 10, meaning: 'VMPTRLD with VMXON pointer', instructions: ['VMPTRLD'] },
  vmptrldIncorrectRevision: {
    number: 11,
    meaning: 'VMPTRLD with incorrect VMCS revision identifier',
    instructions: ['VMPTRLD'],
  },
  unsupportedVmcsComponent: {
    number: 12,
    meaning: 'VMREAD/VMWRITE from/to unsupported VMCS component',
    instructions: ['VMREAD', 'VMWRITE'],
  },
  vmwriteReadOnlyComponent: {
    number: 13,
    meaning: 'VMWRITE to read-only VMCS component',
    instructions: ['VMWRITE'],
  },
  vmxonInVmxRoot: { number: 15, meaning: 'VMXON executed in VMX root operation', instructions: ['VMXON'] },
  entryInvalidExecutiveVmcs: {
    number: 16,
    meaning: 'VM entry with invalid executive-VMCS pointer',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  entryNonLaunchedExecutiveVmcs: {
    number: 17,
    meaning: 'VM entry with non-launched executive VMCS',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  entryExecutiveNotVmxonPointer: {
    number: 18,
    meaning: 'VM entry with executive-VMCS pointer not VMXON pointer',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  vmcallNonClear: { number: 19, meaning: 'VMCALL with non-clear VMCS', instructions: ['VMCALL'] },
  vmcallInvalidExitControls: {
    number: 20,
    meaning: 'VMCALL with invalid VM-exit control fields',
    instructions: ['VMCALL'],
  },
  vmcallIncorrectMseg: {
    number: 22,
    meaning: 'VMCALL with incorrect MSEG revision identifier',
    instructions: ['VMCALL'],
  },
  vmxoffDualMonitor: {
    number: 23,
    meaning: 'VMXOFF under dual-monitor treatment of SMIs and SMM',
    instructions: ['VMXOFF'],
  },
  vmcallInvalidSmmMonitorFeatures: {
    number: 24,
    meaning: 'VMCALL with invalid SMM-monitor features',
    instructions: ['VMCALL'],
  },
  entryInvalidExecutiveControls: {
    number: 25,
    meaning: 'VM entry with invalid VM-execution control fields in executive VMCS',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  entryEventsBlockedByMovSs: {
    number: 26,
    meaning: 'VM entry with events blocked by MOV SS',
    instructions: ['VMLAUNCH', 'VMRESUME'],
  },
  invalidInveptInvvpidOperand: {
    number: 28,
    meaning: 'Invalid operand to INVEPT/INVVPID',
    instructions: ['INVEPT', 'INVVPID'],
  },
} as const satisfies Record<string, InstructionErrorRow>;

/** Name of a VM-instruction error. SDM Vol. 3C, 31.4 VM Instruction Error Numbers */
export type InstructionError = keyof typeof INSTRUCTION_ERRORS;

const byNumber = new Map<number, InstructionError>(
  Object.entries(INSTRUCTION_ERRORS).map(([name, row]) => [row.number, name as InstructionError]),
);

/** The name of a VM-instruction error; `undefined` for a number that is not used. */
export const instructionErrorOf = (number: number): InstructionError | undefined => byNumber.get(number);
