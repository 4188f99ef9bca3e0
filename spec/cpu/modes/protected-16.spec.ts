import { describe, expect, it } from 'vitest';
import { type MachineState, run } from '../../../src/machine';
import { little, segmentDescriptor } from '../engine/paged-guest';
import { AT, flat, monitorVector, SELECTOR, stackValues, virtualGuest } from './virtual-guest';

const HLT = 0xf4;
const AX = 0;
const BX = 3;
const SP = 4;
const BP = 5;
const CODE = 0x1_0000;
const DATA = 0x2_0000;
const STACK = 0x3_0000;
const TSS_16 = 0x3800;
const NARROW = {
  code: 0x38,
  data: 0x40,
  stack: 0x48,
  down: 0x50,
  downBig: 0x58,
  wide: 0x60,
  user: 0x6b,
  userStack: 0x73,
};

/** Descriptors after those of the monitor, by `NARROW`. */
const DESCRIPTORS = [
  ...segmentDescriptor(CODE, 0xffff, 0x9b),
  ...segmentDescriptor(DATA, 0xffff, 0x93),
  ...segmentDescriptor(STACK, 0xffff, 0x93),
  ...segmentDescriptor(DATA, 0x0fff, 0x97),
  ...segmentDescriptor(DATA, 0x0fff, 0x4097),
  ...segmentDescriptor(CODE, 0xffff, 0x409b),
  ...segmentDescriptor(CODE, 0xffff, 0xfb),
  ...segmentDescriptor(STACK, 0xffff, 0xf3),
];
const segment = (selector: number, base: number, accessRights = 0x93, limit = 0xffff) => ({
  ...{ selector, base: BigInt(base), limit, accessRights },
});

interface Guest {
  readonly code: readonly number[];
  readonly parts?: Readonly<Record<number, readonly number[]>>;
  readonly registers?: Readonly<Record<number, bigint>>;
  readonly segments?: Partial<MachineState['processors'][number]['segments']>;
  readonly gates?: Readonly<Record<number, { readonly rights?: number; readonly selector?: number }>>;
}

/** A machine in protected mode at CPL 0 in a 16-bit code segment at 10000H; DS at 20000H, SS:SP at 30000H + 1000H, without B. */
const guest16 = ({ code, parts = {}, segments = {}, ...more }: Guest): MachineState => {
  const state = virtualGuest({
    code,
    parts: { [AT.gdt + NARROW.code]: DESCRIPTORS, ...parts },
    segments: {
      cs: segment(NARROW.code, CODE, 0x9b),
      ds: segment(NARROW.data, DATA),
      es: segment(NARROW.data, DATA),
      ss: segment(NARROW.stack, STACK),
      ...segments,
    },
    ...more,
  });
  const [cpu] = state.processors;
  const tables = { ...cpu.tables, gdtr: { base: BigInt(AT.gdt), limit: 0x7f } };
  return { ...state, processors: [{ ...cpu, rflags: 2n, tables }] };
};
const finished = (guest: Guest): MachineState => {
  const { state, stop } = run(guest16(guest), { maxInstructions: 1000, heat: 3 });
  expect([stop.kind, monitorVector(state)]).toEqual(['stuck', undefined]);
  return state;
};
const registers = (guest: Guest) => finished(guest).processors[0].registers;
/** Vector, error code and EIP of a fault; its frame is on the same stack. */
const fault = (guest: Guest) => {
  const { state } = run(guest16(guest), { maxInstructions: 100, heat: 3 });
  const [errorCode, eip] = stackValues(state, 2, 4);
  return { vector: monitorVector(state), errorCode, eip };
};

// SDM Vol. 3A, 5.3 Limit Checking
describe('expand-down segments', () => {
  const down = { ds: segment(NARROW.down, DATA, 0x97, 0x0fff) };
  const big = { ds: segment(NARROW.downBig, DATA, 0x4097, 0x0fff) };
  // mov al, [offset]; mov ax, [offset]; mov al, [dword offset]
  const byte = (offset: number) => [0xa0, ...little(offset, 2), HLT];
  const word = (offset: number) => [0xa1, ...little(offset, 2), HLT];
  const far = (offset: number) => [0x67, 0xa0, ...little(offset, 4), HLT];

  it('begin above the limit and end at FFFFH', () => {
    expect(fault({ code: byte(0xfff), segments: down })).toEqual({ vector: 13, errorCode: 0, eip: 0 });
    finished({ code: byte(0x1000), segments: down });
    finished({ code: word(0xfffe), segments: down });
    expect(fault({ code: word(0xffff), segments: down }).vector).toBe(13);
    expect(fault({ code: far(0x1_0000), segments: down }).vector).toBe(13);
  });

  it('with B end at FFFFFFFFH', () => {
    expect(fault({ code: far(0xfff), segments: big }).vector).toBe(13);
    finished({ code: far(0x1_0000), segments: big });
  });

  it('bound a stack too, with #SS(0)', () => {
    const stack = { ss: segment(NARROW.down, STACK, 0x97, 0x0fff) };
    // mov ax, [bp + 0]
    const code = [0x8b, 0x46, 0, HLT];
    finished({ code, segments: stack, registers: { [BP]: 0x1000n, [SP]: 0x2000n } });
    expect(fault({ code, segments: stack, registers: { [BP]: 0xfffn, [SP]: 0x2000n } })).toMatchObject({
      ...{ vector: 12, errorCode: 0, eip: 0 },
    });
  });
});

// SDM Vol. 1, 6.2.3 Address-Size Attributes for Stack Accesses
describe('the stack pointer is of the width of SS.B', () => {
  it('SP wraps in 32-bit code, and the upper half of ESP stays', () => {
    // push eax; hlt
    const segments = { cs: segment(NARROW.wide, CODE, 0x409b) };
    const after = registers({ code: [0x50, HLT], segments, registers: { [SP]: 0x7_0000n, [AX]: 5n } });
    expect(after[SP]).toBe(0x7_fffcn);
  });

  it('16-bit code uses all of ESP with B', () => {
    const segments = { ss: segment(SELECTOR.data, STACK, 0x4093, 0x1_ffff) };
    // push ax; pop bx; push ax; hlt
    const after = registers({
      code: [0x50, 0x5b, 0x50, HLT],
      segments,
      registers: { [SP]: 0x1_0000n, [AX]: 9n },
    });
    expect([after[SP], after[BX]]).toEqual([0xfffen, 9n]);
  });

  it('LEAVE and ENTER follow it', () => {
    // mov bp, 100h; leave; hlt
    const after = registers({
      code: [0xbd, 0, 1, 0xc9, HLT],
      registers: { [SP]: 0x5_1000n, [BP]: 0x7_0000n },
    });
    expect(after[SP]).toBe(0x5_0102n);
  });
});

// SDM Vol. 3B, 22.4 Transferring Control Among Mixed-Size Code Segments
describe('mixed-size transfers', () => {
  it('a far CALL pushes by its operand size, RET takes the same', () => {
    // call 60h:20h; hlt, and there, in 32-bit code: mov bl, 3; o16 retf
    const code = [0x9a, 0x20, 0, NARROW.wide, 0, HLT];
    const after = registers({ code, parts: { [CODE + 0x20]: [0xb3, 3, 0x66, 0xcb] } });
    expect([after[BX], after[SP]]).toEqual([3n, 0x1000n]);
    // o32 call 60h:20h, and there: mov bl, 4; retf
    const wide = [0x66, 0x9a, 0x20, 0, 0, 0, NARROW.wide, 0, HLT];
    const back = registers({ code: wide, parts: { [CODE + 0x20]: [0xb3, 4, 0xcb] } });
    expect([back[BX], back[SP]]).toEqual([4n, 0x1000n]);
  });

  it('a 16-bit operand size cuts branch targets in 32-bit code', () => {
    const segments = { cs: segment(NARROW.wide, CODE, 0x409b) };
    // o16 jmp $ + 4 + 0 (to EIP 4): hlt there
    finished({ code: [0x66, 0xe9, 0, 0, HLT], segments });
    // mov eax, 50006h; o16 jmp ax
    finished({ code: [0xb8, 8, 0, 5, 0, 0x66, 0xff, 0xe0, HLT], segments });
  });

  it('32-bit operand sizes reach beyond FFFFH only by the limit', () => {
    // o32 jmp to EIP 20000h
    const code = [0x66, 0xe9, ...little(0x1_fffa, 4)];
    expect(fault({ code })).toEqual({ vector: 13, errorCode: 0, eip: 0 });
    finished({
      code,
      segments: { cs: segment(NARROW.code, CODE, 0x9b, 0xf_ffff) },
      parts: { 196608: [HLT] },
    });
  });

  it('an instruction beyond the limit of the segment is #GP(0) at its own EIP', () => {
    // 16-bit code that ends at the limit: nop; nop
    const segments = { cs: segment(NARROW.code, CODE, 0x9b, 1) };
    expect(fault({ code: [0x90, 0x90, HLT], segments })).toEqual({ vector: 13, errorCode: 0, eip: 2 });
  });
});

// SDM Vol. 3A, 6.12.1 Exception- or Interrupt-Handler Procedures
describe('16-bit gates', () => {
  const HANDLER = 0x7210;
  const gates = { 33: { rights: 0xe6, selector: SELECTOR.code16 } };

  it('push words on the same stack; IRET takes them back', () => {
    // int 21h; mov bl, 6; hlt; the handler: iret
    const code = [0xcd, 0x21, 0xb3, 6, HLT];
    const after = registers({ code, gates, parts: { [HANDLER]: [0xcf] } });
    expect([after[BX], after[SP]]).toEqual([6n, 0x1000n]);
  });

  it('take an inner stack from a 16-bit TSS', () => {
    const state = run(
      guest16({
        code: [0xcd, 0x21],
        gates,
        parts: { [TSS_16 + 2]: [...little(0x800, 2), ...little(NARROW.stack, 2)], [HANDLER]: [HLT] },
        segments: {
          cs: segment(NARROW.user, CODE, 0xfb),
          ss: segment(NARROW.userStack, STACK, 0xf3),
          tr: { selector: SELECTOR.task, base: BigInt(TSS_16), limit: 0x2b, accessRights: 0x83 },
        },
        registers: { [SP]: 0x7_2000n },
      }),
      { maxInstructions: 10 },
    ).state;
    const [cpu] = state.processors;
    expect([cpu.segments.cs.selector, cpu.rip, cpu.segments.ss.selector]).toEqual([
      SELECTOR.code16,
      BigInt(HANDLER + 1),
      NARROW.stack,
    ]);
    expect(cpu.registers[SP] & 0xffffn).toBe(0x7f6n);
    const words = new Uint16Array(state.memory.read(STACK + 0x7f6, 10).slice().buffer);
    expect([...words]).toEqual([2, NARROW.user, 2, 0x2000, NARROW.userStack]);
  });
});

// SDM Vol. 2, IRET/IRETD/IRETQ
it('a return to an outer 16-bit stack leaves the upper half of ESP', () => {
  const frame = [0x100, NARROW.user, 2, 0x1234, NARROW.userStack].flatMap((value) => little(value, 4));
  const state = run(
    guest16({
      code: [0x66, 0xcf],
      parts: { 348160: frame, [CODE + 0x100]: [0x90] },
      segments: { ss: flat(SELECTOR.data, 0xc093) },
      registers: { [SP]: 0x5_5000n },
    }),
    { maxInstructions: 1 },
  ).state;
  const [cpu] = state.processors;
  expect([cpu.rip, cpu.segments.ss.selector, cpu.registers[SP]]).toEqual([
    0x100n,
    NARROW.userStack,
    0x5_1234n,
  ]);
});
