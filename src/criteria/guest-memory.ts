import { differingFrames, type MemoryRange, type MemoryRoot } from '../core';
import type { HostLayout } from '../machine/host-port';
import type { ChangedPage } from './observation';

interface FrameRange {
  readonly guest: number;
  readonly host: number;
  readonly count: number;
}

/** Where the frames of a guest's RAM are: the same frames on the bare machine, others under a monitor. */
export class GuestMemory {
  private constructor(private readonly ranges: readonly FrameRange[]) {}

  static bare(ram: readonly MemoryRange[]): GuestMemory {
    return new GuestMemory(
      ram.map(({ base, bytes }) => ({ guest: base / 4096, host: base / 4096, count: bytes / 4096 })),
    );
  }

  static of({ guestMemory }: HostLayout): GuestMemory {
    return new GuestMemory(
      guestMemory.map(({ guest, host, bytes }) => ({
        guest: guest / 4096,
        host: host / 4096,
        count: bytes / 4096,
      })),
    );
  }

  /** The guest frame that a frame of the machine is, -1 when it is not the guest's. */
  guestFrame(frame: number): number {
    for (const { guest, host, count } of this.ranges)
      if (frame >= host && frame < host + count) return guest + frame - host;
    return -1;
  }

  /** The frame of the machine behind a guest frame, -1 when it is not RAM. */
  machineFrame(frame: number): number {
    for (const { guest, host, count } of this.ranges)
      if (frame >= guest && frame < guest + count) return host + frame - guest;
    return -1;
  }

  /** Whether `count` frames of the machine from `first` on are all the guest's. */
  holds(first: number, count: number): boolean {
    return this.ranges.some((range) => first >= range.host && first + count <= range.host + range.count);
  }

  /** Whether any of `count` frames of the machine from `first` on is the guest's. */
  touches(first: number, count: number): boolean {
    return this.ranges.some((range) => first < range.host + range.count && first + count > range.host);
  }

  /** The guest's pages that differ between two contents of the machine's memory. */
  changedPages(before: MemoryRoot, after: MemoryRoot): readonly ChangedPage[] {
    const pages: ChangedPage[] = [];
    for (const frame of differingFrames(before, after)) {
      const guest = this.guestFrame(frame);
      if (guest >= 0) pages.push({ frame: guest, bytes: after.page(frame).bytes });
    }
    return pages;
  }
}
