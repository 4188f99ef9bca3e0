import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { vmEntrySchemas } from '../../scripts/schemas/vm-entry';
import { walkSchemas } from '../../scripts/schemas/walk';

it.each(Object.entries({ ...vmEntrySchemas, ...walkSchemas }))(
  'schemas/%s.schema.json is what npm run schemas makes',
  (name, schema) => {
    const file = new URL(`../../schemas/${name}.schema.json`, import.meta.url);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)));
  },
);
