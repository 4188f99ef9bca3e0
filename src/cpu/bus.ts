/** What the core sees of the board. Addresses are physical byte addresses, values unsigned numbers of at most 32 bits. */
export interface Bus {
  /** Whether a 4-KiB frame is plain RAM that the engine may access directly. */
  isRam(frame: number): boolean;
  /** Whether a 4-KiB frame may be read and executed directly: RAM, or ROM, to which writes go to the bus. */
  isMemory(frame: number): boolean;
  /** The chipset asserts A20M#: processors that have the pin see bit 20 of physical addresses as 0. */
  readonly assertsA20m: boolean;
  readMmio(address: number, bytes: 1 | 2 | 4): number;
  writeMmio(address: number, bytes: 1 | 2 | 4, value: number): void;
  in(port: number, bytes: 1 | 2 | 4): number;
  out(port: number, bytes: 1 | 2 | 4, value: number): void;
  /** Vector of the highest pending external interrupt that an interrupt controller would deliver now, or -1; 256 when it is not known before the acknowledgement. */
  pendingInterrupt(): number;
  /** Acknowledges it (of the local APIC: IRR to ISR) and returns the vector. */
  acknowledgeInterrupt(): number;
  /** Task priority as CR8 shows it (0 to 15). */
  readTaskPriority(): number;
  writeTaskPriority(value: number): void;
  /** WBINVD writes back and invalidates the caches, which only takes time. */
  writeBackCaches(): void;
  /** An INIT reaches the processor: its local APIC is in the state after it. */
  initialize(): void;
  /** IA32_APIC_BASE is written, reserved bits are clear: false where the change of mode is #GP(0). */
  apicBaseWritten(value: bigint): boolean;
  /** RDMSR of a local APIC register, index 800H to 8FFH; undefined where it is #GP(0). */
  readApic(index: number): bigint | undefined;
  /** WRMSR of one; false where it is #GP(0). */
  writeApic(index: number, value: bigint): boolean;
  /** IA32_TSC_DEADLINE, 0 when the timer is not armed. */
  readTscDeadline(): bigint;
  /** Arms the timer for the machine clock at which the time-stamp counter reaches `value`; 0 disarms it. */
  writeTscDeadline(value: bigint, clock: number): void;
}
