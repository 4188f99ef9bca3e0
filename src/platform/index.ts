export * from './board';
export * from './debug-exit';
export * from './device';
export * from './fw-cfg';
export * from './interrupt-controller-8259';
export * from './local-apic';
export * from './uart-16550';
