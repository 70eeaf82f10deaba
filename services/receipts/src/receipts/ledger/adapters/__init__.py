"""The ledger's ports, implemented."""
