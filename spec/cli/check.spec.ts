import { describe, expect, it } from 'vitest';
import { type CheckArguments, type Checker, checkCommand } from '../../src/cli';
import { ModelError } from '../../src/core';
import type { CriteriaReport } from '../../src/criteria';
import { MemoryIo } from './memory-io';

const GOOD: CriteriaReport = {
  kind: 'report',
  monitor: 'pretended',
  holds: true,
  end: { kind: 'exit', code: 0 },
  instructions: 12_345,
  equivalence: {
    holds: true,
    observations: 77,
    deviceAccesses: 70,
    exceptions: 6,
    interrupts: 1,
    timeReads: [{ instruction: 'rdtsc', count: 2, addresses: ['0x1000', '0x1010'] }],
  },
  resourceControl: {
    holds: true,
    violations: [],
    framesTouched: 9,
    structures: { vmcs: 1 },
    longestStay: 900,
    longestLease: 1_000,
    remark: '',
  },
  efficiency: { holds: true, needless: [], direct: 12_300, share: 0.99635, exits: { cpuid: 3, hlt: 42 } },
  staleTranslations: [],
};

const OBSERVATION = { index: 41, position: 9_000, accesses: [], registers: {}, pages: [] };
const BAD: CriteriaReport = {
  ...GOOD,
  holds: false,
  equivalence: {
    ...GOOD.equivalence,
    holds: false,
    divergence: {
      index: 41,
      instruction: { address: '0x100123', text: 'cpuid' },
      differences: [
        { what: 'rcx', bare: '0x0', monitored: '0x20' },
        { what: 'memory 0x2000', bare: '00 01', monitored: '02 03' },
        { what: 'device access 0', bare: '', monitored: 'write 1 at port 0x3f8: 0x41' },
      ],
      bare: OBSERVATION,
      monitored: OBSERVATION,
    },
  },
  resourceControl: {
    ...GOOD.resourceControl,
    holds: false,
    violations: [
      {
        kind: 'foreign-frame' as CriteriaReport['resourceControl']['violations'][number]['kind'],
        says: 'frame 0x10 is not the guest’s',
        count: 3,
        instruction: { address: '0x100200', text: 'mov rax, [rbx]' },
      },
    ],
  },
  efficiency: {
    ...GOOD.efficiency,
    holds: false,
    needless: [{ reason: 'hlt', instruction: { address: '0x100300', text: 'nop' }, count: 1 }],
  },
};

const pretending = (report: CriteriaReport): Checker =>
  async function* () {
    yield { kind: 'progress', instructions: 1_000_000, observations: 5, exits: 6 };
    yield report;
  };

const run = (io: MemoryIo, checker: Checker, options: CheckArguments = {}): Promise<number> =>
  checkCommand(io, ['hello'], options, checker);

describe('vtmodel check', () => {
  it('prints an aligned table and has status 0 when all holds', async () => {
    const io = new MemoryIo();
    expect(await run(io, pretending(GOOD))).toBe(0);
    const [head, row] = io.out.split('\n');
    expect(head).toMatch(/^guest {2}equivalence {2}resource control {2}efficiency {2}observations/);
    expect(row).toMatch(/^hello {2}holds +holds +holds +77 +12,345 +99\.63% +45 {2}exit code 0$/);
    expect(row.indexOf('99.63%')).toBeGreaterThan(head.indexOf('instructions'));
    expect(io.out).toContain(
      'hello\n  exits: hlt 42, cpuid 3\n  time is excepted: rdtsc 2 times at 0x1000 0x1010',
    );
    expect(io.out).toMatch(/\n1 of 1 guests: all three criteria hold\n$/);
    expect(io.out).not.toContain('\u001b');
    expect(io.err).toBe('');
  });

  it('prints what failed side by side and has status 1', async () => {
    const io = new MemoryIo();
    expect(await run(io, pretending(BAD))).toBe(1);
    expect(io.out).toContain('hello  FAILS');
    expect(io.out).toContain('the first differing observation is number 41, at guest instruction 9,000');
    expect(io.out).toContain('the runs part with  0x100123  cpuid');
    expect(io.out).toMatch(/\n {2} +bare +monitored\n {2}rcx +0x0 +0x20\n {2}memory 0x2000 +00 01 +02 03\n/);
    expect(io.out).toMatch(/device access 0 +\(nothing\) +write 1 at port 0x3f8: 0x41/);
    expect(io.out).toMatch(/resource control: foreign-frame: .*, 3 times at 0x100200 {2}mov rax, \[rbx\]/);
    expect(io.out).toContain('efficiency: innocuous, but it exits (hlt, once): 0x100300  nop');
    expect(io.out).toMatch(/\n0 of 1 guests/);
  });

  it('a stale translation is shown and has status 1, although all criteria hold', async () => {
    const io = new MemoryIo();
    const stale = { ...GOOD, holds: false, staleTranslations: ['bare: read of 0x1000'] };
    expect(await run(io, pretending(stale))).toBe(1);
    expect(io.out).toContain('hello\n  stale translation: bare: read of 0x1000\n');
    expect(io.out).toMatch(
      /\n1 of 1 guests: all three criteria hold\n1 of 1 guests: the check fails, for a stale translation was used\n$/,
    );
  });

  it('is coloured on a terminal and shows progress on stderr', async () => {
    const io = new MemoryIo();
    io.terminal = true;
    await run(io, pretending(GOOD));
    expect(io.out).toContain('\u001b[32mholds');
    expect(io.err).toContain('[1/1] hello: 1,000,000 instructions, 5 observations, 6 VM exits');
    expect(io.err.endsWith('\r\u001b[K')).toBe(true);
  });

  it('obeys NO_COLOR', async () => {
    const io = new MemoryIo();
    io.terminal = true;
    io.environment = { NO_COLOR: '1' };
    await run(io, pretending(BAD));
    expect(io.out).not.toContain('\u001b');
  });

  it('--json is one document with all reports', async () => {
    const io = new MemoryIo();
    expect(await run(io, pretending(BAD), { json: true })).toBe(1);
    expect(JSON.parse(io.out)).toMatchObject({ holds: false, guests: [{ guest: 'hello', ...BAD }] });
  });

  it('a guest that needs what the model lacks is reported, the others are checked; status 4', async () => {
    const io = new MemoryIo();
    let calls = 0;
    const failing: Checker = (guest, options) => {
      calls++;
      if (calls === 1) throw new ModelError('not built: addps');
      return pretending(GOOD)(guest, options);
    };
    expect(await checkCommand(io, ['hello', 'halt'], {}, failing)).toBe(4);
    expect(io.out).toMatch(/hello {2}not checked/);
    expect(io.out).toMatch(/halt {3}holds/);
    expect(io.out).toContain('hello\n  not built: addps; vtmodel run with hello says where');
  });

  it('Ctrl-C ends it with status 130 and what is known', async () => {
    const io = new MemoryIo();
    io.onPause = (one) => one.interrupt();
    expect(await run(io, pretending(GOOD))).toBe(130);
    expect(io.err).toBe('vtmodel: interrupted in hello, 0 of 1 guests checked\n');
    expect(io.out).toMatch(/\nhello {2}not checked/);
    expect(io.out).toMatch(/\n0 of 1 guests: all three criteria hold\n$/);
  });

  it('Ctrl-C after a guest that holds: the document does not hold', async () => {
    const io = new MemoryIo();
    let calls = 0;
    const checker: Checker = (guest, options) => {
      if (calls++ === 1) io.interrupt();
      return pretending(GOOD)(guest, options);
    };
    expect(await checkCommand(io, ['hello', 'halt'], { json: true }, checker)).toBe(130);
    expect(JSON.parse(io.out)).toMatchObject({
      holds: false,
      guests: [
        { guest: 'hello', holds: true },
        { guest: 'halt', error: 'not checked' },
      ],
    });
  });

  it('runs the bundled guests when none is named', async () => {
    const io = new MemoryIo();
    const seen: number[] = [];
    const checker: Checker = (guest, options) => {
      seen.push(guest.config.memoryBytes);
      expect(options).toEqual({ maxInstructions: 1000 });
      return pretending(GOOD)(guest, options);
    };
    expect(await checkCommand(io, [], { memory: '64M', maxInstructions: '1e3' }, checker)).toBe(0);
    expect(seen).toEqual([64 << 20, 64 << 20]);
  });

  it('really checks', { timeout: 60_000 }, async () => {
    const io = new MemoryIo();
    expect(await io.command('check', 'hello', 'guests/images/halt.elf')).toBe(0);
    expect(io.out).toMatch(/\nhello +holds +holds +holds /);
    expect(io.out).toMatch(/\nguests\/images\/halt\.elf +holds +holds +holds /);
  });

  it('the host has what the guest has: XSETBV of a guest with XSAVE', async () => {
    const io = new MemoryIo();
    // mov rax, cr4; bts rax, 18; mov cr4, rax; xor ecx, ecx; xor edx, edx; mov eax, 3; xsetbv; xgetbv; mov dx, 0xf4; out dx, eax
    const code = '0f20e0 480fbae812 0f22e0 31c9 31d2 b803000000 0f01d1 0f01d0 66baf400 ef'.replaceAll(
      ' ',
      '',
    );
    io.files.set('code.bin', Uint8Array.from(Buffer.from(code, 'hex')));
    const raw = ['--format', 'raw', '--load', '0x100000', '--mode', 'long', '--processor', 'skylake,+xsave'];
    expect(await io.command('check', 'code.bin', ...raw)).toBe(0);
    expect(io.out).toMatch(/\ncode\.bin +holds +holds +holds .* exit code 3\n/);
    expect(io.out).toMatch(/\bxsetbv 1\b/);
  });

  it('takes a raw image, and takes VMX off the processor', async () => {
    const io = new MemoryIo();
    // mov eax, 1; cpuid; and ecx, 1 << 5; shr ecx, 5; mov eax, ecx; mov dx, 0xf4; out dx, eax: exits with CPUID.1:ECX.VMX
    const code = 'b801000000 0fa2 83e120 c1e905 89c8 66baf400 ef'.replaceAll(' ', '');
    io.files.set('code.bin', Uint8Array.from(Buffer.from(code, 'hex')));
    const raw = ['--format', 'raw', '--load', '0x100000', '--mode', 'long', '--processor', 'skylake,-smep'];
    expect(await io.command('check', 'code.bin', ...raw)).toBe(0);
    expect(io.out).toMatch(/\ncode\.bin +holds +holds +holds .* exit code 0\n/);
    expect(await io.command('run', 'code.bin', ...raw)).toBe(3);
  });
});
