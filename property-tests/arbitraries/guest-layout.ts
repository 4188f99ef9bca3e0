// Where things stand in the memory of a random guest program; physical and linear addresses are equal below 2 MiB.

export const GUEST_MEMORY = 2 << 20;

export const AT = {
  start: 0x1_0000,
  gdt: 0x1_1000,
  idt: 0x1_2000,
  tss: 0x1_3000,
  runtime: 0x1_4000,
  counters: 0x1_5000,
  /** Two sets of tables: PML4, PDPT, page directory and the table of the windows each. */
  pml4: [0x1_6000, 0x1_7000],
  pdpt: [0x1_8000, 0x1_9000],
  directory: [0x1_a000, 0x1_b000],
  apicDirectory: 0x1_c000,
  lowTable: 0x1_d000,
  windowTable: [0x1_e000, 0x1_f000],
  kernelCode: 0x2_0000,
  userCode: 0x3_0000,
  data: 0x4_0000,
  kernelStackTop: 0x4_9000,
  handlerStackTop: 0x4_a000,
  faultStackTop: 0x4_b000,
  userStackTop: 0x4_c000,
  end: 0x4_c000,
} as const;

/** Linear addresses beyond the identity mapping. */
export const LINEAR = {
  windows: 0x20_0000,
  /** A 2-MiB page of physical address 0, for the kernel. */
  largeAlias: 0x40_0000,
  /** A 2-MiB page where there is no memory. */
  nothing: 0x60_0000,
  /** A 1-GiB page of physical address 0, for the kernel, far from where random addresses point. */
  hugeAlias: 0x7f_c000_0000,
  localApic: 0xfee0_0000,
} as const;

export const WINDOWS = 8;
export const DATA_FRAMES = 8;
const CODE_BYTES = 0x1_0000;

export const isUserPage = (address: number): boolean =>
  (address >= AT.userCode && address < AT.userCode + CODE_BYTES) ||
  (address >= AT.userStackTop - 4096 && address < AT.userStackTop);

/** What does not fit is left out: a program ends where its code region does. */
export const MOST_CODE = CODE_BYTES - 0x400;

export const SELECTOR = {
  kernelCode: 0x08,
  kernelData: 0x10,
  userCode32: 0x1b,
  userData: 0x23,
  userCode: 0x2b,
  task: 0x30,
} as const;

/** Counters of the runtime, by their place in its page. */
export const COUNTER = { faultsLeft: 0, interrupts: 8, calls: 16, vectors: 64 } as const;

/** Faults and traps after which a program is ended. */
export const MOST_FAULTS = 250;

export const VECTOR = {
  timer: 0x40,
  spurious: 0x4f,
  /** Counts and returns; open to ring 3. */
  call: 0x50,
  /** Goes on at R15 in ring 0; open to ring 3. */
  toKernel: 0x52,
  notPresent: 0x54,
  kernelOnly: 0x55,
  last: 0x57,
} as const;

/** Codes at the debug-exit port. */
export const EXIT_CODE = { end: 1, faults: 2 } as const;
