import { configureGlobal } from 'fast-check';

/** Every run of the suite tries the same cases; `VTMODEL_SEED` tries others. */
configureGlobal({ seed: Number(process.env.VTMODEL_SEED ?? 20260730) });
