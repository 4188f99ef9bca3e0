// Multiboot Specification 0.6.96, 3.3 Boot information format
import { type Outcome, ok } from '../core';
import { alignUp, DEVICE_FIRST, type Placement } from './placement';
import { type ImageError, type ImageOptions, type ImageWrite, refuse } from './plan';

const KIB = 1024;
const MIB = 2 ** 20;
const INFORMATION_BYTES = 116;
const MODULE_BYTES = 16;
const MAP_ENTRY_BYTES = 24;
const LOADER_NAME = 'vtmodel';

/** Flags of the information structure: which of its fields are valid. */
const PROVIDED = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);

const USABLE = 1;
const RESERVED = 2;
const LOW_MEMORY_END = 0xa_0000;
const DEVICE_END = 2 ** 32;

interface MapEntry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** The memory map: RAM, the hole below 1 MiB, and the interrupt controllers' pages when memory reaches them. */
const memoryMap = (memoryBytes: number): readonly MapEntry[] => {
  const part = (base: number, end: number, type: number): MapEntry => ({
    base,
    length: Math.min(end, memoryBytes) - base,
    type,
  });
  return [
    part(0, LOW_MEMORY_END, USABLE),
    part(LOW_MEMORY_END, MIB, RESERVED),
    part(MIB, DEVICE_FIRST, USABLE),
    part(DEVICE_FIRST, DEVICE_END, RESERVED),
    part(DEVICE_END, Number.POSITIVE_INFINITY, USABLE),
  ].filter((entry) => entry.length > 0);
};

interface PlacedModule {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const words = (first: string, rest: string | undefined): string =>
  rest === undefined || rest === '' ? first : `${first} ${rest}`;

const placeModules = (
  options: ImageOptions,
  placement: Placement,
): Outcome<
  { readonly placed: readonly PlacedModule[]; readonly writes: readonly ImageWrite[] },
  ImageError
> => {
  const placed: PlacedModule[] = [];
  const writes: ImageWrite[] = [];
  for (const module of options.modules ?? []) {
    const start =
      placement.allocateAbove(Math.max(placement.top(), MIB), module.bytes.length) ??
      placement.allocate(module.bytes.length);
    if (start === undefined)
      return refuse(
        options.fileName,
        `module ${module.name}`,
        `no free memory for its ${module.bytes.length} bytes`,
        'give the machine more memory',
      );
    placed.push({
      start,
      end: start + module.bytes.length,
      text: words(module.name, module.commandLine),
    });
    if (module.bytes.length > 0) writes.push({ address: start, bytes: module.bytes });
  }
  return ok({ placed, writes });
};

/** Bytes of the structure with everything that it points to, as laid out from `base` on. */
class Layout {
  private readonly chunks: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  length = 0;

  add(bytes: Uint8Array): number {
    const at = this.length;
    this.chunks.push({ at, bytes });
    this.length = alignUp(at + bytes.length, 8);
    return at;
  }

  text(text: string): number {
    return this.add(new TextEncoder().encode(`${text}\0`));
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    for (const { at, bytes } of this.chunks) all.set(bytes, at);
    return all;
  }
}

const mapBytes = (memoryBytes: number): Uint8Array => {
  const entries = memoryMap(memoryBytes);
  const bytes = new Uint8Array(entries.length * MAP_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  entries.forEach((entry, index) => {
    const at = index * MAP_ENTRY_BYTES;
    view.setUint32(at, MAP_ENTRY_BYTES - 4, true);
    view.setBigUint64(at + 4, BigInt(entry.base), true);
    view.setBigUint64(at + 12, BigInt(entry.length), true);
    view.setUint32(at + 20, entry.type, true);
  });
  return bytes;
};

/** Where the structure stands (the value of EBX), with the modules and everything else that it needs in memory. */
export interface PlacedInformation {
  readonly address: number;
  readonly writes: readonly ImageWrite[];
}

/** Places modules and information structure where nothing of the image is overwritten. */
export const placeInformation = (
  options: ImageOptions,
  placement: Placement,
): Outcome<PlacedInformation, ImageError> => {
  const modules = placeModules(options, placement);
  if (!modules.ok) return modules;
  const { placed, writes } = modules.value;

  const layout = new Layout();
  const information = new Uint8Array(INFORMATION_BYTES);
  layout.add(information);
  const table = new Uint8Array(placed.length * MODULE_BYTES);
  const tableAt = layout.add(table);
  const map = mapBytes(options.memoryBytes);
  const mapAt = layout.add(map);
  const commandLineAt = layout.text(words(options.fileName, options.commandLine));
  const loaderNameAt = layout.text(LOADER_NAME);
  const textsAt = placed.map((module) => layout.text(module.text));

  const base = placement.allocate(layout.length);
  if (base === undefined)
    return refuse(
      options.fileName,
      'memoryBytes',
      `no free memory for the ${layout.length} bytes of multiboot information`,
      'give the machine more memory or shorten the command line',
    );

  const view = new DataView(information.buffer);
  const memory = options.memoryBytes;
  view.setUint32(0, PROVIDED, true);
  view.setUint32(4, Math.floor(Math.min(memory, LOW_MEMORY_END) / KIB), true);
  view.setUint32(8, Math.floor(Math.max(Math.min(memory, DEVICE_FIRST) - MIB, 0) / KIB), true);
  view.setUint32(16, base + commandLineAt, true);
  view.setUint32(20, placed.length, true);
  view.setUint32(24, base + tableAt, true);
  view.setUint32(44, map.length, true);
  view.setUint32(48, base + mapAt, true);
  view.setUint32(64, base + loaderNameAt, true);

  const moduleView = new DataView(table.buffer);
  placed.forEach((module, index) => {
    moduleView.setUint32(index * MODULE_BYTES, module.start, true);
    moduleView.setUint32(index * MODULE_BYTES + 4, module.end, true);
    moduleView.setUint32(index * MODULE_BYTES + 8, base + textsAt[index], true);
  });
  return ok({ address: base, writes: [...writes, { address: base, bytes: layout.bytes() }] });
};
