// node guests/build.mjs [--check]: build the guest images and compare them with the committed ones.
// Without --check the new images replace the old. Exit status: 0, 1 (--check found a difference), 2 (cannot build).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const imageFolder = join(here, 'images');

const entry = ['runtime/start.asm', 'runtime/runtime.c'];
const tables = [...entry, 'runtime/descriptors.c'];
const traps = [...tables, 'runtime/traps.asm', 'runtime/traps.c'];

/** image name -> sources, and a linker script if it is not the common one */
const guests = {
  hello: { sources: ['hello/hello.asm'] },
  compute: { sources: [...entry, 'compute/main.c', 'compute/sha256.c'] },
  kernel: {
    sources: [...tables, 'kernel/entry.asm', 'kernel/main.c', 'kernel/memory.c', 'kernel/probes.c', 'kernel/user.c'],
    script: 'kernel/kernel.ld',
  },
  halt: { sources: [...traps, 'halt/halt.c'] },
  sensitive: { sources: [...traps, 'sensitive/main.c', 'sensitive/registers.c', 'sensitive/tables.c', 'sensitive/user.c'] },
  loop: { sources: [...traps, 'loop/loop-db.c'] },
  'loop-ac': { sources: ['loop/loop-ac.asm'] },
};

const gccFlags = [
  ...['-std=gnu11', '-O2', '-Wall', '-Wextra', '-ffreestanding', '-nostdlib', '-nostdinc', '-m64', '-march=x86-64'],
  ...['-mgeneral-regs-only', '-mno-sse', '-mno-mmx', '-mno-80387', '-mno-red-zone', '-fno-pic', '-fno-pie'],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fcf-protection=none', '-fno-ident'],
  ...['-ffunction-sections', '-fdata-sections', '-fno-tree-loop-distribute-patterns', '-iquote', 'runtime'],
];
const ldFlags = ['-m', 'elf_x86_64', '-n', '-static', '--build-id=none', '--gc-sections', '-z', 'noexecstack'];

class BuildError extends Error {}

function run(tool, ...args) {
  const { error, status, stdout, stderr } = spawnSync(tool, args, { cwd: here, encoding: 'utf8' });
  if (error?.code === 'ENOENT') throw new BuildError(`${tool} is not installed (needed: gcc, ld, objcopy, nasm)`);
  if (error) throw new BuildError(`${tool}: ${error.message}`);
  if (status !== 0) throw new BuildError(`${tool} failed: ${firstError(stderr)}`);
  if (stderr) process.stderr.write(stderr);
  return stdout;
}

const firstError = (text) => text.split('\n').find((line) => /error/i.test(line)) ?? text.split('\n')[0];

function compile(source, folder) {
  const object = join(folder, `${basename(source)}.o`);
  if (source.endsWith('.asm')) run('nasm', '-f', 'elf64', '-o', object, source);
  else run('gcc', ...gccFlags, '-isystem', headers(), '-c', '-o', object, source);
  return object;
}

/** gcc's own freestanding headers (stdint.h, stddef.h, stdarg.h), and no others */
let headerFolder;
function headers() {
  headerFolder ??= run('gcc', '-print-file-name=include').trim();
  return headerFolder;
}

/** Multiboot loaders want ELF32, although the code inside is 64-bit. */
function build({ sources, script = 'runtime/linker.ld' }, folder) {
  mkdirSync(folder);
  const objects = sources.map((source) => compile(source, folder));
  const linked = join(folder, 'linked');
  const image = join(folder, 'image');
  run('ld', ...ldFlags, '-T', script, '-o', linked, ...objects);
  run('objcopy', '-O', 'elf32-i386', '--strip-all', linked, image);
  return readFileSync(image);
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function main(args) {
  const check = args.includes('--check');
  const unknown = args.find((arg) => arg !== '--check');
  if (unknown) throw new BuildError(`unknown argument ${unknown} (usage: node guests/build.mjs [--check])`);

  const work = mkdtempSync(join(tmpdir(), 'guests-'));
  let differences = 0;
  try {
    mkdirSync(imageFolder, { recursive: true });
    for (const [name, guest] of Object.entries(guests)) {
      const file = join(imageFolder, `${name}.elf`);
      const fresh = build(guest, join(work, name));
      const same = existsSync(file) && sha256(readFileSync(file)) === sha256(fresh);
      if (!same) differences++;
      if (!same && !check) writeFileSync(file, fresh);
      console.log(`${name.padEnd(10)} ${same ? 'same   ' : 'differs'} ${String(fresh.length).padStart(6)} bytes ${sha256(fresh)}`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return check && differences > 0 ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`guests/build.mjs: ${error.message}`);
  process.exitCode = 2;
}
