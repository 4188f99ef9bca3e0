/** A number below 10,000 with a decimal digit in every four bits. */
export const toBcd = (value: number): number =>
  [1000, 100, 10, 1].reduce((sum, place) => sum * 16 + (Math.floor(value / place) % 10), 0);

/** The number whose decimal digits are the groups of four bits of a 16-bit value; a group above 9 counts as it is. */
export const fromBcd = (value: number): number =>
  (value >>> 12) * 1000 + ((value >>> 8) & 15) * 100 + ((value >>> 4) & 15) * 10 + (value & 15);
