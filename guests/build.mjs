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
const kernel = ['kernel/main.c', 'kernel/memory.c', 'kernel/probes.c', 'kernel/user.c'];
const kernel32 = {
  bits: 32,
  sources: [
    ...['runtime/i386/start.asm', 'runtime/runtime.c', 'runtime/i386/descriptors.c'],
    ...['kernel/i386/entry.asm', 'kernel/i386/arch.c', ...kernel],
  ],
  folders: ['kernel/i386', 'kernel'],
  script: 'kernel/kernel.ld',
};
const tables = [...entry, 'runtime/descriptors.c'];
const traps = [...tables, 'runtime/traps.asm', 'runtime/traps.c'];

/** image name -> sources; where they differ from the common ones: word size, folders of headers, definitions, linker script */
const guests = {
  hello: { sources: ['hello/hello.asm'] },
  compute: { sources: [...entry, 'compute/main.c', 'compute/sha256.c'] },
  kernel: {
    sources: [...tables, 'kernel/x86-64/entry.asm', 'kernel/x86-64/arch.c', ...kernel],
    folders: ['kernel/x86-64', 'kernel'],
    script: 'kernel/kernel.ld',
  },
  kernel32: { ...kernel32, definitions: ['PAE=0'] },
  'kernel-pae': { ...kernel32, definitions: ['PAE=1'] },
  v86: {
    bits: 32,
    sources: [
      ...['runtime/i386/start.asm', 'runtime/runtime.c', 'runtime/i386/descriptors.c'],
      ...['v86/entry.asm', 'v86/program.asm', 'v86/main.c'],
    ],
  },
  interrupts: { sources: [...traps, 'interrupts/main.c'] },
  halt: { sources: [...traps, 'halt/halt.c'] },
  sensitive: { sources: [...traps, 'sensitive/main.c', 'sensitive/registers.c', 'sensitive/tables.c', 'sensitive/user.c'] },
  loop: { sources: [...traps, 'loop/loop-db.c'] },
  'loop-ac': { sources: ['loop/loop-ac.asm'] },
  'linear-tables': { sources: [...entry, 'linear-tables/main.c'] },
};

const gccFlags = [
  ...['-std=gnu11', '-O2', '-Wall', '-Wextra', '-ffreestanding', '-nostdlib', '-nostdinc'],
  ...['-mgeneral-regs-only', '-mno-sse', '-mno-mmx', '-mno-80387', '-fno-pic', '-fno-pie'],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fcf-protection=none', '-fno-ident'],
  ...['-ffunction-sections', '-fdata-sections', '-fno-tree-loop-distribute-patterns'],
];
/** by word size */
const gccMode = {
  32: ['-m32', '-march=i686', '-mregparm=3', '-iquote', 'runtime/i386'],
  64: ['-m64', '-march=x86-64', '-mno-red-zone'],
};
const ldMode = { 32: 'elf_i386', 64: 'elf_x86_64' };
const ldFlags = ['-n', '-static', '--build-id=none', '--gc-sections', '-z', 'noexecstack'];

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

function compile(source, { bits = 64, folders = [], definitions = [] }, folder) {
  const object = join(folder, `${basename(source)}.o`);
  if (source.endsWith('.asm')) run('nasm', '-f', `elf${bits}`, '-o', object, source);
  else {
    const quoted = [...folders, 'runtime'].flatMap((name) => ['-iquote', name]);
    const defined = definitions.map((definition) => `-D${definition}`);
    run('gcc', ...gccFlags, ...gccMode[bits], ...quoted, ...defined, '-isystem', headers(), '-c', '-o', object, source);
  }
  return object;
}

/** gcc's own freestanding headers (stdint.h, stddef.h, stdarg.h), and no others */
let headerFolder;
function headers() {
  headerFolder ??= run('gcc', '-print-file-name=include').trim();
  return headerFolder;
}

/** Multiboot loaders want ELF32, although the code inside may be 64-bit. */
function build(guest, folder) {
  const { sources, bits = 64, script = 'runtime/linker.ld' } = guest;
  mkdirSync(folder);
  const objects = sources.map((source) => compile(source, guest, folder));
  const linked = join(folder, 'linked');
  const image = join(folder, 'image');
  run('ld', '-m', ldMode[bits], ...ldFlags, '-T', script, '-o', linked, ...objects);
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
