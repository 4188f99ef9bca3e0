import { defineConfig } from 'tsup';
import { keepConst } from './scripts/keep-const';

const library = Object.fromEntries(
  ['index', 'arbitraries', 'cpu', 'vmx', 'ept', 'caches', 'machine', 'criteria'].map((name) => [
    name,
    `src/api/${name}.ts`,
  ]),
);

export default defineConfig({
  entry: { ...library, 'cli/main': 'src/cli/main.ts' },
  // Types take most of the build; `npm start` does without them.
  dts: process.env.VTMODEL_NO_TYPES === undefined ? { entry: library } : false,
  format: 'esm',
  target: 'node20',
  platform: 'node',
  plugins: [keepConst],
  splitting: true,
  clean: true,
  silent: true,
});
