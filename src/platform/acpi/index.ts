export { ACPI_TABLES, acpiTables, type PlacedTable, WAKING_VECTOR_ADDRESS } from './tables';
