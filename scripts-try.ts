import { readFileSync } from 'node:fs';
import { createMachine } from './src/machine/create-machine';
import { loadImage } from './src/machine/create-machine';
import { run } from './src/machine/run';
import { processor } from './src/cpu/presets';
const file = process.argv[2]; const tier = (process.argv[3] ?? 'closures') as any; const max = Number(process.argv[4] ?? 1e9);
const m0 = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 128 << 20 });
const loaded = loadImage(m0, readFileSync(file), { fileName: file, commandLine: process.argv[5] ?? '' });
if (!loaded.ok) { console.log(loaded.fault.says); process.exit(2); }
let out = '';
const t = process.hrtime.bigint();
const r = run(loaded.value, { tier, maxInstructions: max, onEffect: (e) => { if (e.kind === 'serial') out += String.fromCharCode(e.byte); } });
const s = Number(process.hrtime.bigint() - t) / 1e9;
console.log(out); console.log(r.stop, r.retired, s.toFixed(2) + 's', (r.retired / s / 1e6).toFixed(1) + ' M/s', 'rip', r.state.processors[0].rip.toString(16));
