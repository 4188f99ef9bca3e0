/** Parts that schemas have in common. */

export const BASE = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
} as const;

export const number = {
  description:
    'an unsigned number: decimal, or text in decimal or hexadecimal with 0x, as in "0x80000031"; numbers above 2^53 must be text',
  type: ['integer', 'string'],
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  pattern: '^(0[xX][0-9a-fA-F]+(_[0-9a-fA-F]+)*|[0-9]+(_[0-9]+)*)$',
  maxLength: 40,
};
export const flag = { description: 'true or false', type: 'boolean' };
export const ref = (name: string) => ({ $ref: `#/$defs/${name}` });
export const oneOf = (...values: readonly string[]) => ({
  description: `one of ${values.join(', ')}`,
  enum: values,
});

export const width = (least: number, most: number) => ({
  description: `a whole number from ${least} to ${most}`,
  type: 'integer',
  minimum: least,
  maximum: most,
});
