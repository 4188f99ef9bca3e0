// Writes schemas/: the JSON Schemas of what the command line reads. Names of fields and MSRs come from the tables.
import { mkdirSync, writeFileSync } from 'node:fs';
import { vmEntrySchemas } from './schemas/vm-entry';
import { walkSchemas } from './schemas/walk';

mkdirSync('schemas', { recursive: true });
for (const [name, schema] of Object.entries({ ...vmEntrySchemas, ...walkSchemas }))
  writeFileSync(`schemas/${name}.schema.json`, `${JSON.stringify(schema, null, 2)}\n`);
