/** The two address spaces of the board. */
export type BusSpace = 'port' | 'memory';

/** One access of a processor to a device register, at most 4 bytes wide. */
export interface BusAccess {
  readonly space: BusSpace;
  /** Port number (16 bits) or physical address of the first byte. */
  readonly address: number;
  readonly bytes: 1 | 2 | 4;
  /** The machine clock, in instructions. */
  readonly now: number;
  /** Number of the processor that makes the access (default 0). */
  readonly processor?: number;
}

/** Addresses `first` to `last`, both included. */
export interface AddressRange {
  readonly space: BusSpace;
  readonly first: number;
  readonly last: number;
}

/** SDM Vol. 3A, 11.6.1 Interrupt Command Register (ICR) */
export type MessageDeliveryMode = 'fixed' | 'lowest-priority' | 'smi' | 'nmi' | 'init' | 'startup';

/** The local APICs that a message addresses. SDM Vol. 3A, 11.6.2 Determining IPI Destination */
export interface MessageDestination {
  readonly mode: 'physical' | 'logical';
  /** 8 bits, FFH for everybody; when `wide` 32 bits, FFFFFFFFH for everybody. */
  readonly id: number;
  /** The sender is a local APIC in x2APIC mode. */
  readonly wide?: true;
}

/**
 * A message to local APICs. An I/O APIC and whoever writes an MSI give it as an effect; the board delivers it to the local APICs, and tells what
 * the processors get besides as `signal` effects.
 */
export interface InterruptMessage {
  readonly kind: 'message';
  readonly deliveryMode: MessageDeliveryMode;
  /** 8 bits; for `startup` the page number of the first instruction. */
  readonly vector: number;
  /** Level-triggered interrupts are broadcast again at their EOI: `Device.endOfInterrupt`. */
  readonly trigger: 'edge' | 'level';
  readonly destination: MessageDestination;
}

/** An interprocessor interrupt on its way; the destination counts where there is no shorthand. */
export interface IpiEffect extends Omit<InterruptMessage, 'kind'> {
  readonly kind: 'ipi';
  /** Number of the processor that sends. */
  readonly sender: number;
  readonly shorthand: 'none' | 'self' | 'all' | 'others';
}

/** What reaches a processor itself, past its local APIC's requests. */
export interface ProcessorSignal {
  readonly kind: 'signal';
  readonly processor: number;
  readonly signal: 'smi' | 'nmi' | 'init' | 'startup';
  /** Of a startup IPI. */
  readonly vector: number;
}

/**
 * An interrupt line of the board. 0 to 15 are the ISA lines IRQ0 to IRQ15 (IRQ2 is the cascade and leads nowhere), 16 to 23 lead to the I/O
 * APIC alone; `intr` is the output of the 8259 pair, `nmi` leads to LINT1 of the local APICs. A line is high while at least one device drives it.
 */
export type InterruptLine = number | 'intr' | 'nmi';

/** A device drives a line high or lets it go. The board brings the change to every device that listens to the line. */
export interface LineEffect {
  readonly kind: 'line';
  readonly line: InterruptLine;
  readonly level: boolean;
}

/** Why the machine is reset: software asked for it, or it wakes from the sleeping state S3. */
export type ResetCause = 'software' | 'wake';

/** What an access does outside the device. `undefined` reports what the manual leaves undefined. */
export type DeviceEffect =
  | { readonly kind: 'serial'; readonly byte: number }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'end-of-interrupt'; readonly vector: number }
  | { readonly kind: 'undefined'; readonly device: string; readonly says: string }
  /** A byte for whoever debugs the firmware. */
  | { readonly kind: 'debug'; readonly byte: number }
  /** A power-on self test code, 8 bits. */
  | { readonly kind: 'post-code'; readonly code: number }
  /** All processors and devices return to reset; memory stays. */
  | { readonly kind: 'reset'; readonly cause: ResetCause }
  /** The processors stop with memory kept, until a device asks for a reset with cause `wake`. */
  | { readonly kind: 'sleep' }
  | { readonly kind: 'power-off' }
  | LineEffect
  | InterruptMessage
  | IpiEffect
  | ProcessorSignal;

export const NO_EFFECTS: readonly DeviceEffect[] = Object.freeze([]);

/** A device's state after a transition, with what it does outside. */
export interface DeviceTransition<S> {
  readonly state: S;
  readonly effects: readonly DeviceEffect[];
}

/** A device's answer to a read: the value is unsigned and as wide as the access. */
export interface DeviceRead<S> {
  readonly state: S;
  readonly value: number;
  readonly effects?: readonly DeviceEffect[];
  /** The value depends on the clock or on when interrupts arrived: the `Choice` at `timer-count` is asked for it. */
  readonly timed?: boolean;
}

/** The answer to an interrupt-acknowledge cycle: the vector, 8 bits. */
export interface AcknowledgedInterrupt<S> {
  readonly state: S;
  readonly vector: number;
  readonly effects?: readonly DeviceEffect[];
}

/** What the board is made of; plain data but for `devices`. */
export interface BoardConfig {
  /** RAM in bytes, from physical address 0. */
  readonly memoryBytes: number;
  /** Number of processors (default 1). */
  readonly processors?: number;
  /** What fw_cfg tells about the kernel command line. */
  readonly commandLine?: { readonly address: number; readonly text: string };
  /** What fw_cfg tells about the initial RAM disk; `data` is a byte string (see `byteString`). */
  readonly initrd?: { readonly address: number; readonly data: string };
  /** Bytes that arrive at the serial port, a byte string. */
  readonly serialInput?: string;
  /** `external`: time stands still for the devices, until the caller brings it to one of them (`expiries`). Default `clock`. */
  readonly timer?: 'clock' | 'external';
  /** Whether the processors have local APICs (default true); without, LINT0 and LINT1 are their INTR and NMI pins. */
  readonly localApic?: boolean;
  /** Whether the local APIC timer has the TSC-deadline mode (default false). */
  readonly tscDeadline?: boolean;
  /** Whether the local APICs have the x2APIC mode (default false). */
  readonly x2apic?: boolean;
  /** Bytes of the firmware image below 4 GiB: the machine starts at its reset vector. Without, the board is as firmware leaves it for an image. */
  readonly firmware?: number;
  /** Seconds since 1970 that the real-time clock shows at clock 0 (default the beginning of 2024). */
  readonly date?: number;
  /** Names of standard devices to leave out. */
  readonly omit?: readonly string[];
  /** The user's own devices. */
  readonly devices?: readonly Device<unknown>[];
}

/**
 * A device: a table of pure transitions over an immutable plain state `S` (no typed arrays, no functions inside). A transition that
 * changes nothing returns the state object that it was given.
 */
export interface Device<S> {
  /** Unique on the board. */
  readonly name: string;
  /** Fixed ranges; no two devices may claim one address. */
  readonly ranges: readonly AddressRange[];
  /** Registers are bytes: the board splits wider accesses into bytes at ascending addresses. */
  readonly byteWide?: boolean;
  /** Units of the machine clock that an access takes, for each byte where registers are bytes; default none. */
  readonly accessTime?: number;
  /** The state after power-up. */
  reset(config: BoardConfig): S;
  /** Ranges, as a processor sees them, that software moves or switches off; asked at each access that no fixed range holds, so answer with a stored array. */
  windows?(state: S, processor: number): readonly AddressRange[];
  /** A read wholly inside one range. */
  read(state: S, access: BusAccess): DeviceRead<S>;
  /** A write wholly inside one range; `value` is unsigned and as wide as the access. */
  write(state: S, access: BusAccess, value: number): DeviceTransition<S>;
  /** The clock value at which `advance` has something to do; `Infinity` for never; may lie in the past. */
  nextDeadline?(state: S, now: number): number;
  /** What time does by itself up to `now`. The same state must come out however often it is called on the way. */
  advance?(state: S, now: number): DeviceTransition<S>;
  /** A processor ended a level-triggered interrupt with this vector. SDM Vol. 3A, 11.8.5 Signaling Interrupt Servicing Completion */
  endOfInterrupt?(state: S, vector: number, now: number): DeviceTransition<S>;
  /** Of an interrupt controller that is wired to the processors' LINT0 pins: whether it asks for an interrupt. */
  requestsInterrupt?(state: S): boolean;
  /** The processor's interrupt-acknowledge cycle; only when `requestsInterrupt`. */
  acknowledgeInterrupt?(state: S): AcknowledgedInterrupt<S>;
  /** Of a part of the A20 gate: whether it lets address line 20 through. A20M# is asserted while no part does. */
  passesLine20?(state: S): boolean;
  /** The lines whose level `setLine` is told. */
  readonly listens?: readonly InterruptLine[];
  /** A line that the device listens to has changed. */
  setLine?(state: S, line: InterruptLine, level: boolean, now: number): DeviceTransition<S>;
  /** The state after a reset of the machine, when that is not the state after power-up: what a battery keeps. */
  afterReset?(state: S, config: BoardConfig, now: number): S;
}

/** Bytes as a string of code units 0 to 255: the form in which device state holds binary data. */
export const byteString = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
};
