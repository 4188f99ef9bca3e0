// What `npm start` and `npm test` need on a fresh clone, with nothing but Node and npm there: installs the packages of package-lock.json when
// one is absent or has another version, and with `--build` builds dist/ when its sources changed (`--types`: with type declarations).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAMP = join(ROOT, 'dist/.sources');
const at = (...parts) => join(ROOT, ...parts);
const say = (text) => console.error(`setup: ${text}`);

const oldest = 20;
if (Number(process.versions.node.split('.')[0]) < oldest) {
  say(`Node ${oldest} or later is needed; this is ${process.version}`);
  process.exit(2);
}

const packagesOf = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {});

/** Names of packages that package-lock.json asks for and node_modules lacks; those of other platforms do not count. */
const missingPackages = () => {
  const installed = packagesOf(at('node_modules/.package-lock.json'));
  return Object.entries(packagesOf(at('package-lock.json')))
    .filter(([path, { optional }]) => path !== '' && optional !== true)
    .filter(([path, { version }]) => installed[path]?.version !== version || !existsSync(at(path)))
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
};

const timed = (what, command, args, options = {}) => {
  const start = performance.now();
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (result.status !== 0) {
    say(`${what} failed${result.error === undefined ? '' : `: ${result.error.message}`}`);
    process.exit(1);
  }
  say(`${what} done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
};

// No package needs its install script: esbuild then starts its program through Node.
const INSTALL = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

const install = () => {
  const missing = missingPackages();
  if (missing.length === 0) return;
  say(`installing packages (${missing.length} are absent or old); this takes some seconds`);
  const npm = process.env.npm_execpath;
  if (npm?.endsWith('.js')) timed('install', process.execPath, [npm, ...INSTALL]);
  else timed('install', 'npm', INSTALL, { shell: process.platform === 'win32' });
};

/** A hash over everything that the build reads. */
const sourceHash = () => {
  const hash = createHash('sha256');
  const files = readdirSync(at('src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  for (const file of [
    ...files,
    at('package.json'),
    at('package-lock.json'),
    at('tsup.config.ts'),
    at('scripts/keep-const.ts'),
    at('tsconfig.json'),
  ])
    hash.update(file.slice(ROOT.length)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
};

const build = (types) => {
  const hash = sourceHash();
  const built = existsSync(STAMP) ? readFileSync(STAMP, 'utf8').trim().split(' ') : [];
  if (built[0] === hash && (!types || built[1] === 'types')) return;
  say(types ? 'building dist/ with types' : 'building dist/');
  const environment = { ...process.env };
  if (!types) environment.VTMODEL_NO_TYPES = '1';
  timed('build', process.execPath, [at('node_modules/tsup/dist/cli-default.js')], { env: environment });
  mkdirSync(at('dist'), { recursive: true });
  writeFileSync(STAMP, `${hash} ${types ? 'types' : ''}\n`);
};

install();
if (process.argv.includes('--build')) build(process.argv.includes('--types'));
