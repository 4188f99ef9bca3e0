import { ModelError } from '../core';
import type { HostRequest } from './host-port';

/**
 * The page of the host port: machine code for every request in slots of 16 bytes, and an entry for each exception vector. The operands are in RAX, RCX,
 * RDX and RDI. Offset 0 is HOST_RIP; nothing is ever fetched from there.
 */
const SLOT_BYTES = 16;
/** Where the entries for vectors begin; 8 bytes each. */
export const VECTOR_ENTRIES = 2048;
export const VECTOR_ENTRY_BYTES = 8;

const CODE: Readonly<Record<string, readonly number[]>> = {
  load1: [0x8a, 0x02],
  load2: [0x66, 0x8b, 0x02],
  load4: [0x8b, 0x02],
  load8: [0x48, 0x8b, 0x02],
  store1: [0x88, 0x02],
  store2: [0x66, 0x89, 0x02],
  store4: [0x89, 0x02],
  store8: [0x48, 0x89, 0x02],
  fill: [0xf3, 0x48, 0xab],
  in1: [0xec],
  in2: [0x66, 0xed],
  in4: [0xed],
  out1: [0xee],
  out2: [0x66, 0xef],
  out4: [0xef],
  cpuid: [0x0f, 0xa2],
  rdmsr: [0x0f, 0x32],
  wrmsr: [0x0f, 0x30],
  rdtsc: [0x0f, 0x31],
  'mov-from-cr0': [0x0f, 0x20, 0xc0],
  'mov-from-cr2': [0x0f, 0x20, 0xd0],
  'mov-from-cr3': [0x0f, 0x20, 0xd8],
  'mov-from-cr4': [0x0f, 0x20, 0xe0],
  'mov-from-cr8': [0x44, 0x0f, 0x20, 0xc0],
  'mov-to-cr0': [0x0f, 0x22, 0xc0],
  'mov-to-cr2': [0x0f, 0x22, 0xd0],
  'mov-to-cr3': [0x0f, 0x22, 0xd8],
  'mov-to-cr4': [0x0f, 0x22, 0xe0],
  'mov-to-cr8': [0x44, 0x0f, 0x22, 0xc0],
  ...Object.fromEntries(
    [0, 1, 2, 3, 6, 7].flatMap((n) => [
      [`mov-from-dr${n}`, [0x0f, 0x21, 0xc0 | (n << 3)]],
      [`mov-to-dr${n}`, [0x0f, 0x23, 0xc0 | (n << 3)]],
    ]),
  ),
  xsetbv: [0x0f, 0x01, 0xd1],
  wbinvd: [0x0f, 0x09],
  cli: [0xfa],
  sti: [0xfb],
  vmxon: [0xf3, 0x0f, 0xc7, 0x32],
  vmclear: [0x66, 0x0f, 0xc7, 0x32],
  vmptrld: [0x0f, 0xc7, 0x32],
  vmptrst: [0x0f, 0xc7, 0x3a],
  vmxoff: [0x0f, 0x01, 0xc4],
  vmread: [0x0f, 0x78, 0xd0],
  vmwrite: [0x0f, 0x79, 0xd0],
  invept: [0x66, 0x0f, 0x38, 0x80, 0x02],
  invvpid: [0x66, 0x0f, 0x38, 0x81, 0x02],
  vmlaunch: [0x0f, 0x01, 0xc2],
  vmresume: [0x0f, 0x01, 0xc3],
  vmcall: [0x0f, 0x01, 0xc1],
};

// Slot 0 is the entry of the port.
const slots = new Map(Object.keys(CODE).map((name, index) => [name, (index + 1) * SLOT_BYTES]));

/** The bytes of the page. */
export const hostStubPage = (): Uint8Array => {
  const page = new Uint8Array(4096).fill(0xf4);
  for (const [name, offset] of slots) page.set(CODE[name], offset);
  if ((slots.size + 1) * SLOT_BYTES > VECTOR_ENTRIES)
    throw new ModelError('the stubs of the host port fill their page');
  return page;
};

const slotName = (request: HostRequest): string => {
  switch (request.op) {
    case 'load':
    case 'store':
    case 'in':
    case 'out':
      return `${request.op}${request.bytes}`;
    case 'mov-from-cr':
    case 'mov-to-cr':
      return `${request.op}${request.control}`;
    case 'mov-from-dr':
    case 'mov-to-dr':
      return `${request.op}${request.debug}`;
    default:
      return request.op;
  }
};

/** Offset of a request's instruction in the page. */
export const stubOffset = (request: HostRequest): number => {
  const offset = slots.get(slotName(request));
  if (offset === undefined) throw new ModelError(`the host port has no instruction for ${request.op}`);
  return offset;
};
