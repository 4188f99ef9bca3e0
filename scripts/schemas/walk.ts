import { BASE, flag, number, oneOf, ref, width } from './parts';

const MOST_ENTRIES = 65_536;

const entries = (bytes: string) => ({
  description: `an object of ${bytes} by host-physical address, as in {"0x1000": "0x2007"}, at most ${MOST_ENTRIES}`,
  type: 'object',
  patternProperties: { '^(0[xX][0-9a-fA-F]{1,13}|[0-9]{1,16})$': ref('number') },
  additionalProperties: false,
  maxProperties: MOST_ENTRIES,
});

const walk = {
  ...BASE,
  title: 'A page walk, as vtmodel walk reads it',
  description: 'an object with "address" and "entries", and the registers of the guest and of EPT',
  type: 'object',
  properties: {
    $schema: { description: 'the address of this schema', type: 'string' },
    title: { description: 'a line of text', type: 'string', maxLength: 200 },
    machine: {
      ...oneOf('x86', 'tiny'),
      $comment: 'tiny: the tables for paper, whose entries and addresses have 16 bits; x86 when left out.',
    },
    address: { ...ref('number'), $comment: 'The linear address; guest-physical without "guest".' },
    access: oneOf('read', 'write', 'fetch'),
    user: flag,
    physicalAddressWidth: width(32, 52),
    guest: {
      description: 'an object: registers of the guest; without it paging is off',
      type: 'object',
      properties: {
        cr3: ref('number'),
        mode: {
          ...oneOf('4-level', '5-level', 'pae', '32-bit'),
          $comment: 'What CR4 and IA32_EFER are where they are left out; 4-level when it is left out.',
        },
        cr0: ref('number'),
        cr4: ref('number'),
        efer: ref('number'),
        pdptes: {
          description: 'an array of the four PDPTE registers, for PAE paging',
          type: 'array',
          items: ref('number'),
          minItems: 4,
          maxItems: 4,
        },
        pkru: ref('number'),
        pkrs: ref('number'),
      },
      required: ['cr3'],
      additionalProperties: false,
    },
    ept: {
      description: 'an object: the EPT pointer; without it guest-physical addresses are host-physical',
      type: 'object',
      properties: { eptp: ref('number'), modeBasedExecute: flag },
      required: ['eptp'],
      additionalProperties: false,
    },
    entries: entries('entries of 8 bytes (of 2 for "tiny")'),
    entries32: entries('entries of 4 bytes, of 32-bit paging'),
  },
  required: ['address', 'entries'],
  additionalProperties: false,
  $defs: { number },
};

/** By the name of the file. */
export const walkSchemas = { walk };
