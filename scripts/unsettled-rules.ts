/** Why a rule is off: by the beginning of its id, the longest that fits. */
const REASONS: Readonly<Record<string, string>> = {
  'basic.vmresume-after-vmxoff':
    'instruction error 6 is listed, but its place among the basic checks is not; other implementations never raise it',
  'ctl.tpr-shadow.ipi-virtualization': 'IPI virtualization: no edition at hand says which checks it brings',
  'ctl.ipi.': 'IPI virtualization: no edition at hand says which checks it brings',
  'ctl.hlat.': 'HLAT paging: no edition at hand says which checks it brings',
  'ctl.paging-write.': 'EPT paging-write control: no edition at hand says that it needs EPT',
  'ctl.guest-paging-verification.': 'guest-paging verification: no edition at hand says that it needs EPT',
  'ctl.pasid-': 'PASID translation: no edition at hand says which checks it brings',
  'smm.executive-vmcs.':
    'the order among the checks of the executive VMCS is not stated, and SMM is not built',
  'host.spec-ctrl.': 'the load of IA32_SPEC_CTRL is announced for parts to come',
  'guest.spec-ctrl.': 'the load of IA32_SPEC_CTRL is announced for parts to come',
  'host.fred-': 'FRED is announced for parts to come: one other implementation alone has these checks',
  'host.address-space.host32-fred': 'FRED is announced for parts to come',
  'guest.fred-': 'FRED is announced for parts to come: one other implementation alone has these checks',
  'guest.ssp.high': 'one other implementation has it; no edition at hand says it of the guest',
};

/** Why a rule that no source settles is off; undefined for a rule of which nothing is known. */
export const whyOff = (id: string): string | undefined => {
  const found = Object.keys(REASONS)
    .filter((beginning) => id.startsWith(beginning))
    .sort((a, b) => b.length - a.length)[0];
  return found === undefined ? undefined : REASONS[found];
};
