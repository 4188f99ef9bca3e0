import { high32, isCanonical, low32, shiftRight } from '../../../core';
import {
  type CacheDrop,
  withoutNonGlobal,
  withoutPage,
  withoutPageOfPcid,
  withoutPcid,
  withoutVpid,
} from '../../caching';
import type { Instruction } from '../../decode/instruction';
import { linearAddressWidth } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddressBits } from '../../segmented-address';
import { CR4, SLOT } from '../../slots';
import { effectiveAddress, general, linearOf, memoryOf, registerOf, uncheckedLinear } from './operands';
import { requireEnabled, requireFeature, requirePrivilege } from './privilege';
import { exits, systemRow } from './system-row';

// SDM Vol. 2, INVLPG: no access; a NOP for a non-canonical address
const invalidatePage = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requirePrivilege(cpu);
  const operand = memoryOf(instruction.operands[0]);
  const address = uncheckedLinear(cpu, operand.segment, effectiveAddress(cpu, operand));
  if (exits(cpu, instruction, { id: 'invlpg', address })) return;
  if (cpu.mode64 && !isCanonical(address, linearAddressBits(cpu))) return;
  const at = { low: low32(address), high: high32(address) };
  cpu.mmu.invalidate((caches, now) => withoutPage(caches, at, now), at);
};

/** Types of INVPCID: one address, one PCID, everything, everything but global translations. */
const INDIVIDUAL = 0n;
const SINGLE = 1n;
const LAST_TYPE = 3n;
const DESCRIPTOR_BYTES = 16;
const PCID_BITS = 12n;

/** What each type drops, of the current VPID. */
const dropOf = (type: number, pcid: number, address: bigint): CacheDrop => {
  const at = { low: low32(address), high: high32(address) };
  switch (type) {
    case 0:
      return (caches, { vpid }) => withoutPageOfPcid(caches, at, { vpid, pcid });
    case 1:
      return (caches, { vpid }) => withoutPcid(caches, { vpid, pcid });
    case 2:
      return (caches, { vpid }) => withoutVpid(caches, vpid);
    default:
      return (caches, { vpid }) => withoutNonGlobal(caches, vpid);
  }
};

// SDM Vol. 2, INVPCID—Invalidate Process-Context Identifier
const invalidatePcid = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireFeature(cpu, 'invpcid');
  requireEnabled(cpu, 'invpcid');
  requirePrivilege(cpu);
  if (exits(cpu, instruction, { id: 'invpcid' })) return;
  const { number } = registerOf(instruction.operands[0]);
  const at = linearOf(cpu, memoryOf(instruction.operands[1]), DESCRIPTOR_BYTES, false);
  const type = general(cpu, number, cpu.mode64 ? 64 : 32);
  const pcid = cpu.mmu.read(at, 8);
  const address = cpu.mmu.read(at + 8n, 8);
  if (type > LAST_TYPE || shiftRight(pcid, PCID_BITS) !== 0n) cpu.generalProtection();
  const one = type === INDIVIDUAL || type === SINGLE;
  if (one && pcid !== 0n && (cpu.W[2 * SLOT.cr4] & CR4.pcide) === 0) cpu.generalProtection();
  if (type === INDIVIDUAL && !isCanonical(address, linearAddressWidth(cpu.cpuid))) cpu.generalProtection();
  cpu.mmu.invalidate(dropOf(Number(type), Number(pcid), address));
};

export const INVALIDATION_ROWS = [systemRow('invlpg', invalidatePage), systemRow('invpcid', invalidatePcid)];
