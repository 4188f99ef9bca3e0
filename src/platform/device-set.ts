import { ModelError } from '../core';
import type { AddressRange, Device, DeviceTransition, InterruptLine } from './device';
import { localApicDevice } from './local-apic';

export interface Claim extends AddressRange {
  readonly device: number;
}

interface Movable {
  readonly index: number;
  readonly windows: (state: unknown, processor: number) => readonly AddressRange[];
}

interface GatePart {
  readonly index: number;
  readonly passes: (state: unknown) => boolean;
}

interface Timed {
  readonly index: number;
  readonly nextDeadline: (state: unknown, now: number) => number;
  readonly advance: (state: unknown, now: number) => DeviceTransition<unknown>;
}

const byFirst = (a: Claim, b: Claim): number => a.first - b.first;

/** The devices of a board with their dispatch tables, built once; opaque to immer. */
export class DeviceSet {
  readonly ports: readonly Claim[];
  readonly memory: readonly Claim[];
  readonly movable: readonly Movable[];
  readonly timed: readonly Timed[];
  /** The parts of the A20 gate. */
  readonly gateParts: readonly GatePart[];
  /** Devices that hear of the end of level-triggered interrupts. */
  readonly hearEnds: readonly number[];
  /** The interrupt controller at the LINT0 pins; -1: none. */
  readonly external: number;
  readonly localApic: number;
  private readonly names = new Map<string, number>();
  private readonly listeners = new Map<InterruptLine, number[]>();

  constructor(readonly devices: readonly Device<unknown>[]) {
    const claims = devices.flatMap((device, index) =>
      device.ranges.map((range) => ({ ...range, device: index })),
    );
    this.ports = claims.filter((claim) => claim.space === 'port').sort(byFirst);
    this.memory = claims.filter((claim) => claim.space === 'memory').sort(byFirst);
    this.movable = devices.flatMap((device, index) =>
      device.windows === undefined ? [] : [{ index, windows: device.windows.bind(device) }],
    );
    this.timed = devices.flatMap((device, index) =>
      device.nextDeadline === undefined || device.advance === undefined
        ? []
        : [
            {
              index,
              nextDeadline: device.nextDeadline.bind(device),
              advance: device.advance.bind(device),
            },
          ],
    );
    this.gateParts = devices.flatMap((device, index) =>
      device.passesLine20 === undefined ? [] : [{ index, passes: device.passesLine20.bind(device) }],
    );
    this.hearEnds = devices.flatMap(({ endOfInterrupt }, index) =>
      endOfInterrupt === undefined ? [] : [index],
    );
    this.external = devices.findIndex(({ requestsInterrupt }) => requestsInterrupt !== undefined);
    this.localApic = devices.indexOf(localApicDevice as Device<unknown>);
    devices.forEach(({ name, listens, setLine }, index) => {
      if (this.names.has(name)) throw new ModelError(`two devices of the board are named ${name}`);
      this.names.set(name, index);
      if (listens !== undefined && setLine === undefined)
        throw new ModelError(`device ${name} listens to lines and has no setLine`);
      for (const line of listens ?? []) this.listeners.set(line, [...this.listenersOf(line), index]);
    });
    this.checkRanges(this.ports);
    this.checkRanges(this.memory);
  }

  /** Index of the device with a name; -1 when there is none. */
  indexOf(name: string): number {
    return this.names.get(name) ?? -1;
  }

  /** Indexes of the devices that listen to a line, ascending. */
  listenersOf(line: InterruptLine): readonly number[] {
    return this.listeners.get(line) ?? [];
  }

  private checkRanges(claims: readonly Claim[]): void {
    const name = (claim: Claim): string => this.devices[claim.device].name;
    claims.forEach((claim, index) => {
      if (!(claim.first >= 0 && claim.last >= claim.first))
        throw new ModelError(`device ${name(claim)} has the empty range ${claim.first} to ${claim.last}`);
      const before = claims[index - 1];
      if (before !== undefined && before.last >= claim.first)
        throw new ModelError(
          `devices ${name(before)} and ${name(claim)} both claim ${claim.space} ${claim.first}`,
        );
    });
  }
}
