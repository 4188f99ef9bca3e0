import { requireNoEnforcement } from '../../cpu/control-flow-enforcement';
import { ACTIVITY, type ProcessorDraft } from '../../cpu/processor-draft';
import { ACCESS_RIGHTS, CR0, CR4, EFER, SLOT } from '../../cpu/slots';
import { storeStatusFlags } from '../../cpu/status-flags';
import type { VmcsData } from '../vmcs';
import { fieldSlots, loadSlots } from '../vmcs/guest-slots';
import { controlMask, halfOf } from '../vmcs/halves';

const EXIT_CONTROLS = halfOf('vmExitControls');
const HOST_64 = controlMask('hostAddressSpaceSize');
const LOAD_PAT = controlMask('loadHostIa32Pat');
const LOAD_EFER = controlMask('loadHostIa32Efer');
const LOAD_PERF = controlMask('loadHostIa32PerfGlobalCtrl');
const LOAD_CET = controlMask('loadHostCetState');
const LOAD_PKRS = controlMask('loadHostPkrs');

// SDM Vol. 3C, 28.5 Loading Host State
const WHOLE = fieldSlots([
  ['hostCr3', 'cr3'],
  ['hostCr4', 'cr4'],
  ['hostRsp', 'rsp'],
  ['hostRip', 'rip'],
  ['hostRip', 'nextRip'],
  ['hostFsBase', 'fsBase'],
  ['hostGsBase', 'gsBase'],
  ['hostTrBase', 'trBase'],
  ['hostGdtrBase', 'gdtrBase'],
  ['hostIdtrBase', 'idtrBase'],
  ['hostIa32SysenterCs', 'sysenterCs'],
  ['hostIa32SysenterEsp', 'sysenterEsp'],
  ['hostIa32SysenterEip', 'sysenterEip'],
]);
const SELECTORS = fieldSlots([
  ['hostEsSelector', 'es'],
  ['hostCsSelector', 'cs'],
  ['hostSsSelector', 'ss'],
  ['hostDsSelector', 'ds'],
  ['hostFsSelector', 'fs'],
  ['hostGsSelector', 'gs'],
  ['hostTrSelector', 'tr'],
]);
const CET = fieldSlots([
  ['hostIa32SCet', 'sCet'],
  ['hostSsp', 'ssp'],
  ['hostIa32InterruptSspTableAddr', 'interruptSspTable'],
]);
const HOST_CR0 = halfOf('hostCr0');
const HOST_PAT = halfOf('hostIa32Pat');
const HOST_EFER = halfOf('hostIa32Efer');
const HOST_PERF = halfOf('hostIa32PerfGlobalCtrl');
const HOST_PKRS = halfOf('hostIa32Pkrs');

/** CR0 bits that VM entry and VM exit leave alone: ET, 15:6, 17, 28:19, NW, CD. SDM Vol. 3C, 27.3.2.1, 28.5.1 */
export const CR0_UNTOUCHED = CR0.et | 0xffc0 | (1 << 17) | 0x1ff8_0000 | CR0.nw | CR0.cd;

const { s, present, l, db, g, unusable } = ACCESS_RIGHTS;
const EXECUTE_READ_ACCESSED = 11;
const READ_WRITE_ACCESSED = 3;
const BUSY_TSS = 11;
const CODE = EXECUTE_READ_ACCESSED | s | present | g;
const CODE_64 = CODE | l;
const CODE_32 = CODE | db;
const DATA = READ_WRITE_ACCESSED | s | present | db | g;
const TSS = BUSY_TSS | present;
const TSS_LIMIT = 0x67;
const TABLE_LIMIT = 0xffff;
const DR7_RESET = 0x400;

const setSlot = (W: Int32Array, slot: number, low: number, high: number): void => {
  W[2 * slot] = low;
  W[2 * slot + 1] = high;
};

const copySlot = (W: Int32Array, slot: number, halves: Int32Array, half: number): void =>
  setSlot(W, slot, halves[half], halves[half + 1]);

// SDM Vol. 3C, 28.5.2 Loading Host Segment and Descriptor-Table Registers
const segments = (W: Int32Array, halves: Int32Array, host64: boolean): void => {
  for (let i = 0; i < SELECTORS.slots.length; i++) {
    const selector = halves[2 * SELECTORS.fields[i]] & 0xffff;
    setSlot(W, SELECTORS.slots[i], selector, selector === 0 ? DATA | unusable : DATA);
  }
  W[2 * SLOT.cs + 1] = host64 ? CODE_64 : CODE_32;
  W[2 * SLOT.tr + 1] = TSS;
  setSlot(W, SLOT.ldtr, 0, unusable);
  for (let segment = 0; segment < 6; segment++) W[2 * (SLOT.esLimit + segment)] = -1;
  W[2 * SLOT.trLimit] = TSS_LIMIT;
  W[2 * SLOT.gdtrLimit] = TABLE_LIMIT;
  W[2 * SLOT.idtrLimit] = TABLE_LIMIT;
  setSlot(W, SLOT.esBase, 0, 0);
  setSlot(W, SLOT.csBase, 0, 0);
  setSlot(W, SLOT.ssBase, 0, 0);
  setSlot(W, SLOT.dsBase, 0, 0);
};

/** Whether the host that VM exits return to is one in IA-32e mode. SDM Vol. 3C, 25.7.1 VM-Exit Controls */
export const isHost64 = ({ halves }: VmcsData): boolean => (halves[EXIT_CONTROLS] & HOST_64) !== 0;

/**
 * Loads the registers of the host from the host-state area; RIP and next RIP are the host's. Blocking by NMI stays as it is; PDPTEs are not loaded.
 * SDM Vol. 3C, 28.5 Loading Host State
 */
export const loadHost = (cpu: ProcessorDraft, vmcs: VmcsData): void => {
  const { W } = cpu;
  const { halves } = vmcs;
  const controls = halves[EXIT_CONTROLS];
  const host64 = (controls & HOST_64) !== 0;
  loadSlots(cpu.R, vmcs.words, WHOLE);
  if (host64) W[2 * SLOT.cr4] |= CR4.pae;
  else W[2 * SLOT.cr4] &= ~CR4.pcide;
  setSlot(W, SLOT.cr0, (halves[HOST_CR0] & ~CR0_UNTOUCHED) | (W[2 * SLOT.cr0] & CR0_UNTOUCHED), 0);
  if ((controls & LOAD_EFER) !== 0) copySlot(W, SLOT.efer, halves, HOST_EFER);
  const longMode = EFER.lma | EFER.lme;
  W[2 * SLOT.efer] = (W[2 * SLOT.efer] & ~longMode) | (host64 ? longMode : 0);
  if ((controls & LOAD_PAT) !== 0) copySlot(W, SLOT.pat, halves, HOST_PAT);
  if ((controls & LOAD_PERF) !== 0) copySlot(W, SLOT.perfGlobalCtrl, halves, HOST_PERF);
  if ((controls & LOAD_PKRS) !== 0) copySlot(W, SLOT.pkrs, halves, HOST_PKRS);
  if ((controls & LOAD_CET) !== 0) loadSlots(cpu.R, vmcs.words, CET);
  requireNoEnforcement(cpu);
  segments(W, halves, host64);
  setSlot(W, SLOT.dr7, DR7_RESET, 0);
  setSlot(W, SLOT.debugctl, 0, 0);
  setSlot(W, SLOT.rflags, 2, 0);
  storeStatusFlags(W, 0);
  cpu.activity = ACTIVITY.active;
  // SDM Vol. 3C, 28.5.6 Clearing Address-Range Monitoring
  cpu.endWait();
  cpu.blockingBySti = false;
  cpu.blockingByMovSs = false;
  cpu.pendingDebug = 0;
  cpu.begun = 0;
};
