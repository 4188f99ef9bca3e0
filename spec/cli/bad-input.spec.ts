import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemoryIo } from './memory-io';

const HELLO = 'guests/images/hello.elf';

const CASES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['unknown command', ['rum'], /unknown command 'rum' \(Did you mean run\?\); see vtmodel --help/],
  [
    'unknown option',
    ['run', HELLO, '--memroy', '1G'],
    /unknown option '--memroy' \(Did you mean --memory\?\)/,
  ],
  ['option without value', ['run', HELLO, '--memory'], /'--memory <size>' argument missing/],
  ['too many images', ['run', 'a', 'b'], /too many arguments for 'run'.* got 2; see vtmodel run --help/],
  [
    'no image',
    ['run'],
    /image: missing; give one, as in vtmodel run kernel\.elf, or --firmware FILE or --resume FILE/,
  ],
  ['missing firmware', ['run', '--firmware', 'nosuch.bin'], /nosuch\.bin: firmware: no such file/],
  [
    'firmware that is none',
    ['run', '--firmware', HELLO],
    /size: \d+ bytes are no firmware image; give one of 64/,
  ],
  ['firmware and an image', ['run', HELLO, '--firmware', 'a'], /looks for something to boot itself/],
  ['firmware and a load address', ['run', '--firmware', 'a', '--load', '0'], /--load: there is no image/],
  ['missing file', ['run', 'nosuch.elf'], /nosuch\.elf: image: no such file or directory; give the path/],
  [
    'no bundled guest of that name',
    ['run', 'hallo'],
    /hallo: image: no such file or directory; give .* or a bundled guest \(halt, hello\)\n/,
  ],
  ['empty image', ['run', 'empty.elf'], /empty\.elf: file: it is empty; give an image with code/],
  [
    'address for what is not raw',
    ['run', HELLO, '--load', '0x1000'],
    /load: an image of format multiboot says/,
  ],
  ['mode for what is not raw', ['check', 'hello', '--mode', 'long'], /mode: .* leave it out or give format/],
  [
    'snapshot as image',
    ['check', 'saved.vtm'],
    /saved\.vtm: image: it is a snapshot; go on from it with vtmodel run --resume saved\.vtm/,
  ],
  [
    'two outputs in one file',
    ['run', HELLO, '--trace', 'events', '--trace-file', 'a', '--save', 'a'],
    /a: --save: it is the --trace-file file already; give each a file of its own/,
  ],
  ['snapshot over the image', ['run', HELLO, '--save', HELLO], /--save: it is the image file already/],
  ['no space for serial output', ['run', HELLO, '--serial', '/full/a'], /\/full\/a: --serial: no space/],
  [
    'no space for the trace',
    ['run', HELLO, '--trace', 'instructions', '--serial', 'b', '--trace-file', '/full/a'],
    /\/full\/a: --trace-file: no space is left; give a path in a writable directory/,
  ],
  ['not an image', ['run', 'package.json'], /package\.json: format: neither a multiboot header/],
  ['truncated image', ['run', 'short.elf'], /short\.elf: .*the file looks truncated/],
  ['memory too small', ['run', HELLO, '--memory', '4K'], /p_paddr: .* give the machine at least 0x/],
  ['no size', ['run', HELLO, '--memory', 'lots'], /--memory lots: not a size; write bytes with K, M or G/],
  [
    'caches of no entries',
    ['run', HELLO, '--caches', 'lru:0'],
    /--caches lru:0: not a number from 1 to 4294967295; write it as in --caches lru:2\n/,
  ],
  ['caches with too much', ['run', HELLO, '--caches', 'lru:4:5'], /--caches lru:4:5: not a number from 1/],
  [
    'caches with a number too many',
    ['run', HELLO, '--caches', 'none:'],
    /--caches none:: unknown; choose none, lru:N/,
  ],
  ['no processors', ['run', HELLO, '--cpus', '0'], /--cpus 0: not a number from 1 to 255; write it as in/],
  ['no seed', ['run', HELLO, '--seed', 'x'], /--seed x: not a number from 0 to 4294967295/],
  [
    'several processors under a monitor',
    ['check', 'hello', '--cpus', '2'],
    /--cpus 2: the monitor runs guests of one processor; leave it out\n/,
  ],
  [
    'a misspelt processor of a checked guest, as it was written',
    ['check', 'hello', '--processor', 'skylak,-smep'],
    /--processor skylak,-smep: unknown processor 'skylak' \(did you mean 'skylake'\?\); there are /,
  ],
  [
    'a boot sector without a load address',
    ['run', 'code.bin'],
    /code\.bin: format: .*; give a load address for a raw image, as in --load 0x7c00 --mode real/,
  ],
  [
    'a 64-bit image on a processor without 64-bit mode',
    ['run', 'code.bin', '--load', '0x100000', '--mode', 'long', '--processor', 'pentium'],
    /code\.bin: mode: the image starts in 64-bit mode, which the processor has not got; give a processor with lm/,
  ],
  ['no whole pages', ['run', HELLO, '--memory', '5000'], /--memory 5000: not a positive multiple of 4K/],
  ['no memory', ['run', HELLO, '--memory', '0'], /--memory 0: not a positive multiple/],
  [
    'too much memory',
    ['run', HELLO, '--memory', '80000G'],
    /--memory 80000G: more than 46 physical address bits/,
  ],
  ['unknown format', ['run', HELLO, '--format', 'pe'], /--format pe: unknown; choose auto, multiboot, elf64/],
  [
    'raw without address',
    ['run', HELLO, '--format', 'raw'],
    /hello\.elf: load: a raw image does not say where it goes/,
  ],
  ['bad address', ['run', HELLO, '--load', '1MB'], /--load 1MB: not an address of at most 52 bits/],
  ['bad entry', ['run', HELLO, '--entry', '0x1'], /entry: 0x1 is outside what the image loads/],
  ['bad mode', ['run', HELLO, '--mode', 'compat'], /--mode compat: unknown; choose real, protected or long/],
  ['bad count', ['run', HELLO, '--max-instructions', '-3'], /--max-instructions -3: not a number/],
  ['bad trace', ['run', HELLO, '--trace', 'exits,all'], /--trace all: unknown; choose exits, instructions/],
  ['bad tier', ['run', HELLO, '--tier', 'jit'], /--tier jit: unknown; choose oracle, closures or generated/],
  [
    'bad processor',
    ['run', HELLO, '--processor', 'i386'],
    /--processor i386: unknown processor 'i386'; there are pentium/,
  ],
  ['bad feature', ['run', HELLO, '--processor', 'skylake,+warp'], /unknown feature 'warp'/],
  ['missing module', ['run', HELLO, '--module', 'no.img=x'], /no\.img: module: no such file/],
  [
    'unwritable snapshot',
    ['run', HELLO, '--save', '/readonly/a'],
    /\/readonly\/a: --save: permission denied/,
  ],
  [
    'unwritable trace',
    ['run', HELLO, '--trace', 'exits', '--trace-file', '/readonly/a'],
    /\/readonly\/a: --trace-file: permission denied/,
  ],
  [
    'no snapshot',
    ['run', '--resume', 'package.json'],
    /package\.json: header: this is no snapshot of vtmodel/,
  ],
  ['image and snapshot', ['run', HELLO, '--resume', 'a'], /hello\.elf: image: --resume a brings its own/],
  [
    'option for an image with a snapshot',
    ['run', '--resume', 'a', '--memory', '1G'],
    /--memory: it cannot change a snapshot; leave it out with --resume a/,
  ],
  ['check: missing file', ['check', 'nosuch.elf'], /nosuch\.elf: image: no such file/],
  ['check: one of several', ['check', 'hello', 'package.json'], /package\.json: format: neither/],
  [
    'check: a part without unrestricted guest',
    ['check', HELLO, '--processor', 'nehalem'],
    /--processor: the monitor needs Unrestricted guest, which nehalem lacks; choose skylake, sapphire-rapids or everything/,
  ],
  [
    'check: no host',
    ['check', 'hello', '--processor', 'skylake,-lm'],
    /--processor: hello is to run without lm, which the monitor needs and does not hide; leave lm in/,
  ],
  ['check: bad count', ['check', '--max-instructions', 'x'], /--max-instructions x: not a number/],
];

describe('bad input', () => {
  it.each(CASES)('%s: one line, status 2', async (_, argv, says) => {
    const io = new MemoryIo();
    io.files.set('short.elf', readFileSync(HELLO).subarray(0, 70));
    io.files.set('empty.elf', new Uint8Array());
    io.files.set('code.bin', Uint8Array.of(0xf4));
    io.files.set('saved.vtm', new TextEncoder().encode('VTMODEL\n...'));
    expect(await io.command(...argv)).toBe(2);
    expect(io.err).toMatch(/^vtmodel: [^\n]+\n$/);
    expect(io.err).toMatch(says);
    expect(io.out).toBe('');
  });
});

describe('stdout', () => {
  it.each([['unbuilt'], ['run', HELLO]])('%s: no space is one line, status 2', async (...argv) => {
    const io = new MemoryIo();
    io.stdoutFailure = { says: 'no space is left on the device' };
    expect(await io.command(...argv)).toBe(2);
    expect(io.err).toBe('vtmodel: stdout: no space is left on the device; send it where there is space\n');
  });

  it('a reader that goes away ends a run quietly; trace and snapshot are written', async () => {
    const io = new MemoryIo();
    io.onPause = (one) => {
      one.stdoutFailure = 'reader-gone';
    };
    const files = ['--trace', 'instructions', '--trace-file', 't', '--save', 's'];
    // The run of 30 million instructions is cut short.
    expect(await io.command('run', 'guests/images/compute.elf', ...files)).toBe(0);
    expect(io.err).toBe('vtmodel: trace written to t\nvtmodel: snapshot written to s\n');
    expect(io.text('t')).toMatch(/^\{"kind":"instruction"/);
    expect(await io.command('run', '--resume', 's', '--max-instructions', '0')).toBe(0);
  });
});

describe('help', () => {
  it('--version names the version of the package', async () => {
    const io = new MemoryIo();
    expect(await io.command('--version')).toBe(0);
    expect(io.out).toMatch(/^vtmodel \d+\.\d+\.\d+\n$/);
  });

  it.each([[['--help']], [[]], [['run', '--help']], [['check', '--help']], [['unbuilt', '--help']]])(
    '%j goes to stdout with examples',
    async (argv) => {
      const io = new MemoryIo();
      expect(await io.command(...argv)).toBe(0);
      expect(io.out).toMatch(/^Usage: vtmodel/);
      expect(io.out).toContain('Examples:\n  vtmodel ');
      expect(io.err).toBe('');
    },
  );
});
