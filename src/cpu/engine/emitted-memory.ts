import type { Width } from '../../core';
import { type MemoryOperand, type Operand, RIP_BASE, type SegmentNumber } from '../decode/instruction';
import { SEGMENT_CHECK } from '../segmented-address';
import { SLOT } from '../slots';
import { ShiftEmitter } from './emitted-shifts';
import { NotEmitted, type Text } from './emitted-text';
import { CONTEXT_AT, VALUE_HIGH_AT } from './engine-slots';
import { ACCESS_KIND } from './operand-memory';

const RSP = 4;
/** References through SS fault as #SS. SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 12 Stack Fault Exception */
const STACK_SEGMENT: SegmentNumber = 2;
const ALIGNED: Record<Width, number> = { 8: -4096, 16: -4095, 32: -4093, 64: -4089 };

/** A memory access under way: the entry of the fast arrays that may serve it, and whether it does. */
interface Access {
  readonly address: Text;
  readonly width: Width;
  /** A set of `ACCESS_KIND`. */
  readonly kind: number;
  readonly entry: string;
  readonly hit: string;
}

/** Operands, memory through the fast arrays, and the stack. */
export abstract class MemoryEmitter extends ShiftEmitter {
  /** Read-modify-write: the access that the next store to the same place completes. */
  private pendingUpdate:
    | { readonly place: unknown; readonly segment: SegmentNumber; readonly access: Access }
    | undefined;
  get stackWidth(): 16 | 32 | 64 {
    return this.mode.stackWidth;
  }

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

  load(segment: SegmentNumber, offset: Text, width: Width): Text {
    return this.fetchValue(this.access(segment, offset, width, 'read'), 'read');
  }

  loadForUpdate(segment: SegmentNumber, offset: Text, width: Width): Text {
    return this.update(segment, offset, width, offset);
  }

  private update(segment: SegmentNumber, offset: Text, width: Width, place: unknown): Text {
    const access = this.access(segment, offset, width, 'write');
    this.pendingUpdate = { place, segment, access };
    return this.fetchValue(access, 'update');
  }

  store(segment: SegmentNumber, offset: Text, value: Text): void {
    if (this.pendingUpdate?.place === offset && this.pendingUpdate.segment === segment) this.complete(value);
    else this.storeValue(this.access(segment, offset, value.width, 'write'), value);
  }

  private complete(value: Text): void {
    const { access } = this.pendingUpdate!;
    this.pendingUpdate = undefined;
    this.storeValue(access, value);
  }

  checkAlignment(segment: SegmentNumber, offset: Text, bytes: number): void {
    const address = this.linear(segment, offset, bytes, false);
    this.out(`if((${address.low}&${bytes - 1})!==0){${this.beforeSlowPath()}beyond(false);}`);
  }

  checkPushAll(): void {
    if (this.stackWidth === 16) this.out(`${this.beforeSlowPath()}pushAll();`);
  }

  effectiveAddress(operand: MemoryOperand): Text {
    if (operand.base === RIP_BASE) {
      const address = this.address + BigInt(this.instruction.length) + operand.displacement;
      return this.variable(BigInt.asUintN(operand.addressWidth, address), 64);
    }
    return operand.addressWidth === 64 ? this.address64(operand) : this.narrowAddress(operand);
  }

  private address64(operand: MemoryOperand): Text {
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

  /** Of 16 or 32 bits, zero-extended. SDM Vol. 1, 3.7.5 Specifying an Offset */
  private narrowAddress({ base, index, scale, displacement, addressWidth }: MemoryOperand): Text {
    const terms: string[] = [];
    if (base >= 0) terms.push(this.register(base, 32).low);
    if (index >= 0) {
      const { low } = this.register(index, 32);
      terms.push(scale === 0 ? low : `(${low}<<${scale})`);
    }
    if (displacement !== 0n || terms.length === 0) {
      const constant = this.variable(BigInt.asUintN(addressWidth, displacement), 32);
      if (terms.length === 0) return this.pair(constant.low, '0');
      terms.push(constant.low);
    }
    const sum = terms.join('+');
    if (addressWidth === 16) return this.pair(this.let(`(${sum})&65535`), '0');
    return this.pair(terms.length === 1 ? sum : this.let(`(${sum})|0`), '0');
  }

  /** Linear address, with the checks of segmentation made. SDM Vol. 3A, 5.3 Limit Checking; SDM Vol. 1, 3.4.2.1 Segment Registers in 64-Bit Mode */
  private linear(segment: SegmentNumber, offset: Text, bytes: number, write: boolean): Text {
    const base = 2 * (SLOT.esBase + segment);
    if (this.mode.codeSize === 64) {
      // Only FS and GS have a base in 64-bit mode.
      if (segment < 4) return offset;
      return this.add(offset, this.pair(this.let(`W[${base}]`), this.let(`W[${base + 1}]`)));
    }
    const { low } = offset;
    switch (this.mode.check(segment, write)) {
      case SEGMENT_CHECK.none:
        return this.pair(low, '0');
      case SEGMENT_CHECK.limit: {
        const last = `W[${2 * (SLOT.esLimit + segment)}]${bytes > 1 ? `-${bytes - 1}` : ''}`;
        this.out(
          `if((${low}>>>0)>((${last})>>>0)){${this.beforeSlowPath()}beyond(${segment === STACK_SEGMENT});}`,
        );
        return this.pair(this.let(`(W[${base}]+${low})|0`), '0');
      }
      default: {
        const address = `t${this.temporaries++}`;
        this.out(`${this.beforeSlowPath()}const ${address}=linear(${segment},${low},${bytes},${write});`);
        return this.pair(address, '0');
      }
    }
  }

  private access(segment: SegmentNumber, offset: Text, width: Width, kind: 'read' | 'write'): Access {
    const { mode } = this;
    const write = kind === 'write';
    const address = this.linear(segment, offset, width / 8, write);
    const narrow = mode.codeSize !== 64;
    const page = `(${address.low}>>>12)`;
    const entry = this.let(narrow ? `${page}&1023` : `(${page}^${address.high})&1023`);
    const tags = kind === 'read' ? 'R' : 'W';
    const low = `${tags}L[${entry}]===((${address.low}&${ALIGNED[width]})|W[${CONTEXT_AT}])`;
    // Outside 64-bit mode no entry of the context has anything in its upper half.
    const hit = this.let(narrow ? low : `${low}&&${tags}H[${entry}]===${address.high}`);
    const unchecked = narrow && mode.check(segment, write) === SEGMENT_CHECK.none;
    return {
      address,
      width,
      kind: (segment === STACK_SEGMENT ? ACCESS_KIND.stack : 0) | (unchecked ? ACCESS_KIND.flat : 0),
      entry,
      hit,
    };
  }

  private fetchValue({ address, width, kind, entry, hit }: Access, slow: 'read' | 'update'): Text {
    const pages = slow === 'read' ? 'R' : 'W';
    const low = `t${this.temporaries++}`;
    const miss = `${this.beforeSlowPath()}${low}=${slow}(${address.low},${address.high},${width / 8},${kind});`;
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

  private storeValue({ address, width, kind, entry, hit }: Access, value: Text): void {
    const fast =
      width === 64
        ? `const w=WW[${entry}],o=(${address.low}&4095)>>2;w[o]=${value.low};w[o+1]=${value.high};`
        : width === 32
          ? `WW[${entry}][(${address.low}&4095)>>2]=${value.low};`
          : width === 8
            ? `WB[${entry}][${address.low}&4095]=${value.low};`
            : `const w=WW[${entry}],o=(${address.low}&4095)>>2,s=(${address.low}&2)<<3;w[o]=(w[o]&~(65535<<s))|(${value.low}<<s);`;
    this.out(
      `if(${hit}){${fast}}else{${this.beforeSlowPath()}write(${address.low},${address.high},${width / 8},${value.low},${value.high},${kind});}`,
    );
  }

  push(value: Text): void {
    const top = this.sub(
      this.register(RSP, this.stackWidth),
      this.constant(BigInt(value.width / 8), this.stackWidth),
    );
    this.storeValue(this.access(STACK_SEGMENT, this.zeroExtend(top, 64), value.width, 'write'), value);
    this.setRegister(RSP, this.stackWidth, top);
  }

  pop(width: Width): Text {
    return this.load(STACK_SEGMENT, this.zeroExtend(this.register(RSP, this.stackWidth), 64), width);
  }

  releaseStack(bytes: number): void {
    const top = this.add(this.register(RSP, this.stackWidth), this.variable(BigInt(bytes), this.stackWidth));
    this.setRegister(RSP, this.stackWidth, top);
  }
}
