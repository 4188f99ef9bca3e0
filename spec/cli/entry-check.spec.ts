import { describe, expect, it } from 'vitest';
import { FIELD_NAMES, SKYLAKE_CAPABILITIES, VM_ENTRY_GUESTS } from '../../src/api/vmx';
import { MemoryIo } from './memory-io';

type Json = Record<string, unknown>;

const put = (io: MemoryIo, file: string, value: unknown): void => {
  io.files.set(file, new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));
};

/** Runs entry-check on a state; gives the status with what was printed. */
const checked = async (state: unknown, ...options: readonly string[]) => {
  const io = new MemoryIo();
  put(io, 'state.json', state);
  const status = await io.command('entry-check', 'state.json', ...options);
  return { status, out: io.out, err: io.err };
};

const template = async (guest: string): Promise<{ vmcs: Record<string, string>; otherFields: string }> => {
  const io = new MemoryIo();
  expect(await io.command('entry-check', '--template', guest)).toBe(0);
  return JSON.parse(io.out);
};

const valid = await template('64-bit');
const changed = (fields: Json, more: Json = {}) => ({
  ...valid,
  vmcs: { ...valid.vmcs, ...fields },
  ...more,
});

describe('vtmodel entry-check', () => {
  it.each(VM_ENTRY_GUESTS)('the template of a %s guest enters, and is its own round', async (guest) => {
    const state = await template(guest);
    expect(await checked(state)).toEqual({ status: 0, out: 'Outcome: the VM entry succeeds\n', err: '' });
    const { status, out } = await checked(state, '--round');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject(state);
    expect(Object.keys(JSON.parse(out).vmcs)).toEqual(Object.keys(state.vmcs));
  });

  it('shows field, value, the nearest that passes, section, rule and what must hold', async () => {
    const { status, out } = await checked(changed({ hostCr4: '0x20' }));
    expect(status).toBe(1);
    expect(out).toMatch(
      /^Host CR4 +0x20 +0x2020 +3C, 27\.2\.2 +host\.cr4\.fixed0 +Host CR4 obeys IA32_VMX_CR4_FIXED0$/m,
    );
    expect(out).toMatch(/^Outcome: VMfailValid, VM-instruction error 8: .* \[host\.cr4\.fixed0\]$/m);
  });

  it('lists every permitted outcome', async () => {
    const { out } = await checked(changed({ hostCr4: '0x20', cr3TargetCount: 9 }));
    expect(out).toMatch(/Outcomes, any of them:\n {2}VMfailValid, .* error 7.*\n {2}VMfailValid, .* error 8/);
  });

  it('takes fields by identifier, manual name and encoding, in decimal and hexadecimal', async () => {
    const { guestCr0, hostCr4, guestRip, ...rest } = valid.vmcs;
    const vmcs = {
      ...rest,
      'Guest CR0': guestCr0,
      27652: Number(hostCr4),
      '0x681E': BigInt(guestRip!).toString(),
    };
    expect(FIELD_NAMES).toContain('guestRip');
    expect(await checked({ ...valid, vmcs })).toMatchObject({ status: 0, err: '' });
    expect(await checked({ vmcs: { ...rest, guestRip }, otherFields: 'zero' })).toMatchObject({ status: 1 });
  });

  it('never passes a rule whose input the file lacks', async () => {
    const linked = changed({ vmcsLinkPointer: '0x5000' });
    const lacking = await checked(linked);
    expect(lacking.status).toBe(0);
    expect(lacking.out).toMatch(/^3 rules are not evaluated/m);
    expect(lacking.out).toContain('region at the VMCS link pointer');
    expect(lacking.out).toContain('current-VMCS pointer');
    expect(await checked({ ...linked, memory: { '0x5000': '0x4' } })).toMatchObject({ status: 0 });
    expect((await checked({ ...linked, memory: { '0x5000': '0x5' } })).out).toContain(
      'guest.link-pointer.revision',
    );
    const { otherFields: _, ...some } = valid;
    expect((await checked(some)).out).toMatch(
      /^Outcome, as far as the rules could be evaluated: the VM entry/m,
    );
  });

  it('takes PDPTEs and the MSR area apart from memory', async () => {
    const pae = (await template('32-bit')).vmcs;
    const state = { ...valid, vmcs: { ...pae, guestCr4: '0x2020' } };
    expect((await checked(state)).out).toMatch(/^ {2}PDPTEs +guest\.pdptes-cr3\.reserved$/m);
    expect(await checked({ ...state, pdptes: [1, 0, 0, 0] })).toMatchObject({ status: 0 });
    const broken = { ...state, pdptes: [1, 0, 0, '0x3'] };
    expect((await checked(broken)).out).toContain('exit qualification 2');
    expect(JSON.parse((await checked(broken, '--round')).out).pdptes).toEqual(['0x1', '0x0', '0x0', '0x1']);
    const area = changed({ vmEntryMsrLoadCount: 1, vmEntryMsrLoadAddress: '0x7000' });
    const entry = { index: '0xc0000100', value: 0 };
    expect((await checked({ ...area, msrLoadArea: [entry] })).out).toMatch(
      /basic reason 34.*qualification 1 /,
    );
  });

  it('--round mends the state, with the processor around it', async () => {
    const state = changed(
      { guestCr0: 0, guestTrAccessRights: '0x83', hostRip: '0x800000000000' },
      { state: { cpl: 3 } },
    );
    const { status, out } = await checked(state, '--round');
    expect(status).toBe(1);
    expect(JSON.parse(out).vmcs).toMatchObject({ guestTrAccessRights: '0x8b' });
    expect(await checked(JSON.parse(out))).toMatchObject({ status: 0 });
  });

  it('--format json has everything, with numbers as hexadecimal text', async () => {
    const { out } = await checked(changed({ hostCr4: '0x20' }), '--format', 'json');
    const { enters, violations, permitted } = JSON.parse(out);
    expect(enters).toBe(false);
    expect(violations).toMatchObject([
      {
        id: 'host.cr4.fixed0',
        nearest: [{ field: 'hostCr4', name: 'Host CR4', encoding: '0x6c04', value: '0x2020' }],
      },
    ]);
    expect(permitted).toMatchObject([{ kind: 'failed', failure: { kind: 'VMfailValid', error: 8 } }]);
  });

  it('--capabilities takes the MSRs of a processor', async () => {
    const msrs = Object.fromEntries(
      Object.entries(SKYLAKE_CAPABILITIES).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, `0x${value.toString(16)}`]],
      ),
    );
    const io = new MemoryIo();
    put(io, 'state.json', valid);
    put(io, 'msrs.json', { msrs, physicalAddressWidth: 39 });
    expect(await io.command('entry-check', 'state.json', '--capabilities', 'msrs.json')).toBe(0);
    put(io, 'state.json', changed({ hostCr3: '0x8000000000' }));
    expect(await io.command('entry-check', 'state.json', '--capabilities', 'msrs.json')).toBe(1);
    const { ia32VmxBasic: _, ...rest } = msrs;
    put(io, 'msrs.json', { msrs: rest });
    expect(await io.command('entry-check', 'state.json', '--capabilities', 'msrs.json')).toBe(2);
    expect(io.err).toMatch(/IA32_VMX_BASIC is missing: .*; add "0x480"/);
  });
});

describe('bad input names the place in the file, the value and the fix', () => {
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{"vmcs": {', /state\.json: STATE: not JSON.*; give a JSON file/],
    ['a syntax error', '{"vmcs":\n {]}', /at line 2, column 3; give/],
    ['another type', { vmcs: [] }, /: \/vmcs: \[\]: .*; give an object of VMCS fields/],
    ['no VMCS', {}, /: \/: \{\}: "vmcs" is missing; add "vmcs"/],
    [
      'text that is no number',
      { vmcs: { guestCr0: 'x' } },
      /: \/vmcs\/guestCr0: "x": .*; give an unsigned number/,
    ],
    ['a negative number', { vmcs: { guestCr0: -1 } }, /: \/vmcs\/guestCr0: -1: /],
    ['a fraction', { vmcs: { guestCr0: 1.5 } }, /: \/vmcs\/guestCr0: 1\.5: /],
    ['a number that JSON rounds', '{"vmcs":{"guestCr0":9007199254740993}}', /above 2\^53 must be text/],
    [
      'an unknown field',
      { vmcs: { guestCrO: 1 } },
      /: \/vmcs\/guestCrO: 1: unknown name; did you mean "guestCr0"\?/,
    ],
    [
      'an unknown encoding',
      { vmcs: { '0x6801': 1 } },
      /: \/vmcs\/0x6801: 1: no field has this encoding; is "0x6800" meant\?/,
    ],
    [
      'a high half',
      { vmcs: { '0x2011': 1 } },
      /: \/vmcs\/0x2011: 1: the high half of a field; give the whole field as "0x2010"/,
    ],
    [
      'a field twice',
      { vmcs: { guestCr0: 1, '0x6800': 1 } },
      /"guestCr0" is the same field; give each field once/,
    ],
    [
      'too many bits',
      { vmcs: { guestCsSelector: '0x10000' } },
      /more than 16 bits; Guest CS selector has 16/,
    ],
    ['an odd address', { vmcs: {}, memory: { '0x5004': 0 } }, /: \/memory\/0x5004: 0: not a multiple of 8/],
    ['a prototype', '{"vmcs":{"__proto__":1}}', /unknown name/],
    ['a path with a slash', { vmcs: { 'a/b~c': 1 } }, /: \/vmcs\/a~1b~0c: /],
    [
      'an unknown instruction',
      { vmcs: {}, state: { instruction: 'vmrun' } },
      /give one of vmlaunch, vmresume/,
    ],
  ])('%s', async (_, state, complaint) => {
    const { status, err } = await checked(state);
    expect(err).toMatch(complaint);
    expect(status).toBe(2);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('options that exclude each other, and processors without VMX', async () => {
    expect(await checked(valid, '--processor', 'skylake', '--capabilities', 'x')).toMatchObject({
      status: 2,
    });
    expect((await checked(valid, '--processor', 'pentium')).err).toContain('it has no VMX');
    const io = new MemoryIo();
    expect(await io.command('entry-check')).toBe(2);
    expect(io.err).toContain('--template 64-bit prints one');
    expect(await io.command('entry-check', '--template', 'real-mode', '--processor', 'nehalem')).toBe(2);
  });
});

describe('hostile JSON is refused with one short line', () => {
  it.each([
    ['deep arrays', `{"vmcs":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, /\/vmcs: \[{60}\.{3}: not what/],
    [
      'deep objects',
      `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      /\/: \{"a":.*\.{3}: "vmcs" is missing/,
    ],
    [
      'one word of memory twice',
      { vmcs: {}, memory: { '0x10': 1, 16: 2 } },
      /"16" is the same word; give each word once/,
    ],
    ['a long name', { vmcs: { ['k'.repeat(200_000)]: 1 } }, /\/vmcs\/k+\.{3}: 1: unknown name/],
  ])('%s', async (_, state, says) => {
    const { status, err } = await checked(state);
    expect(status).toBe(2);
    expect(err).toMatch(says);
    expect(err.length).toBeLessThan(500);
  });
});
