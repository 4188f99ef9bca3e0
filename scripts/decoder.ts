// npm run decoder: our decoder and iced-x86 over all opcode maps and on random bytes; nothing may differ without a reason on the list.
import { compareDecoders } from './decoder/command';

process.exitCode = compareDecoders(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  ...(process.stderr.isTTY && { progress: (text: string) => process.stderr.write(text) }),
});
