// SDM Vol. 3A, 11.12 Extended XAPIC (x2APIC)
import { produce } from 'immer';
import { shiftRight } from '../../core';
import { type DeviceTransition, NO_EFFECTS } from '../device';
import { ICR_BITS, sendSelf, writeCommandLow } from './command';
import { APIC_REGISTERS, LVT_READ_ONLY, LVT_WRITABLE } from './registers';
import type { LocalApicState } from './state';

/** MSR of the register at offset 0; each one stands for 16 bytes. SDM Vol. 3A, 11.12.1.2 x2APIC Register Address Space */
const FIRST = 0x800;
/** The MSR whose value depends on time. */
export const X2APIC_CURRENT_COUNT = 0x839;

const COMMAND = 0x830;
const SELF_IPI = 0x83f;
const WORD = 0xffff_ffffn;

/** Registers that are read only, whatever they are in the register page. */
const READ_ONLY: ReadonlySet<number> = new Set([0x802, 0x80d]);
const WRITE_ONLY: ReadonlySet<number> = new Set([0x80b, SELF_IPI]);
/** In the register page, but not here: arbitration priority, remote read, destination format, the upper half of ICR. */
const ABSENT: ReadonlySet<number> = new Set([0x809, 0x80c, 0x80e, 0x831]);

const lvtBits = (writable: number): bigint => BigInt(writable | LVT_READ_ONLY);

/** Bits of the writable registers that are not reserved. */
const defined = (index: number, tscDeadline: boolean): bigint => {
  switch (index) {
    case 0x808:
      return 0xffn;
    case 0x80b:
    case 0x828:
      return 0n;
    case 0x80f:
      return 0x1ffn;
    case COMMAND:
      return (WORD << 32n) | BigInt(ICR_BITS);
    case 0x832:
      return lvtBits(tscDeadline ? 0x7_00ff : 0x3_00ff);
    case 0x833:
      return lvtBits(LVT_WRITABLE.thermal);
    case 0x834:
      return lvtBits(LVT_WRITABLE.performance);
    case 0x835:
      return lvtBits(LVT_WRITABLE.lint0);
    case 0x836:
      return lvtBits(LVT_WRITABLE.lint1);
    case 0x837:
      return lvtBits(LVT_WRITABLE.error);
    case 0x83e:
      return 0xbn;
    case SELF_IPI:
      return 0xffn;
    default:
      return WORD;
  }
};

const registerOf = (index: number) =>
  ABSENT.has(index) ? undefined : APIC_REGISTERS.get((index - FIRST) * 16);

/** RDMSR of a local APIC register, 64 bits; undefined where it is #GP(0). */
export const readX2apic = (state: LocalApicState, index: number, now: number): bigint | undefined => {
  if (!state.x2apic || WRITE_ONLY.has(index)) return undefined;
  if (index === COMMAND) return (BigInt(state.commandHigh) << 32n) | BigInt(state.commandLow);
  if (index === 0x802) return BigInt(state.id);
  const register = registerOf(index);
  return register === undefined ? undefined : BigInt(register.read(state, now));
};

/** WRMSR of a local APIC register; undefined where it is #GP(0), and nothing has changed. */
export const writeX2apic = (
  state: LocalApicState,
  index: number,
  value: bigint,
  now: number,
): DeviceTransition<LocalApicState> | undefined => {
  if (!state.x2apic || READ_ONLY.has(index)) return undefined;
  if ((value & ~defined(index, state.options.tscDeadline)) !== 0n) return undefined;
  if (index === SELF_IPI) return { state: sendSelf(state, Number(value)), effects: NO_EFFECTS };
  const low = Number(value & WORD);
  if (index === COMMAND) {
    const destination = Number(shiftRight(value, 32n));
    const addressed =
      destination === state.commandHigh
        ? state
        : produce(state, (draft) => {
            draft.commandHigh = destination;
          });
    return writeCommandLow(addressed, low);
  }
  return registerOf(index)?.write?.(state, low, now);
};
