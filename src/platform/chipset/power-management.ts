// ACPI Specification 6.0, 4.8.3 Fixed Hardware Features (register layout); 82371AB data sheet, 7.2 I/O Registers
import { ticksAt } from '../clock-rate';
import type { DeviceEffect } from '../device';

export interface PowerManagementState {
  /** PM1 status, enable and control registers, 16 bits each. */
  readonly status: number;
  readonly enable: number;
  readonly control: number;
  /** In the sleeping state S3. */
  readonly asleep: boolean;
}

const PM_TIMER_HZ = 3_579_545;
/** Bytes of the register block. */
export const PM_BYTES = 0x40;

const SCI_LINE = 9;
const SCI_ENABLE = 1;
const RTC = 0x400;
const WAKE = 0x8000;
const SLEEP_ENABLE = 0x2000;
const EVENTS = 0x0501 & ~1;
const SLEEP_TYPE = { softOff: 0, suspendToRam: 1 } as const;

const ACPI_ENABLE = 0xf1;
const ACPI_DISABLE = 0xf0;

const interrupts = ({ status, enable, control }: PowerManagementState): boolean =>
  (control & SCI_ENABLE) !== 0 && (status & enable & EVENTS) !== 0;

/** What changed lines and power: the level of the SCI, and waking. */
export interface PowerTransition {
  readonly state: PowerManagementState;
  readonly effects: readonly DeviceEffect[];
}

const transition = (before: PowerManagementState, after: PowerManagementState): PowerTransition => {
  const level = interrupts(after);
  const wakes = after.asleep && (after.status & after.enable & RTC) !== 0;
  const state = wakes ? { ...after, asleep: false, status: after.status | WAKE } : after;
  const effects: DeviceEffect[] = [];
  if (level !== interrupts(before)) effects.push({ kind: 'line', line: SCI_LINE, level });
  if (wakes) effects.push({ kind: 'reset', cause: 'wake' });
  return { state: Object.freeze(state), effects };
};

/** The 32 bits at an offset of the block. */
export const readPowerManagement = (
  state: PowerManagementState,
  offset: number,
  now: number,
): { readonly value: number; readonly timed: boolean } => {
  switch (offset & ~3) {
    case 0:
      return { value: state.status + state.enable * 0x1_0000, timed: false };
    case 4:
      return { value: state.control, timed: false };
    case 8:
      return { value: ticksAt(now, PM_TIMER_HZ) % 2 ** 32, timed: true };
    default:
      return { value: 0, timed: false };
  }
};

const sleep = (state: PowerManagementState, value: number): PowerTransition => {
  const control = value & ~SLEEP_ENABLE;
  const type = (value >>> 10) & 7;
  if (type === SLEEP_TYPE.softOff)
    return { state: Object.freeze({ ...state, control }), effects: [{ kind: 'power-off' }] };
  if (type !== SLEEP_TYPE.suspendToRam) return transition(state, { ...state, control });
  const { state: after, effects } = transition(state, { ...state, control, asleep: true });
  return after.asleep
    ? { state: after, effects: [...effects, { kind: 'sleep' }] }
    : { state: after, effects };
};

/** A write of 16 bits; status bits are cleared by ones. */
export const writePowerManagement = (
  state: PowerManagementState,
  offset: number,
  value: number,
): PowerTransition => {
  switch (offset) {
    case 0:
      return transition(state, { ...state, status: state.status & ~value });
    case 2:
      return transition(state, { ...state, enable: value });
    case 4:
      return (value & SLEEP_ENABLE) !== 0
        ? sleep(state, value)
        : transition(state, { ...state, control: value });
    default:
      return { state, effects: [] };
  }
};

/** The interrupt line of the real-time clock rises: an event, and what wakes the machine. */
export const clockAlarm = (state: PowerManagementState): PowerTransition =>
  transition(state, { ...state, status: state.status | RTC });

/** A command at the APM port: what a system-management handler would do with it, for there is no system-management mode. */
export const apmCommand = (state: PowerManagementState, value: number): PowerTransition => {
  if (value === ACPI_ENABLE) return transition(state, { ...state, control: state.control | SCI_ENABLE });
  if (value === ACPI_DISABLE) return transition(state, { ...state, control: state.control & ~SCI_ENABLE });
  return { state, effects: [] };
};

/** After power-up; without firmware in ACPI mode, as firmware and kernel would have it. */
export const initialPowerManagement = (acpiMode: boolean): PowerManagementState =>
  Object.freeze({ status: 0, enable: 0, control: acpiMode ? SCI_ENABLE : 0, asleep: false });
