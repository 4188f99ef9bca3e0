// Who may import whom; docs/architecture.md has the picture. Imports of types count as well, except where a rule says otherwise.

/** Which folders of src/ each folder may import. */
const MAY_IMPORT = {
  core: [],
  cpu: ['core'],
  ept: ['core', 'cpu'],
  walk: ['core', 'cpu', 'ept'],
  vmx: ['core', 'cpu', 'ept'],
  iommu: ['core'],
  platform: ['core'],
  image: ['core'],
  machine: ['core', 'cpu', 'ept', 'vmx', 'iommu', 'platform', 'image'],
  vmm: ['core', 'vmx', 'ept', 'cpu', 'machine'],
  criteria: ['core', 'cpu', 'ept', 'vmx', 'iommu', 'platform', 'image', 'machine', 'vmm'],
  arbitraries: ['core', 'cpu', 'ept', 'vmx'],
  api: ['arbitraries', 'core', 'cpu', 'ept', 'vmx', 'iommu', 'platform', 'image', 'machine', 'vmm', 'criteria'],
  cli: ['core', 'cpu', 'ept', 'walk', 'vmx', 'iommu', 'platform', 'image', 'machine', 'vmm', 'criteria'],
};

const FOLDERS = Object.keys(MAY_IMPORT);

const layers = FOLDERS.map((folder) => ({
  name: `layer-${folder}`,
  comment: `src/${folder} imports ${MAY_IMPORT[folder].join(', ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^src/', pathNot: [folder, ...MAY_IMPORT[folder]].map((one) => `^src/${one}/`) },
}));

/** A monitor sees the facts of the manual and the port: never the state of the model. */
const FACTS_FOR_MONITORS = [
  '^src/core/',
  '^src/vmm/',
  '^src/machine/host-port\\.ts$',
  '^src/vmx/capabilities\\.ts$',
  '^src/vmx/vmcs/(controls|fields|field-row|guest-msrs)\\.ts$',
  '^src/vmx/exit/exit-reasons\\.ts$',
  '^src/vmx/instructions/instruction-errors\\.ts$',
  '^src/ept/(entry|eptp)\\.ts$',
  '^src/cpu/(decode/|msr-index\\.ts$|tasks/task-layout\\.ts$)',
  // What instructions make of values, without any state
  '^src/cpu/instructions/data/pure-[a-z-]+\\.ts$',
  '^src/cpu/engine/computed-flags\\.ts$',
];

/**
 * Insides of the model that specs drive directly: a processor draft with its parts, the tiers of the engine, the groups of VM-entry rules.
 * Everything else is reached through an index. This list may only shrink.
 */
const OPEN_TO_SPECS = [
  ...['bus', 'event', 'mmu', 'msrs', 'paging-format', 'processor-draft', 'segmented-address', 'segments', 'slots', 'virtualization'].map(
    (one) => `^src/cpu/${one}\\.ts$`,
  ),
  '^src/cpu/engine/',
  '^src/cpu/decode/instruction\\.ts$',
  '^src/vmx/capabilities\\.ts$',
  '^src/vmx/entry/',
  // Broken monitors are monitors, and scripted hosts answer them: they see what monitors see.
  ...FACTS_FOR_MONITORS,
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layers,
    {
      name: 'known-folder',
      comment: 'every folder of src/ has a place among the layers',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: FOLDERS.map((one) => `^src/${one}/`) },
    },
    {
      name: 'monitor-sees-facts',
      comment: 'a monitor imports the host port and the facts of the manual alone',
      severity: 'error',
      from: { path: '^src/vmm/' },
      to: { path: '^src/', pathNot: FACTS_FOR_MONITORS },
    },
    {
      name: 'host-port-is-types',
      comment: 'the host port is a contract: it imports nothing, and monitors import its types alone',
      severity: 'error',
      from: { path: '^src/machine/host-port\\.ts$' },
      to: {},
    },
    {
      name: 'no-circle',
      comment: 'no circle of imports; circles of types alone are erased by the compiler',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'src-alone',
      comment: 'the product knows nothing of its tests and tools',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(spec|property-tests|benchmarks|scripts|guests)/' },
    },
    {
      name: 'product-needs-dependencies',
      comment: 'what is published uses dependencies, not devDependencies',
      severity: 'error',
      // What src/arbitraries takes is a peer dependency: whoever uses it has it.
      from: { path: '^src/', pathNot: '^src/arbitraries/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown'] },
    },
    {
      name: 'library-runs-anywhere',
      comment: 'only the command line uses Node; the library also runs in a browser',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'tests-through-index',
      comment: 'tests and tools import what users import, an index, or what is open to white-box specs',
      severity: 'error',
      from: { path: '^(spec|property-tests|benchmarks|scripts)/' },
      to: { path: '^src/', pathNot: ['^src/api/', '/index\\.ts$', ...OPEN_TO_SPECS] },
    },
    { name: 'resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|docs|coverage)/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.mjs', '.js', '.json'] },
  },
};
