// Draws docs/architecture.svg: the folders of src/ and who imports whom. Every arrow must be one that .dependency-cruiser.cjs allows.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { forbidden } = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

const WIDTH = 960;
const HEIGHT = 706;

/** name: x, y, width, height, what is in it. */
const BOXES = {
  api: [40, 50, 200, 58, ['what the package exports,', 'name by name']],
  cli: [280, 50, 200, 58, ['check, run, walk, entry-check,', 'processor, unbuilt: a file each']],
  walk: [580, 50, 340, 58, ['page walks told, drawn and as lessons;', 'imports ept, cpu and core']],
  criteria: [160, 150, 320, 58, ['observations, equivalence,', 'resource control, efficiency']],
  vmm: [580, 150, 340, 58, ['monitors as values: resume(state, reply)', 'gives the next state and request']],
  machine: [
    40,
    262,
    880,
    76,
    [
      'state -> state: createMachine, loadImage, step, run, snapshots, difference',
      'the host port: a monitor’s requests, executed as host instructions',
    ],
  ],
  vmx: [40, 392, 320, 58, ['VMCS, VM-entry rules, VM exits,', 'VMX instructions, capabilities']],
  ept: [40, 494, 150, 58, ['formats, EPT walk,', '2-D walk']],
  cpu: [210, 494, 150, 58, ['decoder, rows, engine,', 'events, tasks, presets']],
  platform: [400, 494, 170, 58, ['APICs, 8259, 8254, clock,', 'PCI, ACPI, UART, fw_cfg']],
  image: [590, 494, 150, 58, ['multiboot, ELF, raw,', 'ROM: bytes to a plan']],
  iommu: [760, 494, 160, 58, ['remapping units', '(not yet there)']],
  core: [
    40,
    606,
    880,
    58,
    ['words, addresses, memory as a persistent trie, radix walk, rules, choice, outcomes'],
  ],
};

/** From, to, where the line leaves and arrives as a share of the box's width, and a label when little may be imported. */
const ARROWS = [
  ['api', 'criteria', 0.8, 0.125],
  ['api', 'machine', 0.3, 0.068],
  ['cli', 'walk', 'right', 'left'],
  ['cli', 'criteria', 0.5, 0.6875],
  ['cli', 'vmm', 0.9, 0.3],
  ['criteria', 'machine', 0.5, 0.318],
  ['criteria', 'vmm', 'right', 'left'],
  ['vmm', 'machine', 0.5, 0.807, 'types of the host port alone'],
  ['machine', 'vmx', 0.182, 0.5],
  ['machine', 'platform', 0.506, 0.5],
  ['machine', 'image', 0.7102, 0.5],
  ['machine', 'iommu', 0.909, 0.5],
  ['vmx', 'ept', 0.234, 0.5],
  ['vmx', 'cpu', 0.766, 0.5],
  ['ept', 'cpu', 'right', 'left'],
  ['cpu', 'core', 0.5, 0.278],
  ['ept', 'core', 0.5, 0.085],
  ['platform', 'core', 0.5, 0.506],
  ['image', 'core', 0.5, 0.7102],
  ['iommu', 'core', 0.5, 0.909],
];

const mayImport = (from, to) => {
  const layer = forbidden.find(({ name }) => name === `layer-${from}`);
  return layer?.to.pathNot.includes(`^src/${to}/`) === true;
};

const inText = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const box = ([name, [x, y, width, height, lines]]) => {
  const absent = name === 'iommu' ? ' class="absent"' : '';
  const middle = x + width / 2;
  const text = lines
    .map((line, at) => `<text class="what" x="${middle}" y="${y + 36 + 15 * at}">${inText(line)}</text>`)
    .join('');
  return `<rect${absent} x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/><text class="name" x="${middle}" y="${y + 19}">${name}</text>${text}`;
};

const point = (name, share, below) => {
  const [x, y, width, height] = BOXES[name];
  if (share === 'right') return [x + width, y + height / 2];
  if (share === 'left') return [x, y + height / 2];
  return [x + width * share, below ? y + height : y];
};

const arrow = ([from, to, leaves, arrives, label]) => {
  if (!mayImport(from, to)) throw new Error(`the picture shows ${from} -> ${to}, which no rule allows`);
  const [x1, y1] = point(from, leaves, true);
  const [x2, y2] = point(to, arrives, false);
  const kind = label === undefined ? '' : ' class="narrow"';
  const line = `<line${kind} x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" marker-end="url(#head)"/>`;
  if (label === undefined) return line;
  return `${line}<text class="label" x="${(x1 + x2) / 2 + 8}" y="${(y1 + y2) / 2 + 15}">${label}</text>`;
};

/** The facts that monitors read: a line around the machine, to the VMCS and exit tables of vmx. */
const facts =
  '<path class="narrow" d="M 880 208 V 228 H 24 V 421 H 40" marker-end="url(#head)"/><text class="label" x="345" y="222">facts alone: fields, controls, exit reasons, formats</text>';

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="The folders of src and who imports whom">
<style>
text { font-family: Helvetica, Arial, sans-serif; fill: #1c2733; text-anchor: middle }
.name { font-size: 15px; font-weight: bold } .what { font-size: 12px; fill: #44525f }
.label { font-size: 11px; fill: #7a4b00; text-anchor: start } .caption { font-size: 12px; fill: #44525f; text-anchor: start }
rect { fill: #eef3f8; stroke: #44617d; stroke-width: 1.3 } .absent { fill: #fff; stroke-dasharray: 5 4 }
line, path { stroke: #44617d; stroke-width: 1.3; fill: none } .narrow { stroke: #b06f00; stroke-dasharray: 5 3 }
#head path { fill: #44617d; stroke: none }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>
<rect x="0" y="0" width="${WIDTH}" height="${HEIGHT}" style="fill: #fff; stroke: none"/>
<text class="caption" x="40" y="30">An arrow means "imports"; a dashed one, only what its label says. A folder may also import what lies below along the arrows.</text>
${Object.entries(BOXES).map(box).join('\n')}
${ARROWS.map(arrow).join('\n')}
${facts}
<text class="caption" x="40" y="690">spec/, property-tests/, benchmarks/ and scripts/ stand above all of it and import the indexes of these folders; src/arbitraries, for api, imports vmx, ept, cpu and core.</text>
</svg>
`;

writeFileSync(new URL('../docs/architecture.svg', import.meta.url), svg);
console.log('wrote docs/architecture.svg');
