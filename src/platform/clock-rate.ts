/**
 * The machine clock counts instructions; the devices take one of its units as one cycle of a processor at 3 GHz, the rate of the time-stamp counter. So a
 * second of the guest is 3,000,000,000 units, however long they take to run, and every device's time is a function of the clock alone.
 */
export const CLOCK_HZ = 3_000_000_000;

/** What an access to a chip on the ISA bus takes: a microsecond, by which software that polls a clock waits. */
export const ISA_ACCESS = CLOCK_HZ / 1_000_000;

/** What WBINVD takes: some megabytes of caches reach memory in a tenth of a millisecond. SDM Vol. 2, WBINVD */
export const WRITE_BACK = CLOCK_HZ / 10_000;

/** Ticks of a counter at `hertz` that have passed at a clock value; exact. */
export const ticksAt = (clock: number, hertz: number): number => {
  const seconds = Math.floor(clock / CLOCK_HZ);
  const rest = clock - seconds * CLOCK_HZ;
  const thousands = Math.floor(rest / 1000);
  const part = thousands * hertz + Math.floor(((rest - thousands * 1000) * hertz) / 1000);
  return seconds * hertz + Math.floor(part / (CLOCK_HZ / 1000));
};

/** The first clock value at which so many ticks at `hertz` (below 3,000,000) have passed; exact, `Infinity` stays. */
export const clockAt = (ticks: number, hertz: number): number => {
  if (ticks === Number.POSITIVE_INFINITY) return ticks;
  const seconds = Math.floor(ticks / hertz);
  return seconds * CLOCK_HZ + Math.ceil(((ticks - seconds * hertz) * CLOCK_HZ) / hertz);
};
