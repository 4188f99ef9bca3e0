import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { elf } from '../image/build';
import { MemoryIo } from './memory-io';

const HELLO = 'guests/images/hello.elf';
const HALT = 'guests/images/halt.elf';

/** A raw 64-bit image at 1 MiB. */
const code = (...bytes: readonly number[]): MemoryIo => {
  const io = new MemoryIo();
  io.files.set('code.bin', Uint8Array.from(bytes));
  return io;
};
const RAW = ['run', 'code.bin', '--format', 'raw', '--load', '0x100000', '--mode', 'long'];

describe('vtmodel run', () => {
  it('prints what the guest sends, a line of figures, and has the status of the guest', async () => {
    const io = new MemoryIo();
    expect(await io.command('run', HELLO)).toBe(1);
    expect(io.out).toBe('hello from long mode\n');
    expect(io.err).toMatch(
      /^vtmodel: the guest exited with status 1 \(code 0\): 172 instructions in \d+\.\d\d s, \d+\.\d M instr\/s\n$/,
    );
  });

  it('knows the bundled guests by name', async () => {
    const io = new MemoryIo();
    expect(await io.command('run', 'hello', '--quiet')).toBe(1);
    expect(io.out).toBe('hello from long mode\n');
  });

  it('gives a bundled guest its name as command line, wherever the package is installed', async () => {
    const snapshot = async (folder: string): Promise<Uint8Array> => {
      const io = new MemoryIo();
      io.bundledGuests = () => [`${folder}/compute.elf`];
      io.files.set(`${folder}/compute.elf`, readFileSync('guests/images/compute.elf'));
      await io.command('run', 'compute', '--max-instructions', '100000', '--save', 'saved');
      return io.files.get('saved')!;
    };
    expect(await snapshot('/opt/vtmodel')).toEqual(await snapshot('/somewhere/much/deeper/in/the/tree'));
  });

  it('--quiet prints the guest alone', async () => {
    const io = new MemoryIo();
    expect(await io.command('run', HELLO, '--quiet')).toBe(1);
    expect(io.err).toBe('');
  });

  it('the status is (code << 1) | 1 in 8 bits', async () => {
    // mov al, 0x91; out 0xf4, al
    expect(await code(0xb0, 0x91, 0xe6, 0xf4).command(...RAW)).toBe(0x23);
  });

  it('ends lines that the guest did not end', async () => {
    // mov dx, 0x3f8; mov al, 'x'; out dx, al; mov al, 0; out 0xf4, al
    const io = code(0x66, 0xba, 0xf8, 0x03, 0xb0, 0x78, 0xee, 0xb0, 0x00, 0xe6, 0xf4);
    expect(await io.command(...RAW)).toBe(1);
    expect(io.out).toBe('x');
  });

  it('--cpus gives processors that wait; messages name the one that runs', async () => {
    // INT3 without an IDT
    const io = code(0xcc);
    expect(await io.command(...RAW, '--cpus', '3', '--seed', '5')).toBe(3);
    expect(io.err).toMatch(/triple fault: .* at processor 0, RIP 0x/);
  });

  it('--serial FILE takes every byte as it is', async () => {
    // mov dx, 0x3f8; mov al, 0xff; out dx, al; mov al, 0; out 0xf4, al
    const io = code(0x66, 0xba, 0xf8, 0x03, 0xb0, 0xff, 0xee, 0xb0, 0x00, 0xe6, 0xf4);
    expect(await io.command(...RAW, '--serial', 'serial.txt')).toBe(1);
    expect(io.out).toBe('');
    expect(io.text('serial.txt')).toBe('\u00ff');
  });

  it('--max-instructions stops with status 0 and says where', async () => {
    const io = new MemoryIo();
    expect(await io.command('run', HELLO, '--max-instructions', '100')).toBe(0);
    expect(io.err).toMatch(/limit of instructions reached at RIP 0x[0-9a-f]+ \([a-z].*\)\n/);
    expect(io.err).toContain('100 instructions');
  });

  it('every tier gives the same', async () => {
    for (const tier of ['oracle', 'closures', 'generated']) {
      const io = new MemoryIo();
      expect(await io.command('run', HALT, '--tier', tier)).toBe(1);
      expect(io.out).toContain('tick 3');
    }
  });

  it('--save and --resume split a run', async () => {
    const io = new MemoryIo();
    expect(
      await io.command('run', HALT, '--max-instructions', '5000', '--save', 'later.vtm', '--quiet'),
    ).toBe(0);
    const first = io.out;
    expect(await io.command('run', '--resume', 'later.vtm')).toBe(1);
    expect(io.out.length).toBeGreaterThan(first.length);
    const whole = new MemoryIo();
    await whole.command('run', HALT);
    expect(io.out).toBe(whole.out);
  });

  it('Ctrl-C says where the guest was', async () => {
    // jmp $
    const io = code(0xeb, 0xfe);
    io.onPause = (one) => one.interrupt();
    expect(await io.command(...RAW)).toBe(130);
    expect(io.err).toMatch(/^vtmodel: interrupted\nrip 0000000000100000 {2}jmp 0x100000\n/);
    expect(io.err).toContain('64-bit mode, CPL 0, active, clock ');
    expect(io.err).toMatch(/\nrax 0{16} {2}rcx /);
  });

  it('in real mode messages say CS too, and the report has the segments', async () => {
    // jmp 0x1000:0x5, where jmp $ is
    const io = code(0xea, 0x05, 0, 0, 0x10, 0xeb, 0xfe);
    const words = ['run', 'code.bin', '--load', '0x10000', '--mode', 'real'];
    expect(await io.command(...words, '--max-instructions', '2')).toBe(0);
    expect(io.err).toContain('at CS 0x1000, RIP 0x5 (jmp 0x5)\n');
    io.onPause = (one) => one.interrupt();
    expect(await io.command(...words)).toBe(130);
    expect(io.err).toContain('\nreal mode, paging off, CPL 0, active, clock ');
    expect(io.err).toMatch(/\ncs 0x1000 base 0x10000 {2}ss 0x0 base 0x0 {2}ds /);
  });

  it('the report knows virtual-8086 mode', async () => {
    // mov esp, 0x9000; the frame of IRET, with CS 0x1000 and EIP 0x21; iretd; there: jmp $
    const frame = [0x6a, 0, 0x6a, 0, 0x6a, 0, 0x6a, 0, 0x6a, 0, 0x68, 0, 0x80, 0, 0, 0x68, 2, 0, 2, 0];
    const io = code(0xbc, 0, 0x90, 0, 0, ...frame, 0x68, 0, 0x10, 0, 0, 0x6a, 0x21, 0xcf, 0xeb, 0xfe);
    io.onPause = (one) => one.interrupt();
    expect(await io.command('run', 'code.bin', '--load', '0x10000', '--mode', 'protected')).toBe(130);
    expect(io.err).toContain('\nvirtual-8086 mode, paging off, CPL 3, active, clock ');
    expect(io.err).toContain('cs 0x1000 base 0x10000');
  });

  it.each([
    // lidt [rip+0] of zeros; ud2
    ['triple fault', [0x0f, 0x01, 0x1d, 2, 0, 0, 0, 0x0f, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0], /triple fault/],
    // cli; hlt
    ['stuck', [0xfa, 0xf4], /stuck: every processor waits .*, the next instruction is at RIP 0x100002 \(/],
    // mov rax, 0xffffffff80000000; jmp rax: the remark in place of an instruction has one pair of parentheses
    [
      'a jump into nowhere',
      [0x48, 0xc7, 0xc0, 0, 0, 0, 0x80, 0xff, 0xe0],
      /at RIP 0xffffffff80000000 \(no memory is mapped here\);/,
    ],
  ])('%s has status 3', async (_, bytes, says) => {
    const io = code(...bytes);
    expect(await io.command(...RAW)).toBe(3);
    expect(io.err).toMatch(says);
  });

  it('an instruction that is not built has status 4, its place and its text', async () => {
    // nop; nop; addps xmm0, xmm1
    const io = code(0x90, 0x90, 0x0f, 0x58, 0xc1);
    expect(await io.command(...RAW)).toBe(4);
    expect(io.err).toMatch(/^vtmodel: not built: addps at RIP 0x100002 \(addps xmm0, xmm1\)\n/);
    expect(io.err).toContain(' 2 instructions');
  });

  it('finds it after a long run, too', async () => {
    // mov ecx, 5000; loop $; addps xmm0, xmm1
    const io = code(0xb9, 0x88, 0x13, 0, 0, 0xe2, 0xfe, 0x0f, 0x58, 0xc1);
    expect(await io.command(...RAW)).toBe(4);
    expect(io.err).toContain('not built: addps at RIP 0x100007');
    expect(io.err).toContain(' 5,001 instructions');
  });
});

describe('vtmodel run --trace', () => {
  const lines = (io: MemoryIo, file = 'vtmodel-trace.jsonl') =>
    io
      .text(file)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('instructions: each with address and text', async () => {
    const io = new MemoryIo();
    await io.command('run', HELLO, '--trace', 'instructions');
    const trace = lines(io);
    expect(trace).toHaveLength(172);
    expect(trace[0]).toMatchObject({ kind: 'instruction', clock: 0, text: expect.stringMatching(/^[a-z]/) });
    expect(io.err).toContain('trace written to vtmodel-trace.jsonl');
  });

  it('walks: every entry of the first translations', async () => {
    const io = new MemoryIo();
    await io.command('run', HELLO, '--trace', 'walks', '--trace-file', 'walks.jsonl');
    const [first] = lines(io, 'walks.jsonl');
    expect(first).toMatchObject({ kind: 'walk', access: 'fetch', physical: expect.any(String) });
    const references = first.references as { table: string; level: number }[];
    expect(references.map(({ table, level }) => [table, level])).toEqual(
      references.map((_, index) => ['guest', 4 - index]),
    );
  });

  it('walks: in 32-bit paging of 4-byte entries', async () => {
    // A page of 4 MiB at 0 by CR4.PSE, then paging, then HLT with interrupts off.
    const io = code(
      ...[0xc7, 0x05, 0, 0x10, 0, 0, 0x83, 0, 0, 0],
      ...[0xb8, 0, 0x10, 0, 0, 0x0f, 0x22, 0xd8],
      ...[0xb8, 0x10, 0, 0, 0, 0x0f, 0x22, 0xe0],
      ...[0xb8, 0x11, 0, 0, 0x80, 0x0f, 0x22, 0xc0],
      ...[0xa1, 0, 0, 0x20, 0, 0xfa, 0xf4],
    );
    await io.command(...RAW.slice(0, -1), 'protected', '--trace', 'walks', '--trace-file', 'walks.jsonl');
    expect(lines(io, 'walks.jsonl').find(({ access }) => access === 'read')).toMatchObject({
      address: '0x200000',
      references: [{ table: 'guest', level: 2, address: '0x1000', entry: '0xa3' }],
      physical: '0x200000',
    });
  });

  it('events: deliveries, and the exit of the guest', async () => {
    const io = new MemoryIo();
    await io.command('run', HALT, '--trace', 'events,exits');
    const trace = lines(io);
    expect(trace.filter(({ kind }) => kind === 'delivery').length).toBeGreaterThanOrEqual(3);
    expect(trace.at(-1)).toMatchObject({ kind: 'exit', code: 0 });
  });

  it('events: what leads to a triple fault', async () => {
    // ud2, with an IDT that holds nothing
    const io = code(0x0f, 0x0b);
    expect(await io.command(...RAW, '--trace', 'instructions, events')).toBe(3);
    expect(lines(io).map(({ kind, vector, fault }) => [kind, vector, fault])).toEqual([
      ['instruction', undefined, undefined],
      ['undelivered', 6, expect.objectContaining({ vector: 13 })],
      ['undelivered', 13, expect.objectContaining({ vector: 13 })],
      ['undelivered', 8, expect.objectContaining({ vector: 13 })],
    ]);
  });

  it('does not change the run', async () => {
    const plain = new MemoryIo();
    const traced = new MemoryIo();
    await plain.command('run', HALT, '--save', 'a');
    await traced.command('run', HALT, '--save', 'a', '--trace', 'exits,instructions,walks,events');
    expect(traced.files.get('a')).toEqual(plain.files.get('a'));
  });
});

describe('options that reach the guest', () => {
  it('--entry starts elsewhere', async () => {
    const io = code(0x0f, 0x0b, 0xb0, 0x07, 0xe6, 0xf4);
    expect(await io.command(...RAW, '--entry', '0x100002')).toBe(0xf);
  });

  it('--processor changes CPUID', async () => {
    // mov eax, 1; cpuid; shr ecx, 5; and ecx, 1; mov al, cl; out 0xf4, al
    const bytes = [0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xc1, 0xe9, 5, 0x83, 0xe1, 1, 0x88, 0xc8, 0xe6, 0xf4];
    expect(await code(...bytes).command(...RAW)).toBe(3);
    expect(await code(...bytes).command(...RAW, '--processor', 'skylake,-vmx')).toBe(1);
  });

  it('an ELF64 image runs at its entry point', async () => {
    const io = new MemoryIo();
    const bytes = Uint8Array.of(0xb0, 0x05, 0xe6, 0xf4);
    io.files.set('a.elf', elf(64, 0x10_0000, [{ virtual: 0x10_0000, physical: 0x10_0000, bytes }]));
    expect(await io.command('run', 'a.elf', '--memory', '2M')).toBe(0xb);
  });
});
