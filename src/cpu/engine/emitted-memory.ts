import type { Width } from '../../core';
import { type MemoryOperand, type Operand, RIP_BASE } from '../decode/instruction';
import { SLOT } from '../slots';
import { ShiftEmitter } from './emitted-shifts';
import { NotEmitted, type Text } from './emitted-text';
import { CONTEXT_AT, VALUE_HIGH_AT } from './engine-slots';

const RSP = 4;
/** References through SS fault as #SS. SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 12 Stack Fault Exception */
const STACK_SEGMENT = 2;
const ALIGNED: Record<Width, number> = { 8: -4096, 16: -4095, 32: -4093, 64: -4089 };

/** A memory access under way: the entry of the fast arrays that may serve it, and whether it does. */
interface Access {
  readonly address: Text;
  readonly width: Width;
  readonly stack: boolean;
  readonly entry: string;
  readonly hit: string;
}

/** Operands, memory through the fast arrays, and the stack. */
export abstract class MemoryEmitter extends ShiftEmitter {
  /** Read-modify-write: the access that the next store to the same place completes. */
  private pendingUpdate:
    | { readonly place: unknown; readonly segment: number; readonly access: Access }
    | undefined;
  readonly stackWidth = 64;

  read(operand: Operand): Text {
    switch (operand.kind) {
      case 'register':
        return operand.high ? this.highByte(operand.number) : this.register(operand.number, operand.width);
      case 'immediate':
        return this.variable(operand.value, operand.width);
      case 'memory':
        return this.load(operand.segment, this.effectiveAddress(operand), operand.width as Width);
      default:
        throw new NotEmitted();
    }
  }

  readForUpdate(operand: Operand): Text {
    if (operand.kind !== 'memory') return this.read(operand);
    return this.update(operand.segment, this.effectiveAddress(operand), operand.width as Width, operand);
  }

  write(operand: Operand, value: Text): void {
    if (operand.kind === 'register') {
      if (operand.high) this.setHighByte(operand.number, value);
      else this.setRegister(operand.number, operand.width, value);
    } else if (operand.kind === 'memory') {
      if (this.pendingUpdate?.place === operand) this.complete(value);
      else this.store(operand.segment, this.effectiveAddress(operand), value);
    } else throw new NotEmitted();
  }

  load(segment: number, offset: Text, width: Width): Text {
    const access = this.access(this.linear(segment, offset), width, segment === STACK_SEGMENT, 'read');
    return this.fetchValue(access, 'read');
  }

  loadForUpdate(segment: number, offset: Text, width: Width): Text {
    return this.update(segment, offset, width, offset);
  }

  private update(segment: number, offset: Text, width: Width, place: unknown): Text {
    const access = this.access(this.linear(segment, offset), width, segment === STACK_SEGMENT, 'write');
    this.pendingUpdate = { place, segment, access };
    return this.fetchValue(access, 'update');
  }

  store(segment: number, offset: Text, value: Text): void {
    if (this.pendingUpdate?.place === offset && this.pendingUpdate.segment === segment) this.complete(value);
    else
      this.storeValue(
        this.access(this.linear(segment, offset), value.width, segment === STACK_SEGMENT, 'write'),
        value,
      );
  }

  private complete(value: Text): void {
    const { access } = this.pendingUpdate!;
    this.pendingUpdate = undefined;
    this.storeValue(access, value);
  }

  checkAlignment(segment: number, offset: Text, bytes: number): void {
    const address = this.linear(segment, offset);
    this.out(`if((${address.low}&${bytes - 1})!==0){${this.beforeSlowPath()}beyond();}`);
  }

  effectiveAddress(operand: MemoryOperand): Text {
    if (operand.addressWidth !== 64) throw new NotEmitted();
    if (operand.base === RIP_BASE)
      return this.variable(this.address + BigInt(this.instruction.length) + operand.displacement, 64);
    let sum: Text | undefined = operand.base >= 0 ? this.register(operand.base, 64) : undefined;
    if (operand.index >= 0) {
      const index = this.register(operand.index, 64);
      const scale = operand.scale;
      const scaled =
        scale === 0
          ? index
          : this.pair(
              this.let(`${index.low}<<${scale}`),
              this.let(`(${index.high}<<${scale})|(${index.low}>>>${32 - scale})`),
            );
      sum = sum === undefined ? scaled : this.add(sum, scaled);
    }
    if (sum === undefined) return this.variable(operand.displacement, 64);
    return operand.displacement === 0n ? sum : this.add(sum, this.variable(operand.displacement, 64));
  }

  /** Linear address: only FS and GS have a base in 64-bit mode. SDM Vol. 1, 3.4.2.1 Segment Registers in 64-Bit Mode */
  private linear(segment: number, offset: Text): Text {
    if (segment < 4) return offset;
    const base = 2 * (segment === 4 ? SLOT.fsBase : SLOT.gsBase);
    return this.add(offset, this.pair(this.let(`W[${base}]`), this.let(`W[${base + 1}]`)));
  }

  private access(address: Text, width: Width, stack: boolean, kind: 'read' | 'write'): Access {
    const entry = this.let(`((${address.low}>>>12)^${address.high})&1023`);
    const tags = kind === 'read' ? 'R' : 'W';
    const hit = this.let(
      `${tags}L[${entry}]===((${address.low}&${ALIGNED[width]})|W[${CONTEXT_AT}])&&${tags}H[${entry}]===${address.high}`,
    );
    return { address, width, stack, entry, hit };
  }

  private fetchValue({ address, width, stack, entry, hit }: Access, slow: 'read' | 'update'): Text {
    const pages = slow === 'read' ? 'R' : 'W';
    const low = `t${this.temporaries++}`;
    const miss = `${this.beforeSlowPath()}${low}=${slow}(${address.low},${address.high},${width / 8},${stack});`;
    if (width === 64) {
      const high = `t${this.temporaries++}`;
      this.out(
        `let ${low},${high};if(${hit}){const w=${pages}W[${entry}],o=(${address.low}&4095)>>2;${low}=w[o];${high}=w[o+1];}else{${miss}${high}=W[${VALUE_HIGH_AT}];}`,
      );
      return this.pair(low, high);
    }
    const fast =
      width === 32
        ? `${pages}W[${entry}][(${address.low}&4095)>>2]`
        : width === 8
          ? `${pages}B[${entry}][${address.low}&4095]`
          : `(${pages}W[${entry}][(${address.low}&4095)>>2]>>((${address.low}&2)<<3))&65535`;
    this.out(`let ${low};if(${hit})${low}=${fast};else{${miss}}`);
    return { width, low, high: '0' };
  }

  private storeValue({ address, width, stack, entry, hit }: Access, value: Text): void {
    const fast =
      width === 64
        ? `const w=WW[${entry}],o=(${address.low}&4095)>>2;w[o]=${value.low};w[o+1]=${value.high};`
        : width === 32
          ? `WW[${entry}][(${address.low}&4095)>>2]=${value.low};`
          : width === 8
            ? `WB[${entry}][${address.low}&4095]=${value.low};`
            : `const w=WW[${entry}],o=(${address.low}&4095)>>2,s=(${address.low}&2)<<3;w[o]=(w[o]&~(65535<<s))|(${value.low}<<s);`;
    this.out(
      `if(${hit}){${fast}}else{${this.beforeSlowPath()}write(${address.low},${address.high},${width / 8},${value.low},${value.high},${stack});}`,
    );
  }

  push(value: Text): void {
    const top = this.sub(this.register(RSP, 64), this.constant(BigInt(value.width / 8), 64));
    this.storeValue(this.access(top, value.width, true, 'write'), value);
    this.setRegister(RSP, 64, top);
  }

  pop(width: Width): Text {
    return this.load(STACK_SEGMENT, this.register(RSP, 64), width);
  }

  releaseStack(bytes: number): void {
    this.setRegister(RSP, 64, this.add(this.register(RSP, 64), this.variable(BigInt(bytes), 64)));
  }
}
