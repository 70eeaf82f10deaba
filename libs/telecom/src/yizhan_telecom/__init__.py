"""Pure rules: segments, charging, reasons, attempts, health, choice. No I/O, no clock."""
