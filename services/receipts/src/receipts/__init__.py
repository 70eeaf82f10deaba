"""Keeps the ledger of every message, settles it and tells the customer."""
