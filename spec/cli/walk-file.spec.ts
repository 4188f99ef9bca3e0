import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMachine, createMonitoredMachine, loadImage, run, serialize } from '../../src/api/machine';
import { processor } from '../../src/cpu/presets';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { MemoryIo } from './memory-io';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What `vtmodel walk` does with these words and the file `walk.json`. */
const walk = async (file: unknown, ...argv: readonly string[]) => {
  const io = new MemoryIo();
  io.files.set('walk.json', encode(typeof file === 'string' ? file : JSON.stringify(file)));
  const status = await io.command('walk', ...argv);
  return { status, out: io.out, err: io.err };
};
const shown = async (file: unknown, ...argv: readonly string[]) => {
  const { status, out, err } = await walk(file, 'walk.json', ...argv);
  expect([status, err]).toEqual([0, '']);
  return out;
};

/** Four levels at 1000H to 4000H that map address 0x123 to frame 5. */
const PLAIN = {
  address: '0x123',
  guest: { cr3: '0x1000' },
  entries: { '0x1000': '0x2007', '0x2000': '0x3007', 12288: 0x4007, '0x4000': '0x8000000000005005' },
};

describe('vtmodel walk FILE', () => {
  it('walks the tables that the file gives', async () => {
    expect(await shown(PLAIN)).toContain('Linear 0x123 is physical 0x5123, after 4 references.');
    expect(await shown({ ...PLAIN, access: 'fetch' })).toContain('error code 0x11');
    expect(await shown({ ...PLAIN, access: 'write', user: true })).toContain('--set guest.l1=+write');
    expect(await shown({ ...PLAIN, guest: { cr3: '0x1000', cr0: '0' }, access: 'write' })).toContain(
      'is physical',
    );
  });

  it('guest tables beyond 4 TiB: what the bare machine would do is unknown', async () => {
    const entries = {
      ...{ '0x1040': '0x2007', '0x2000': '0x400000b7' },
      ...{ '0x40000000': '0x40000001007', '0x40001000': '0x40000002007' },
      ...{ '0x40002000': '0x40000003007', '0x40003000': '0x40000004007' },
    };
    const far = { address: '0x123', physicalAddressWidth: 46, guest: { cr3: '0x40000000000' } };
    const out = await shown({ ...far, ept: { eptp: '0x101e' }, entries }, '--compare', 'native,ept');
    expect(out).toMatch(/^outcome +unknown: an entry stands beyond 4 TiB +host-physical 0x40004123$/m);
  });

  it('32-bit and PAE paging', async () => {
    const narrow = { address: '0x123', guest: { cr3: '0x1000', mode: '32-bit' }, entries: {} };
    expect(await shown({ ...narrow, entries32: { '0x1000': '0x2007', '0x2000': '0x5007' } })).toContain(
      'is physical 0x5123, after 2 references.',
    );
    const pdptes = ['0x3001', 0, 0, 0];
    const pae = { ...PLAIN, guest: { cr3: '0x1000', mode: 'pae', pdptes } };
    expect(await shown(pae)).toContain('is physical 0x5123, after 2 references.');
    expect(await shown({ ...pae, address: '0x40000000' })).toContain('no entry was read');
  });

  it('EPT alone', async () => {
    const { guest: _, ...ept } = { ...PLAIN, ept: { eptp: '0x101e' } };
    const entries = { ...ept.entries, '0x4000': '0x5037' };
    expect(await shown({ ...ept, entries })).toContain(
      'Guest-physical 0x123 is host-physical 0x5123, after 4 references.',
    );
    expect(await shown({ ...ept, address: '0x1000000000000', entries })).toContain(
      'beyond what the tables translate',
    );
  });

  it('tables that name themselves end as any walk does', async () => {
    const entries = { '0x1000': '0x1007' };
    expect(await shown({ ...PLAIN, entries })).toContain('is physical 0x1123, after 4 references.');
    const nested = { ...PLAIN, guest: { cr3: 0 }, ept: { eptp: '0x101e' }, entries: { '0x1000': '0x1007' } };
    expect(await shown(nested)).toMatch(/after \d+ references?\./);
  });

  it('an entry that names what is beyond memory finds zeros there', async () => {
    const entries = { '0x1000': '0x4000000001007' };
    expect(await shown({ ...PLAIN, physicalAddressWidth: 52, entries })).toContain('is not present');
  });

  it.each(['tiny', '4x4', '5x5', 'large-pages', 'write-only', 'reserved-bit', 'missing-execute'])(
    'the input that --format json prints for %s makes the same walk',
    async (lesson) => {
      const json = JSON.parse((await walk('', '--lesson', lesson, '--format', 'json')).out);
      expect(JSON.parse(await shown(json.input, '--format', 'json'))).toEqual(json);
    },
  );

  it.each([
    ['no JSON', '{"address": 1,', /walk\.json: walk: not JSON/],
    ['no object', [], /walk\.json: \/: .*give an object with "address" and "entries"/],
    ['nothing in it', {}, /walk\.json: \/: {}: "address" is missing/],
    ['an unknown name', { ...PLAIN, adress: 1 }, /\/adress: 1: unknown name; did you mean "address"\?/],
    [
      'no number',
      { ...PLAIN, address: '12z' },
      /\/address: "12z": not what belongs here; give an unsigned number/,
    ],
    ['a huge number', { ...PLAIN, address: `0x${'f'.repeat(40)}` }, /\/address: "0xf+[^:]*: /],
    [
      'a huge entry',
      { ...PLAIN, entries: { '0x1000': `0x1${'0'.repeat(16)}` } },
      /\/entries\/0x1000: .*an entry has 64 bits/,
    ],
    [
      'a negative number',
      { ...PLAIN, entries: { '0x1000': -1 } },
      /\/entries\/0x1000: -1: not what belongs here/,
    ],
    ['an address that is none', { ...PLAIN, entries: { top: 1 } }, /\/entries\/top: 1: unknown name/],
    [
      'an address outside memory',
      { ...PLAIN, entries: { '0x40000000000': 1 } },
      /0x40000000000: .*too large; addresses end below/,
    ],
    [
      'an address between entries',
      { ...PLAIN, entries: { '0x1004': 1 } },
      /\/entries\/0x1004: 1: not a multiple of 8/,
    ],
    [
      'an entry twice',
      { ...PLAIN, entries: { '0x1000': 1, 4096: 1 } },
      /4096.* is there already; give each entry once/,
    ],
    [
      'entries that overlap',
      { ...PLAIN, entries32: { '0x1004': 1 } },
      /\/entries32\/0x1004: 1: \/entries\/0x1000 is there/,
    ],
    [
      'not canonical',
      { ...PLAIN, address: '0x800000000000' },
      /\/address: .*not canonical; with 4 levels, bits 63 to 47/,
    ],
    [
      'too large for the mode',
      { ...PLAIN, address: '0x100000000', guest: { cr3: 0, mode: '32-bit' } },
      /have 32 bits/,
    ],
    ['a root beyond the width', { ...PLAIN, guest: { cr3: '0x8000000000' } }, /\/guest\/cr3: .*too large/],
    [
      'PAE without registers',
      { ...PLAIN, guest: { cr3: 0, mode: 'pae' } },
      /"pdptes" is missing; give the four/,
    ],
    [
      'an EPTP that VM entry refuses',
      { ...PLAIN, ept: { eptp: '0x1000' } },
      /\/ept\/eptp: "0x1000": VM entry refuses it \(walk-length\)/,
    ],
    [
      'another machine',
      { ...PLAIN, machine: 'vax' },
      /\/machine: "vax": not what belongs here; give one of x86, tiny/,
    ],
    [
      'an address with too many digits',
      { ...PLAIN, machine: 'tiny', address: '0x1000', guest: { cr3: 0 } },
      /three hexadecimal digits/,
    ],
  ])('%s: one line that names the path, status 2', async (_, file, says) => {
    const { status, out, err } = await walk(file, 'walk.json');
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^vtmodel: walk\.json: [^\n]+\n$/);
    expect(err).toMatch(says);
  });
});

describe('vtmodel walk --set', () => {
  it.each([
    ['guest.l1', /--set guest\.l1: no "="; write ENTRY=VALUE/],
    ['guest.l5=0', /guest\.l5: the walk does not read that entry; it reads guest\.l4 to guest\.l1/],
    ['guest.l9=0', /guest\.l9: no entry has that name; name it guest\.l2/],
    ['ept.l1@final=0', /ept\.l1@final: the walk does not read that entry/],
    ['ept.l1@0x5000=0', /there is no EPT here/],
    ['0x1004=0', /an entry begins at a multiple of 8/],
    ['0xffffffffffff0=0', /there is no memory from 0x40000000000 on/],
    ['guest.l1=0x10000000000000000', /not a value; write a number as 0x1234, or bits as \+bit5/],
    ['guest.l1=+read', /\+read: not a value; .*names: present, write, user/],
    ['guest.l1=+bit64', /\+bit64: the entry has bits 63 to 0; name one of those/],
    ['step5=0', /step5: the walk does not read that entry/],
  ])('%s: one line, status 2', async (edit, says) => {
    const { status, out, err } = await walk(PLAIN, 'walk.json', '--set', edit);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^vtmodel: --set [^\n]+\n$/);
    expect(err).toMatch(says);
  });

  it('an entry of two bytes has 16 bits, and names for these alone', async () => {
    const said = async (edit: string): Promise<string> =>
      (await walk(PLAIN, '--lesson', 'tiny', '--set', edit)).err;
    expect(await said('guest.l1=+bit16')).toBe(
      'vtmodel: --set +bit16: the entry has bits 15 to 0; name one of those\n',
    );
    expect(await said('guest.l1=+no')).toMatch(/bits as \+bit5,-bit15 \(names: present, .*global\)\n$/);
    expect(await said('guest.l1=+no-execute')).toMatch(/: the entry has bits 15 to 0; name one of those\n$/);
  });

  it('names entries by step, by address and by guest-physical address, and bits by name and number', async () => {
    const edits = ['step1=+bit5', '0x2000=+accessed', 'guest.l2=0x4027', 'guest.l1=-present,+bit1'];
    const out = await shown(PLAIN, ...edits.flatMap((edit) => ['--set', edit]));
    expect(out).toContain('Set step1 at 0x1000: 0x0000000000002007 is 0x0000000000002027 now.');
    expect(out).toContain('Set 0x2000 at 0x2000: 0x0000000000003007 is 0x0000000000003027 now.');
    expect(out).toContain('Set guest.l1 at 0x4000: 0x8000000000005005 is 0x8000000000005006 now.');
    expect(out).toContain('Now: page fault, error code 0x0.');
  });
});

describe('vtmodel walk --snapshot', () => {
  const image = readFileSync('guests/images/kernel.elf');
  const guest = () => {
    const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 128 << 20 });
    const loaded = loadImage(machine, image);
    if (!loaded.ok) throw new Error(loaded.fault.says);
    return loaded.value;
  };
  const walkIn = async (state: Parameters<typeof serialize>[0], ...argv: readonly string[]) => {
    const io = new MemoryIo();
    io.files.set('saved.vtm', serialize(state));
    const status = await io.command('walk', '--snapshot', 'saved.vtm', ...argv);
    return { status, out: io.out, err: io.err };
  };
  /** Long after paging is on. */
  const INSTRUCTIONS = 1_000_000;
  const ADDRESS = '0x101000';

  it('of a machine without a monitor walks the tables of CR3', async () => {
    const { state } = run(guest(), { maxInstructions: INSTRUCTIONS });
    const { cr3 } = state.processors[0].control;
    const { status, out } = await walkIn(state, '--gva', ADDRESS);
    expect(status).toBe(0);
    expect(out).toContain(`CR3 0x${cr3.toString(16)}, 46 physical address bits.`);
    expect(out).toMatch(/4 references/);
  });

  it('of a guest in non-root operation walks EPT too', async () => {
    let state = createMonitoredMachine(guest(), hardwareAssistedMonitor());
    state = run(state, { maxInstructions: INSTRUCTIONS }).state;
    for (let tries = 0; tries < 1000 && !state.processors[0].nonRoot; tries++)
      state = run(state, { maxInstructions: 1 }).state;
    expect(state.processors[0].nonRoot).toBe(true);
    const { status, out, err } = await walkIn(state, '--gva', ADDRESS, '--format', 'json');
    expect([status, err]).toEqual([0, '']);
    const json = JSON.parse(out);
    expect(json.references.filter((one: { table: string }) => one.table === 'guest')).toHaveLength(4);
    expect(json.count).toBeGreaterThan(4 + 4 * 2);
    // The file that it prints holds all that the walk needs.
    expect(JSON.parse(await shown(json.input, '--format', 'json'))).toEqual(json);
  });

  it('on a processor that it does not have: the error names one that it has', async () => {
    const { status, err } = await walkIn(guest(), '--gva', ADDRESS, '--cpu', '1');
    expect([status, err]).toEqual([
      2,
      'vtmodel: --cpu 1: not a number from 0 to 0; write it as in --cpu 0\n',
    ]);
  });

  it.each([
    [['--snapshot', 'walk.json', '--gva', '1'], /walk\.json: header: this is no snapshot of vtmodel/],
    [['--snapshot', 'nosuch.vtm', '--gva', '1'], /nosuch\.vtm: --snapshot: no such file/],
    [['--snapshot', 'walk.json'], /--gva: missing; say which linear address/],
    [
      ['--snapshot', 'walk.json', '--gva', '1', '--lesson', 'tiny'],
      /--lesson tiny: --snapshot walk\.json is a walk of its own/,
    ],
    [['--snapshot', 'walk.json', '--gva', '1', '--seed', '1'], /--seed 1: it belongs to a lesson/],
    [['--snapshot', 'walk.json', '--gva', 'top'], /--gva top: not an address of at most 64 bits/],
    [
      ['--snapshot', 'walk.json', '--gva', '1', '--access', 'jump'],
      /--access jump: unknown; choose read, write or fetch/,
    ],
    [['--gva', '1'], /--gva: it belongs to a snapshot; give --snapshot FILE too/],
    [['--lesson', 'tiny', '--user'], /--user: it belongs to a snapshot/],
    [['walk.json', '--lesson', 'tiny'], /--lesson: walk\.json is a walk of its own/],
    [['walk.json', '--hide'], /walk\.json: --hide is about a lesson/],
    [[], /walk: nothing to walk; give a JSON file, --lesson NAME/],
    [['--lesson', 'tnyi'], /--lesson tnyi: unknown; choose tiny, 4x4/],
    [['--lesson', 'tiny', '--seed', '-1'], /--seed -1: not a number from 0 to 4294967295/],
    [['--lesson', 'tiny', '--format', 'png'], /--format png: unknown; choose text, json or svg/],
    [['--lesson', 'tiny', '--compare', 'native,xen'], /--compare xen: unknown; choose native, shadow or ept/],
    [['--lesson', 'tiny', '--hide', '--reveal'], /--reveal: --hide is given too/],
    [['--lesson', 'tiny', '--hide', '--set', 'guest.l1=0'], /--set: --hide is about a lesson as it is/],
    [['nosuch.json'], /nosuch\.json: walk: no such file or directory/],
  ])('%j: one line, status 2', async (argv, says) => {
    const { status, out, err } = await walk('{}', ...argv);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^vtmodel: [^\n]+\n$/);
    expect(err).toMatch(says);
  });
});
