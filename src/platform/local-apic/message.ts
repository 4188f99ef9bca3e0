// SDM Vol. 3A, 11.6.2 Determining IPI Destination
import type { InterruptMessage, IpiEffect, MessageDestination, ProcessorSignal } from '../device';
import { acceptInterrupt, processorPriority } from './priority';
import { isSoftwareEnabled, type LocalApicState } from './state';

const BROADCAST = 0xff;
const WIDE_BROADCAST = 0xffff_ffff;

/** 11.6.2.2 Logical Destination Mode: flat and cluster model of the xAPIC. */
const isAddressedLogically = (state: LocalApicState, id: number): boolean => {
  const own = state.logicalDestination >>> 24;
  return state.destinationFormat >>> 28 === 0xf
    ? (own & id) !== 0
    : (own >>> 4 === id >>> 4 || id >>> 4 === 0xf) && (own & id & 0xf) !== 0;
};

/** Cluster in bits 31:16, members in bits 15:0. SDM Vol. 3A, 11.12.10.1 Logical Destination Mode in x2APIC Mode */
const isAddressedInCluster = ({ logicalDestination: own }: LocalApicState, id: number): boolean =>
  own >>> 16 === id >>> 16 && (own & id & 0xffff) !== 0;

/**
 * Whether a local APIC is addressed by a destination without shorthand.
 * SDM Vol. 3A, 11.6.2.1 Physical Destination Mode and 11.6.2.2 Logical Destination Mode
 */
export const isAddressed = (state: LocalApicState, { mode, id, wide }: MessageDestination): boolean => {
  if (!state.enabled) return false;
  if (id === (wide === true ? WIDE_BROADCAST : BROADCAST)) return true;
  if (mode === 'physical') return id === state.id;
  return state.x2apic ? isAddressedInCluster(state, id) : isAddressedLogically(state, id);
};

/** The local APICs with the message taken in, and what the processors get besides. */
export interface Delivery {
  readonly apics: readonly LocalApicState[];
  readonly signals: readonly ProcessorSignal[];
}

const receivers = (
  apics: readonly LocalApicState[],
  message: InterruptMessage | IpiEffect,
): readonly number[] => {
  const all = apics.map((_, processor) => processor);
  if (message.kind === 'message' || message.shorthand === 'none')
    return all.filter((processor) => isAddressed(apics[processor], message.destination));
  const { sender, shorthand } = message;
  return all.filter(
    (processor) =>
      apics[processor].enabled && (shorthand === 'all' || (shorthand === 'self') === (processor === sender)),
  );
};

/**
 * One of them: with the lowest processor priority, and of those the one with the lowest number.
 * SDM Vol. 3A, 11.6.2.4 Lowest Priority Delivery Mode
 */
const lowestPriority = (
  apics: readonly LocalApicState[],
  addressed: readonly number[],
): readonly number[] => {
  const willing = addressed.filter((processor) => isSoftwareEnabled(apics[processor]));
  const priorities = willing.map((processor) => processorPriority(apics[processor]));
  const lowest = priorities.indexOf(Math.min(...priorities));
  return willing.slice(lowest, lowest + 1);
};

/** Delivers a message to the local APICs of all processors, in the order of the processors; nobody may be addressed. */
export const deliverMessage = (
  apics: readonly LocalApicState[],
  message: InterruptMessage | IpiEffect,
): Delivery => {
  const { deliveryMode, vector, trigger } = message;
  const addressed = receivers(apics, message);
  if (deliveryMode !== 'fixed' && deliveryMode !== 'lowest-priority')
    return {
      apics,
      signals: addressed.map((processor) => ({ kind: 'signal', processor, signal: deliveryMode, vector })),
    };
  const takers = deliveryMode === 'fixed' ? addressed : lowestPriority(apics, addressed);
  if (takers.length === 0) return { apics, signals: [] };
  const after = apics.slice();
  for (const processor of takers) after[processor] = acceptInterrupt(apics[processor], vector, trigger);
  return { apics: Object.freeze(after), signals: [] };
};
