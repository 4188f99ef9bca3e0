// Packs the package, installs it into an empty project, and uses it there: every entry point, the command, and the types under two kinds of
// module resolution. Every output that README.md and docs/command-line.md show is compared with the real one; with --write it is put there.
// Takes what it needs from npm's cache where it can.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const project = mkdtempSync(join(tmpdir(), 'vtmodel-package-'));
const failures = [];

const execute = (command, args, cwd) =>
  spawnSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' });

const check = (what, result, isRight = () => true) => {
  const passed = result.status === 0 && isRight(result.stdout);
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${what}`);
  if (passed) return true;
  console.log(`${result.stdout}${result.stderr}${result.error ?? ''}`);
  failures.push(what);
  return false;
};

/** The example of README.md and the output that stands below it. */
const [, example, exampleOutput] = /^```js\n(.*?)^```\n\n^```\n(.*?)^```/ms.exec(
  readFileSync(join(ROOT, 'README.md'), 'utf8'),
);

/** The example of the guide to devices, which is TypeScript. */
const [, deviceExample] = /^```ts\n(.*?)^```/ms.exec(
  readFileSync(join(ROOT, 'docs/guide-device.md'), 'utf8'),
);

/** Documents that show a command and its output, in blocks that begin with "$ vtmodel" or "$ npx vtmodel". */
const SHOWING = ['README.md', 'docs/command-line.md', 'docs/guide-walk.md'];
const SHOWN = /(?<=^```(?:console)?\n)\$ (?:npx )?vtmodel ([^>\n]*)\n(.+?)(?=^```)/gms;

/** Seconds and speed differ from run to run; nothing else does. */
const withoutTimes = (text) => text.replace(/[\d.]+ s, [\d.]+ M instr\/s/g, 'TIMES').trimEnd();

const TYPED_USE = `
import { createMachine, gpa, type Gpa, type MachineState, processor, run } from 'vtmodel';
import { decode, disassemble } from 'vtmodel/cpu';
import type { WalkRequest } from 'vtmodel/ept';
import { checkVmEntry, type VmcsField } from 'vtmodel/vmx';
const state: MachineState = createMachine({ processor: processor('skylake'), memoryBytes: 4096 });
const retired: number = run(state, { maxInstructions: 1 }).retired;
const field: VmcsField = 'guestCr0';
const address: Gpa = gpa(retired);
const request: Partial<WalkRequest> = {};
const nop = decode(new Uint8Array([0x90]), 64);
export const text: string = nop.kind === 'instruction' ? disassemble(nop.instruction, 0n) : '';
export const all = [address, request, checkVmEntry({ vmcs: { [field]: 0n } }).violations.length];
// @ts-expect-error a plain number is no guest-physical address
export const wrong: Gpa = 4096;
`;

const entryPoints = Object.keys(manifest.exports)
  .filter((path) => !/\*|\.json$/.test(path))
  .map((path) => path.replace(/^\./, manifest.name));

try {
  const packed = execute('npm', ['pack', '--silent', '--pack-destination', project], ROOT);
  if (check('npm pack', packed)) {
    const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'));
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ name: 'empty', private: true, type: 'module' }),
    );
    const install = [
      'install',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `./${tarball}`,
      // vtmodel/arbitraries works with the user's own.
      `fast-check@${manifest.devDependencies['fast-check']}`,
    ];
    check('npm install in an empty project', execute('npm', install, project));

    const files = readdirSync(join(project, 'node_modules', manifest.name), { recursive: true });
    const stray = files.filter((file) =>
      /^(src|spec|property-tests|scripts|benchmarks)\b|\.(c|asm|o)$/.test(file),
    );
    check(`${files.length} files, none of them sources or tests`, {
      status: stray.length,
      stdout: stray.join('\n'),
      stderr: '',
    });

    for (const name of entryPoints) {
      const use = `import * as all from '${name}'; if (Object.keys(all).length === 0) throw new Error('exports nothing');`;
      check(`import '${name}'`, execute('node', ['--input-type=module', '-e', use], project));
    }
    for (const schema of readdirSync(join(ROOT, 'schemas'))) {
      const read = `const url = import.meta.resolve('vtmodel/schemas/${schema}'); JSON.parse(readFileSync(new URL(url), 'utf8'));`;
      const use = `import { readFileSync } from 'node:fs'; ${read}`;
      check(`vtmodel/schemas/${schema}`, execute('node', ['--input-type=module', '-e', use], project));
    }
    writeFileSync(join(project, 'example.mjs'), example);
    check(
      'the example of README.md, with its output',
      execute('node', ['example.mjs'], project),
      (out) => out === exampleOutput,
    );
    check('npx vtmodel --help', execute('npx', ['--no', '--', manifest.name, '--help'], project), (out) =>
      out.includes('check'),
    );
    for (const document of SHOWING) {
      const text = readFileSync(join(ROOT, document), 'utf8');
      const real = text.replace(SHOWN, (block, line, shown) => {
        const words = line.trim().split(' ');
        const { status, stdout, stderr } = execute(
          'node',
          [join('node_modules', manifest.name, manifest.bin.vtmodel), ...words],
          project,
        );
        const output = `${stdout}${stderr}`;
        const result = { status: status === null ? 1 : 0, stdout: output, stderr: '' };
        if (process.argv.includes('--write')) {
          if (withoutTimes(output) === withoutTimes(shown)) return block;
          return block.slice(0, block.length - shown.length) + output;
        }
        check(
          `${document}: vtmodel ${line.trim()}`,
          result,
          () => withoutTimes(output) === withoutTimes(shown),
        );
        return block;
      });
      if (real !== text) writeFileSync(join(ROOT, document), real);
    }

    mkdirSync(join(project, 'typed'));
    writeFileSync(join(project, 'typed/use.ts'), TYPED_USE);
    writeFileSync(
      join(project, 'typed/device.ts'),
      `declare const console: { log(text: string): void };\n${deviceExample}`,
    );
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    for (const [module, moduleResolution] of [
      ['NodeNext', 'NodeNext'],
      ['ESNext', 'Bundler'],
    ]) {
      const compilerOptions = {
        strict: true,
        noEmit: true,
        target: 'ES2022',
        types: [],
        module,
        moduleResolution,
      };
      writeFileSync(join(project, 'typed/tsconfig.json'), JSON.stringify({ compilerOptions }));
      check(`types under ${moduleResolution}`, execute('node', [tsc, '-p', 'typed'], project));
    }
  }
} finally {
  rmSync(project, { recursive: true, force: true });
}
console.log(failures.length === 0 ? 'the package works' : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
