"""The append-only ledger: facts of every message, their fold, and what follows from it."""
