// npm run conformance -- DIR: runs the images of a suite, built elsewhere, against conformance/expectations.json.
import { conformance } from './conformance/command';

process.exitCode = await conformance(process.argv.slice(2), process.env.INIT_CWD ?? process.cwd(), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  ...(process.stderr.isTTY ? { progress: (text) => process.stderr.write(`\r\u001b[K${text}`) } : {}),
});
