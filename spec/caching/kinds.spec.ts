import { expect, it } from 'vitest';
import { ValueScene } from './value-scene';

// SDM Vol. 3C, 29.4.2 Creating and Using Cached Translation Information
it('without paging combined mappings are of pages, and none of tables', () => {
  const scene = new ValueScene({ cr3: 0n, cr0: 0x31n, efer: 0n });
  scene.become({ eptp: scene.newEpt() }).read(0x30_0000n);
  const combined = [...scene.caches.mappings()].filter(([{ kind }]) => kind === 'combined');
  expect(combined.map(([, { kind }]) => kind)).toEqual(['page']);
});
