import { hex } from '../core';
import type { StaleTranslation, TranslationView } from '../cpu/caching';

const view = ({ frame, fault, memoryType, dirty }: TranslationView, like?: TranslationView): string => {
  if (fault !== undefined)
    return fault.kind === 'page-fault'
      ? `a page fault with error code ${hex(fault.errorCode)}`
      : `an ${fault.kind === 'ept-violation' ? 'EPT violation' : 'EPT misconfiguration'} at ${hex(fault.gpa)}`;
  const where = `physical page ${hex(frame! * 4096)}`;
  if (like === undefined || like.frame !== frame) return where;
  return like.memoryType === memoryType
    ? `${where} with dirty flag ${dirty ? 1 : 0}`
    : `${where} with memory-type bits ${hex(memoryType)}`;
};

/** One line for people: address, both translations, the store that made the difference, and the invalidation that was missing. */
export const describeStale = (report: StaleTranslation): string => {
  const { address, access, vpid, pcid, ep4ta, cached, current, changed, enough } = report;
  const [first] = changed;
  const tags = [`VPID ${vpid}`, `PCID ${pcid}`, ...(ep4ta === undefined ? [] : [`EP4TA ${hex(ep4ta)}`])].join(
    ', ',
  );
  const store =
    first === undefined
      ? ''
      : `; the ${first.table === 'ept' ? 'EPT' : 'paging'} entry of level ${first.level} at ${hex(first.address)} was written by the instruction at ${hex(first.write.rip)} of processor ${first.write.processor}, machine clock ${first.write.clock}`;
  const remedy = enough === undefined ? '' : `; ${enough} would have been enough`;
  return `${access} of ${hex(address)} used ${view(cached, current)} from the translation caches, memory says ${view(current, cached)} (${tags})${store}${remedy}`;
};
