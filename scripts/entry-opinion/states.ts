import { CONTROL_EXAMPLES } from '../../spec/vmx/entry/examples-controls';
import { GUEST_EXAMPLES, LEGAL_GUESTS } from '../../spec/vmx/entry/examples-guest';
import { stateOf } from '../../spec/vmx/entry/guest-states';
import { processor } from '../../src/api';
import {
  allowed1,
  CONTROLS,
  FIELD_NAMES,
  type PhysicalReader,
  VM_ENTRY_GUESTS,
  VM_ENTRY_TABLES,
  VMCS_FIELDS,
  VmcsData,
  type VmcsField,
  type VmcsValues,
  type VmEntryPlatform,
  vmEntryTemplate,
  vmxCapabilities,
} from '../../src/api/vmx';
import { Random } from '../fuzz/random';

type Fields = Partial<VmcsValues>;

const MODEL = processor('everything');
const CAPABILITIES = vmxCapabilities(MODEL);
export const CURRENT_VMCS = 0x9000;
const REVISION = CAPABILITIES.ia32VmxBasic & 0x7fff_ffffn;

/** The processor of the comparison: everything that is built, with widths that other implementations have too. */
export const PLATFORM: VmEntryPlatform = {
  capabilities: CAPABILITIES,
  physicalAddressWidth: 40,
  linearAddressWidth: 48,
  features: new Set(),
};

/** Words of physical memory that are not 0: VMCS regions, a virtual-APIC page, tables of PDPTEs. */
const WORDS: ReadonlyMap<number, bigint> = new Map([
  [0x5000, REVISION],
  [0x6000, REVISION | 0x8000_0000n],
  [0x7000, REVISION + 1n],
  [CURRENT_VMCS, REVISION],
  [0xa080, 0x50n],
  [0x2000, 0x1_0001n],
  [0xb000, 0x1_0021n],
  [0xb018, (1n << 45n) | 1n],
]);
const word = (address: number): bigint => WORDS.get(address - (address % 8)) ?? 0n;

export const MEMORY: PhysicalReader = {
  read64: word,
  read32: (address) => Number((word(address) >> BigInt(8 * (address % 8))) & 0xffff_ffffn),
};

const hex = (value: bigint | number): string => value.toString(16);

/** What another implementation must know of processor and memory. */
export const header = (): string => {
  const controls = {
    pin: 'pinBasedControls',
    proc: 'primaryProcBasedControls',
    proc2: 'secondaryProcBasedControls',
    proc3: 'tertiaryProcBasedControls',
    exit: 'vmExitControls',
    exit2: 'secondaryVmExitControls',
    entry: 'vmEntryControls',
    vmfunc: 'vmFunctionControls',
  } as const;
  return [
    ...Object.entries(controls).map(([name, field]) => `set ${name} ${hex(allowed1(CAPABILITIES, field))}`),
    `set cr4fixed1 ${hex(CAPABILITIES.ia32VmxCr4Fixed1)}`,
    `set revision ${hex(REVISION)}`,
    `set vmcs ${hex(CURRENT_VMCS)}`,
    `set misc ${hex(CAPABILITIES.ia32VmxMisc)}`,
    `set basic ${hex(CAPABILITIES.ia32VmxBasic)}`,
    `set eptvpid ${hex(CAPABILITIES.ia32VmxEptVpidCap ?? 0n)}`,
    'set efer d01',
    'set linear 30',
    'set physical 28',
    ...[...WORDS].map(([address, value]) => `word ${hex(address)} ${hex(value)}`),
    '',
  ].join('\n');
};

const withControls = (fields: Fields, names: readonly (keyof typeof CONTROLS)[]): Fields => {
  const all: Fields = { ...fields };
  for (const name of names) {
    const { field, bit } = CONTROLS[name];
    if (((allowed1(CAPABILITIES, field) >> BigInt(bit)) & 1n) === 1n)
      all[field] = (all[field] ?? 0n) | (1n << BigInt(bit));
  }
  return all;
};

const templates: readonly Fields[] = VM_ENTRY_GUESTS.map((guest) => vmEntryTemplate(guest, CAPABILITIES));
const [long] = templates;

/** Values of the examples, on the template: changes that some rule cares about. */
const changes: readonly Fields[] = [
  ...Object.values(CONTROL_EXAMPLES).map(({ fields = {} }) => fields),
  ...[...Object.values(GUEST_EXAMPLES), ...Object.values(LEGAL_GUESTS)].map(({ fields = {}, on = [] }) =>
    withControls(fields, on),
  ),
];

const bases: readonly Fields[] = [
  ...templates,
  ...['long64', 'pae32', 'realMode', 'virtual8086'].map((from) => {
    const state = stateOf({ from: from as 'long64' });
    const { guestCr3, ...fields } = state.fields;
    const common = Object.fromEntries(
      FIELD_NAMES.filter((field) => !field.startsWith('guest')).map((field) => [field, long[field]]),
    );
    const entry = { ...common, vmEntryControls: long.vmEntryControls! & ~0x200n };
    return withControls({ ...entry, ...fields, guestCr3: 0x2000n }, state.controls);
  }),
];

const READ: readonly VmcsField[] = [
  ...new Set(
    VM_ENTRY_TABLES.flatMap(({ rules }) => rules.flatMap(({ reads }) => reads)).filter(
      (name): name is VmcsField => name in VMCS_FIELDS,
    ),
  ),
];
const POINTERS = [0x5000n, 0x6000n, 0x7000n, BigInt(CURRENT_VMCS), 0xa000n, 0xb000n, 1n << 40n, 0x5008n];

/** One random change: fields with new values. */
const change = (vmcs: VmcsData, random: Random): Fields => {
  const field = random.of(READ);
  switch (random.below(6)) {
    case 0:
      return { [field]: random.edge64() };
    case 1:
      return { [field]: random.of(POINTERS) };
    case 2: {
      const all = Object.entries(random.of(changes));
      return all.length === 0 ? {} : Object.fromEntries([random.of(all)]);
    }
    case 3:
      return random.of(changes);
    default: {
      const width = vmcs.get(field) < 1n << 33n ? 34 : 64;
      return { [field]: vmcs.get(field) ^ (1n << BigInt(random.below(width))) };
    }
  }
};

const put = (vmcs: VmcsData, fields: Fields): void => {
  for (const [field, value] of Object.entries(fields)) vmcs.set(field as VmcsField, value);
};

/** State number `index`: a valid one with up to four changes. */
export const stateNumber = (seed: number, index: number): VmcsData => {
  const random = new Random(seed, 0, index);
  const vmcs = new VmcsData();
  put(vmcs, random.of(bases));
  for (let count = random.below(5); count > 0; count--) put(vmcs, change(vmcs, random));
  return vmcs;
};

/** One line: the number, and the fields that are not 0 by encoding. */
export const stateLine = (seed: number, index: number): string => {
  const vmcs = stateNumber(seed, index);
  const fields = FIELD_NAMES.filter((field) => vmcs.get(field) !== 0n).map(
    (field) => `${hex(VMCS_FIELDS[field].encoding)}=${hex(vmcs.get(field))}`,
  );
  return `${index} ${fields.join(' ')}\n`;
};
