// npm run missing-invalidations: writes docs/missing-invalidations.md from spec/caching/missing-invalidations.
import { writeFileSync } from 'node:fs';
import { DOCUMENT, document } from './missing-invalidations/document';

writeFileSync(DOCUMENT, document());
console.log(`wrote ${DOCUMENT}`);
