import { type MemoryDraft, type MemoryRange, PAGE_BYTES } from '../core';
import { type Board, type ChipsetState, chipset, deviceState, shadowing, shadowRegisters } from '../platform';
import { FOUR_GIB } from './memory-map';

const READS = 1;
const WRITES = 2;
/** The frame shows the firmware's ROM. */
const ROM = 4;

/** Frames whose attributes the host bridge decides: 0xC0000 to 0xFFFFF. */
const SHADOW_FIRST = 0xc0;
const SHADOW_END = 0x100;
/** Of these the last 128 KiB are backed by the firmware's. */
const ROM_COPY_FIRST = 0xe0;
const SEGMENT_FRAMES = 4;

/** The end of memory below 4 GiB, in frames. */
const ROM_END = FOUR_GIB / PAGE_BYTES;

const hostBridge = (board: Board): ChipsetState | undefined =>
  deviceState(board, chipset.name) as ChipsetState | undefined;

const isRom = (shadow: Uint8Array | undefined, at: number): boolean =>
  shadow !== undefined && (shadow[at] & ROM) !== 0;

/**
 * Which frames are RAM, and which can be read alone. The attributes of the host bridge (82441FX data sheet, 3.2.18 PAM) are kept with one store for
 * ROM and the RAM that shadows it: a segment switched to RAM begins with what the ROM shows, as firmware copies it, and one switched back to ROM shows the ROM again.
 */
export class PhysicalMap {
  private lowFrames = 0;
  private highFirst = 0;
  private highEnd = 0;
  private romFirst = ROM_END;
  private registers: readonly number[] | undefined;
  /** Attributes of the frames from 0xC0 on; undefined while all of them are RAM. */
  private shadow: Uint8Array | undefined;

  load(board: Board, ram: readonly MemoryRange[]): void {
    this.lowFrames = ram[0].bytes / PAGE_BYTES;
    this.highFirst = ram.length > 1 ? ram[1].base / PAGE_BYTES : 0;
    this.highEnd = ram.length > 1 ? this.highFirst + ram[1].bytes / PAGE_BYTES : 0;
    this.romFirst = ROM_END - (board.config.firmware ?? 0) / PAGE_BYTES;
    this.registers = undefined;
    this.shadow = undefined;
    this.changed(board);
  }

  isRam(frame: number): boolean {
    if (frame >= this.lowFrames) return frame >= this.highFirst && frame < this.highEnd;
    return this.shadow === undefined || (this.attributes(frame) & WRITES) !== 0;
  }

  /** RAM or ROM. */
  isMemory(frame: number): boolean {
    return this.isRam(frame) || this.isRom(frame);
  }

  private isRom(frame: number): boolean {
    if (frame >= this.romFirst) return frame < ROM_END;
    return this.shadow !== undefined && frame < this.lowFrames && this.attributes(frame) !== 0;
  }

  private attributes(frame: number): number {
    return frame < SHADOW_FIRST || frame >= SHADOW_END ? READS | WRITES : this.shadow![frame - SHADOW_FIRST];
  }

  /** Whether the board changed attributes; `rom` are the frames that show the firmware's ROM again. */
  changed(board: Board): { readonly rom: readonly number[] } | undefined {
    const state = hostBridge(board);
    const registers = state === undefined ? undefined : shadowRegisters(state);
    if (registers === this.registers) return undefined;
    this.registers = registers;
    const before = this.shadow;
    this.shadow = state === undefined ? undefined : this.attributesOf(board, state);
    if (before === undefined && this.shadow === undefined) return undefined;
    const rom: number[] = [];
    if (board.config.firmware !== undefined)
      for (let frame = ROM_COPY_FIRST; frame < SHADOW_END; frame++) {
        const at = frame - SHADOW_FIRST;
        if (isRom(this.shadow, at) && !isRom(before, at)) rom.push(frame);
      }
    return { rom };
  }

  private attributesOf(board: Board, state: ChipsetState): Uint8Array | undefined {
    const segments = shadowing(state);
    if (segments.every((attributes) => attributes === (READS | WRITES))) return undefined;
    const shadow = new Uint8Array(SHADOW_END - SHADOW_FIRST);
    const isBacked = board.config.firmware !== undefined;
    shadow.forEach((_, at) => {
      const attributes = segments[Math.min(Math.floor(at / SEGMENT_FRAMES), segments.length - 1)];
      const rom = isBacked && at + SHADOW_FIRST >= ROM_COPY_FIRST;
      shadow[at] = rom && attributes === 0 ? ROM | READS : attributes;
    });
    return shadow;
  }
}

/** Puts the firmware's bytes where frames below 1 MiB show them. */
export const showRom = (memory: MemoryDraft, frames: readonly number[]): void => {
  for (const frame of frames)
    memory.write(frame * PAGE_BYTES, memory.page(ROM_END - SHADOW_END + frame).bytes);
};
