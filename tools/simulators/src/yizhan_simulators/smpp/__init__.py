"""The carriers over SMPP 3.4."""
