// Walks that do one thing otherwise: the theorem of the nested walk must reject each.
import { hpa } from '../../src/core';
import { EPTP, type WalkRequest, walk } from '../../src/ept';

export type Walk = typeof walk;
type Rights = NonNullable<WalkRequest['rights']>;

/** A walk of another request. */
const asking =
  (change: (request: WalkRequest) => WalkRequest): Walk =>
  (request) =>
    walk(change(request));
const withRights = (rights: Partial<Rights>): Walk =>
  asking((request) => ({ ...request, rights: { ...request.rights, ...rights } }));

type Answer = ReturnType<Walk>;
/** A walk with another answer. */
const answering =
  (change: (answer: Answer) => Answer): Walk =>
  (request) =>
    change(walk(request));

const ALL_BITS = 52;

export const brokenWalks: Readonly<Record<string, Walk>> = {
  // SDM Vol. 3A, 4.6.1 Determination of Access Rights
  'takes user mode for supervisor mode': withRights({ user: false }),
  'does not look at CR0.WP': withRights({ writeProtect: false }),
  'does not look at SMEP': withRights({ smep: false }),
  'does not look at SMAP': withRights({ smap: false }),
  'lets IA32_EFER.NXE be 1': withRights({ noExecute: true }),
  'takes a fetch for a read': asking((request) =>
    request.access === 'fetch' ? { ...request, access: 'read' } : request,
  ),
  'takes a write for a read': asking((request) =>
    request.access === 'write' ? { ...request, access: 'read' } : request,
  ),
  // SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging
  'knows no reserved address bits of the guest': asking((request) => ({
    ...request,
    physicalAddressWidth: ALL_BITS,
  })),
  'walks 5 levels of the guest by 4': asking((request) => ({ ...request, levels: 4 })),
  // SDM Vol. 3C, 29.3.2 EPT Translation Mechanism, 29.3.3.1 EPT Misconfigurations
  'knows no reserved address bits of EPT': asking((request) => ({
    ...request,
    ept: { ...request.ept!, physicalAddressWidth: ALL_BITS },
  })),
  'lets entries of EPT be execute-only': asking((request) => ({
    ...request,
    ept: { ...request.ept!, executeOnly: true },
  })),
  'walks 5 levels of EPT by 4': asking((request) => ({
    ...request,
    eptp: EPTP.set(request.eptp!, 'walkLengthMinus1', 3n),
  })),
  'does not tell the last entry that it read': answering((answer) => ({
    ...answer,
    references: answer.references.slice(0, -1),
  })),
  'gives the address of the page without the offset': answering((answer) =>
    answer.outcome.ok
      ? { ...answer, outcome: { ok: true, value: hpa(answer.outcome.value - (answer.outcome.value % 4096)) } }
      : answer,
  ),
};
