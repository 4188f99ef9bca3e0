// npm run fuzz: random instruction streams, page tables and VMCSs; nothing may crash, hang or answer wrongly.
import { fuzz } from './fuzz/command';

process.exitCode = await fuzz(process.argv.slice(2), new URL(import.meta.url), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
});
