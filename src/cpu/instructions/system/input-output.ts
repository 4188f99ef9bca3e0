import { maskOf, type Width } from '../../../core';
import type { Instruction, Operand } from '../../decode/instruction';
import { ioBreakpoint } from '../../events';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { FLAG, SLOT } from '../../slots';
import { ioMapBase, readTss } from '../../tasks/io-map';
import { general, registerOf, setGeneral, uncheckedLinear } from './operands';
import { ioPrivilege } from './privilege';
import { exits, systemRow } from './system-row';

type PortBytes = 1 | 2 | 4;

/** Whether the I/O permission bit map of the TSS lets a port be used; two bytes are always read. SDM Vol. 1, 19.5.2 */
const mapPermits = (cpu: ProcessorDraft, port: number, bytes: PortBytes): boolean => {
  const map = ioMapBase(cpu);
  const bits = map === undefined ? undefined : readTss(cpu, map + (port >> 3), 2);
  return bits !== undefined && ((bits >> (port & 7)) & ((1 << bytes) - 1)) === 0;
};

const requirePort = (cpu: ProcessorDraft, port: number, bytes: PortBytes): void => {
  // SDM Vol. 3B, 21.2.8.1 I/O-Port-Mapped I/O: virtual-8086 mode asks the map whatever the IOPL.
  const asks = cpu.virtual8086 || cpu.cpl > ioPrivilege(cpu);
  if (asks && !mapPermits(cpu, port, bytes)) cpu.generalProtection();
};

const portOf = (cpu: ProcessorDraft, operand: Operand): number =>
  operand.kind === 'immediate' ? Number(operand.value & 0xffn) : Number(general(cpu, SLOT.rdx, 16));

/** What follows an access: breakpoints, and an interrupt that the device may have raised. */
const accessed = (cpu: ProcessorDraft, port: number, bytes: PortBytes): void => {
  ioBreakpoint(cpu, port, bytes);
  cpu.boundaryWork = true;
};

/** The port of IN or OUT, and how many bytes of the accumulator it moves; undefined when it exits. */
const reachedPort = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  direction: 'in' | 'out',
): { readonly port: number; readonly bytes: PortBytes } | undefined => {
  const [first, second] = instruction.operands;
  const [data, address] = direction === 'in' ? [first, second] : [second, first];
  const bytes = (registerOf(data).width / 8) as PortBytes;
  const port = portOf(cpu, address);
  requirePort(cpu, port, bytes);
  const immediate = address.kind === 'immediate';
  const what = { id: 'io', direction, port, bytes, string: false, repeated: false, immediate } as const;
  return exits(cpu, instruction, what) ? undefined : { port, bytes };
};

const input = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const reached = reachedPort(cpu, instruction, 'in');
  if (reached === undefined) return;
  const { port, bytes } = reached;
  setGeneral(cpu, SLOT.rax, (8 * bytes) as Width, BigInt(cpu.bus.in(port, bytes) >>> 0));
  accessed(cpu, port, bytes);
};

const output = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const reached = reachedPort(cpu, instruction, 'out');
  if (reached === undefined) return;
  const { port, bytes } = reached;
  cpu.bus.out(port, bytes, Number(general(cpu, SLOT.rax, (8 * bytes) as Width)));
  accessed(cpu, port, bytes);
};

/** INS and OUTS in execution. */
class StringPort {
  readonly bytes: PortBytes;
  readonly port: number;
  private readonly width: number;

  constructor(
    readonly cpu: ProcessorDraft,
    readonly instruction: Instruction,
    readonly inward: boolean,
  ) {
    this.bytes = (instruction.operandWidth / 8) as PortBytes;
    this.port = Number(general(cpu, SLOT.rdx, 16));
    this.width = instruction.addressWidth;
  }

  private get pointer(): number {
    return this.inward ? SLOT.rdi : SLOT.rsi;
  }

  private get segment() {
    return this.inward ? SEGMENT.es : (this.instruction.segment ?? SEGMENT.ds);
  }

  get count(): bigint {
    return general(this.cpu, SLOT.rcx, this.width);
  }

  exits(): boolean {
    const { cpu, instruction, inward, port, bytes, segment } = this;
    const offset = general(cpu, this.pointer, this.width);
    return exits(cpu, instruction, {
      id: 'io',
      direction: inward ? 'in' : 'out',
      port,
      bytes,
      string: true,
      repeated: instruction.repeat !== undefined,
      immediate: false,
      segment,
      address: uncheckedLinear(cpu, segment, offset),
    });
  }

  /** One element: memory is checked before the port is touched. */
  transfer(): void {
    const { cpu, bytes, port, inward } = this;
    const offset = general(cpu, this.pointer, this.width);
    const linear = linearAddress(cpu, this.segment, offset, bytes, inward);
    if (inward) {
      cpu.mmu.probeWrite(linear, bytes);
      cpu.mmu.write(linear, bytes, BigInt(cpu.bus.in(port, bytes) >>> 0));
    } else cpu.bus.out(port, bytes, Number(cpu.mmu.read(linear, bytes)));
    accessed(cpu, port, bytes);
    const step = BigInt(cpu.flag(FLAG.df) ? -bytes : bytes);
    setGeneral(cpu, this.pointer, this.width, (offset + step) & maskOf(this.width));
  }

  retire(): void {
    setGeneral(this.cpu, SLOT.rcx, this.width, this.count - 1n);
  }
}

/** Between iterations RF of the saved flags is 1. SDM Vol. 3B, 18.3.1.1 */
const markUnfinished = (cpu: ProcessorDraft, unfinished: boolean): void => {
  if (unfinished) {
    cpu.nextRip = cpu.rip;
    cpu.W[2 * SLOT.rflags] |= FLAG.rf;
    cpu.boundaryWork = true;
  } else cpu.W[2 * SLOT.rflags] &= ~FLAG.rf;
};

/** One iteration: each transfer has its own place in time. SDM Vol. 2, REP: registers and RIP are those between iterations */
const repeated = (string: StringPort): void => {
  if (string.count !== 0n) {
    if (string.exits()) return;
    string.transfer();
    string.retire();
  }
  markUnfinished(string.cpu, string.count !== 0n);
};

const stringPort =
  (inward: boolean) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    const string = new StringPort(cpu, instruction, inward);
    requirePort(cpu, string.port, string.bytes);
    if (instruction.repeat !== undefined) repeated(string);
    else if (!string.exits()) string.transfer();
  };

export const IO_ROWS = [
  systemRow('in', input),
  systemRow('out', output),
  systemRow('ins', stringPort(true)),
  systemRow('outs', stringPort(false)),
];
