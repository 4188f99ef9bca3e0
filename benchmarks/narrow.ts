import { processor } from '../src/cpu/presets';
import { createMachine, type MachineState, run } from '../src/machine';
import { rawGuest } from './guests';
import { atLeast, expect, type Row, repeated, timed } from './measure';

const UNIT = 'M instr/s';
type Tier = 'closures' | 'generated';

const bytesOf = (hex: string): readonly number[] =>
  (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));

/** Fills 64 KiB at 200000H, crosses out multiples in it, and sums bytes of it by a call each; EBP times. */
const FLAT_32 = bytesOf(
  // mov esp, 90000h; round: mov edi, 200000h; mov ecx, 4000h; fill: mov dword [edi], 1010101h; add edi, 4; dec ecx; jnz fill
  'bc00000900bf00002000b900400000c7070101010183c7044975f4' +
    // mov esi, 2; outer: cmp byte [200000h+esi], 0; je next; lea eax, [esi+esi]; inner: cmp eax, 10000h; jae next
    'be0200000080be000020000074158d04363d00000100730b' +
    // mov byte [200000h+eax], 0; add eax, esi; jmp inner; next: inc esi; cmp esi, 256; jb outer
    'c680000020000001f0ebee4681fe0001000072d9' +
    // xor eax, eax; xor esi, esi; sum: push esi; call mix; add esp, 4; inc esi; cmp esi, 4000h; jb sum; dec ebp; jnz round; hlt
    '31c031f656e81000000083c4044681fe0040000072ee4d75a5f4' +
    // mix: mov edx, [esp+4]; movzx ecx, byte [200000h+edx]; rol eax, 5; xor eax, ecx; imul eax, eax, 1000193h; ret
    '8b5424040fb68a00002000c1c00531c869c093010001c3',
);
const FLAT_32_SUM = 1277488637n;

/** The same over 32 KiB at DS:0, with words; ES:FFF0H times. */
const REAL_16 = bytesOf(
  // mov sp, 8000h; round: xor di, di; mov cx, 4000h; fill: mov word [di], 101h; add di, 2; dec cx; jnz fill
  'bc008031ffb90040c705010183c7024975f6' +
    // mov si, 2; outer: cmp byte [si], 0; je next; lea bx, [si]; add bx, si; inner: cmp bx, 8000h; jae next
    'be0200803c0074118d1c01f381fb00807307' +
    // mov byte [bx], 0; add bx, si; jmp inner; next: inc si; cmp si, 256; jb outer
    'c6070001f3ebf34681fe000172e3' +
    // xor ax, ax; xor si, si; sum: push si; call mix; add sp, 2; inc si; cmp si, 4000h; jb sum; dec word [es:0fff0h]; jnz round; hlt
    '31c031f656e8120083c4024681fe004072f226ff0ef0ff75b8f4' +
    // mix: mov bp, sp; mov bx, [bp+2]; mov cl, [bx]; xor ch, ch; rol ax, 5; xor ax, cx; imul ax, ax, 193h; ret
    '89e58b5e028a0f30edc1c00531c869c09301c3',
);
const REAL_16_SUM = 23173n;

const RBP = 5;

const flat32 = (rounds: number): MachineState => {
  const guest = rawGuest(FLAT_32, 'protected');
  const [cpu] = guest.processors;
  const registers = cpu.registers.with(RBP, BigInt(rounds));
  return { ...guest, processors: [{ ...cpu, registers }] };
};

const CODE = 0x1000;
const DATA = 0x2000;
const STACK = 0x3000;
const EXTRA = 0x4000;

const real16 = (rounds: number): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 20 });
  const [cpu] = machine.processors;
  const segment = (selector: number, accessRights: number) => ({
    selector,
    base: BigInt(selector * 16),
    limit: 0xffff,
    accessRights,
  });
  const data = 0x93;
  const segments = {
    ...cpu.segments,
    cs: segment(CODE, 0x9b),
    ds: segment(DATA, data),
    ss: segment(STACK, data),
    es: segment(EXTRA, data),
  };
  const memory = machine.memory
    .write(CODE * 16, Uint8Array.from(REAL_16))
    .write(EXTRA * 16 + 0xfff0, Uint8Array.of(rounds & 255, rounds >> 8));
  return { ...machine, memory, processors: [{ ...cpu, rip: 0n, segments }] };
};

interface Loop {
  readonly row: string;
  readonly guest: (rounds: number) => MachineState;
  /** What the accumulator holds at the end of every round. */
  readonly sum: bigint;
  readonly target: Readonly<Record<Tier, number>>;
}

const loopRow =
  ({ row, guest, sum, target }: Loop): Row =>
  async ({ smoke, runs }) => {
    const one = run(guest(1), { tier: 'oracle' });
    expect(
      one.stop.kind === 'stuck' && one.state.processors[0].registers[0] === sum,
      `${row} ended with ${one.stop.kind}, ${one.state.processors[0].registers[0]}`,
    );
    const rounds = smoke ? 1 : 100;
    return (['closures', 'generated'] as const).map((tier) => {
      let { state } = run(guest(rounds * (runs + 1) + 1), { tier, maxInstructions: rounds * one.retired });
      const figures = repeated(runs, () => {
        const maxInstructions = rounds * one.retired;
        const { seconds, result } = timed(() => run(state, { tier, maxInstructions }));
        expect(result.retired === maxInstructions, `${row} ended with ${result.stop.kind}`);
        ({ state } = result);
        return result.retired / seconds / 1e6;
      });
      return { row, variant: tier, unit: UNIT, target: atLeast(target[tier]), runs: figures };
    });
  };

/** 32-bit code in flat segments, without paging. */
export const flatLoop: Row = loopRow({
  row: '32-bit flat loop',
  guest: flat32,
  sum: FLAT_32_SUM,
  target: { closures: 25, generated: 100 },
});

/** 16-bit code in real mode. */
export const realModeLoop: Row = loopRow({
  row: 'real-mode loop',
  guest: real16,
  sum: REAL_16_SUM,
  target: { closures: 20, generated: 80 },
});
