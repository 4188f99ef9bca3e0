import { ModelError } from '../../core';
import type { GuestStart, HostLayout, HostRequest, Monitor } from '../host-port';
import type { AttachedMonitor, MonitorProgress } from '../machine-state';
import {
  type Codec,
  type Encoded,
  type Fields,
  integer,
  list,
  malformed,
  oneOf,
  orUndefined,
  physical,
  record,
  shown,
  text,
  word16,
  word64,
} from './codec';
import { plainData } from './plain-data';
import { descriptorTableRegister, segmentRegister } from './processor-codec';

const guestStart: Codec<GuestStart> = record<GuestStart>({
  rip: word64,
  rflags: word64,
  registers: list(word64, 16),
  cr0: word64,
  cr3: word64,
  cr4: word64,
  efer: word64,
  gdtr: descriptorTableRegister,
  idtr: descriptorTableRegister,
  segments: list(segmentRegister, 8),
});

const hostLayout: Codec<HostLayout> = record<HostLayout>({
  portEntry: word64,
  stackTop: word64,
  cr3: word64,
  codeSelector: word16,
  dataSelector: word16,
  taskSelector: word16,
  taskBase: word64,
  gdtBase: word64,
  idtBase: word64,
  monitorMemory: record<HostLayout['monitorMemory']>({ base: word64, bytes: word64 }),
  guestMemory: list(
    record<HostLayout['guestMemory'][number]>({ guest: physical, host: physical, bytes: physical }),
  ),
  deviceMemory: list(record<HostLayout['deviceMemory'][number]>({ base: physical, bytes: physical })),
  guest: guestStart,
});

type Op = HostRequest['op'];
type RequestOf<O extends Op> =
  Extract<HostRequest, { readonly op: O }> extends never
    ? Extract<HostRequest, { readonly op: unknown }>
    : Extract<HostRequest, { readonly op: O }>;
type Operands<O extends Op> = Fields<Omit<RequestOf<O>, 'op'>>;

/** Monitors may give 32-bit operands signed or unsigned. */
const any32 = integer(0xffff_ffff, -0x8000_0000);
const size = oneOf(1, 2, 4, 8);
const portSize = oneOf(1, 2, 4);
const none = {};
const operand = { operand: word64 };
const control = { control: oneOf(0, 2, 3, 4, 8) };
const debug = { debug: oneOf(0, 1, 2, 3, 6, 7) };
const descriptor = { type: any32, operand: word64 };
const registers = { registers: list(word64, 16) };

/** The operands of each request. */
const REQUESTS: { readonly [O in Op]: Readonly<Record<string, unknown>> } = {
  load: { address: word64, bytes: size } satisfies Operands<'load'>,
  store: { address: word64, bytes: size, value: word64 } satisfies Operands<'store'>,
  fill: { address: word64, count: word64, value: word64 } satisfies Operands<'fill'>,
  in: { port: word16, bytes: portSize } satisfies Operands<'in'>,
  out: { port: word16, bytes: portSize, value: any32 } satisfies Operands<'out'>,
  cpuid: { leaf: any32, subleaf: any32 } satisfies Operands<'cpuid'>,
  rdmsr: { index: any32 } satisfies Operands<'rdmsr'>,
  wrmsr: { index: any32, value: word64 } satisfies Operands<'wrmsr'>,
  rdtsc: none,
  'mov-from-cr': control satisfies Operands<'mov-from-cr'>,
  'mov-to-cr': { ...control, value: word64 } satisfies Operands<'mov-to-cr'>,
  'mov-from-dr': debug satisfies Operands<'mov-from-dr'>,
  'mov-to-dr': { ...debug, value: word64 } satisfies Operands<'mov-to-dr'>,
  xsetbv: { index: any32, value: word64 } satisfies Operands<'xsetbv'>,
  wbinvd: none,
  cli: none,
  sti: none,
  vmxon: operand,
  vmclear: operand,
  vmptrld: operand,
  vmptrst: operand,
  vmxoff: none,
  vmread: { field: any32 } satisfies Operands<'vmread'>,
  vmwrite: { field: any32, value: word64 } satisfies Operands<'vmwrite'>,
  invept: descriptor,
  invvpid: descriptor,
  vmlaunch: registers,
  vmresume: registers,
  vmcall: registers satisfies Operands<'vmcall'>,
  'halt-machine': { reason: text } satisfies Operands<'halt-machine'>,
};

const requestCodec = (op: Op): Codec<HostRequest> =>
  record({ op: oneOf(op), ...REQUESTS[op] } as unknown as Fields<HostRequest>);

const hostRequest: Codec<HostRequest> = {
  encode: (request) => requestCodec(request.op).encode(request),
  decode: (encoded, field) => {
    const op = (encoded as { readonly op?: unknown } | null | undefined)?.op;
    return typeof op === 'string' && Object.hasOwn(REQUESTS, op)
      ? requestCodec(op as Op).decode(encoded, field)
      : malformed(`${field}.op`, `${shown(op)} is no request of a monitor`);
  },
};

const monitorProgress: Codec<MonitorProgress> = record<MonitorProgress>({
  state: plainData as Fields<MonitorProgress>['state'],
  request: hostRequest,
});

/** A monitor, found by its name among those given. */
const byName = (monitors: readonly Monitor<unknown>[]): Codec<Monitor<unknown>> => ({
  encode: (monitor): Encoded => {
    if (monitor.name === '') throw new ModelError('a monitor without a name cannot be in a snapshot');
    return monitor.name;
  },
  decode: (encoded, field) =>
    monitors.find(({ name }) => name === encoded) ??
    malformed(
      field,
      `the monitor ${shown(encoded)} is not among those given (${monitors.map(({ name }) => name).join(', ') || 'none'})`,
      'give it when the snapshot is read',
    ),
});

export const attachedMonitor = (monitors: readonly Monitor<unknown>[]): Codec<AttachedMonitor | undefined> =>
  orUndefined(
    record<AttachedMonitor>({
      monitor: byName(monitors),
      layout: hostLayout,
      progress: orUndefined(monitorProgress),
    }),
  );
