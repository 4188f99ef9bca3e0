import { ROWS as ACCESSED } from './accessed';
import { ROWS as DELAYED } from './delayed';
import { ROWS as GLOBAL } from './global';
import { ROWS as KINDS } from './kinds';
import { ROWS as MAY } from './may';
import { ROWS as MUST } from './must';
import { ROWS as NO_FILL } from './no-fill';
import { ROWS as OPTIONAL } from './optional';
import { ROWS as PROPAGATION } from './propagation';
import { ROWS as PSC } from './psc';
import { ROWS as RECOMMENDED } from './recommended';
import type { Row } from './row';
import { ROWS as SEVERAL } from './several';
import { ROWS as SPECULATION } from './speculation';
import { ROWS as TAGS } from './tags';
import { ROWS as TLB_CONTENT } from './tlb-content';

export type { Row } from './row';

/** All rows, by topic. */
export const ROWS: readonly Row[] = [
  ...KINDS,
  ...TAGS,
  ...TLB_CONTENT,
  ...PSC,
  ...ACCESSED,
  ...GLOBAL,
  ...NO_FILL,
  ...SEVERAL,
  ...SPECULATION,
  ...MUST,
  ...MAY,
  ...OPTIONAL,
  ...DELAYED,
  ...RECOMMENDED,
  ...PROPAGATION,
];
