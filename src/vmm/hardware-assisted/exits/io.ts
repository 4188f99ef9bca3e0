import { bitfield } from '../../../core';
import type { SegmentNumber } from '../../../cpu/decode';
import { EXIT_REASONS, INSTRUCTION_INFORMATION } from '../../../vmx/exit/exit-reasons';
import { dataBreakpoints, ioBreakpoints } from '../breakpoints';
import { complete } from '../completion';
import { type Exit, withRegister } from '../guest';
import { injectFault } from '../injection';
import { pageFault } from '../page-fault';
import { readPieces, writePieces } from '../paging/physical';
import { linearAddress, readCodeSegment } from '../paging/segment';
import { locate, readPagingRegisters } from '../paging/walk';
import { type Program, tell, value, vmread } from '../program';
import { addressPart, isExhausted, iterated, RDI, RSI } from '../strings';

const QUALIFICATION = bitfield(EXIT_REASONS.ioInstruction.qualification);
const INS_OUTS = bitfield(INSTRUCTION_INFORMATION.insOuts);
const RAX = 0;
const ES = 0;
const ADDRESS_WIDTHS = [16, 32, 64] as const;

interface PortAccess {
  readonly port: number;
  readonly bytes: 1 | 2 | 4;
  readonly reads: boolean;
}

/** The access on the real port. */
function* access({ port, bytes, reads }: PortAccess, written: bigint): Program<bigint> {
  if (reads) return yield* value({ op: 'in', port, bytes });
  yield* tell([{ op: 'out', port, bytes, value: Number(BigInt.asUintN(8 * bytes, written)) }]);
  return 0n;
}

/** RAX with what IN brought: 32 bits clear the high half, less leave the rest. */
const loaded = (rax: bigint, bytes: number, read: bigint): bigint =>
  bytes === 4 ? read : (rax & ~((1n << BigInt(8 * bytes)) - 1n)) | read;

/** IN and OUT. SDM Vol. 3C, 28.2.1, Table 28-5 Exit Qualification for I/O Instructions */
function* inOrOut(exit: Exit, io: PortAccess): Program<Exit> {
  const rax = exit.registers[RAX];
  const read = yield* access(io, rax);
  yield* complete({ breakpoints: yield* ioBreakpoints(io.port, io.bytes) });
  return io.reads ? withRegister(exit, RAX, loaded(rax, io.bytes, read)) : exit;
}

/** One iteration of INS or OUTS; the exit came before the checks of the memory operand. SDM Vol. 3C, 26.1.1 Relative Priority of Faults and VM Exits */
function* insOrOuts(exit: Exit, io: PortAccess, repeated: boolean): Program<Exit> {
  const [information] = yield* vmread('vmExitInstructionInfo');
  const { addressSize, segment: given } = INS_OUTS.decode(information);
  const addressWidth = ADDRESS_WIDTHS[Number(addressSize)] ?? 64;
  const index = io.reads ? RDI : RSI;
  const iteration = { addressWidth, repeated, bytes: io.bytes, indexes: [index] };
  if (isExhausted(exit, iteration)) {
    yield* complete();
    return exit;
  }
  const segment = io.reads ? ES : (Number(given) as SegmentNumber);
  const offset = addressPart(exit, index, addressWidth);
  const code = yield* readCodeSegment();
  const linear = yield* linearAddress(code, segment, offset, io.bytes, io.reads);
  if (!linear.ok) return yield* injectFault(exit, linear.fault.vector, 0n);
  const paging = yield* readPagingRegisters();
  const place = yield* locate(exit, paging, linear.value, io.bytes, io.reads ? 'write' : 'read');
  if (!place.ok) return yield* pageFault(exit, place.fault);

  if (io.reads) yield* writePieces(exit, place.value, yield* access(io, 0n));
  else yield* access(io, yield* readPieces(exit, place.value));
  const hits =
    (yield* ioBreakpoints(io.port, io.bytes)) | (yield* dataBreakpoints(linear.value, io.bytes, io.reads));
  const after = iterated(exit, iteration, paging.rflags);
  yield* complete(after.again ? { breakpoints: hits, length: 0 } : { breakpoints: hits });
  return after.exit;
}

/** Every port is the guest's: the monitor performs the access for it. */
export function* ioInstruction(exit: Exit): Program<Exit> {
  const [qualification] = yield* vmread('exitQualification');
  const { size, direction, string, rep, port } = QUALIFICATION.decode(qualification);
  const io: PortAccess = {
    port: Number(port),
    bytes: (Number(size) + 1) as 1 | 2 | 4,
    reads: direction === 1n,
  };
  return string === 1n ? yield* insOrOuts(exit, io, rep === 1n) : yield* inOrOut(exit, io);
}
