import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/event';
import { SEGMENT, setSegmentRaw } from '../../../src/cpu/segments';
import { ACCESS_RIGHTS, SLOT } from '../../../src/cpu/slots';
import { GP0 } from '../faults';
import {
  asUser,
  execute,
  machine32,
  machine64,
  register,
  type SystemProcessor,
  TSS,
} from './system-processor';

const MAP = 0x68;
const RDX = 2;

const atPort = (machine: SystemProcessor, mnemonic: string, port: number, width: 8 | 16 | 32) => {
  const { cpu } = machine;
  cpu.R[SLOT.rdx] = BigInt(port);
  cpu.R[SLOT.rsi] = cpu.R[SLOT.rdi] = 0x2000n;
  const [data, address] = [register(0, width), register(RDX, 16)];
  if (mnemonic === 'in') return execute(machine, 'in', [data, address]);
  if (mnemonic === 'out') return execute(machine, 'out', [address, data]);
  return execute(machine, mnemonic, [], { operandWidth: width as 16 });
};

/** A user of IOPL 0 with an I/O map at `MAP` in a TSS that ends after `bytes` bytes of it. */
const user = (make: typeof machine32, bytes = 0x40): SystemProcessor => {
  const machine = make();
  asUser(machine);
  const { cpu, memory } = machine;
  for (const segment of [SEGMENT.ds, SEGMENT.es])
    setSegmentRaw(cpu, segment, { selector: 0x23, base: 0n, limit: 0xffffffff, rights: 0xc0f3 });
  memory.write(TSS + 0x66n, 2, BigInt(MAP));
  cpu.R[SLOT.trLimit] = BigInt(MAP + bytes - 1);
  return machine;
};
const deny = ({ memory }: SystemProcessor, ...ports: number[]): void => {
  for (const port of ports) {
    const at = TSS + BigInt(MAP + (port >> 3));
    memory.write(at, 1, memory.read(at, 1, { implicit: true }) | (1n << BigInt(port & 7)), {
      implicit: true,
    });
  }
};

// SDM Vol. 1, 19.5.2 I/O Permission Bit Map
describe.each([
  ['legacy', machine32],
  ['IA-32e', machine64],
] as const)('I/O permission in %s mode', (_, make) => {
  it.each(['in', 'out', 'ins', 'outs'])('%s: every bit of the width must be clear', (mnemonic) => {
    for (const width of [8, 16, 32] as const)
      for (let port = 0x58; port < 0x68; port++) {
        const machine = user(make);
        deny(machine, 0x60);
        const hits = port <= 0x60 && 0x60 < port + width / 8;
        const left = atPort(machine, mnemonic, port, width);
        if (hits) expect(left, `port ${port}, ${width} bits`).toMatchObject(GP0);
        else expect(left, `port ${port}, ${width} bits`).toBeUndefined();
        expect(machine.bus.log).toHaveLength(hits ? 0 : 1);
      }
  });

  it('a CPL up to the IOPL needs no map', () => {
    for (let iopl = 0; iopl <= 3; iopl++)
      for (let cpl = 0; cpl <= 3; cpl++) {
        const machine = user(make, 0);
        const { cpu } = machine;
        setSegmentRaw(cpu, SEGMENT.ss, {
          selector: 0x20 | cpl,
          base: 0n,
          limit: 0xffffffff,
          rights: 0xc093 | (cpl << ACCESS_RIGHTS.dplShift),
        });
        cpu.W[2 * SLOT.rflags] |= iopl << 12;
        expect(atPort(machine, 'in', 0x60, 8)?.vector, `CPL ${cpl}, IOPL ${iopl}`).toBe(
          cpl <= iopl ? undefined : VECTOR.gp,
        );
      }
  });

  it('two bytes are read: the second must be within the limit of the TSS', () => {
    expect(atPort(user(make, 14), 'in', 0x60, 8)).toBeUndefined();
    expect(atPort(user(make, 13), 'in', 0x60, 8)).toMatchObject(GP0);
    expect(atPort(user(make, 13), 'in', 0x5f, 8)).toBeUndefined();
  });

  it('a map base beyond the limit denies every port', () => {
    const machine = user(make);
    machine.memory.write(TSS + 0x66n, 2, 0xffffn, { implicit: true });
    expect(atPort(machine, 'in', 0, 8)).toMatchObject(GP0);
  });

  it('a TSS without the field, or an unusable TR', () => {
    const machine = user(make);
    machine.cpu.R[SLOT.trLimit] = 0x66n;
    expect(atPort(machine, 'in', 0, 8)).toMatchObject(GP0);
    const none = user(make);
    none.cpu.W[2 * SLOT.tr + 1] |= ACCESS_RIGHTS.unusable;
    expect(atPort(none, 'in', 0, 8)).toMatchObject(GP0);
  });

  it('an absent page of the map is a page fault of a supervisor read', () => {
    const machine = user(make);
    machine.memory.absent.add(TSS >> 12n);
    expect(atPort(machine, 'in', 0x60, 8)).toMatchObject({ vector: VECTOR.pf, errorCode: 0 });
  });
});

it('a 16-bit TSS has no map', () => {
  const machine = user(machine32);
  machine.cpu.W[2 * SLOT.tr + 1] = 0x83;
  expect(atPort(machine, 'in', 0x60, 8)).toMatchObject(GP0);
});
