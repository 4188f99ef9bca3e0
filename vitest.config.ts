import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['spec/**/*.spec.ts', 'property-tests/**/*.spec.ts'],
    // Modules keep no state that a test can see, so that files can share them; this saves a third of the time.
    isolate: false,
    setupFiles: ['spec/fixed-seed.ts'],
    testTimeout: 60_000,
  },
});
