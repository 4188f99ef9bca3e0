import type { BusAccess, Device, DeviceRead, DeviceTransition } from '../device';
import { NO_EFFECTS } from '../device';
import { raisePin } from './local-interrupts';
import { APIC_ERRORS, detectErrors } from './priority';
import { APIC_REGISTERS } from './registers';
import { createLocalApic, type LocalApicState, withoutApic } from './state';
import { settleTimer, timerDeadline } from './timer';

const CURRENT_COUNT = 0x390;

const undefinedAccess = (access: BusAccess, kind: string) => [
  {
    kind: 'undefined' as const,
    device: 'local-apic',
    says: `${kind} of ${access.bytes} bytes at offset ${(access.address & 0xfff).toString(16)}H: registers are 32 bits wide, on 16-byte boundaries`,
  },
];

const read = (state: LocalApicState, access: BusAccess): DeviceRead<LocalApicState> => {
  const offset = access.address & 0xff0;
  const within = access.address & 0xf;
  const register = APIC_REGISTERS.get(offset);
  if (register === undefined)
    return { state: detectErrors(state, APIC_ERRORS.illegalRegisterAddress), value: 0 };
  const timed = offset === CURRENT_COUNT;
  if (within === 0 && access.bytes === 4) return { state, value: register.read(state, access.now), timed };
  const inside = within + access.bytes <= 4;
  const value = inside
    ? Math.floor(register.read(state, access.now) / 2 ** (8 * within)) % 2 ** (8 * access.bytes)
    : 0;
  return { state, value, effects: undefinedAccess(access, 'read'), timed };
};

const write = (state: LocalApicState, access: BusAccess, value: number): DeviceTransition<LocalApicState> => {
  const register = APIC_REGISTERS.get(access.address & 0xff0);
  if (register === undefined)
    return { state: detectErrors(state, APIC_ERRORS.illegalRegisterAddress), effects: NO_EFFECTS };
  if ((access.address & 0xf) !== 0 || access.bytes !== 4)
    return { state, effects: undefinedAccess(access, 'write') };
  return register.write?.(state, value, access.now) ?? { state, effects: NO_EFFECTS };
};

/** The local APICs of all processors, by number. */
export type LocalApics = readonly LocalApicState[];

const withOne = (apics: LocalApics, processor: number, state: LocalApicState): LocalApics =>
  state === apics[processor] ? apics : Object.freeze(apics.with(processor, state));

const expired = (apics: LocalApics, now: number): LocalApics => {
  let after = apics;
  apics.forEach((state, processor) => {
    if (timerDeadline(state) <= now) after = withOne(after, processor, settleTimer(state, now));
  });
  return after;
};

/**
 * The local APICs, one a processor, each at the page that its processor's IA32_APIC_BASE names and seen by that processor alone. Accesses that are not 32
 * bits wide on a 16-byte boundary are undefined: reads give what the bytes hold, writes are ignored, both are reported.
 * SDM Vol. 3A, 11.4.1 The Local APIC Block Diagram
 */
export const localApicDevice: Device<LocalApics> = {
  name: 'local-apic',
  ranges: [],
  reset: (config) =>
    Object.freeze(
      Array.from({ length: config.processors ?? 1 }, (_, processor) => {
        const apic = createLocalApic({
          initialId: processor,
          bootstrap: processor === 0,
          tscDeadline: config.tscDeadline ?? false,
          x2apic: config.x2apic ?? false,
        });
        return config.localApic === false ? withoutApic(apic) : apic;
      }),
    ),
  windows: (apics, processor) => apics[processor].windows,
  read: (apics, access) => {
    const { processor = 0 } = access;
    const answer = read(apics[processor], access);
    return { ...answer, state: withOne(apics, processor, answer.state) };
  },
  write: (apics, access, value) => {
    const { processor = 0 } = access;
    const { state, effects } = write(apics[processor], access, value);
    return { state: withOne(apics, processor, state), effects };
  },
  nextDeadline: (apics) =>
    apics.length === 1 ? timerDeadline(apics[0]) : Math.min(...apics.map(timerDeadline)),
  advance: (apics, now) => ({ state: expired(apics, now), effects: NO_EFFECTS }),
  listens: ['intr', 'nmi'],
  setLine: (apics, line, level) => {
    if (!level) return { state: apics, effects: NO_EFFECTS };
    const pins = apics.map((state, processor) =>
      raisePin(state, line === 'intr' ? 'lint0' : 'lint1', processor),
    );
    return {
      state: apics.every((state, processor) => state === pins[processor].state)
        ? apics
        : Object.freeze(pins.map(({ state }) => state)),
      effects: pins.flatMap(({ effects }) => effects),
    };
  },
};
