// Bundles a TypeScript program and runs it: node scripts/bundle-run.mjs FILE.ts [ARGUMENT...]. Bundled code runs at full speed, which programs
// that measure need; flags of Node (--prof, --cpu-prof) go before this file's name.
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'tsup';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
// Below node_modules, so that the packages left outside the bundle are found.
const OUTPUT = join(ROOT, 'node_modules/.cache/vtmodel');

const [, , file, ...rest] = process.argv;
if (file === undefined) {
  console.error('bundle-run: give the TypeScript file to run');
  process.exit(2);
}
const name = `${basename(join(file, '..'))}-${basename(file, '.ts')}`;
mkdirSync(OUTPUT, { recursive: true });
await build({
  config: join(ROOT, 'tsup.config.ts'),
  entry: { [name]: resolve(file) },
  outDir: OUTPUT,
  dts: false,
  // Loads its WebAssembly from the folder where it stands.
  external: ['iced-x86'],
  splitting: false,
  clean: false,
});
const bundle = join(OUTPUT, `${name}.js`);
process.chdir(ROOT);
process.argv = [process.argv[0], bundle, ...rest];
await import(pathToFileURL(bundle).href);
