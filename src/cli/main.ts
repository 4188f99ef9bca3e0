#!/usr/bin/env node
import { main } from './command-line';
import { nodeIo } from './node-io';

// A reader that goes away (as `head` does) ends the command quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2), nodeIo());
