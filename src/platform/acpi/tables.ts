// ACPI Specification 6.0, 5.2 ACPI System Description Tables (revision 1 layouts)
import { PM_PORTS } from '../chipset';
import type { BoardConfig } from '../device';
import { IO_APIC_ADDRESS } from '../io-apic';
import { DEFAULT_APIC_ADDRESS } from '../local-apic';

/** Where the tables stand for an image that is loaded without firmware: in what its memory map calls reserved. */
export const ACPI_TABLES = 0xf_0000;
const ALIGNMENT = 64;
const SCI = 9;

/** Offset of the waking vector in the FACS. */
const WAKING_VECTOR = 12;
const FACS_BYTES = 64;

class Table {
  private readonly bytes: number[] = [];

  constructor(text = '') {
    this.text(text);
  }
  text(text: string): this {
    for (const character of text) this.bytes.push(character.charCodeAt(0));
    return this;
  }
  byte(...values: number[]): this {
    this.bytes.push(...values);
    return this;
  }
  word(...values: number[]): this {
    for (const value of values) this.byte(value & 0xff, (value >>> 8) & 0xff);
    return this;
  }
  long(...values: number[]): this {
    for (const value of values) this.word(value & 0xffff, value >>> 16);
    return this;
  }
  fill(end: number): this {
    while (this.bytes.length < end) this.bytes.push(0);
    return this;
  }
  /** The bytes, all of them adding up to zero by the one at `checksum`. */
  summed(checksum: number): Uint8Array {
    const bytes = Uint8Array.from(this.bytes);
    bytes[checksum] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
    return bytes;
  }
  get plain(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

/** A table with the common header. */
const described = (signature: string, body: (table: Table) => Table): Uint8Array => {
  const make = (length: number): Table =>
    body(
      new Table(signature)
        .long(length)
        .byte(1, 0)
        .text('VTMODL')
        .text('VTMODEL ')
        .long(1)
        .text('VTM ')
        .long(1),
    );
  return make(make(0).plain.length).summed(9);
};

/** \_S3 and \_S5 with the sleep types of the power management function. 20.2 AML Grammar Definition */
const dsdt = described('DSDT', (table) =>
  table
    .byte(0x08)
    .text('\\_S3_')
    .byte(0x12, 6, 4, 1, 1, 0, 0)
    .byte(0x08)
    .text('\\_S5_')
    .byte(0x12, 6, 4, 0, 0, 0, 0),
);

const facs = new Table('FACS').long(FACS_BYTES).fill(FACS_BYTES).plain;

// WBINVD works, C1 on all processors, no power and sleep button, a timer of 32 bits.
const FADT_FLAGS = 0x135;

const fadt = (facsAt: number, dsdtAt: number): Uint8Array =>
  described('FACP', (table) =>
    table
      .long(facsAt, dsdtAt)
      .byte(1, 0)
      .word(SCI)
      .long(0)
      .byte(0, 0, 0, 0)
      .long(PM_PORTS, 0, PM_PORTS + 4, 0, 0, PM_PORTS + 8, 0, 0)
      .byte(4, 2, 0, 4, 0, 0, 0, 0)
      .word(0xfff, 0xfff, 0, 0)
      .byte(0, 0, 0, 0, 0x32, 0, 0, 0)
      .long(FADT_FLAGS),
  );

const madt = (processors: number): Uint8Array =>
  described('APIC', (table) => {
    table.long(DEFAULT_APIC_ADDRESS, 1);
    for (let id = 0; id < processors; id++) table.byte(0, 8, id, id).long(1);
    table.byte(1, 12, 0, 0).long(IO_APIC_ADDRESS, 0);
    // IRQ0 is input 2; the SCI is level-triggered and active high.
    table.byte(2, 10, 0, 0).long(2).word(0);
    table.byte(2, 10, 0, SCI).long(SCI).word(0xd);
    return table.byte(4, 6, 0xff).word(0).byte(1);
  });

/** A table in memory. */
export interface PlacedTable {
  readonly address: number;
  readonly bytes: Uint8Array;
}

const rsdp = (rsdtAt: number): Uint8Array =>
  new Table('RSD PTR ').byte(0).text('VTMODL').byte(0).long(rsdtAt).summed(8);

/** FACS first, so that its place does not depend on the others. */
const FACS_ADDRESS = ACPI_TABLES + ALIGNMENT;

/** Physical address of the firmware waking vector, 32 bits. */
export const WAKING_VECTOR_ADDRESS = FACS_ADDRESS + WAKING_VECTOR;

/** RSDP (at `ACPI_TABLES`), FACS, DSDT, FADT, MADT and RSDT of a board. */
export const acpiTables = ({ processors = 1 }: BoardConfig): readonly PlacedTable[] => {
  let end = FACS_ADDRESS + FACS_BYTES;
  const place = (bytes: Uint8Array): PlacedTable => {
    const address = end;
    end = Math.ceil((address + bytes.length) / ALIGNMENT) * ALIGNMENT;
    return { address, bytes };
  };
  const differentiated = place(dsdt);
  const fixed = place(fadt(FACS_ADDRESS, differentiated.address));
  const interrupts = place(madt(processors));
  const root = place(described('RSDT', (table) => table.long(fixed.address, interrupts.address)));
  return [
    { address: ACPI_TABLES, bytes: rsdp(root.address) },
    { address: FACS_ADDRESS, bytes: facs },
    differentiated,
    fixed,
    interrupts,
    root,
  ];
};
