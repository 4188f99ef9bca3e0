import { processor } from '../../src/cpu/presets';
import { type CheckOptions, type CriteriaReport, checkCriteria } from '../../src/criteria';
import { createMachine, loadImage, type MachineState, type Monitor } from '../../src/machine';

export const LOAD = 0x20_0000;
/** Where programs find a stack. */
export const STACK = 0x30_0000;

/** A bare machine with a program for 64-bit mode, given as machine code. */
export const guestOf = (...code: readonly (number | readonly number[])[]): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 16 << 20 });
  const loaded = loadImage(machine, Uint8Array.from(code.flat()), {
    format: 'raw',
    load: LOAD,
    mode: 'long',
  });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

/** A bare machine with one of the bundled images. */
export const guestImage = (bytes: Uint8Array): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 64 << 20 });
  const loaded = loadImage(machine, bytes);
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

export const check = async <S>(
  guest: MachineState,
  monitor: Monitor<S>,
  options: CheckOptions = {},
): Promise<CriteriaReport> => {
  for await (const step of checkCriteria(guest, monitor, options)) if (step.kind === 'report') return step;
  throw new Error('a check ends with a report');
};

const bytes = (value: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

/** Machine code by mnemonic, as far as the programs here need it. */
export const code = {
  exit: (value: number) => [0xb0, value, 0xe6, 0xf4],
  /** OUT of EAX to a port where no device answers. */
  show: [0xe7, 0x80],
  movEax: (value: number) => [0xb8, ...bytes(value, 4)],
  movEcx: (value: number) => [0xb9, ...bytes(value, 4)],
  rdmsr: [0x0f, 0x32],
  wrmsr: [0x0f, 0x30],
  movEaxEcx: [0x89, 0xc8],
  cpuid: [0x0f, 0xa2],
  rdtsc: [0x0f, 0x31],
  std: [0xfd],
  cld: [0xfc],
  cli: [0xfa],
  hlt: [0xf4],
  nop: [0x90],
  pause: [0xf3, 0x90],
  jumpToSelf: [0xeb, 0xfe],
  ud2: [0x0f, 0x0b],
  int3: [0xcc],
  movRsp: (value: number) => [0x48, 0xc7, 0xc4, ...bytes(value, 4)],
  /** LIDT of a pseudo-descriptor at an absolute address. */
  lidt: (address: number) => [0x0f, 0x01, 0x1c, 0x25, ...bytes(address, 4)],
  /** LIDT of an empty table: the pseudo-descriptor is the zeros at 1 MiB. */
  lidtNothing: [0x0f, 0x01, 0x1c, 0x25, 0, 0, 0x10, 0],
  /** MOV of EAX to memory at an absolute address. */
  store: (address: number) => [0x89, 0x04, 0x25, ...bytes(address, 4)],
  movDr: (debug: number) => [0x0f, 0x23, 0xc0 | (debug << 3)],
  bytes,
};

/** Code, then an IDT in which one vector leads to `handler`, at fixed places of one image. */
export const withHandler = (
  vector: number,
  program: readonly number[],
  handler: readonly number[],
): MachineState => {
  const image = new Uint8Array(0x2000);
  const pseudo = 0x800;
  const entry = 0x900;
  const idt = 0x1000;
  const start = [...code.movRsp(STACK), ...code.lidt(LOAD + pseudo), ...program];
  image.set(start);
  image.set([...bytes(0xfff, 2), ...bytes(LOAD + idt, 8)], pseudo);
  image.set(handler, entry);
  const at = LOAD + entry;
  image.set([...bytes(at & 0xffff, 2), 8, 0, 0, 0x8e, ...bytes(at >>> 16, 2), 0, 0, 0, 0], idt + 16 * vector);
  return guestOf([...image]);
};

/** Address of the handler of `withHandler`. */
export const HANDLER = LOAD + 0x900;
