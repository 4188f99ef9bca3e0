/** One VMCS field. A 64-bit field also has a high half at `encoding` + 1. */
export interface FieldRow {
  readonly encoding: number;
  readonly width: 16 | 32 | 64 | 'natural';
  readonly area: 'control' | 'read-only' | 'guest' | 'host';
  readonly name: string;
  readonly existsIf?: string;
}
