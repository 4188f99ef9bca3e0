#!/usr/bin/env node
import { main } from './command-line';
import { nodeIo } from './node-io';

process.exitCode = await main(process.argv.slice(2), nodeIo());
