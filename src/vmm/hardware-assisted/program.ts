import { hex, ModelError } from '../../core';
import type { HostReply, HostRequest } from '../../machine/host-port';
import { VMCS_FIELDS, type VmcsField } from '../../vmx/vmcs/fields';

/**
 * Where a program pauses. `ask`: it goes on with every reply. `tell`: it goes on when all were carried out, and learns nothing; a
 * request that fails ends the guest. `halt`: it ends the guest.
 */
export type Step =
  | { readonly kind: 'ask' | 'tell'; readonly requests: readonly HostRequest[] }
  | { readonly kind: 'halt'; readonly reason: string };

/**
 * A straight-line part of the monitor. It is a function of its arguments and of the replies: what it did so far is given by the replies
 * alone, so that the state need not hold it.
 */
export type Program<A> = Generator<Step, A, readonly HostReply[]>;

export function* ask(requests: readonly HostRequest[]): Program<readonly HostReply[]> {
  return yield { kind: 'ask', requests };
}

export function* tell(requests: readonly HostRequest[]): Program<void> {
  if (requests.length > 0) yield { kind: 'tell', requests };
}

/** Ends the guest for a reason that the monitor cannot deal with. */
export function* halt(reason: string): Program<never> {
  yield { kind: 'halt', reason };
  throw new ModelError('a halted monitor was resumed');
}

/** The value of an instruction that completed; `undefined` when it raised an exception. */
export const resultOf = (reply: HostReply | undefined): bigint | undefined =>
  reply?.kind === 'done' ? reply.value : undefined;

const VMX_INSTRUCTIONS: ReadonlySet<HostRequest['op']> = new Set([
  'vmxon',
  'vmclear',
  'vmptrld',
  'vmptrst',
  'vmread',
  'vmwrite',
  'invept',
  'invvpid',
]);

const nameOf = (request: HostRequest): string => {
  const { op } = request;
  if (op !== 'vmread' && op !== 'vmwrite') return op.toUpperCase();
  const field = Object.entries(VMCS_FIELDS).find(([, row]) => row.encoding === request.field);
  return `${op.toUpperCase()} of ${field?.[0] ?? hex(request.field)}`;
};

/** What went wrong with a request, in words; `undefined` when it completed. SDM Vol. 3C, 31.2 Conventions (VMfail) */
export const failureOf = (request: HostRequest, reply: HostReply): string | undefined => {
  if (reply.kind === 'exception') return `${nameOf(request)} raised exception ${reply.vector}`;
  if (reply.kind !== 'done') return `${nameOf(request)} was answered by ${reply.kind}`;
  // Other instructions leave arbitrary flags.
  return VMX_INSTRUCTIONS.has(request.op) && (reply.cf || reply.zf) ? `${nameOf(request)} failed` : undefined;
};

/** One request that must complete; its value. */
export function* value(request: HostRequest): Program<bigint> {
  const [reply] = yield* ask([request]);
  const failure = failureOf(request, reply);
  return failure === undefined ? resultOf(reply)! : yield* halt(failure);
}

const READS = Object.fromEntries(
  Object.entries(VMCS_FIELDS).map(([field, row]) => [field, { op: 'vmread', field: row.encoding }]),
) as Record<VmcsField, HostRequest>;

/** VMREAD of several fields, in order. */
export function* vmread<const F extends readonly VmcsField[]>(
  ...fields: F
): Program<{ readonly [K in keyof F]: bigint }> {
  const requests = fields.map((field) => READS[field]);
  const replies = yield { kind: 'ask', requests };
  const values: bigint[] = [];
  for (let i = 0; i < requests.length; i++) {
    const reply = replies[i];
    if (reply.kind !== 'done' || reply.cf || reply.zf)
      return yield* halt(failureOf(requests[i], reply) ?? 'VMREAD failed');
    values.push(reply.value);
  }
  return values as { readonly [K in keyof F]: bigint };
}

export const vmwrite = (field: VmcsField, value: bigint): HostRequest => ({
  op: 'vmwrite',
  field: VMCS_FIELDS[field].encoding,
  value,
});

/** A VMWRITE of each field given. */
export const vmwrites = (fields: Partial<Record<VmcsField, bigint>>): readonly HostRequest[] =>
  Object.entries(fields).map(([field, value]) => vmwrite(field as VmcsField, value as bigint));
