import { ModelError } from '../../core';
import { requireNoEnforcement } from '../../cpu/control-flow-enforcement';
import { readPdptes, setPdptes } from '../../cpu/pdpte-registers';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { ACCESS_RIGHTS, EFER, SLOT, STATUS_FLAGS } from '../../cpu/slots';
import { storeStatusFlags } from '../../cpu/status-flags';
import { CR0_UNTOUCHED } from '../exit/load-host';
import type { VmcsData } from '../vmcs';
import {
  CET_SLOTS,
  LOADED_SLOTS,
  loadSlots,
  PDPTE_SLOTS,
  RIGHTS_SLOTS,
  SELECTOR_SLOTS,
} from '../vmcs/guest-slots';
import { controlMask, halfOf } from '../vmcs/halves';

const ENTRY_CONTROLS = halfOf('vmEntryControls');
const CR0 = halfOf('guestCr0');
const RIP = halfOf('guestRip');
const RFLAGS = halfOf('guestRflags');
const DR7 = halfOf('guestDr7');
const DEBUGCTL = halfOf('guestIa32Debugctl');
const PAT = halfOf('guestIa32Pat');
const EFER_FIELD = halfOf('guestIa32Efer');
const PERF = halfOf('guestIa32PerfGlobalCtrl');
const PKRS = halfOf('guestIa32Pkrs');

const LOAD_DEBUG = controlMask('loadDebugControls');
const LOAD_PAT = controlMask('loadGuestIa32Pat');
const LOAD_EFER = controlMask('loadGuestIa32Efer');
const LOAD_PERF = controlMask('loadGuestIa32PerfGlobalCtrl');
const LOAD_PKRS = controlMask('loadGuestPkrs');
const LOAD_CET = controlMask('loadGuestCetState');
const IA32E_GUEST = controlMask('ia32eModeGuest');
const CR0_PG = 1 << 31;

/** DR7 bits 12 and 15:14 are 0, bit 10 is 1. */
const DR7_ZEROS = 0xd000;
const DR7_ONES = 0x400;
const SS_SLOT = 2 * SLOT.ss;

const copySlot = (W: Int32Array, slot: number, halves: Int32Array, half: number): void => {
  W[2 * slot] = halves[half];
  W[2 * slot + 1] = halves[half + 1];
};

// SDM Vol. 3C, 27.3.2.2 Loading Guest Segment Registers and Descriptor-Table Registers
const segments = (W: Int32Array, halves: Int32Array): void => {
  for (let i = 0; i < SELECTOR_SLOTS.fields.length; i++) {
    const slot = 2 * SELECTOR_SLOTS.slots[i];
    W[slot] = halves[2 * SELECTOR_SLOTS.fields[i]];
    W[slot + 1] = halves[2 * RIGHTS_SLOTS.fields[i]];
  }
  if ((W[SS_SLOT + 1] & ACCESS_RIGHTS.unusable) !== 0) W[SS_SLOT + 1] |= ACCESS_RIGHTS.db;
  W[2 * SLOT.esBase + 1] = 0;
  W[2 * SLOT.ssBase + 1] = 0;
  W[2 * SLOT.dsBase + 1] = 0;
};

/** LMA follows the control; LME too, unless the guest runs without paging. SDM Vol. 3C, 27.3.2.1 Loading Guest Control Registers, Debug Registers, and MSRs */
const loadLongMode = (W: Int32Array, ia32eMode: boolean, paging: boolean): void => {
  const changed = paging ? EFER.lma | EFER.lme : EFER.lma;
  const efer = 2 * SLOT.efer;
  W[efer] = (W[efer] & ~changed) | (ia32eMode ? changed : 0);
};

/**
 * From the guest-state area with EPT, else from the table at the guest's CR3, which the checks on guest state have found legal.
 * SDM Vol. 3C, 27.3.2.4 Loading Page-Directory-Pointer-Table Entries
 */
const loadPdptes = (cpu: ProcessorDraft, { words }: VmcsData, eptEnabled: boolean): void => {
  const entries = eptEnabled
    ? Array.from(PDPTE_SLOTS.fields, (field) => words[field])
    : readPdptes(cpu, cpu.W[2 * SLOT.cr3]);
  if (entries === undefined) throw new ModelError('VM entry with an illegal PDPTE');
  setPdptes(cpu, entries);
};

/**
 * Loads the registers of a guest from the guest-state area: nothing can fail. RIP and next RIP are the guest's.
 * SDM Vol. 3C, 27.3.2 Loading Guest State
 */
export const loadGuest = (cpu: ProcessorDraft, vmcs: VmcsData, eptEnabled: boolean): void => {
  const { W } = cpu;
  const { halves } = vmcs;
  const controls = halves[ENTRY_CONTROLS];
  loadSlots(cpu.R, vmcs.words, LOADED_SLOTS);
  segments(W, halves);
  W[2 * SLOT.cr0] = (halves[CR0] & ~CR0_UNTOUCHED) | (W[2 * SLOT.cr0] & CR0_UNTOUCHED);
  if ((controls & LOAD_DEBUG) !== 0) {
    W[2 * SLOT.dr7] = (halves[DR7] & ~DR7_ZEROS) | DR7_ONES;
    W[2 * SLOT.dr7 + 1] = 0;
    copySlot(W, SLOT.debugctl, halves, DEBUGCTL);
  }
  if ((controls & LOAD_EFER) !== 0) copySlot(W, SLOT.efer, halves, EFER_FIELD);
  else loadLongMode(W, (controls & IA32E_GUEST) !== 0, (halves[CR0] & CR0_PG) !== 0);
  if ((controls & LOAD_PAT) !== 0) copySlot(W, SLOT.pat, halves, PAT);
  if ((controls & LOAD_PERF) !== 0) copySlot(W, SLOT.perfGlobalCtrl, halves, PERF);
  if ((controls & LOAD_PKRS) !== 0) copySlot(W, SLOT.pkrs, halves, PKRS);
  if ((controls & LOAD_CET) !== 0) loadSlots(cpu.R, vmcs.words, CET_SLOTS);
  requireNoEnforcement(cpu);
  copySlot(W, SLOT.rip, halves, RIP);
  copySlot(W, SLOT.nextRip, halves, RIP);
  W[2 * SLOT.rflags] = halves[RFLAGS] & ~STATUS_FLAGS;
  W[2 * SLOT.rflags + 1] = 0;
  storeStatusFlags(W, halves[RFLAGS] & STATUS_FLAGS);
  if (cpu.paePaging) loadPdptes(cpu, vmcs, eptEnabled);
};
