import { type Control, fieldIndex, type VmcsField, type Vmx } from '../vmx';
import { HOST_FIELDS } from './host-structures';

/** A structure in memory that the processor uses for itself. */
export interface ProcessorStructure {
  readonly name: string;
  /** Host-physical address. */
  readonly address: number;
  readonly bytes: number;
}

interface Named {
  readonly name: string;
  readonly field: VmcsField;
  /** The structure is in use when this control is 1. */
  readonly control?: Control;
  /** Number of its entries of 16 bytes; a page when left out. */
  readonly count?: VmcsField;
}

/** Structures that fields of the VMCS name, beside the EPT tables. SDM Vol. 3C, 25.6.4, 25.6.9, 25.6.14, 25.6.19, 25.6.20, 25.7.2, 25.8.2 */
const NAMED: readonly Named[] = [
  { name: 'I/O bitmap A', field: 'ioBitmapAAddress', control: 'useIoBitmaps' },
  { name: 'I/O bitmap B', field: 'ioBitmapBAddress', control: 'useIoBitmaps' },
  { name: 'MSR bitmap', field: 'msrBitmapAddress', control: 'useMsrBitmaps' },
  { name: 'page-modification log', field: 'pmlAddress', control: 'enablePml' },
  { name: 'EPTP list', field: 'eptpListAddress', control: 'eptpSwitching' },
  {
    name: 'virtualization-exception information area',
    field: 'virtualizationExceptionInfoAddress',
    control: 'eptViolationVe',
  },
  { name: 'VM-exit MSR-store area', field: 'vmExitMsrStoreAddress', count: 'vmExitMsrStoreCount' },
  { name: 'VM-exit MSR-load area', field: 'vmExitMsrLoadAddress', count: 'vmExitMsrLoadCount' },
  { name: 'VM-entry MSR-load area', field: 'vmEntryMsrLoadAddress', count: 'vmEntryMsrLoadCount' },
];

const PAGE = 4096;
const MSR_ENTRY = 16;

/** All of them but the EPT tables, as the VMXON pointer and the current VMCS say. */
export const processorStructures = (vmx: Vmx): readonly ProcessorStructure[] => {
  const { data } = vmx.current!;
  const named = NAMED.filter(({ control }) => control === undefined || data.has(control)).map(
    ({ name, field, count }) => ({
      name,
      address: Number(data.get(field)),
      bytes: count === undefined ? PAGE : MSR_ENTRY * Number(data.get(count)),
    }),
  );
  return [
    { name: 'VMXON region', address: vmx.vmxonPointer!, bytes: PAGE },
    ...[...vmx.active.keys()].map((address) => ({ name: 'VMCS', address, bytes: PAGE })),
    ...named.filter(({ bytes }) => bytes > 0),
  ];
};

/** Fields that decide which frames the processor and the host use and the guest reaches. */
const DECIDING: readonly VmcsField[] = [
  ...HOST_FIELDS,
  'eptPointer',
  ...NAMED.flatMap(({ field, count }) => (count === undefined ? [field] : [field, count])),
];
const INDEXES = DECIDING.map(fieldIndex);
const SWITCHES = [...new Set(NAMED.flatMap(({ control }) => control ?? []))];

/** Tells whether the structures of the processor may be others than the last time. */
export class StructureSignature {
  private readonly words = new BigUint64Array(INDEXES.length);
  private readonly halves = new Int32Array(this.words.buffer);
  private vmxon: number | undefined;
  private current: number | undefined;
  private active: readonly number[] = [];
  private eptEnabled = false;
  private switches = -1;

  /** Compares with the last call, and remembers. */
  changed(vmx: Vmx): boolean {
    const { data, address } = vmx.current!;
    let switches = 0;
    for (const control of SWITCHES) switches = 2 * switches + (data.has(control) ? 1 : 0);
    let changed =
      vmx.vmxonPointer !== this.vmxon ||
      address !== this.current ||
      vmx.active.size !== this.active.length ||
      this.active.some((each) => !vmx.active.has(each)) ||
      vmx.eptEnabled !== this.eptEnabled ||
      switches !== this.switches;
    this.vmxon = vmx.vmxonPointer;
    this.current = address;
    if (changed) this.active = [...vmx.active.keys()];
    this.eptEnabled = vmx.eptEnabled;
    this.switches = switches;
    for (let i = 0; i < INDEXES.length; i++) {
      const half = 2 * INDEXES[i];
      if (data.halves[half] === this.halves[2 * i] && data.halves[half + 1] === this.halves[2 * i + 1])
        continue;
      this.halves[2 * i] = data.halves[half];
      this.halves[2 * i + 1] = data.halves[half + 1];
      changed = true;
    }
    return changed;
  }
}
