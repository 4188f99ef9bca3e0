import { describe, expect, it } from 'vitest';
import type { Instruction } from '../../../../src/cpu/decode/instruction';
import { VECTOR } from '../../../../src/cpu/event';
import { resetProcessor } from '../../../../src/cpu/presets';
import { CR0, CR4, SLOT } from '../../../../src/cpu/slots';
import { GP0, NM, UD } from '../../faults';
import { execute, machine32, machine64, memoryAt, type SystemProcessor } from '../../system/system-processor';

const AREA = 0x80000n;

/** 64-bit mode with CR4.OSFXSR and OSXSAVE, and XCR0 with all that the processor has. */
const enabled = (edits: readonly string[] = ['+avx']): SystemProcessor => {
  const machine = machine64(edits);
  machine.cpu.R[SLOT.cr4] |= BigInt(CR4.osfxsr | CR4.osxsave | CR4.pke);
  machine.cpu.R[SLOT.xcr0] = 0x207n;
  execute(machine, 'fninit');
  return machine;
};
const at = (machine: SystemProcessor, mnemonic: string, address = AREA, more: Partial<Instruction> = {}) =>
  execute(machine, mnemonic, [memoryAt(address, 0)], { x87Opcode: 0x500, ...more });
const request = ({ cpu }: SystemProcessor, bitmap: bigint): void => {
  cpu.R[SLOT.rax] = bitmap & 0xffffffffn;
  cpu.R[SLOT.rdx] = bitmap >> 32n;
};
const word = ({ memory }: SystemProcessor, offset: number, bytes = 8): bigint =>
  memory.read(AREA + BigInt(offset), bytes);
const put = ({ memory }: SystemProcessor, offset: number, value: bigint, bytes = 8): void =>
  memory.write(AREA + BigInt(offset), bytes, value);
const setVector = ({ cpu }: SystemProcessor, number: number, value: bigint): void => {
  cpu.extended = { ...cpu.extended, vectors: cpu.extended.vectors.with(number, value) };
};
const set = ({ cpu }: SystemProcessor, slot: number, value: bigint): void => {
  cpu.R[slot] = value;
};
const BOTH = (0xa5n << 248n) | 0x1234n;

// SDM Vol. 2, FXSAVE, FXRSTOR
describe('FXSAVE and FXRSTOR', () => {
  it('the legacy region holds control, tags, MXCSR with its mask, ST0 first, XMM registers', () => {
    const machine = enabled();
    execute(machine, 'fld1', [], { x87Opcode: 0x1e8 });
    setVector(machine, 15, BOTH);
    expect(at(machine, 'fxsave64')).toBeUndefined();
    expect(word(machine, 0, 2)).toBe(0x37fn);
    expect(word(machine, 2, 2)).toBe(7n << 11n);
    expect(word(machine, 4, 1)).toBe(0x80n);
    expect(word(machine, 8)).toBe(machine.cpu.rip);
    expect(word(machine, 24)).toBe(0xffff_0000_1f80n);
    expect([word(machine, 32), word(machine, 40, 2)]).toEqual([1n << 63n, 0x3fffn]);
    expect([word(machine, 160 + 15 * 16), word(machine, 168 + 15 * 16)]).toEqual([0x1234n, 0n]);
    const saved = machine.cpu.extended;
    execute(machine, 'fninit');
    setVector(machine, 15, 0xffn << 200n);
    expect(at(machine, 'fxrstor64')).toBeUndefined();
    expect(machine.cpu.extended.x87).toEqual(saved.x87);
    expect(machine.cpu.extended.vectors[15]).toBe((0xffn << 200n) | 0x1234n);
  });

  it('faults: alignment, MXCSR, CR0.EM and CR0.TS', () => {
    const machine = enabled();
    expect(at(machine, 'fxsave', AREA + 8n)).toMatchObject(GP0);
    put(machine, 24, 0x10000n, 4);
    expect(at(machine, 'fxrstor')).toMatchObject(GP0);
    for (const bit of [CR0.em, CR0.ts]) {
      machine.cpu.R[SLOT.cr0] |= BigInt(bit);
      expect(at(machine, 'fxsave')).toMatchObject(NM);
      machine.cpu.R[SLOT.cr0] &= ~BigInt(bit);
    }
    expect(at(machine64(['-fxsr']), 'fxsave')).toMatchObject(UD);
  });
});

// SDM Vol. 1, 13.7 Operation of XSAVE, 13.8 Operation of XRSTOR
describe('XSAVE and XRSTOR', () => {
  it('save what is requested and enabled; XSTATE_BV says what is in use', () => {
    const machine = enabled();
    setVector(machine, 3, BOTH);
    machine.cpu.R[SLOT.pkru] = 0x55n;
    put(machine, 512, 0x8000n);
    request(machine, 0xffff_ffff_ffff_ffffn);
    expect(at(machine, 'xsave64')).toBeUndefined();
    expect(word(machine, 512)).toBe(0x8000n | 0x206n);
    expect(word(machine, 520)).toBe(0n);
    expect(word(machine, 0x240 + 3 * 16 + 8)).toBe(0xa5n << 56n);
    expect(word(machine, 0xa80)).toBe(0x55n);
    put(machine, 512, 0x206n);
    const saved = machine.cpu.extended;
    setVector(machine, 3, 1n);
    setVector(machine, 4, 1n << 130n);
    machine.cpu.R[SLOT.pkru] = 0n;
    expect(at(machine, 'xrstor64')).toBeUndefined();
    expect(machine.cpu.extended.vectors).toEqual(saved.vectors);
    expect(machine.cpu.R[SLOT.pkru]).toBe(0x55n);
  });

  it('a component that XSTATE_BV lacks becomes initial, one that is not requested stays', () => {
    const machine = enabled();
    setVector(machine, 3, BOTH);
    put(machine, 24, 0x1f80n, 4);
    request(machine, 4n);
    expect(at(machine, 'xrstor')).toBeUndefined();
    expect(machine.cpu.extended.vectors[3]).toBe(0x1234n);
  });

  it('XSAVEOPT leaves initial components alone', () => {
    const machine = enabled();
    put(machine, 0x240, 0x77n);
    request(machine, 7n);
    expect(at(machine, 'xsaveopt')).toBeUndefined();
    expect([word(machine, 512), word(machine, 0x240)]).toEqual([0n, 0x77n]);
  });

  it('XSAVEC compacts: PKRU follows the header where AVX is not requested; XRSTOR reads it back', () => {
    const machine = enabled();
    machine.cpu.R[SLOT.pkru] = 0x33n;
    machine.cpu.extended = { ...machine.cpu.extended, mxcsr: 0x1f00 };
    request(machine, 0x203n);
    expect(at(machine, 'xsavec')).toBeUndefined();
    expect([word(machine, 512), word(machine, 520)]).toEqual([0x202n, (1n << 63n) | 0x203n]);
    expect(word(machine, 576)).toBe(0x33n);
    machine.cpu.R[SLOT.pkru] = 0n;
    machine.cpu.extended = { ...machine.cpu.extended, mxcsr: 0x1f80 };
    expect(at(machine, 'xrstor')).toBeUndefined();
    expect([machine.cpu.R[SLOT.pkru], machine.cpu.extended.mxcsr]).toEqual([0x33n, 0x1f00]);
  });

  const XCOMP = 1n << 63n;
  const refused: readonly (readonly [string, string, (m: SystemProcessor) => void, object])[] = [
    ['CR0.TS', 'xsave', (m) => set(m, SLOT.cr0, 0x8000003bn), NM],
    ['CR4.OSXSAVE', 'xsave', (m) => set(m, SLOT.cr4, 0x20n), UD],
    ['XSTATE_BV beyond XCR0', 'xrstor', (m) => put(m, 512, 8n), GP0],
    ['a reserved byte of the header', 'xrstor', (m) => put(m, 535, 1n, 1), GP0],
    ['XCOMP_BV beyond XCR0', 'xrstor', (m) => put(m, 520, XCOMP | 8n), GP0],
    ['XRSTORS in the standard format', 'xrstors', () => {}, GP0],
    ['MXCSR', 'xrstor', (m) => put(m, 26, 1n, 1), GP0],
  ];
  it.each(refused)('refuse: %s', (_, mnemonic, spoil, fault) => {
    const machine = enabled();
    request(machine, 7n);
    const before = machine.cpu.extended;
    spoil(machine);
    expect(at(machine, mnemonic)).toMatchObject(fault);
    expect(machine.cpu.extended).toBe(before);
  });

  it('an area is aligned to 64 bytes', () => {
    expect(at(enabled(), 'xsave', AREA + 32n)).toMatchObject(GP0);
  });

  it('XGETBV with ECX 1 shows what is in use', () => {
    const machine = enabled();
    machine.cpu.R[SLOT.rcx] = 1n;
    execute(machine, 'xgetbv');
    expect(machine.cpu.R[SLOT.rax]).toBe(0n);
    setVector(machine, 0, BOTH);
    execute(machine, 'xgetbv');
    expect(machine.cpu.R[SLOT.rax]).toBe(6n);
  });

  it('CPUID leaf 0DH gives the sizes of what is enabled', () => {
    const machine = enabled();
    const { R } = machine.cpu;
    const sizes = (xcr0: bigint, subleaf: bigint): bigint => {
      R[SLOT.xcr0] = xcr0;
      [R[SLOT.rax], R[SLOT.rcx]] = [0xdn, subleaf];
      execute(machine, 'cpuid');
      return R[SLOT.rbx];
    };
    expect([sizes(1n, 0n), sizes(7n, 0n), sizes(0x203n, 0n)]).toEqual([576n, 832n, 0xa88n]);
    expect([sizes(7n, 1n), sizes(0x207n, 1n)]).toEqual([832n, 840n]);
  });
});

// SDM Vol. 1, 8.1.10 Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE
describe('images of the x87 environment', () => {
  const one = { x87Opcode: 0x1e8 };
  const image = { x87Opcode: 0x100 };

  it.each([
    [32, 'protected', 28],
    [16, 'protected', 14],
    [32, 'real', 28],
    [16, 'real', 14],
  ] as const)('%i bits, %s mode: %i bytes', (operandWidth, mode, bytes) => {
    const machine = machine32(['-fcs-fds-deprecated', '-fdp-exceptions-only']);
    const { cpu } = machine;
    execute(machine, 'fninit');
    execute(machine, 'fld1', [], one);
    cpu.extended = {
      ...cpu.extended,
      x87: { ...cpu.extended.x87, codeSelector: 0x1234, instructionPointer: 0x8_1000n },
    };
    if (mode === 'real') cpu.R[SLOT.cr0] &= ~1n;
    put(machine, bytes, 0xeen, 1);
    at(machine, 'fnstenv', AREA, { operandWidth, ...image });
    const size = bytes / 7;
    const parts = Array.from({ length: 7 }, (_, index) => word(machine, index * size, 2));
    expect(parts.slice(0, 3)).toEqual([0x37fn, 7n << 11n, 0x3fffn]);
    if (mode === 'protected') expect(parts.slice(3, 5)).toEqual([0x1000n, 0x1234n]);
    else expect(parts.slice(3, 5)).toEqual([0x3340n, 0x9000n]);
    expect(word(machine, bytes, 1)).toBe(0xeen);
    expect(cpu.extended.x87.control).toBe(0x37f);
    execute(machine, 'fninit');
    at(machine, 'fldenv', AREA, { operandWidth, ...image });
    expect([cpu.extended.x87.status, cpu.extended.x87.full]).toEqual([7 << 11, 0x80]);
  });

  it('FNSAVE saves by stack position and initializes; FRSTOR brings it back', () => {
    const machine = machine32();
    execute(machine, 'fninit');
    for (const constant of ['fld1', 'fldpi', 'fldz']) execute(machine, constant, [], one);
    const before = machine.cpu.extended.x87;
    at(machine, 'fnsave', AREA, { operandWidth: 32 });
    expect(word(machine, 28)).toBe(0n);
    expect(word(machine, 38)).toBe(0xc90f_daa2_2168_c235n);
    expect([machine.cpu.extended.x87.control, machine.cpu.extended.x87.full]).toEqual([0x37f, 0]);
    at(machine, 'frstor', AREA, { operandWidth: 32 });
    const { registers, full, status } = machine.cpu.extended.x87;
    expect({ registers, full, status }).toEqual({
      registers: before.registers,
      full: before.full,
      status: before.status,
    });
  });
});

// SDM Vol. 1, 8.7.1 Native Mode
describe('availability', () => {
  const fld1 = (machine: SystemProcessor) => execute(machine, 'fld1', [], { x87Opcode: 0x1e8 });

  it('an unmasked exception waits for the next waiting instruction: #MF', () => {
    const machine = enabled();
    put(machine, 0, 0x37en, 2);
    at(machine, 'fldcw');
    for (let n = 0; n < 8; n++) expect(fld1(machine)).toBeUndefined();
    const { registers } = machine.cpu.extended.x87;
    expect(fld1(machine)).toBeUndefined();
    expect(machine.cpu.extended.x87.registers).toEqual(registers);
    expect(machine.cpu.extended.x87.status & 0x2c1).toBe(0x2c1);
    expect(fld1(machine)).toMatchObject({ vector: VECTOR.mf });
    expect(execute(machine, 'fwait')).toMatchObject({ vector: VECTOR.mf });
    expect(execute(machine, 'emms')).toMatchObject({ vector: VECTOR.mf });
    expect(execute(machine, 'fnclex')).toBeUndefined();
    expect(execute(machine, 'fwait')).toBeUndefined();
  });

  it('CR0: EM and TS for x87, MP and TS for WAIT, EM for MMX and SSE', () => {
    const machine = enabled();
    const set = (bits: number): void => {
      machine.cpu.R[SLOT.cr0] = (machine.cpu.R[SLOT.cr0] & ~0xen) | BigInt(bits);
    };
    set(CR0.em);
    expect(fld1(machine)).toMatchObject(NM);
    expect(execute(machine, 'fwait')).toBeUndefined();
    expect(execute(machine, 'emms')).toMatchObject(UD);
    expect(at(machine, 'stmxcsr')).toMatchObject(UD);
    set(CR0.ts);
    expect(execute(machine, 'fwait')).toBeUndefined();
    expect(execute(machine, 'emms')).toMatchObject(NM);
    expect(at(machine, 'stmxcsr')).toMatchObject(NM);
    set(CR0.ts | CR0.mp);
    expect(execute(machine, 'fwait')).toMatchObject(NM);
  });

  it('SSE needs CR4.OSFXSR; LDMXCSR refuses reserved bits', () => {
    const machine = enabled();
    put(machine, 0, 0x1_0000n, 4);
    const operand = [memoryAt(AREA, 32)];
    expect(execute(machine, 'ldmxcsr', operand)).toMatchObject(GP0);
    machine.cpu.R[SLOT.cr4] &= ~BigInt(CR4.osfxsr);
    expect(execute(machine, 'ldmxcsr', operand)).toMatchObject(UD);
  });

  it('an aligned move of misaligned memory is #GP(0), without alignment checking too', () => {
    const machine = enabled();
    const xmm1 = { kind: 'other', name: 'xmm1' } as const;
    expect(execute(machine, 'movaps', [xmm1, memoryAt(AREA + 1n, 128)])).toMatchObject(GP0);
    expect(execute(machine, 'movups', [xmm1, memoryAt(AREA + 1n, 128)])).toBeUndefined();
  });

  it('VEX needs XCR0 and clears the upper half; without AVX it is undefined', () => {
    const machine = enabled();
    const [xmm1, xmm2] = ['xmm1', 'xmm2'].map((name) => ({ kind: 'other', name }) as const);
    setVector(machine, 1, BOTH);
    setVector(machine, 2, 5n);
    execute(machine, 'movaps', [xmm1, xmm2]);
    expect(machine.cpu.extended.vectors[1]).toBe((0xa5n << 248n) | 5n);
    execute(machine, 'vmovaps', [xmm1, xmm2]);
    expect(machine.cpu.extended.vectors[1]).toBe(5n);
    machine.cpu.R[SLOT.xcr0] = 3n;
    expect(execute(machine, 'vmovaps', [xmm1, xmm2])).toMatchObject(UD);
    expect(execute(enabled([]), 'vmovaps', [xmm1, xmm2])).toMatchObject(UD);
  });
});

it('SDM Vol. 3A, 10.1.1 Processor State After Reset: control word 40H, tags not empty', () => {
  const machine = enabled();
  setVector(machine, 0, BOTH);
  resetProcessor(machine.cpu);
  const { x87, mxcsr, vectors } = machine.cpu.extended;
  expect([x87.control, x87.status, x87.full, mxcsr, vectors[0]]).toEqual([0x40, 0, 0xff, 0x1f80, 0n]);
});
