import { EMPTY_MEMORY, type EntrySource, gpa, hpa, MemoryDraft } from '../../../src/core';
import { LinearMemory } from '../../../src/cpu/engine/linear-memory';
import { processor } from '../../../src/cpu/presets';
import { LEFT } from '../../../src/cpu/processor-draft';
import { SLOT } from '../../../src/cpu/slots';
import { EptTables } from '../../../src/ept';
import {
  type Control,
  FULL_CAPABILITIES,
  type VmcsField,
  type VmExit,
  type VmxCapabilities,
} from '../../../src/vmx';
import { AT, FlatMemory, inGuest, VmxMachine } from '../dynamics/machine';

/** Guest tables for 4-level paging, at equal guest-physical and host-physical addresses: PML4, PDPT, PD and PT. */
export const TABLES = 0x1_2000;
export const PT = TABLES + 0x3000;
/** A page that nothing else uses, at this linear and guest-physical address. */
export const PAGE = 0x1_8000;
/** What the processor itself uses. */
export const PML = 0x1_b000;
export const LIST = 0x1_c000;
export const VE_AREA = 0x1_d000;
/** Where the second EPT hierarchy stands, and a frame that it maps in place of `PAGE`. */
const SECOND = 0x14_0000;
export const OTHER_FRAME = 0x1_e000;
/** EPTP bits. */
export const ACCESSED_DIRTY = 0x40n;

const PRESENT = 0x67n;
const GUEST_BYTES = 0x2_0000;

/** Flat for the host; for the guest the paging of the processor. */
class GuestMemory extends FlatMemory {
  readonly paged: LinearMemory;

  constructor(draft: MemoryDraft) {
    super(draft);
    this.paged = new LinearMemory(draft, processor('skylake'));
    this.paged.alone = true;
    this.paged.code = { has: () => false, hit: () => false, drop: () => {} };
  }
  override read(linear: bigint, bytes: number): bigint {
    return this.cpu.nonRoot ? this.paged.read(linear, bytes) : super.read(linear, bytes);
  }
  override write(linear: bigint, bytes: number, value: bigint): void {
    if (this.cpu.nonRoot) this.paged.write(linear, bytes, value);
    else super.write(linear, bytes, value);
  }
  override probeWrite(linear: bigint): void {
    if (this.cpu.nonRoot) this.paged.probeWrite(linear, 1);
    else super.probeWrite(linear);
  }
  override fetch(linear: bigint) {
    return this.cpu.nonRoot ? this.paged.fetch(linear) : super.fetch(linear);
  }
}

/** Looks at memory each time. */
const tablesIn = (draft: MemoryDraft): EntrySource => ({
  low: 0,
  high: 0,
  read(address) {
    const { words } = draft.page(Math.floor(address / 4096));
    this.low = words[(address & 4095) >> 2];
    this.high = words[((address & 4095) >> 2) + 1];
    return true;
  },
});

export interface Setting {
  /** Those of `FULL_CAPABILITIES` when left out. */
  readonly capabilities?: VmxCapabilities;
  readonly controls?: readonly Control[];
  readonly values?: Partial<Record<VmcsField, bigint | number>>;
  /** Changes the EPT tables, which map the guest's first 128 KiB to themselves. */
  readonly ept?: (tables: EptTables) => void;
  /** Bits of the EPTP beside root, memory type and walk length. */
  readonly eptp?: bigint;
  /** Flags of the guest's entry for `PAGE`. */
  readonly flags?: bigint;
  /** What is written to memory before VM entry. */
  readonly before?: (guest: EptGuest) => void;
}

export type Access = 'read' | 'write' | 'fetch';

/** How an access ended. */
export type Ended =
  | 'done'
  | { readonly exit: number; readonly qualification: bigint; readonly gpa: bigint; readonly linear: bigint }
  | { readonly vector: number; readonly errorCode?: number };

/** A 64-bit guest behind EPT, with 4-level paging. */
export class EptGuest {
  readonly machine: VmxMachine;
  readonly tables: EptTables;
  /** Another hierarchy, the same but for `PAGE`. */
  readonly second: EptTables;

  constructor({
    capabilities = FULL_CAPABILITIES,
    controls = [],
    values = {},
    ept = () => {},
    eptp = 0n,
    flags = PRESENT,
    before = () => {},
  }: Setting = {}) {
    this.tables = new EptTables(EMPTY_MEMORY, hpa(AT.ept)).mapRange(
      { gpa: gpa(0), hpa: hpa(0) },
      GUEST_BYTES,
    );
    ept(this.tables);
    this.second = new EptTables(this.tables.publish(), hpa(SECOND))
      .mapRange({ gpa: gpa(0), hpa: hpa(0) }, GUEST_BYTES)
      .map({ gpa: gpa(PAGE), hpa: hpa(OTHER_FRAME) });
    const draft = new MemoryDraft(this.second.publish());
    const memory = new GuestMemory(draft);
    this.machine = new VmxMachine(capabilities, { tables: tablesIn(draft) }, draft, [], memory);
    memory.paged.cpu = this.machine.cpu;
    for (let level = 0; level < 3; level++)
      this.put(TABLES + 0x1000 * level, BigInt(TABLES + 0x1000 * (level + 1)) | PRESENT);
    for (let page = 0; page < GUEST_BYTES; page += 4096)
      this.put(PT + (page / 4096) * 8, BigInt(page) | (page === PAGE ? flags : PRESENT));
    before(this);
    inGuest(
      ['activateSecondaryControls', 'enableEpt', ...controls],
      { eptPointer: this.tables.eptp | eptp, guestCr3: TABLES, ...values },
      this.machine,
    );
  }

  put(address: number, value: bigint | number): void {
    this.machine.memory.writePhysical(address, 8, BigInt.asUintN(64, BigInt(value)));
  }
  get(address: number, bytes = 8): bigint {
    return this.machine.memory.readPhysical(address, bytes);
  }
  /** The EPT entry for a guest-physical address at a level. */
  entry(address: number, level = 1): bigint {
    return this.get(this.tables.entryAddress(gpa(address), level));
  }
  setEntry(address: number, value: bigint | number, level = 1): void {
    this.put(this.tables.entryAddress(gpa(address), level), value);
  }
  field(name: VmcsField): bigint {
    return this.machine.field(name);
  }

  user(): this {
    this.machine.cpu.W[2 * SLOT.ss + 1] = 0xc0f3;
    return this;
  }

  /** What an action comes to; an exit is carried out. */
  ended(action: () => void): Ended {
    const { machine } = this;
    const { cpu } = machine;
    cpu.exit = undefined;
    cpu.interruption = undefined;
    try {
      action();
      return 'done';
    } catch (left) {
      if (left !== LEFT) throw left;
    }
    const exit = cpu.exit as VmExit | undefined;
    if (exit === undefined) {
      const { vector, errorCode } = cpu.interruption!;
      return errorCode === undefined ? { vector } : { vector, errorCode };
    }
    machine.vmx.performExit(cpu, exit, undefined);
    return this.lastExit();
  }
  lastExit() {
    return {
      exit: Number(this.field('exitReason')),
      qualification: this.field('exitQualification'),
      gpa: this.field('guestPhysicalAddress'),
      linear: this.field('guestLinearAddress'),
    };
  }
  access(kind: Access, linear = PAGE): Ended {
    const { memory } = this.machine;
    return this.ended(() => {
      if (kind === 'read') memory.read(BigInt(linear), 8);
      else if (kind === 'write') memory.write(BigInt(linear), 8, 0n);
      else memory.fetch(BigInt(linear));
    });
  }
}
