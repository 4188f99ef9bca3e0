import { configureGlobal } from 'fast-check';

/** Every run tests the same examples; SEED=n gives others. */
configureGlobal({ seed: Number(process.env.SEED ?? 1) });
