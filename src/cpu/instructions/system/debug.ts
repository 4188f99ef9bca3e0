import { shiftRight } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import { debugException } from '../../events';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import { numberOf, registerOf, setGeneral } from './operands';
import { requirePrivilege } from './privilege';
import { exits, systemRow } from './system-row';

const GENERAL_DETECT = 1 << 13;
const DR6_BD = 1 << 13;
// SDM Vol. 3B, 18.2.3 and 18.2.4: reserved bits read as these ones; no RTM, no bus-lock detection
const DR6_WRITABLE = 0xe00fn;
const DR6_ONES = 0xffff0ff0n;
const DR7_WRITABLE = 0xffff23ffn;
const DR7_ONES = 0x400n;

const slotOf = (debug: number): number => {
  if (debug < 4) return SLOT.dr0 + debug;
  return (debug & 1) === 0 ? SLOT.dr6 : SLOT.dr7;
};

const written = (slot: number, value: bigint): bigint => {
  if (slot === SLOT.dr6) return (value & DR6_WRITABLE) | DR6_ONES;
  return slot === SLOT.dr7 ? (value & DR7_WRITABLE) | DR7_ONES : value;
};

/** General detect comes before the privilege check. SDM Vol. 3A, 6.9 Priority Among Simultaneous Exceptions and Interrupts leaves their order to the processor. */
const detects = (cpu: ProcessorDraft): boolean =>
  (cpu.W[2 * SLOT.dr7] & GENERAL_DETECT) !== 0 &&
  (cpu.cpl === 0 || cpu.decide('general-detect', 2n, 0n) === 1n);

// SDM Vol. 2, MOV—Move to/from Debug Registers; SDM Vol. 3C, 26.1.3: the exit precedes even #UD by CR4.DE and #GP by CPL
const moveDebug = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const [destination, source] = instruction.operands;
  const loads = destination.kind === 'debug';
  const debug = numberOf(loads ? destination : source);
  const { number: register, width } = registerOf(loads ? source : destination);
  if (exits(cpu, instruction, { id: 'mov-dr', debug, direction: loads ? 'to' : 'from', register })) return;
  if ((debug === 4 || debug === 5) && (cpu.W[2 * SLOT.cr4] & CR4.de) !== 0) cpu.invalidOpcode();
  if (detects(cpu)) cpu.interrupt(debugException(DR6_BD));
  requirePrivilege(cpu);
  const slot = slotOf(debug);
  if (!loads) {
    setGeneral(cpu, register, width, cpu.R[slot]);
    return;
  }
  const value = BigInt.asUintN(width, cpu.R[register]);
  if (debug >= 4 && shiftRight(value, 32n) !== 0n) cpu.generalProtection();
  cpu.R[slot] = written(slot, value);
  cpu.mmu.contextChanged();
  cpu.boundaryWork = true;
};

export const DEBUG_ROWS = [systemRow('mov_dr', moveDebug)];
