// Keeps package-lock.json complete and free of registry addresses: `npm ci` refuses a lock file that lacks the optional packages of other
// platforms, and a registry that does not carry those leaves them out. `--check` only says what is wrong.
import { readFileSync, writeFileSync } from 'node:fs';

const LOCK = new URL('../package-lock.json', import.meta.url);
const MANIFEST = new URL('../package.json', import.meta.url);

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const PROCESSORS = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'x64',
  'wasm32',
];

/** What npm would write about a prebuilt package, from its name: `@rollup/rollup-linux-x64-musl`. */
const platformEntry = (name, version, parent) => {
  const words = name.split('/').at(-1).split('-');
  const os = SYSTEMS.filter((one) => words.includes(one));
  const cpu = PROCESSORS.filter((one) => words.includes(one));
  if (os.length !== 1 || cpu.length !== 1) return undefined;
  const libc = words.some((one) => one.startsWith('musl'))
    ? ['musl']
    : words.includes('gnu')
      ? ['glibc']
      : undefined;
  return {
    version,
    cpu,
    ...(parent.dev ? { dev: true } : {}),
    ...(os[0] === 'linux' && libc !== undefined ? { libc } : {}),
    optional: true,
    os,
  };
};

const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8'));
const problems = [];

for (const kind of ['dependencies', 'devDependencies'])
  if (JSON.stringify(lock.packages[''][kind] ?? {}) !== JSON.stringify(manifest[kind] ?? {})) {
    problems.push(`${kind} differ from package.json`);
    lock.packages[''][kind] = manifest[kind];
  }

/** Whether the package at `path` finds `name` in its own or an outer node_modules. */
const found = (path, name) => {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (lock.packages[at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`] !== undefined)
      return true;
    if (at === '') return false;
  }
};

for (const [path, entry] of Object.entries(lock.packages)) {
  if (entry.resolved !== undefined) {
    problems.push(`${path} has an address`);
    delete entry.resolved;
  }
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (found(path, name)) continue;
    const added = platformEntry(name, version, entry);
    if (added === undefined) continue;
    const at = `node_modules/${name}`;
    problems.push(`${at} ${version} is missing`);
    lock.packages[at] = added;
  }
}

if (problems.length === 0) console.log('package-lock.json is complete');
else if (process.argv.includes('--check')) {
  console.error(problems.join('\n'));
  console.error('package-lock.json is not complete: run `npm run lock`');
  process.exitCode = 1;
} else {
  lock.packages = Object.fromEntries(
    Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
  );
  writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${problems.length} corrections`);
}
