/** A report that is not a pass: what its line says from its beginning (of a stale translation: anywhere), and why. */
export interface Explained {
  readonly says: string;
  readonly why: string;
}

/** What one image must do. */
export interface Expectation {
  /** File name in the folder of images. */
  readonly image: string;
  /** `run`: on the bare machine; `check`: the criteria under the hardware-assisted monitor hold as well. */
  readonly command: 'run' | 'check';
  /** Preset with edits, as the command line takes it; under `check` VMX is taken away. */
  readonly processor: string;
  /** Logical processors. */
  readonly cpus: number;
  /** Command line after the image's name. */
  readonly append: string;
  /** Text of the module that the images read as environment variables, such as `TEST_DEVICE=0`; empty for none. */
  readonly environment: string;
  /** RAM in MiB. */
  readonly memoryMib: number;
  /** More instructions than these are a failure. */
  readonly maxInstructions: number;
  /** Lines that begin with PASS. */
  readonly passed: number;
  /** Passes that print no line and that only the summary counts; 0 when left out. */
  readonly silent: number;
  /** Every line that begins with FAIL, and every one that begins with SKIP, fits one of these, and each of these a line. */
  readonly failed: readonly Explained[];
  readonly skipped: readonly Explained[];
  /** With `--caches`: every use of a stale translation fits one of these, and each of these one. */
  readonly stale: readonly Explained[];
  /** Exit status of the guest: (code << 1) | 1. */
  readonly status: number;
}

/** An image with what it is given, for people. */
export const labelOf = ({ image, append, environment }: Expectation): string =>
  [image, append, environment.trim()].filter((part) => part !== '').join(' ');

export interface Expectations {
  readonly suite: string;
  readonly images: readonly Expectation[];
}

/** What the user gave cannot be used: one line that names it and what would mend it. */
export class BadInput extends Error {}

type Check = (value: unknown) => string | undefined;

const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be an integer from ${least} on${most < Number.MAX_SAFE_INTEGER ? `, at most ${most}` : ''}`;
const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be text');

const EXPLAINED = { says: text, why: text };
const explained: Check = (value) => {
  if (!Array.isArray(value)) return 'must be a list of lines with their reasons';
  for (const [index, one] of value.entries()) {
    const wrong = wrongField(one, EXPLAINED);
    if (wrong !== undefined) return `${index}: ${wrong}`;
  }
  return undefined;
};

const FIELDS: Readonly<Record<keyof Expectation, Check>> = {
  // A name in the folder, never a path out of it.
  image: (value) =>
    typeof value === 'string' && /^[\w-][\w.-]*$/.test(value) ? undefined : 'must be the name of a file',
  command: (value) => (value === 'run' || value === 'check' ? undefined : 'must be run or check'),
  processor: text,
  cpus: integer(1, 255),
  append: text,
  environment: text,
  memoryMib: integer(1),
  maxInstructions: integer(1),
  passed: integer(0),
  silent: integer(0),
  failed: explained,
  skipped: explained,
  stale: explained,
  status: integer(1, 255),
};

/** Fields that may be left out. */
const DEFAULTS = {
  processor: 'skylake',
  cpus: 1,
  append: '',
  environment: '',
  silent: 0,
  failed: [],
  skipped: [],
  stale: [],
} as const satisfies Partial<Expectation>;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is wrong with the fields of an object; `undefined` when nothing is. */
const wrongField = (value: unknown, checks: Readonly<Record<string, Check>>): string | undefined => {
  if (!isRecord(value)) return 'must be an object';
  const unknown = Object.keys(value).find((name) => !(name in checks));
  if (unknown !== undefined) return `${unknown} is unknown`;
  for (const [name, check] of Object.entries(checks)) {
    const wrong = name in value ? check(value[name]) : 'is missing';
    if (wrong !== undefined) return `${name} ${wrong}`;
  }
  return undefined;
};

const images: Check = (value) => {
  if (!Array.isArray(value) || value.length === 0) return 'must be a list of at least one';
  for (const [index, one] of value.entries()) {
    const wrong = wrongField(isRecord(one) ? { ...DEFAULTS, ...one } : one, FIELDS);
    if (wrong !== undefined) return `${index}: ${wrong}`;
  }
  return undefined;
};

/** Throws `BadInput` with the field that is wrong. */
export const parseExpectations = (file: string, json: string): Expectations => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new BadInput(`${file}: not JSON (${(error as Error).message})`);
  }
  const wrong = wrongField(value, { suite: text, images });
  if (wrong !== undefined) throw new BadInput(`${file}: ${wrong}`);
  const expectations = value as Expectations;
  return { ...expectations, images: expectations.images.map((image) => ({ ...DEFAULTS, ...image })) };
};
