import vmEntryStateSchema from '../../schemas/vm-entry-state.schema.json';
import { nearest } from '../core';
import {
  FIELD_NAMES,
  type FieldRow,
  fieldOfEncoding,
  fieldWidth,
  PartialMemory,
  VMCS_FIELDS,
  VmcsData,
  type VmcsField,
  type VmcsValues,
  type VmEntryInput,
  type VmEntryProcessor,
} from '../vmx';
import type { CommandIo } from './io';
import { badJson, hexText, type JsonNumber, jsonPath, numberOf, readJson } from './json-input';

type Numbers = Readonly<Record<string, JsonNumber>>;
type NumericState = 'currentVmcs' | 'vmxonPointer' | 'perfGlobalCtrlBits' | 'specCtrlBits';

/** What schemas/vm-entry-state.schema.json accepts. */
export interface StateFile {
  readonly vmcs: Numbers;
  readonly launched?: boolean;
  readonly shadow?: boolean;
  readonly otherFields?: 'unknown' | 'zero';
  readonly state?: Omit<Partial<VmEntryProcessor>, NumericState> & {
    readonly [K in NumericState]?: JsonNumber;
  };
  readonly memory?: Numbers;
  readonly pdptes?: readonly JsonNumber[];
  readonly msrLoadArea?: readonly { readonly index: JsonNumber; readonly value: JsonNumber }[];
  readonly executiveVmcs?: { readonly vmcs: Numbers; readonly launched?: boolean };
  readonly unconfirmed?: boolean;
}

const WORD = 64;
const ADDRESS = 52;

/** The manual's name of a field. */
export const manualName = (field: VmcsField): string => (VMCS_FIELDS[field] as FieldRow).name;

const byManualName = new Map(FIELD_NAMES.map((field) => [manualName(field), field]));

/** The conversions of one file; complaints name it. */
class Reader {
  constructor(private readonly file: string) {}

  /** An unsigned number of at most `bits` bits; `what` has them. */
  number(value: JsonNumber, bits: number, what: string, ...path: readonly (string | number)[]): bigint {
    const number = numberOf(value);
    return BigInt.asUintN(bits, number) === number
      ? number
      : badJson(this.file, jsonPath(...path), value, `more than ${bits} bits`, `${what} has ${bits}`);
  }

  address(value: JsonNumber, ...path: readonly (string | number)[]): number {
    return Number(this.number(value, ADDRESS, 'a physical address', ...path));
  }

  private field(name: string, value: JsonNumber, ...path: readonly string[]): VmcsField {
    if (name in VMCS_FIELDS) return name as VmcsField;
    const named = byManualName.get(name);
    if (named !== undefined) return named;
    const found = fieldOfEncoding(Number(name));
    const at = jsonPath(...path, name);
    if (found === undefined)
      return badJson(this.file, at, value, 'no field has this encoding', this.encodingFix(name));
    if (!found.high) return found.field;
    const whole = hexText(VMCS_FIELDS[found.field].encoding);
    return badJson(this.file, at, value, 'the high half of a field', `give the whole field as "${whole}"`);
  }

  private encodingFix(name: string): string {
    const near = nearest(
      Number(name).toString(16).padStart(4, '0'),
      FIELD_NAMES.map((field) => VMCS_FIELDS[field].encoding.toString(16).padStart(4, '0')),
    );
    return near === undefined ? 'as in "0x6800" for Guest CR0' : `is "0x${near}" meant?`;
  }

  fields(numbers: Numbers, ...path: readonly string[]): Partial<VmcsValues> {
    const names = new Map<VmcsField, string>();
    const fields: Partial<VmcsValues> = {};
    for (const [name, value] of Object.entries(numbers)) {
      const field = this.field(name, value, ...path);
      const at = [...path, name];
      const other = names.get(field);
      if (other !== undefined)
        badJson(this.file, jsonPath(...at), value, `"${other}" is the same field`, 'give each field once');
      names.set(field, name);
      fields[field] = this.number(value, fieldWidth(field), manualName(field), ...at);
    }
    return fields;
  }

  memory(words: Numbers): PartialMemory {
    const memory = new PartialMemory();
    const names = new Map<number, string>();
    for (const [name, value] of Object.entries(words)) {
      const address = this.address(name, 'memory', name);
      const other = names.get(address);
      if (other !== undefined)
        badJson(
          this.file,
          jsonPath('memory', name),
          value,
          `"${other}" is the same word`,
          'give each word once',
        );
      names.set(address, name);
      if (address % 8 !== 0)
        badJson(this.file, jsonPath('memory', name), value, 'not a multiple of 8', 'give whole words');
      memory.put64(address, this.number(value, WORD, 'a word', 'memory', name));
    }
    return memory;
  }
}

/** Every field, with 0 where it was not given. */
const filled = (fields: Partial<VmcsValues>): Partial<VmcsValues> =>
  Object.fromEntries(FIELD_NAMES.map((field) => [field, fields[field] ?? 0n]));

const vmcsData = (fields: Partial<VmcsValues>, launched: boolean): VmcsData => {
  const vmcs = new VmcsData();
  for (const [field, value] of Object.entries(fields)) vmcs.set(field as VmcsField, value);
  vmcs.launched = launched;
  return vmcs;
};

const stateOf = (reader: Reader, { state = {}, executiveVmcs }: StateFile): Partial<VmEntryProcessor> => {
  const { currentVmcs, vmxonPointer, perfGlobalCtrlBits, specCtrlBits, ...rest } = state;
  return {
    ...rest,
    ...(currentVmcs !== undefined && { currentVmcs: reader.address(currentVmcs, 'state', 'currentVmcs') }),
    ...(vmxonPointer !== undefined && {
      vmxonPointer: reader.address(vmxonPointer, 'state', 'vmxonPointer'),
    }),
    ...(perfGlobalCtrlBits !== undefined && {
      perfGlobalCtrlBits: reader.number(perfGlobalCtrlBits, WORD, 'the MSR', 'state', 'perfGlobalCtrlBits'),
    }),
    ...(specCtrlBits !== undefined && {
      specCtrlBits: reader.number(specCtrlBits, WORD, 'the MSR', 'state', 'specCtrlBits'),
    }),
    ...(executiveVmcs !== undefined && {
      executiveVmcs: vmcsData(
        reader.fields(executiveVmcs.vmcs, 'executiveVmcs', 'vmcs'),
        executiveVmcs.launched === true,
      ),
    }),
  };
};

/** The file, checked against its schema. */
export const readStateFile = (io: CommandIo, path: string): StateFile =>
  readJson<StateFile>(io, path, 'STATE', vmEntryStateSchema);

/** The state in a file, as `checkVmEntry` takes it. */
export const entryStateOf = (path: string, file: StateFile): VmEntryInput => {
  const reader = new Reader(path);
  const fields = reader.fields(file.vmcs, 'vmcs');
  return {
    vmcs: file.otherFields === 'zero' ? filled(fields) : fields,
    state: stateOf(reader, file),
    ...(file.launched !== undefined && { launched: file.launched }),
    ...(file.shadow !== undefined && { shadow: file.shadow }),
    ...(file.memory !== undefined && { memory: reader.memory(file.memory) }),
    ...(file.pdptes !== undefined && {
      pdptes: file.pdptes.map((entry, place) => reader.number(entry, WORD, 'a PDPTE', 'pdptes', place)),
    }),
    ...(file.msrLoadArea !== undefined && {
      msrLoadArea: file.msrLoadArea.map(({ index, value }, place) => ({
        index: reader.number(index, WORD, 'an entry', 'msrLoadArea', place, 'index'),
        value: reader.number(value, WORD, 'an entry', 'msrLoadArea', place, 'value'),
      })),
    }),
    ...(file.unconfirmed !== undefined && { unconfirmed: file.unconfirmed }),
  };
};
