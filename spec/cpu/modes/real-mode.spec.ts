import { describe, expect, it } from 'vitest';
import { type MachineState, processor } from '../../../src/api';
import { createMachine, run } from '../../../src/machine';
import { little, segmentDescriptor } from '../engine/paged-guest';
import { AT, type RealGuest, realGuest, realSegment, runReal, stackOf, vectorOf } from './real-guest';

const HLT = 0xf4;
const AX = 0;
const CX = 1;
const BX = 3;
const SP = 4;
const BP = 5;
const SI = 6;
const DI = 7;

/** Where the guest halted: vector, saved IP, SP. */
const fault = (guest: RealGuest) => {
  const { state } = runReal(realGuest(guest));
  return { vector: vectorOf(state), ip: stackOf(state, 1)[0], sp: Number(state.processors[0].registers[SP]) };
};
const halted = (guest: RealGuest): MachineState['processors'][number] => {
  const { state, stop } = runReal(realGuest(guest));
  expect([stop.kind, vectorOf(state)]).toEqual(['stuck', undefined]);
  return state.processors[0];
};

// SDM Vol. 3A, 10.1.1 Processor State After Reset
it('the first instruction after reset is at FFFFFFF0H', () => {
  const machine = createMachine({ processor: processor('skylake'), memoryBytes: 2 ** 20 });
  const [cpu] = machine.processors;
  expect([cpu.segments.cs.selector, cpu.segments.cs.base, cpu.rip]).toEqual([0xf000, 0xffff0000n, 0xfff0n]);
});

// SDM Vol. 3B, 21.1.1 Address Translation in Real-Address Mode
describe('address translation in real-address mode', () => {
  it('a segment load sets the base to 16 times the selector', () => {
    // mov ax, 1234h; mov ds, ax; mov al, [10h]; hlt
    const code = [0xb8, 0x34, 0x12, 0x8e, 0xd8, 0xa0, 0x10, 0x00, HLT];
    const cpu = halted({ code, parts: { 74576: [0x77] } });
    expect(cpu.registers[AX]).toBe(0x1277n);
    expect(cpu.segments.ds).toEqual({ ...realSegment(0x1234) });
  });

  it('an address above 1 MiB is that address', () => {
    // mov ax, ffffh; mov ds, ax; mov al, [20h]; hlt
    const code = [0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xa0, 0x20, 0x00, HLT];
    expect(halted({ code, parts: { 1048592: [0x55] } }).registers[AX]).toBe(0xff55n);
  });

  it('limit and attributes stay as protected mode left them', () => {
    const big = { ...realSegment(0), limit: 0xffff_ffff, accessRights: 0x8093 };
    // mov ax, 10h; mov fs, ax; mov al, fs:[dword 120000h]; hlt
    const code = [0xb8, 0x10, 0, 0x8e, 0xe0, 0x64, 0x67, 0xa0, ...little(0x12_0000, 4), HLT];
    const cpu = halted({ code, segments: { fs: big }, parts: { 1179904: [0x66] } });
    expect(cpu.registers[AX]).toBe(0x66n);
    expect(cpu.segments.fs).toEqual({ ...big, selector: 0x10, base: 0x100n });
  });

  it('a segment that was unusable is data with a 64-KiB limit when it is loaded, and #GP before', () => {
    const none = { selector: 0, base: 0n, limit: 0, accessRights: 0x1_0000 };
    // mov fs, ax; hlt
    const cpu = halted({ code: [0x8e, 0xe0, HLT], registers: { 0: 5n }, segments: { fs: none } });
    expect(cpu.segments.fs).toEqual(realSegment(5));
    // mov al, fs:[0]
    expect(fault({ code: [0x64, 0xa0, 0, 0], segments: { fs: none } }).vector).toBe(13);
  });

  it('the code segment may be written', () => {
    // mov cs:[40h], al; mov bl, cs:[40h]; hlt
    const code = [0x2e, 0xa2, 0x40, 0x00, 0x2e, 0x8a, 0x1e, 0x40, 0x00, HLT];
    expect(halted({ code, registers: { 0: 0x99n } }).registers[BX]).toBe(0x99n);
  });

  it('effective addresses wrap at 64 KiB', () => {
    // mov al, [bx + si + 1]; hlt
    const code = [0x8a, 0x40, 0x01, HLT];
    const cpu = halted({
      code,
      registers: { [BX]: 0xffffn, [SI]: 0x8n },
      parts: { [AT.segment * 16 + 8]: [0x42] },
    });
    expect(cpu.registers[AX]).toBe(0x42n);
  });

  const limits: readonly (readonly [string, RealGuest, number])[] = [
    ['a word at FFFFH', { code: [0xa1, 0xff, 0xff] }, 13],
    ['a word at FFFFH of SS', { code: [0x8b, 0x46, 0x00], registers: { [BP]: 0xffffn } }, 12],
    ['a 32-bit offset above FFFFH', { code: [0x67, 0xa0, 0, 0, 1, 0] }, 13],
    ['a push at SP 1', { code: [0x50], registers: { [SP]: 1n } }, 12],
    ['a doubleword pop at SP FFFEH', { code: [0x66, 0x58], registers: { [SP]: 0xfffen } }, 12],
    ['a jump beyond FFFFH', { code: [0x66, 0xe9, 0, 0, 1, 0] }, 13],
    ['a far jump beyond FFFFH', { code: [0x66, 0xea, 0, 0, 1, 0, 0, 0] }, 13],
  ];
  it.each(limits)('%s is a fault', (_, guest, vector) => {
    const stack = { ...realSegment(0) };
    const { state, stop } = runReal(realGuest({ segments: { ss: stack }, ...guest }));
    // With SP at 1 the frame of the handler does not fit either: shutdown.
    if (guest.registers?.[SP] === 1n) expect(stop.kind).toBe('triple-fault');
    else expect(vectorOf(state)).toBe(vector);
  });

  it('execution does not go on from FFFFH to 0', () => {
    const { state } = runReal({
      ...realGuest({ code: [] }),
      memory: realGuest({ code: [], parts: { [AT.code + 0xffff]: [0x90] } }).memory,
      processors: [{ ...realGuest({ code: [] }).processors[0], rip: 0xffffn }],
    });
    expect([vectorOf(state), stackOf(state, 1)[0]]).toEqual([13, 0]);
  });
});

// SDM Vol. 1, 6.2.3 Address-Size Attributes for Stack Accesses
describe('the 16-bit stack', () => {
  it('wraps from 0 to FFFEH and leaves the upper half of ESP', () => {
    // push ax; hlt
    const cpu = halted({ code: [0x50, HLT], registers: { [AX]: 0x1234n, [SP]: 0x5_0000n } });
    expect(cpu.registers[SP]).toBe(0x5_fffen);
  });

  it('PUSHA and POPA wrap too', () => {
    // pusha; xor di, di; popa; hlt
    const cpu = halted({ code: [0x60, 0x31, 0xff, 0x61, HLT], registers: { [SP]: 6n, [DI]: 0x77n } });
    expect([cpu.registers[SP], cpu.registers[DI]]).toEqual([6n, 0x77n]);
  });

  // SDM Vol. 2, PUSHA/PUSHAD, Real-Address Mode Exceptions; with 1, 3 and 5 there is no room for the #SS either
  it('PUSHA with an odd stack pointer that comes to 0', () => {
    for (const sp of [7, 9, 11, 13, 15])
      expect(fault({ code: [0x60], registers: { 4: BigInt(sp) } })).toEqual({
        vector: 13,
        ip: 0,
        sp: sp - 6,
      });
    for (const sp of [1, 3, 5]) {
      const { stop } = runReal(realGuest({ code: [0x60], registers: { 4: BigInt(sp) } }));
      expect(stop.kind).toBe('triple-fault');
    }
    expect(halted({ code: [0x60, HLT], registers: { 4: 17n } }).registers[SP]).toBe(1n);
  });

  it('ENTER with 32-bit operands keeps the upper half of the stack pointer in EBP', () => {
    // enter 10h, 0 with a 32-bit operand size; hlt
    const cpu = halted({ code: [0x66, 0xc8, 0x10, 0, 0, HLT], registers: { [SP]: 0x3_0004n, [BP]: 7n } });
    expect([cpu.registers[BP], cpu.registers[SP]]).toEqual([0x3_0000n, 0x3_fff0n]);
  });
});

// SDM Vol. 3B, 21.1.3 Instructions Supported in Real-Address Mode
describe('instructions of real-address mode', () => {
  const undefinedThere: readonly (readonly [string, readonly number[]])[] = [
    ['SLDT', [0x0f, 0x00, 0xc0]],
    ['STR', [0x0f, 0x00, 0xc8]],
    ['LLDT', [0x0f, 0x00, 0xd0]],
    ['LTR', [0x0f, 0x00, 0xd8]],
    ['VERR', [0x0f, 0x00, 0xe0]],
    ['VERW', [0x0f, 0x00, 0xe8]],
    ['LAR', [0x0f, 0x02, 0xc0]],
    ['LSL', [0x0f, 0x03, 0xc0]],
    ['ARPL', [0x63, 0xc0]],
    ['SYSCALL', [0x0f, 0x05]],
    ['SYSRET', [0x0f, 0x07]],
    ['SWAPGS', [0x0f, 0x01, 0xf8]],
  ];
  it.each(undefinedThere)('%s is #UD', (_, code) => {
    expect(fault({ code })).toMatchObject({ vector: 6, ip: 0 });
  });

  it.each([
    ['SYSENTER', [0x0f, 0x34]],
    ['SYSEXIT', [0x0f, 0x35]],
  ])('%s is #GP', (_, code) => {
    expect(fault({ code })).toMatchObject({ vector: 13, ip: 0 });
  });

  it('far CALL and RET', () => {
    // call 2000h:0010h; hlt, and there: mov bl, 5; retf
    const code = [0x9a, 0x10, 0, 0, 0x20, HLT];
    const cpu = halted({ code, parts: { 131088: [0xb3, 5, 0xcb] } });
    expect([cpu.registers[BX], cpu.registers[SP], cpu.rip]).toEqual([5n, 0x8000n, 6n]);
    expect(cpu.segments.cs).toEqual(realSegment(0x1000));
  });

  it('far CALL with 32-bit operands pushes eight bytes', () => {
    const { state } = runReal(
      realGuest({ code: [0x66, 0x9a, 0x10, 0, 0, 0, 0, 0x20], parts: { 131088: [HLT] } }),
    );
    expect(stackOf(state, 4)).toEqual([8, 0, 0x1000, 0]);
  });

  it('a far CALL beyond the limit pushes nothing', () => {
    expect(fault({ code: [0x66, 0x9a, 0, 0, 1, 0, 0, 0x20] })).toEqual({ vector: 13, ip: 0, sp: 0x7ffa });
  });

  it('LES loads segment and register', () => {
    // les di, [4]; hlt
    const code = [0xc4, 0x3e, 4, 0, HLT];
    const cpu = halted({ code, parts: { 131076: [0x11, 0x22, 0x33, 0x44] } });
    expect([cpu.registers[DI], cpu.segments.es]).toEqual([0x2211n, realSegment(0x4433)]);
  });

  it('LOOP and REP count in CX', () => {
    // mov cx, 3; l: inc bx; loop l; mov cx, 2; rep stosw; hlt
    const code = [0xb9, 3, 0, 0x43, 0xe2, 0xfd, 0xb9, 2, 0, 0xf3, 0xab, HLT];
    const cpu = halted({ code, registers: { [CX]: 0x5_0000n, [DI]: 0x7_fffcn } });
    expect([cpu.registers[BX], cpu.registers[CX], cpu.registers[DI]]).toEqual([3n, 0x5_0000n, 0x7_0000n]);
  });

  it('LGDT takes 24 bits of the base, with a 32-bit operand size all', () => {
    const parts = { 131072: [0x17, 0x00, 0x78, 0x56, 0x34, 0x12] };
    // lgdt [0]; hlt
    expect(halted({ code: [0x0f, 0x01, 0x16, 0, 0, HLT], parts }).tables.gdtr).toEqual({
      base: 0x34_5678n,
      limit: 0x17,
    });
    expect(halted({ code: [0x66, 0x0f, 0x01, 0x16, 0, 0, HLT], parts }).tables.gdtr.base).toBe(0x1234_5678n);
  });

  it('POPF loads IOPL, NT and IF; PUSHF gives them', () => {
    // push 7202h; popf; pushf; pop ax; hlt
    const cpu = halted({ code: [0x68, 0x02, 0x72, 0x9d, 0x9c, 0x58, 0xfa, HLT] });
    expect(cpu.registers[AX]).toBe(0x7202n);
  });
});

// SDM Vol. 3B, 21.1.4 Interrupt and Exception Handling
describe('interrupts and exceptions in real-address mode', () => {
  it('push FLAGS, CS and IP and clear IF, TF, AC and RF', () => {
    // int 3 as CD 03
    const { state } = runReal(realGuest({ code: [0xcd, 0x03], flags: 0x4_4ad7n }));
    const [cpu] = state.processors;
    expect(vectorOf(state)).toBe(3);
    expect(stackOf(state, 3)).toEqual([2, 0x1000, 0x4ad7]);
    expect(cpu.rflags).toBe(0x48d7n);
    expect(cpu.registers[SP]).toBe(0x7ffan);
  });

  const sources: readonly (readonly [string, RealGuest, number, number])[] = [
    ['INT3', { code: [0xcc] }, 3, 1],
    ['INT1', { code: [0xf1] }, 1, 1],
    ['INTO', { code: [0xce], flags: 0x802n }, 4, 1],
    ['BOUND', { code: [0x62, 0x06, 0, 0], registers: { [AX]: 9n } }, 5, 0],
    ['UD2', { code: [0x0f, 0x0b] }, 6, 0],
    ['DIV by zero', { code: [0xf6, 0xf3] }, 0, 0],
  ];
  it.each(sources)('%s', (_, guest, vector, ip) => {
    expect(fault(guest)).toEqual({ vector, ip, sp: 0x7ffa });
  });

  it('push no error code', () => {
    // mov ax, [ffffh]
    expect(fault({ code: [0xa1, 0xff, 0xff] })).toEqual({ vector: 13, ip: 0, sp: 0x7ffa });
  });

  it('IRET takes FLAGS back, IRETD also RF, AC and ID', () => {
    const frame = [...little(0x100, 2), ...little(0x1000, 2), ...little(0x7ed7, 2)];
    const stack = { [SP]: 0x7000n };
    const cpu = halted({ code: [0xcf], parts: { 28672: frame, 65792: [0xfa, HLT] }, registers: stack });
    expect([cpu.registers[SP], cpu.rflags & 0x7c00n]).toEqual([0x7006n, 0x7c00n]);
    const wide = [...little(0x100, 4), ...little(0x1000, 4), ...little(0x24_0002, 4)];
    const after = halted({ code: [0x66, 0xcf], parts: { 28672: wide, 65792: [HLT] }, registers: stack });
    expect([after.registers[SP], after.rflags]).toEqual([0x700cn, 0x24_0002n]);
  });

  it('IRETD to an EIP above FFFFH is #GP and takes nothing from the stack', () => {
    const wide = [...little(0x1_0000, 4), ...little(0x1000, 4), ...little(2, 4)];
    const stack = { [SP]: 0x6000n };
    expect(fault({ code: [0x66, 0xcf], parts: { 24576: wide }, registers: stack })).toEqual({
      vector: 13,
      ip: 0,
      sp: 0x5ffa,
    });
  });

  it('a vector beyond the limit of IDTR is #GP; when that is beyond too #DF; when that is, shutdown', () => {
    expect(fault({ code: [0xcd, 0x20], idtLimit: 0x7f }).vector).toBe(13);
    expect(fault({ code: [0xcd, 0x20], idtLimit: 0x2f }).vector).toBe(8);
    expect(runReal(realGuest({ code: [0xcd, 0x20], idtLimit: 0x1f })).stop.kind).toBe('triple-fault');
  });

  it('IDTR moves the table', () => {
    // int 20h, table at 3000h
    const state = realGuest({ code: [0xcd, 0x20], parts: { 12416: [0x34, 0, 0, 0x30], 196660: [HLT] } });
    const [cpu] = state.processors;
    const moved = { ...cpu, tables: { ...cpu.tables, idtr: { base: 0x3000n, limit: 0x83 } } };
    const after = run({ ...state, processors: [moved] }, { maxInstructions: 100 }).state.processors[0];
    expect([after.segments.cs.selector, after.rip]).toEqual([0x3000, 0x35n]);
  });
});

// SDM Vol. 3A, 10.9.1 Switching to Protected Mode, 10.9.2 Switching Back to Real-Address Mode
describe('mode switching', () => {
  const tables = {
    12288: [
      ...little(0, 8),
      ...segmentDescriptor(0x1_0000, 0xffff, 0x9b),
      ...segmentDescriptor(0, 0xfffff, 0x8093),
      ...segmentDescriptor(0x1_0000, 0xfffff, 0xc09b),
    ],
    131072: [...little(0x1f, 2), ...little(0x3000, 4)],
  };

  it('LMSW and a far jump enter, MOV to CR0 and a far jump leave; big limits stay', () => {
    const code = [
      ...[0x0f, 0x01, 0x16, 0, 0], // lgdt [0]
      ...[0xb8, 1, 0, 0x0f, 0x01, 0xf0], // mov ax, 1; lmsw ax
      ...[0xea, 0x10, 0, 8, 0], // jmp 8:10h
      ...[0xb8, 0x10, 0, 0x8e, 0xe0], // 10h: mov ax, 10h; mov fs, ax
      ...[0x31, 0xc0, 0x0f, 0x01, 0xf0], // xor ax, ax; lmsw ax: PE stays
      ...[0x0f, 0x20, 0xc0, 0x66, 0x83, 0xe0, 0xfe, 0x0f, 0x22, 0xc0], // PE cleared by MOV to CR0
      ...[0xea, 0x29, 0, 0, 0x10], // jmp 1000h:29h
      ...[0x64, 0x67, 0xa0, ...little(0x12_3456, 4), HLT], // 29h: mov al, fs:[123456h]; hlt
    ];
    const cpu = halted({ code, parts: { ...tables, 1193046: [0x5a] } });
    expect(cpu.control.cr0 & 1n).toBe(0n);
    expect(cpu.registers[AX] & 0xffn).toBe(0x5an);
    expect([cpu.segments.cs.selector, cpu.segments.cs.base]).toEqual([0x1000, 0x1_0000n]);
  });

  it('LMSW cannot leave protected mode', () => {
    const code = [
      ...[0x0f, 0x01, 0x16, 0, 0, 0xb8, 1, 0, 0x0f, 0x01, 0xf0], // lgdt [0]; mov ax, 1; lmsw ax
      ...[0x31, 0xc0, 0x0f, 0x01, 0xf0, HLT], // xor ax, ax; lmsw ax; hlt
    ];
    expect(halted({ code, parts: tables }).control.cr0 & 1n).toBe(1n);
  });

  it('32-bit code follows a far jump to a descriptor with D', () => {
    const code = [
      ...[0x0f, 0x01, 0x16, 0, 0, 0xb8, 1, 0, 0x0f, 0x01, 0xf0], // lgdt [0]; mov ax, 1; lmsw ax
      ...[0xea, 0x10, 0, 0x18, 0], // jmp 18h:10h
      ...[0xb8, ...little(0x1234_5678, 4), HLT], // 10h: mov eax, 12345678h; hlt
    ];
    expect(halted({ code, parts: tables }).registers[AX]).toBe(0x1234_5678n);
  });
});
