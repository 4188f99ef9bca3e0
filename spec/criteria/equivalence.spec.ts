import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { brokenMonitors } from '../../property-tests/mutants/monitors';
import { mutant } from '../../property-tests/mutants/mutation';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { check, code, guestImage, guestOf, HANDLER, STACK, withHandler } from './guests';

/** MOV of EAX to a register of the local APIC. */
const apic = (register: number, value: number) => [...code.movEax(value), ...moveToApic(register)];
const moveToApic = (register: number) => [0x67, 0xa3, ...code.bytes(0xfee0_0000 + register, 4)];

const monitor = hardwareAssistedMonitor();
const image = (name: string) =>
  guestImage(readFileSync(new URL(`../../guests/images/${name}.elf`, import.meta.url)));

describe('equivalence of the bare and the monitored run', () => {
  it('holds for a program that exits', async () => {
    const report = await check(guestOf(code.movEax(7), code.show, code.exit(3)), monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit', code: 3 }, instructions: 4 });
    expect(report.equivalence).toMatchObject({ holds: true, observations: 4, deviceAccesses: 2 });
  });

  it('holds for a guest with timer interrupts, which arrive where they arrived under the monitor', async () => {
    const report = await check(image('halt'), monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit', code: 0 } });
    expect(report.equivalence.interrupts).toBe(3);
  });

  it('holds for a guest that waits for a store by MONITOR and MWAIT', async () => {
    // mov eax, STACK; xor ecx, ecx; xor edx, edx; monitor; mwait
    const waits = [...code.movEax(STACK), 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9];
    const report = await check(guestOf(waits, code.movEax(7), code.show, code.exit(3)), monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit', code: 3 } });
  });

  it('replays the time that the monitored guest read, and lists where', async () => {
    const report = await check(guestOf(code.rdtsc, code.show, code.rdtsc, code.show, code.exit(0)), monitor);
    expect(report.equivalence.holds).toBe(true);
    expect(report.equivalence.timeReads).toEqual([
      { instruction: 'rdtsc', count: 2, addresses: ['0x200000', '0x200004'] },
    ]);
  });

  it('observes delivered exceptions', async () => {
    const report = await check(withHandler(6, code.ud2, code.exit(1)), monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit', code: 1 } });
    expect(report.equivalence.exceptions).toBe(1);
  });

  it('holds for a trap that MOV SS holds back when the next instruction faults', async () => {
    // mov ax, ss; mov [STACK], ax; a read and write breakpoint there; mov ss, [STACK]; vmcall
    const guest = withHandler(
      6,
      [
        ...[0x66, 0x8c, 0xd0, 0x66, 0x89, 0x04, 0x25, ...code.bytes(STACK, 4)],
        ...code.movEax(STACK),
        ...code.movDr(0),
        ...code.movEax(0x7_0401),
        ...code.movDr(7),
        ...[0x8e, 0x14, 0x25, ...code.bytes(STACK, 4)],
        ...[0x0f, 0x01, 0xc1],
      ],
      [...code.nop, ...code.exit(6)],
    );
    const report = await check(guest, monitor);
    expect(report.equivalence.divergence?.differences ?? []).toEqual([]);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit', code: 6 } });
  });

  it('compares the states where a limit ends both runs', async () => {
    const report = await check(guestOf(code.nop, code.jumpToSelf), monitor, { maxInstructions: 5000 });
    expect(report).toMatchObject({ holds: true, end: { kind: 'limit' }, instructions: 5000 });
  });

  it('holds for a guest that ends with a timer interrupt waiting, whose entry it has overwritten', async () => {
    const waits = guestOf(
      apic(0xf0, 0x1ff),
      apic(0x320, 0x31),
      apic(0x3e0, 0xb),
      apic(0x380, 20),
      Array.from({ length: 40 }, () => code.nop).flat(),
      apic(0x320, 0x1_0000),
      code.exit(0),
    );
    const report = await check(waits, monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'exit' } });
    expect(report.equivalence.interrupts).toBe(0);
  });

  it('ends for a guest that waits for nothing, and for one that shuts down', async () => {
    expect(await check(guestOf(code.cli, code.hlt), monitor)).toMatchObject({
      holds: true,
      end: { kind: 'stuck' },
    });
    expect(await check(guestOf(code.lidtNothing, code.ud2), monitor)).toMatchObject({
      holds: true,
      end: { kind: 'triple-fault' },
    });
  });

  it('holds for a triple fault that begins at an instruction which the monitor emulates', async () => {
    // mov ecx, 0x12345; rdmsr: #GP without an IDT
    const report = await check(guestOf([0xb9, 0x45, 0x23, 0x01, 0x00], [0x0f, 0x32]), monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'triple-fault' } });
  });

  it('ends for an endless delivery on both, during which the monitor keeps control', async () => {
    // A code breakpoint on the first instruction of the #DB handler itself.
    const guest = withHandler(
      1,
      [...code.movEax(HANDLER), ...code.movDr(0), ...code.movEax(0x401), ...code.movDr(7), 0xf1],
      code.exit(0),
    );
    const report = await check(guest, monitor);
    expect(report).toMatchObject({ holds: true, end: { kind: 'endless-delivery' } });
    expect(report.resourceControl.remark).toBe('endless delivery on both, the monitor keeps control');
    expect(report.efficiency.exits.exceptionOrNmi).toBeGreaterThan(64);
  });
});

describe('broken monitors', () => {
  const broken = brokenMonitors();

  it('one shows CPUID.VMX: the report names the instruction and both sides', async () => {
    const guest = guestOf(
      code.movEax(1),
      code.cpuid,
      Array.from({ length: 100 }, () => code.nop).flat(),
      code.movEaxEcx,
      code.show,
      code.exit(0),
    );
    const { equivalence, holds } = await check(guest, broken.showsVmx);
    expect(holds).toBe(false);
    const { divergence } = equivalence;
    expect(divergence?.instruction).toEqual({ address: '0x200005', text: 'cpuid' });
    const register = divergence?.differences.find(({ what }) => what === 'rcx');
    expect(BigInt(register!.bare) ^ BigInt(register!.monitored)).toBe(1n << 5n);
    const access = divergence?.differences.find(({ what }) => what === 'device access 0');
    expect(access?.bare).not.toBe(access?.monitored);
  });

  it('one loses RFLAGS.DF after an emulated instruction', async () => {
    const guest = guestOf(code.std, code.movEax(1), code.show, code.cld, code.exit(0));
    expect((await check(guest, monitor)).holds).toBe(true);
    const { equivalence } = await check(guest, broken.losesDirection);
    expect(equivalence.divergence?.instruction.text).toBe('out 0x80, eax');
    expect(equivalence.divergence?.differences).toEqual([
      { what: 'rflags', bare: '0x402', monitored: '0x2' },
    ]);
  });

  it('one drops interrupts that it acknowledged', async () => {
    const { equivalence } = await check(image('kernel'), broken.dropsInterrupts, {
      maxInstructions: 3_000_000,
    });
    expect(equivalence.divergence?.differences).toEqual([
      { what: 'interrupts in service', bare: '', monitored: '0x20' },
      { what: 'lost interrupts', bare: '', monitored: '0x20' },
    ]);
  });

  it('one forgets a WRMSR that no register shows', async () => {
    const forgets = mutant(hardwareAssistedMonitor(), {
      name: 'forgets WRMSR',
      says: 'WRMSR of IA32_MTRR_DEF_TYPE is not carried out',
      start: () => 0,
      amend: (memory, request) => ({
        memory,
        request: request.op === 'wrmsr' && request.index === 0x2ff ? { op: 'wbinvd' } : request,
      }),
    });
    const guest = guestOf(code.movEcx(0x2ff), code.movEax(0xc06), [0x31, 0xd2], code.wrmsr, code.exit(0));
    expect((await check(guest, monitor)).holds).toBe(true);
    const { divergence } = (await check(guest, forgets)).equivalence;
    expect(divergence?.differences).toEqual([
      { what: 'IA32_MTRR_DEF_TYPE', bare: '0xc06', monitored: '0x0' },
    ]);
    expect(divergence?.instruction.text).toBe('wrmsr');
  });

  it('one maps a frame of the host', async () => {
    const { equivalence, resourceControl } = await check(guestOf(code.exit(0)), broken.mapsMonitorMemory);
    expect(equivalence.holds).toBe(true);
    expect(resourceControl.holds).toBe(false);
    expect(resourceControl.violations.map(({ kind }) => kind)).toContain('foreign-mapping');
  });
});
