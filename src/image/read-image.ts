import { type Outcome, ok } from '../core';
import { isElf } from './elf';
import { readExecutable, readRaw } from './executable';
import { readMultiboot } from './multiboot';
import { findHeader } from './multiboot-header';
import { type ImageError, type ImageOptions, type ImagePlan, refuse } from './plan';

/** 2^52 bytes: what physical addresses can reach. */
const MEMORY_LIMIT = 2 ** 52;

const checkOptions = (options: ImageOptions): Outcome<null, ImageError> => {
  const { fileName: file, memoryBytes, commandLine, modules } = options;
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes > MEMORY_LIMIT)
    return refuse(
      file,
      'memoryBytes',
      `${memoryBytes} is not a memory size`,
      'give a number of bytes up to 2^52',
    );
  const texts: readonly (readonly [string, string | undefined])[] = [
    ['fileName', file],
    ['commandLine', commandLine],
    ...(modules ?? []).flatMap(({ name, commandLine: text }) => [
      [`module ${name}`, name] as const,
      [`module ${name} commandLine`, text] as const,
    ]),
  ];
  const broken = texts.find(([, text]) => text?.includes('\0'));
  return broken === undefined
    ? ok(null)
    : refuse(file, broken[0], 'it contains a NUL character', 'remove it: the text ends there for the guest');
};

type Format = Exclude<ImageOptions['format'], 'auto' | undefined>;

const detect = (bytes: Uint8Array, options: ImageOptions): Outcome<Format, ImageError> => {
  const { found, broken } = findHeader(bytes);
  if (found >= 0) return ok('multiboot');
  if (isElf(bytes)) return ok('elf64');
  if (options.load !== undefined) return ok('raw');
  if (broken >= 0) return ok('multiboot');
  return refuse(
    options.fileName,
    'format',
    'neither a multiboot header nor an ELF file',
    'give a load address for a raw image, as in --load 0x7c00 --mode real for a boot sector',
  );
};

const READERS: Readonly<
  Record<Format, (bytes: Uint8Array, options: ImageOptions) => Outcome<ImagePlan, ImageError>>
> = { multiboot: readMultiboot, elf64: readExecutable, raw: readRaw };

/**
 * Reads an image and says what loading it means; nothing is loaded yet. Whatever the bytes are, the answer is a plan or an
 * `ImageError` that names the field and the fix.
 */
export const readImage = (bytes: Uint8Array, options: ImageOptions): Outcome<ImagePlan, ImageError> => {
  const checked = checkOptions(options);
  if (!checked.ok) return checked;
  const { format: asked = 'auto', fileName: file } = options;
  if (bytes.length === 0) return refuse(file, 'file', 'it is empty', 'give an image with code');
  const format = asked === 'auto' ? detect(bytes, options) : ok(asked);
  if (!format.ok) return format;
  if (!Object.hasOwn(READERS, format.value))
    return refuse(file, 'format', `${format.value} is unknown`, "give 'multiboot', 'elf64', 'raw' or 'auto'");
  if (format.value !== 'multiboot') {
    if ((options.commandLine ?? '') !== '')
      return refuse(file, 'commandLine', `an image of format ${format.value} takes none`, 'leave it out');
    if ((options.modules ?? []).length > 0)
      return refuse(file, 'modules', `an image of format ${format.value} takes none`, 'leave them out');
  }
  if (format.value !== 'raw') {
    const surplus = (['load', 'mode'] as const).find((field) => options[field] !== undefined);
    if (surplus !== undefined)
      return refuse(
        file,
        surplus,
        `an image of format ${format.value} says that itself`,
        "leave it out or give format 'raw'",
      );
  }
  return READERS[format.value](bytes, options);
};
