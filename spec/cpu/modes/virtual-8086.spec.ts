import { describe, expect, it } from 'vitest';
import { run } from '../../../src/machine';
import { little } from '../engine/paged-guest';
import {
  AT,
  flat,
  monitorVector,
  paragraph,
  SELECTOR,
  stackValues,
  type VirtualGuest,
  virtualGuest,
} from './virtual-guest';

const HLT = 0xf4;
const AX = 0;
const BX = 3;
const SP = 4;
const VM = 0x2_0000n;
const IOPL3 = 0x3002n;
const IOPL0 = 2n;

const ended = (guest: VirtualGuest) => {
  const { state, stop } = run(virtualGuest(guest), { maxInstructions: 1000, heat: 3 });
  expect(stop.kind).toBe('stuck');
  return state;
};
const GP0 = { vector: 13, errorCode: 0 };
/** Vector, error code and IP of the fault that the program ended with. */
const fault = (guest: VirtualGuest) => {
  const state = ended(guest);
  const [errorCode, ip] = stackValues(state, 2, 4);
  return { vector: monitorVector(state), errorCode, ip };
};
/** The program ran to its HLT, which is #GP(0) there; the state is that of the monitor's handler. */
const finished = (guest: VirtualGuest) => {
  const state = ended(guest);
  const [errorCode, ip, cs, flags, sp] = stackValues(state, 5, 4);
  const program = state.memory.read(16 * cs + ip, 1)[0];
  expect([monitorVector(state), errorCode, program]).toEqual([13, 0, HLT]);
  return { state, flags, sp, ip, cs, registers: state.processors[0].registers };
};

// SDM Vol. 3B, 21.2.5 Entering Virtual-8086 Mode
describe('entering virtual-8086 mode', () => {
  const kernel = {
    cs: flat(SELECTOR.code, 0xc09b),
    ss: flat(SELECTOR.data, 0xc093),
    ds: flat(SELECTOR.data, 0xc093),
  };
  /** The machine at CPL 0 with a frame for IRETD on its stack. */
  const atKernel = (eip: number, flags: bigint) => {
    const frame = [eip, 0x1234, flags, 0x8_0ffe, 0x800, 0x111, 0x222, 0x333, 0x444];
    const guest: VirtualGuest = {
      code: [],
      parts: { 20480: frame.flatMap((value) => little(value, 4)), 32768: [0xcf], 74565: [0x90] },
      registers: { [SP]: 0x5000n },
      segments: kernel,
    };
    const state = virtualGuest(guest);
    const [cpu] = state.processors;
    return run({ ...state, processors: [{ ...cpu, rip: 0x8000n, rflags: 2n }] }, { maxInstructions: 1 })
      .state;
  };

  it('IRETD with VM in the image takes nine doublewords', () => {
    const [cpu] = atKernel(5, 0x1b_3ed7n & ~0x100n).processors;
    expect([cpu.rip, cpu.registers[SP]]).toEqual([5n, 0x8_0ffen]);
    expect(cpu.rflags).toBe(0x1b_3ed7n & ~0x100n);
    expect(cpu.segments).toMatchObject({
      cs: paragraph(0x1234),
      ss: paragraph(0x800),
      es: paragraph(0x111),
      ds: paragraph(0x222),
      fs: paragraph(0x333),
      gs: paragraph(0x444),
    });
  });

  it('an EIP above FFFFH is #GP(0)', () => {
    const state = atKernel(0x1_0000, VM | 2n);
    expect(monitorVector(state)).toBe(13);
    expect(stackValues(state, 2, 4)).toEqual([0, 0x8000]);
  });
});

// SDM Vol. 3B, 21.2 Virtual-8086 Mode
describe('the 8086 program', () => {
  it('loads segments as paragraphs and reaches 64 KiB from there', () => {
    // mov ax, 3000h; mov ds, ax; mov bl, [5]; hlt
    const code = [0xb8, 0, 0x30, 0x8e, 0xd8, 0x8a, 0x1e, 5, 0, HLT];
    expect(finished({ code, parts: { 196613: [0x88] } }).registers[BX]).toBe(0x88n);
    // mov al, [dword 10000h]
    expect(fault({ code: [0x67, 0xa0, 0, 0, 1, 0] })).toMatchObject({ ...GP0, ip: 0 });
    // mov ax, [bp + 0] with BP FFFFH
    expect(fault({ code: [0x8b, 0x46, 0], registers: { 5: 0xffffn } })).toMatchObject({
      vector: 12,
      errorCode: 0,
    });
  });

  it('calls and jumps far', () => {
    // call 3000h:4; hlt, and there: mov bl, 7; retf
    const code = [0x9a, 4, 0, 0, 0x30, HLT];
    const { registers, sp } = finished({ code, parts: { 196612: [0xb3, 7, 0xcb] } });
    expect([registers[BX], sp]).toEqual([7n, AT.stackTop]);
  });

  it.each([
    ['HLT', [HLT]],
    ['MOV to CR0', [0x0f, 0x22, 0xc0]],
    ['LGDT', [0x0f, 0x01, 0x16, 0, 0]],
    ['LMSW', [0x0f, 0x01, 0xf0]],
    ['CLTS', [0x0f, 0x06]],
    ['RDMSR', [0x0f, 0x32]],
    ['MOV from DR', [0x0f, 0x21, 0xc0]],
    ['INVLPG', [0x0f, 0x01, 0x3e, 0, 0]],
    ['SYSEXIT', [0x0f, 0x35]],
  ])('%s is #GP(0)', (_, code) => {
    expect(fault({ code, flags: IOPL3 })).toEqual({ ...GP0, ip: 0 });
  });

  it.each([
    ['LAR', [0x0f, 0x02, 0xc0]],
    ['VERR', [0x0f, 0x00, 0xe0]],
    ['ARPL', [0x63, 0xc0]],
    ['SLDT', [0x0f, 0x00, 0xc0]],
    ['LTR', [0x0f, 0x00, 0xd8]],
    ['SYSCALL', [0x0f, 0x05]],
  ])('%s is #UD', (_, code) => {
    const state = ended({ code, flags: IOPL3 });
    expect([monitorVector(state), stackValues(state, 1, 4)]).toEqual([6, [0]]);
  });
});

// SDM Vol. 3A, 4.6.1 Determination of Access Rights
it('the program is a user of its pages', () => {
  const directory = 0x4000;
  const table = 0x5000;
  const SUPERVISOR_PAGE = AT.dataSegment >> 8;
  const pages = Array.from({ length: 512 }, (_, page) => (page << 12) | (page === SUPERVISOR_PAGE ? 3 : 7));
  // mov al, [5]
  const state = virtualGuest({
    code: [0xa0, 5, 0],
    parts: { [directory]: little(table | 7, 4), [table]: pages.flatMap((entry) => little(entry, 4)) },
  });
  const [cpu] = state.processors;
  const control = { ...cpu.control, cr0: 0x8000_0011n, cr3: BigInt(directory) };
  const { state: end } = run({ ...state, processors: [{ ...cpu, control }] }, { maxInstructions: 100 });
  expect([monitorVector(end), ...stackValues(end, 2, 4)]).toEqual([14, 5, 0]);
  expect(end.processors[0].control.cr2).toBe(0x2_0005n);
});

// SDM Vol. 3B, 21.2.7 Sensitive Instructions
describe('instructions that are sensitive to IOPL', () => {
  it.each([
    ['CLI', [0xfa]],
    ['STI', [0xfb]],
    ['PUSHF', [0x9c]],
    ['POPF', [0x9d]],
    ['INT n', [0xcd, 0x20]],
    ['IRET', [0xcf]],
  ])('%s is #GP(0) with an IOPL below 3, virtual-8086 extensions off', (_, code) => {
    expect(fault({ code, flags: 0x2002n })).toEqual({ ...GP0, ip: 0 });
  });

  it('with an IOPL of 3 they run; POPF and IRET leave IOPL', () => {
    // sti; cli; pushf; pop ax; push 4202h; popf; pushf; pop bx; hlt
    const code = [0xfb, 0xfa, 0x9c, 0x58, 0x68, 0x02, 0x42, 0x9d, 0x9c, 0x5b, HLT];
    const { registers } = finished({ code, flags: IOPL3 | 0x8d5n });
    expect([registers[AX], registers[BX]]).toEqual([0x38d7n, 0x7202n]);
    // push 42d7h; push cs; push 6; iret; hlt; and the same with IRETD and AC, ID, RF, VIP and VIF
    const back = [0x68, 0xd7, 0x40, 0x0e, 0x6a, 7, 0xcf, HLT];
    expect(finished({ code: back, flags: IOPL3 }).flags & 0xf_ffff & ~0x1_0000).toBe(0x2_70d7);
    const wide = [0x66, 0x68, ...little(0x3d_0002, 4), 0x66, 0x0e, 0x66, 0x6a, 13, 0x66, 0xcf, HLT];
    expect(finished({ code: wide, flags: IOPL3 }).flags & ~0x1_0000).toBe(0x26_3002);
  });

  it('INT3, INT1 and INTO are not', () => {
    for (const [code, vector] of [
      [[0xcc], 3],
      [[0xf1], 1],
      [[0xce], 4],
    ] as const) {
      const state = ended({ code, flags: IOPL0 | 0x800n });
      expect([monitorVector(state), stackValues(state, 1, 4)]).toEqual([vector, [1]]);
    }
  });
});

// SDM Vol. 3B, 21.2.8.1 I/O-Port-Mapped I/O
it('ports are allowed by the permission map alone, whatever the IOPL', () => {
  // out 40h, al; hlt
  const code = [0xe6, 0x40, HLT];
  finished({ code, flags: IOPL0 });
  expect(fault({ code, flags: IOPL3, denied: [0x40] })).toEqual({ ...GP0, ip: 0 });
});

// SDM Vol. 3B, 21.3.1.1 Handling an Interrupt or Exception Through a Protected-Mode Trap or Interrupt Gate
describe('an interrupt or exception through a gate', () => {
  const AFTER_INT = 2;

  it('leaves with nine doublewords on the stack of CPL 0 and null data segments', () => {
    const state = ended({ code: [0xcd, 0x21], flags: IOPL3 | 0x4200n });
    const [cpu] = state.processors;
    expect(monitorVector(state)).toBe(0x21);
    expect(cpu.registers[SP]).toBe(BigInt(AT.kernelStack - 36));
    expect(stackValues(state, 9, 4)).toEqual([
      ...[AFTER_INT, 0x1000, 0x2_7202, AT.stackTop, AT.stackSegment],
      ...[AT.dataSegment, AT.dataSegment, 0x111, 0x222],
    ]);
    for (const name of ['es', 'ds', 'fs', 'gs'] as const)
      expect(cpu.segments[name]).toMatchObject({ selector: 0, base: 0n, accessRights: 0x1_0000 });
    expect([cpu.segments.cs.selector, cpu.segments.ss.selector, cpu.rflags]).toEqual([8, 0x10, 0x3002n]);
  });

  it('a trap gate leaves IF, an exception pushes its error code', () => {
    const trap = ended({ code: [0xcd, 0x21], flags: IOPL3 | 0x200n, gates: { 33: { rights: 0xef } } });
    expect(trap.processors[0].rflags).toBe(0x3202n);
    expect(fault({ code: [0xf4] })).toEqual({ ...GP0, ip: 0 });
  });

  it('a 16-bit gate pushes words', () => {
    const gates = { 33: { rights: 0xe6, selector: SELECTOR.code16 } };
    const state = ended({ code: [0xcd, 0x21], flags: IOPL3, gates });
    expect(state.processors[0].registers[SP]).toBe(BigInt(AT.kernelStack - 18));
    expect(stackValues(state, 9, 2)).toEqual([
      ...[AFTER_INT, 0x1000, 0x3002, AT.stackTop, AT.stackSegment],
      ...[AT.dataSegment, AT.dataSegment, 0x111, 0x222],
    ]);
  });

  it.each([
    ['of another CPL', SELECTOR.userCode, SELECTOR.userCode & ~3],
    ['that conforms', SELECTOR.conforming, SELECTOR.conforming],
  ])('code %s is #GP(selector)', (_, selector, errorCode) => {
    const gates = { 33: { selector } };
    expect(fault({ code: [0xcd, 0x21], flags: IOPL3, gates })).toEqual({ vector: 13, errorCode, ip: 0 });
  });

  it('INT n needs a gate of DPL 3', () => {
    const gates = { 33: { rights: 0x8e } };
    const errorCode = 8 * 0x21 + 2;
    expect(fault({ code: [0xcd, 0x21], flags: IOPL3, gates })).toEqual({ vector: 13, errorCode, ip: 0 });
  });

  it('IRETD of the handler goes back', () => {
    // int 21h; mov bl, 9; hlt
    const code = [0xcd, 0x21, 0xb3, 9, HLT];
    const { registers, sp, cs } = finished({ code, flags: IOPL3, parts: { [AT.handlers + 0x210]: [0xcf] } });
    expect([registers[BX], sp, cs]).toEqual([9n, AT.stackTop, 0x1000]);
  });
});

// SDM Vol. 3B, 21.3.3 Class 3-Software Interrupt Handling in Virtual-8086 Mode
describe('virtual-8086 extensions: INT n', () => {
  const VME = 1n;
  const ALL_TO_MONITOR = new Array<number>(32).fill(0xff);
  // int 21h, and the handler of the program at 3000h:4
  const guest: VirtualGuest = {
    code: [0xcd, 0x21],
    cr4: VME,
    parts: { [4 * 0x21]: [4, 0, 0, 0x30], 196612: [HLT] },
  };
  const frame = (sp: number) => 16 * AT.stackSegment + sp;
  const words = (state: ReturnType<typeof ended>, sp: number) => [
    ...new Uint16Array(state.memory.read(frame(sp), 6).slice().buffer),
  ];

  it('redirected, IOPL below 3: #GP(0)', () => {
    expect(fault({ ...guest, redirection: ALL_TO_MONITOR })).toEqual({ ...GP0, ip: 0 });
  });

  it('redirected, IOPL 3: the monitor', () => {
    expect(monitorVector(ended({ ...guest, redirection: ALL_TO_MONITOR, flags: IOPL3 }))).toBe(0x21);
  });

  it('not redirected, IOPL 3: the handler of the program, IF and TF cleared', () => {
    const { state, flags, cs, ip, sp } = finished({ ...guest, flags: IOPL3 | 0x8_0200n });
    expect([cs, ip, sp]).toEqual([0x3000, 4, AT.stackTop - 6]);
    expect(words(state, sp)).toEqual([2, 0x1000, 0x3202]);
    expect(flags & ~0x1_0000).toBe(0xa_3002);
  });

  it('not redirected, IOPL below 3: VIF stands for IF, IOPL shows as 3', () => {
    const { state, flags, sp } = finished({ ...guest, flags: 0x8_0002n });
    expect(words(state, sp)).toEqual([2, 0x1000, 0x3202]);
    expect(flags & ~0x1_0000).toBe(0x2_0002);
  });

  it('only the vectors whose bit is set are redirected', () => {
    const redirection = new Array<number>(32).fill(0);
    redirection[4] = 2;
    expect(fault({ ...guest, redirection })).toEqual({ ...GP0, ip: 0 });
    redirection[4] = 0xfd;
    expect(finished({ ...guest, redirection }).cs).toBe(0x3000);
  });

  it('INT3 goes to the monitor', () => {
    expect(monitorVector(ended({ ...guest, code: [0xcc] }))).toBe(3);
  });
});

// SDM Vol. 3B, 21.3.2 Class 2-Maskable Hardware Interrupt Handling in Virtual-8086 Mode Using the Virtual Interrupt Mechanism
describe('virtual-8086 extensions: VIF', () => {
  const VME = 1n;
  const VIF = 0x8_0000;
  const VIP = 0x10_0000;
  const flagsAfter = (code: readonly number[], flags: bigint) =>
    finished({ code: [...code, HLT], flags, cr4: VME }).flags & ~0x1_0000;

  it('CLI and STI change VIF, not IF, while IOPL is below 3', () => {
    expect(flagsAfter([0xfb], 0x202n)).toBe(0x2_0202 | VIF);
    expect(flagsAfter([0xfa], 0x202n | BigInt(VIF))).toBe(0x2_0202);
    expect(flagsAfter([0xfb], IOPL3)).toBe(0x2_3202);
  });

  it('setting VIF with VIP pending is #GP(0)', () => {
    for (const code of [[0xfb], [0x9d], [0xcf]]) {
      const parts = { [16 * AT.stackSegment + AT.stackTop - 6]: [...little(8, 2), 0, 0x10, 2, 2] };
      const sp = BigInt(AT.stackTop - (code[0] === 0x9d ? 2 : 6));
      const flags = BigInt(VIP) | 2n;
      expect(fault({ code, flags, cr4: VME, parts, registers: { [SP]: sp } })).toEqual({ ...GP0, ip: 0 });
    }
  });

  it('PUSHF shows VIF as IF and an IOPL of 3; POPF and IRET load it', () => {
    // pushf; pop ax; hlt
    const pushed = finished({ code: [0x9c, 0x58, HLT], flags: BigInt(VIF) | 2n, cr4: VME });
    expect(pushed.registers[AX]).toBe(0x3202n);
    // push 3202h; popf
    expect(flagsAfter([0x68, 0x02, 0x32, 0x9d], 2n)).toBe(0x2_0002 | VIF);
    // push 3202h; push cs; push 7; iret
    expect(flagsAfter([0x68, 0x02, 0x32, 0x0e, 0x6a, 7, 0xcf], 2n)).toBe(0x2_0002 | VIF);
    expect(flagsAfter([0x68, 0x02, 0x30, 0x9d], BigInt(VIF) | 0x202n)).toBe(0x2_0202);
  });

  it('32-bit forms are #GP(0), so is an image with TF', () => {
    for (const code of [
      [0x66, 0x9c],
      [0x66, 0x9d],
      [0x66, 0xcf],
    ])
      expect(fault({ code, cr4: VME })).toEqual({ ...GP0, ip: 0 });
    // push 102h; popf
    expect(fault({ code: [0x68, 0x02, 0x01, 0x9d], cr4: VME })).toEqual({ ...GP0, ip: 3 });
  });
});

// SDM Vol. 3B, 21.4 Protected-Mode Virtual Interrupts
describe('protected-mode virtual interrupts', () => {
  const PVI = 2n;
  const VIF = 0x8_0000n;
  const VIP = 0x10_0000n;
  const user = {
    cs: flat(SELECTOR.userCode, 0xc0fb),
    ss: flat(0x13, 0xc0f3),
    ds: flat(0x13, 0xc0f3),
    es: flat(0x13, 0xc0f3),
    fs: flat(0x13, 0xc0f3),
    gs: flat(0x13, 0xc0f3),
  };
  const runUser = (code: readonly number[], flags: bigint, cr4 = PVI) => {
    const state = virtualGuest({ code: [], parts: { 32768: [...code, HLT] }, segments: user, cr4 });
    const [cpu] = state.processors;
    const { state: end } = run(
      { ...state, processors: [{ ...cpu, rip: 0x8000n, rflags: flags }] },
      { maxInstructions: 100 },
    );
    const [errorCode, eip, , image] = stackValues(end, 4, 4);
    return { vector: monitorVector(end), errorCode, eip, flags: BigInt(image & ~0x1_0000) };
  };

  it('CLI and STI change VIF at CPL 3', () => {
    expect(runUser([0xfb], 0x202n)).toEqual({ ...GP0, eip: 0x8001, flags: 0x202n | VIF });
    expect(runUser([0xfa], 0x202n | VIF)).toEqual({ ...GP0, eip: 0x8001, flags: 0x202n });
  });

  it('STI with VIP pending is #GP(0), so are both without CR4.PVI', () => {
    expect(runUser([0xfb], 2n | VIP).eip).toBe(0x8000);
    expect(runUser([0xfb], 2n, 0n).eip).toBe(0x8000);
    expect(runUser([0xfa], 2n, 1n).eip).toBe(0x8000);
  });

  it('PUSHF and POPF know nothing of it', () => {
    // push 202h; popf
    expect(runUser([0x68, 2, 2, 0, 0, 0x9d], 2n).flags).toBe(2n);
  });
});
