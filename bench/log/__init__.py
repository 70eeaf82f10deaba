"""The message log over a full ledger."""
