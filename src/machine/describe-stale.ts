import { hex } from '../core';
import type { StaleTranslation, TranslationView, WalkRoot } from '../cpu/caching';

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

const tables = (root: WalkRoot): string => (root === undefined ? 'no tables' : `the tables at ${hex(root)}`);

/** One line for people: address, both translations, the store that made the difference, and the invalidation that was missing. */
export const describeStale = (report: StaleTranslation): string => {
  const { address, access, vpid, pcid, ep4ta, cached, current, changed, roots, unflagged, enough } = report;
  const [first] = changed;
  const tags = [`VPID ${vpid}`, `PCID ${pcid}`, ...(ep4ta === undefined ? [] : [`EP4TA ${hex(ep4ta)}`])].join(
    ', ',
  );
  const elsewhere =
    roots === undefined
      ? ''
      : `; it was remembered of ${tables(roots.cached)}, a walk now begins with ${tables(roots.current)}`;
  const flags = unflagged ? '; it was remembered while EPT had no accessed and dirty flags' : '';
  const store =
    first === undefined
      ? `${elsewhere}${flags}`
      : `; the ${first.table === 'ept' ? 'EPT' : 'paging'} entry of level ${first.level} at ${hex(first.address)} was written by the instruction at ${hex(first.write.rip)} of processor ${first.write.processor}, machine clock ${first.write.clock}`;
  const other = first !== undefined && first.write.processor !== report.processor;
  const where = other ? ` on processor ${report.processor}` : '';
  const remedy = enough === undefined ? '' : `; ${enough}${where} would have been enough`;
  return `${access} of ${hex(address)} used ${view(cached, current)} from the translation caches, memory says ${view(current, cached)} (${tags})${store}${remedy}`;
};
