/** Software made use of what the manual leaves undefined. */
export type UndefinedUse =
  | {
      /** An ordinary access to memory that a processor keeps for itself. SDM Vol. 3C, 25.11.1 Software Use of Virtual-Machine Control Structures */
      readonly kind: 'kept-memory';
      readonly region: 'VMCS' | 'VMXON';
      /** Number of the processor that keeps it. */
      readonly keeper: number;
      readonly access: 'read' | 'write';
      /** Physical address, and bytes of the access on its page. */
      readonly address: number;
      readonly bytes: number;
      /** Of the instruction. */
      readonly rip: bigint;
    }
  | {
      /** More entries than IA32_VMX_MISC recommends at most. SDM Vol. 3D, A.6 Miscellaneous Data */
      readonly kind: 'msr-area';
      readonly area: 'VM-entry MSR-load' | 'VM-exit MSR-store' | 'VM-exit MSR-load';
      readonly entries: number;
      readonly most: number;
    };
