import { decode, type Instruction } from '../../../cpu/decode';
import type { Exit } from '../guest';
import { PAGE } from '../memory-plan';
import { type Bytes, readPhysical } from '../paging/physical';
import type { CodeSegment } from '../paging/segment';
import { type PagingRegisters, translate } from '../paging/walk';
import { halt, type Program } from '../program';

const CHUNK = 8;

const chunkWithin = (room: number): Bytes => (room >= 8 ? 8 : room >= 4 ? 4 : room >= 2 ? 2 : 1);

/** The instruction at RIP, read through the guest's page tables; the processor has just executed it as far as its memory operand. */
export function* fetchInstruction(
  exit: Exit,
  paging: PagingRegisters,
  code: CodeSegment,
): Program<Instruction> {
  const bytes: number[] = [];
  let page = -1;
  for (;;) {
    const linear = BigInt.asUintN(code.size === 64 ? 64 : 32, code.linear + BigInt(bytes.length));
    const offset = Number(linear & 0xfffn);
    if (page < 0 || offset === 0) {
      const translated = yield* translate(exit, paging, linear, 'fetch');
      if (!translated.ok) return yield* halt('an instruction is no longer where the processor fetched it');
      page = translated.value - offset;
    }
    const count = chunkWithin(Math.min(CHUNK, PAGE - offset));
    const chunk = yield* readPhysical(exit, { gpa: page + offset, bytes: count });
    for (let i = 0; i < count; i++) bytes.push(Number((chunk >> BigInt(8 * i)) & 0xffn));
    const decoded = decode(Uint8Array.from(bytes), code.size);
    if (decoded.kind === 'instruction') return decoded.instruction;
    if (decoded.kind === 'fault') return yield* halt('an instruction changed after the processor fetched it');
  }
}
